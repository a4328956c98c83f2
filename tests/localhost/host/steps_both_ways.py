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
DEEP = 1_000


def request(name: str) -> str:
    """Return the first step of an orchestration, as the trigger's binding has it."""
    events = [
        helpers.new_orchestrator_started_event(),
        helpers.new_execution_started_event(name, "one", INPUTS.get(name, "1")),
    ]
    return base64.b64encode(pb.OrchestratorRequest(instanceId="one", newEvents=events).SerializeToString()).decode()


def shown(text: str) -> Any:
    return json_format.MessageToDict(pb.OrchestratorResponse.FromString(base64.b64decode(text)))


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
        body = request(function.task_name)
        library = await worker.invoke(function, {str(function.trigger["name"]): datum(body, "string")})
        in_a_thread = await worker.step(function, body, DEEP)
        worker._quick.learn(function.function_id, DEEP, 0.0)
        at_once = await worker.step(function, body, DEEP)
        answers = [library.value.value if library.value else None, in_a_thread.value, at_once.value]
        found[function.name] = {
            "answers": [shown(answer) if answer else None for answer in answers],
            "errors": [repr(outcome.error) for outcome in (library, in_a_thread, at_once)],
            "said": list(said),
        }
        said.clear()
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(compare(Worker(Path(sys.argv[1]))))))
