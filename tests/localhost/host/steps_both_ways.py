"""Make a step of each orchestrator of an app in each way that the host has, and print what came of it as JSON.

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
from google.protobuf import json_format

from localhost.host.worker import Worker, datum

INPUTS = {"first_style": "[1, 2]", "with_a_type": '{"a": 1}'}


def request(name: str) -> pb.OrchestratorRequest:
    """Return the first step of an orchestration."""
    events = [
        helpers.new_orchestrator_started_event(),
        helpers.new_execution_started_event(name, "one", INPUTS.get(name, "1")),
    ]
    return pb.OrchestratorRequest(instanceId="one", newEvents=events)


def decoded(text: str) -> pb.OrchestratorResponse:
    return pb.OrchestratorResponse.FromString(base64.b64decode(text))


async def compare(worker: Worker) -> dict[str, dict[str, Any]]:
    said: list[tuple[str, str | None]] = []
    listener = logging.Handler()
    listener.emit = lambda record: said.append((record.getMessage(), worker.running()))
    logging.getLogger("app").addHandler(listener)
    logging.getLogger("app").setLevel(logging.INFO)
    found: dict[str, dict[str, Any]] = {}
    for function in worker.load():
        if function.kind != "orchestration" or function.name.startswith("BuiltIn"):
            continue
        asked = request(function.task_name)
        body = base64.b64encode(asked.SerializeToString()).decode()
        library = await worker.invoke(function, {str(function.trigger["name"]): datum(body, "string")})
        outcomes, answers = [library], [library.value and decoded(library.value.value)]
        if worker.makes_steps_of(function):
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
