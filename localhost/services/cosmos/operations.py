"""What each request asks of the store: from headers and body to a status and a body.

One ``Request`` in, one ``Answer`` out; nothing here knows of ASGI.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from localhost.services.cosmos import resources
from localhost.services.cosmos.batch import run_batch
from localhost.services.cosmos.errors import bad_request, not_supported
from localhost.services.cosmos.items import Item, Partition, Preconditions
from localhost.services.cosmos.partition import partition_from_header
from localhost.services.cosmos.query import page_size, run_query
from localhost.services.cosmos.resources import Container
from localhost.services.cosmos.sql import parse_condition, parse_query

RID_MISMATCH = 1024
ONLY_RANGE: Mapping[str, Any] = {
    "_rid": "",
    "id": "0",
    "minInclusive": "",
    "maxExclusive": "FF",
    "status": "online",
    "parents": [],
}
RANGES_ETAG = '"1"'


@dataclass(frozen=True, slots=True)
class Request:
    """One call: ``path`` is decoded, header names are in lower case, ``body`` is JSON or None."""

    method: str
    path: tuple[str, ...]
    headers: Mapping[str, str]
    body: Any
    now: float

    def flag(self, name: str) -> bool:
        """Tell whether the header ``name`` says true."""
        return self.headers.get(name, "").lower() == "true"

    def object(self) -> dict[str, Any]:
        """Return the body, which must be a JSON object."""
        if not isinstance(self.body, dict):
            raise bad_request("The request body must be a JSON object.")
        return cast("dict[str, Any]", self.body)

    @property
    def preconditions(self) -> Preconditions:
        """What the request wants to hold of the item."""
        return Preconditions(self.headers.get("if-match"), self.headers.get("if-none-match"))


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back; ``container`` is set where the answer is about items."""

    status: int
    body: str = ""
    etag: str = ""
    container: Container | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def serve_databases(tx: sqlite3.Connection, request: Request) -> Answer:
    """``/dbs`` and ``/dbs/{database}``."""
    match request.method, *request.path:
        case "GET", _:
            return _feed("Databases", resources.list_databases(tx))
        case "POST", _:
            if request.flag("x-ms-documentdb-isquery"):
                raise not_supported("queries over databases")
            return Answer(201, resources.create_database(tx, request.object(), request.now))
        case "GET", _, database:
            return Answer(200, resources.read_database(tx, database))
        case "DELETE", _, database:
            resources.delete_database(tx, database)
            return Answer(204)
        case _:
            raise not_supported(_named(request))


def serve_containers(tx: sqlite3.Connection, request: Request) -> Answer:
    """``/dbs/{database}/colls`` and ``/dbs/{database}/colls/{container}``."""
    database = request.path[1]
    match request.method, *request.path[2:]:
        case "GET", _:
            return _feed("DocumentCollections", resources.list_containers(tx, database))
        case "POST", _:
            if request.flag("x-ms-documentdb-isquery"):
                raise not_supported("queries over containers")
            return Answer(201, resources.create_container(tx, database, request.object(), request.now))
        case "GET", _, container:
            return Answer(200, resources.read_container(tx, database, container))
        case "PUT", _, container:
            return Answer(200, resources.replace_container(tx, database, container, request.object(), request.now))
        case "DELETE", _, container:
            resources.delete_container(tx, database, container)
            return Answer(204)
        case _:
            raise not_supported(_named(request))


def serve_ranges(tx: sqlite3.Connection, request: Request) -> Answer:
    """``/dbs/{database}/colls/{container}/pkranges``: there is one range, and it never changes."""
    container = resources.find_container(tx, request.path[1], request.path[3])
    if request.headers.get("if-none-match") == RANGES_ETAG:
        return Answer(304, etag=RANGES_ETAG)  # the client asks until it hears this
    ranges = json.dumps({"_rid": container.rid, "PartitionKeyRanges": [dict(ONLY_RANGE)], "_count": 1})
    return Answer(200, ranges, etag=RANGES_ETAG)


