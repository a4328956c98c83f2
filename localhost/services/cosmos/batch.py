"""Transactional batches: several changes of one partition, all of them or none."""

import json
from typing import Any, cast

from localhost.services.cosmos.errors import CosmosError, bad_request
from localhost.services.cosmos.items import Item, Partition, Preconditions
from localhost.services.cosmos.sql import parse_condition

MAX_OPERATIONS = 100
FAILED_DEPENDENCY = 424
MULTI_STATUS = 207


def run_batch(partition: Partition, operations: Any) -> tuple[int, str]:
    """Run ``operations`` in order and return the status and the JSON list of their results.

    When one fails, what the others did is undone, and their results say so (424).
    """
    if not isinstance(operations, list) or not operations:
        raise bad_request("A batch is a list of operations.")
    steps = cast("list[Any]", operations)
    if len(steps) > MAX_OPERATIONS:
        raise bad_request(f"A batch holds at most {MAX_OPERATIONS} operations; this one has {len(steps)}.")
    results: list[str] = []
    status = 200
    partition.tx.execute("SAVEPOINT batch")
    for number, step in enumerate(steps):
        try:
            results.append(_run(partition, step))
        except CosmosError as error:
            partition.tx.execute("ROLLBACK TO batch")
            status, results = MULTI_STATUS, [_result(FAILED_DEPENDENCY)] * len(steps)
            results[number] = _result(error.status, substatus=error.substatus)
            break
    partition.tx.execute("RELEASE batch")
    return status, f"[{', '.join(results)}]"


def _run(partition: Partition, operation: Any) -> str:
    step = _object(operation)
    preconditions = Preconditions(step.get("ifMatch"), step.get("ifNoneMatch"))
    name, body = str(step.get("id", "")), _object(step.get("resourceBody") or {})
    match step.get("operationType"):
        case "Create":
            return _result(201, partition.create(body, preconditions))
        case "Upsert":
            item, new = partition.upsert(body, preconditions)
            return _result(201 if new else 200, item)
        case "Read":
            return _result(200, partition.get(name))
        case "Replace":
            return _result(200, partition.replace(name, body, preconditions))
        case "Patch":
            condition = parse_condition(body.get("condition"))
            return _result(200, partition.patch(name, body.get("operations"), condition, preconditions))
        case "Delete":
            partition.delete(name, preconditions)
            return _result(204)
        case kind:
            raise bad_request(f"There is no operation {kind!r} in a batch.")


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise bad_request(f"{value!r} is not an object.")
    return cast("dict[str, Any]", value)


def _result(status: int, item: Item | None = None, *, substatus: int = 0) -> str:
    head = {"statusCode": status, "subStatusCode": substatus, "requestCharge": 0 if status == FAILED_DEPENDENCY else 1}
    if item is None:
        return json.dumps(head)
    return f'{json.dumps({**head, "eTag": item.etag})[:-1]}, "resourceBody": {item.body}}}'
