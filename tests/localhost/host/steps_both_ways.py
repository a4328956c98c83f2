"""Make a step of each orchestrator and a batch of each entity of an app in each way that the host has.

Prints what came of it as JSON.

python steps_both_ways.py APP
"""

import asyncio
import base64
import json
import logging
import sys
from pathlib import Path
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb
from durabletask.internal import helpers
from google.protobuf import json_format, wrappers_pb2
from google.protobuf.message import Message

from localhost.host.functions import Function
from localhost.host.worker import Worker, datum

INPUTS = {"first_style": "[1, 2]", "with_a_type": '{"a": 1}'}


def request(name: str) -> pb.OrchestratorRequest:
    """Return the first step of an orchestration."""
    events = [
        helpers.new_orchestrator_started_event(),
        helpers.new_execution_started_event(name, "one", INPUTS.get(name, "1")),
    ]
    return pb.OrchestratorRequest(instanceId="one", newEvents=events)


def operations(name: str) -> pb.EntityBatchRequest:
    """Return a batch of three operations, of which the second is unknown or fails."""
    asked = [
        pb.OperationRequest(requestId=str(number), operation=operation, input=wrappers_pb2.StringValue(value="2"))
        for number, operation in enumerate(("add", "fail", "add"))
    ]
    return pb.EntityBatchRequest(
        instanceId=f"@{name}@one", entityState=wrappers_pb2.StringValue(value="5"), operations=asked
    )


def encoded(message: Message) -> Any:
    return datum(base64.b64encode(message.SerializeToString()).decode(), "string")


async def compare_entity(worker: Worker, function: Function) -> dict[str, Any]:
    asked = operations(function.task_name)
    library = await worker.invoke(function, {str(function.trigger["name"]): encoded(asked)})
    directly = await worker.batch(function, asked) if worker.is_direct(function) else library
    answers = [pb.EntityBatchResult.FromString(base64.b64decode(library.value.value)), directly.value]
    for answer in answers:
        for result in answer.results:
            outcome = result.success if result.HasField("success") else result.failure
            outcome.ClearField("startTimeUtc")
            outcome.ClearField("endTimeUtc")
    return {"answers": [json_format.MessageToDict(a) for a in answers], "direct": worker.is_direct(function)}


async def compare(worker: Worker) -> dict[str, dict[str, Any]]:
    said: list[tuple[str, str | None]] = []
    listener = logging.Handler()
    listener.emit = lambda record: said.append((record.getMessage(), worker.running()))
    logging.getLogger("app").addHandler(listener)
    logging.getLogger("app").setLevel(logging.INFO)
    found: dict[str, dict[str, Any]] = {}
    for function in worker.load():
        if function.kind == "entity":
            found[function.name] = await compare_entity(worker, function)
        if function.kind != "orchestration" or function.name.startswith("BuiltIn"):
            continue
        asked = request(function.task_name)
        library = await worker.invoke(function, {str(function.trigger["name"]): encoded(asked)})
        answer = library.value and pb.OrchestratorResponse.FromString(base64.b64decode(library.value.value))
        outcomes, answers = [library], [answer]
        if worker.is_direct(function):
            outcomes.append(await worker.step(function, asked))  # in a thread, as long as it has proven nothing
            worker._quick.learn(function.function_id, len(asked.newEvents), 0.0)
            outcomes.append(await worker.step(function, asked))
            answers += [outcome.value for outcome in outcomes[1:]]
        found[function.name] = {
            "answers": [json_format.MessageToDict(answer) if answer else None for answer in answers],
            "errors": [repr(outcome.error) for outcome in outcomes],
            "said": list(said),
        }
        said.clear()
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(compare(Worker(Path(sys.argv[1]))))))