def serve_items(tx: sqlite3.Connection, request: Request) -> Answer:
    """``/dbs/{database}/colls/{container}/docs`` and ``.../docs/{id}``."""
    container = resources.find_container(tx, request.path[1], request.path[3])
    if request.headers.get("x-ms-cosmos-intended-collection-rid", container.rid) != container.rid:
        raise bad_request("The container was deleted and created anew.", substatus=RID_MISMATCH)
    partition = _partition(tx, container, request)
    if len(request.path) == 6:
        return _serve_item(partition, request.path[5], request)
    if request.method != "POST":
        raise not_supported(_named(request))
    if request.flag("x-ms-cosmos-is-batch-request"):
        if not request.flag("x-ms-cosmos-batch-atomic"):
            raise not_supported("batches that are not atomic (bulk)")
        status, results = run_batch(partition, request.body)
        return Answer(status, results, container=container)
    if request.flag("x-ms-documentdb-isquery"):
        return _query(partition, request)
    if request.flag("x-ms-documentdb-is-upsert"):
        item, new = partition.upsert(request.object(), request.preconditions)
        return _stored(201 if new else 200, item, partition)
    return _stored(201, partition.create(request.object(), request.preconditions), partition)


def _serve_item(partition: Partition, name: str, request: Request) -> Answer:
    match request.method:
        case "GET":
            item = partition.get(name)
            if request.preconditions.unchanged(item):
                return Answer(304, etag=item.etag, container=partition.container)
            return _stored(200, item, partition)
        case "PUT":
            return _stored(200, partition.replace(name, request.object(), request.preconditions), partition)
        case "PATCH":
            body = request.object()
            condition = parse_condition(body.get("condition"))
            item = partition.patch(name, body.get("operations"), condition, request.preconditions)
            return _stored(200, item, partition)
        case "DELETE":
            partition.delete(name, request.preconditions)
            return Answer(204, container=partition.container)
        case _:
            raise not_supported(_named(request))


def _query(partition: Partition, request: Request) -> Answer:
    body = request.object()
    text = body.get("query")
    if not isinstance(text, str):
        raise bad_request("The body of a query is an object with `query` and `parameters`.")
    query = parse_query(text, _parameters(body.get("parameters") or []))
    size = page_size(request.headers.get("x-ms-max-item-count"))
    continuation = request.headers.get("x-ms-continuation")
    page = run_query(query, partition.scan(), text=text, size=size, continuation=continuation)
    results = {"_rid": partition.container.rid, "Documents": page.results, "_count": len(page.results)}
    headers = {"x-ms-item-count": str(len(page.results))}
    if page.continuation:
        headers["x-ms-continuation"] = page.continuation
    return Answer(200, json.dumps(results), container=partition.container, headers=headers)


def _parameters(given: Any) -> dict[str, Any]:
    """Return the values of a query's parameters by name; one without a value is null."""
    if not isinstance(given, list):
        raise bad_request("`parameters` is a list of objects with `name` and `value`.")
    values: dict[str, Any] = {}
    for parameter in cast("list[Any]", given):
        if not isinstance(parameter, dict) or not isinstance(cast("dict[str, Any]", parameter).get("name"), str):
            raise bad_request(f"{parameter!r} is not a parameter with a `name`.")
        values[parameter["name"]] = cast("dict[str, Any]", parameter).get("value")
    return values


def _partition(tx: sqlite3.Connection, container: Container, request: Request) -> Partition:
    if request.headers.get("a-im"):
        raise not_supported("the change feed")
    if request.flag("x-ms-cosmos-is-query-plan-request"):
        raise not_supported("query plans")
    for name in ("x-ms-documentdb-pre-trigger-include", "x-ms-documentdb-post-trigger-include"):
        if request.headers.get(name):
            raise not_supported("triggers")
    key = partition_from_header(request.headers.get("x-ms-documentdb-partitionkey"))
    if key is None:
        if len(request.path) == 6 or not (request.flag("x-ms-documentdb-isquery") or request.method == "GET"):
            raise bad_request("PartitionKey value must be supplied for this operation.")
        raise bad_request(
            "Cross partition query is required but the local Cosmos DB stand-in serves one partition at a time; "
            "pass partition_key."
        )
    return Partition(tx, container, key, request.now)


def _stored(status: int, item: Item, partition: Partition) -> Answer:
    return Answer(status, item.body, item.etag, partition.container)


def _feed(name: str, bodies: list[str]) -> Answer:
    return Answer(200, f'{{"_rid": "", "{name}": [{", ".join(bodies)}], "_count": {len(bodies)}}}')


def _named(request: Request) -> str:
    kinds = ("dbs", "{database}", "colls", "{container}", "docs", "{id}")
    return f"{request.method} /{'/'.join(kinds[: len(request.path)])}"


def is_read(request: Request) -> bool:
    """Tell whether the request changes nothing, so that it need not queue up behind writers."""
    return request.method == "GET" or request.flag("x-ms-documentdb-isquery")
