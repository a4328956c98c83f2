"""Run an orchestrator for real on an in-memory hub, keep its history, and replay that history.

The hub replays the orchestrator from the top at every step, as any task hub does. ``replay`` gives a recorded
history to today's code, as the host does with orchestrations that were running when a new version is deployed.
The SDK has no public replayer yet, so its internals are used here and nowhere else.
"""

import base64
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import azure.functions as func
import grpc
from azure.durable_functions.internal.serialization import DEFAULT_FUNCTIONS_DATA_CONVERTER
from durabletask.client import OrchestrationState, TaskHubGrpcClient
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.internal.orchestrator_service_pb2_grpc import TaskHubSidecarServiceStub
from durabletask.testing import create_test_backend
from durabletask.worker import TaskHubGrpcWorker
from google.protobuf import json_format

# As the app runs: payloads are plain JSON, and nothing else is silently let through.
os.environ.setdefault("AZURE_FUNCTIONS_DURABLE_STRICT_TYPING", "1")

type Fake = Callable[[Any], Any]

# The converter of the Functions host: the default one accepts payloads that the host refuses.
WIRE: dict[str, Any] = {"data_converter": DEFAULT_FUNCTIONS_DATA_CONVERTER}


@dataclass(frozen=True)
class Run:
    """One orchestration that ended, and everything it did."""

    state: OrchestrationState
    history: Sequence[pb.HistoryEvent]

    @property
    def output(self) -> Any:
        """What it returned."""
        return self.state.get_output()

    @property
    def custom_status(self) -> Any:
        """What it said last."""
        return json.loads(self.state.serialized_custom_status or "null")

    def activities(self) -> list[str]:
        """The names of the activities it called, in order."""
        return [event.taskScheduled.name for event in self.history if event.HasField("taskScheduled")]

    def failures(self) -> list[str]:
        """The messages of the activities that raised, in order."""
        return [e.taskFailed.failureDetails.errorMessage for e in self.history if e.HasField("taskFailed")]

    def timers(self) -> int:
        """How many timers it waited for."""
        return sum(event.HasField("timerCreated") for event in self.history)

    def record(self, path: Path) -> None:
        """Keep this history for the versions to come."""
        path.write_text(json_format.MessageToJson(pb.HistoryChunk(events=self.history)), encoding="utf-8")


class Hub:
    """An in-memory task hub, with fakes in place of the activities."""

    def __init__(self, address: str) -> None:
        self._address = address

    def run(
        self,
        orchestrator: Any,
        payload: Any,
        *,
        activities: Mapping[str, Fake],
        others: Sequence[Any] = (),
        entities: Mapping[str, Any] | None = None,
    ) -> Run:
        """Run ``orchestrator`` to its end; ``others`` are the orchestrators that it calls."""
        with self.working((orchestrator, *others), activities=activities, entities=entities) as client:
            instance_id = client.schedule_new_orchestration(user_function(orchestrator), input=payload)
            return self.ended(client, instance_id)

    @contextmanager
    def working(
        self, orchestrators: Sequence[Any], *, activities: Mapping[str, Fake], entities: Mapping[str, Any] | None = None
    ) -> Iterator[TaskHubGrpcClient]:
        """Have a worker at work, and yield a client to give it some."""
        worker = TaskHubGrpcWorker(host_address=self._address, **WIRE)
        for one in orchestrators:
            worker.add_orchestrator(user_function(one))
        for name, fake in activities.items():
            worker.add_activity(_activity(name, fake))
        for name, entity in (entities or {}).items():
            worker.add_entity(user_function(entity), name=name)
        worker.start()
        try:
            with TaskHubGrpcClient(host_address=self._address, **WIRE) as client:
                yield client
        finally:
            # It takes no more work at once, and a second to end; nobody has to wait for that.
            threading.Thread(target=worker.stop).start()

    def ended(self, client: TaskHubGrpcClient, instance_id: str) -> Run:
        """Return an orchestration at its end."""
        state = client.wait_for_orchestration_completion(instance_id, timeout=40)
        assert state is not None, "the orchestration did not end in 40 s"
        return Run(state, self._history(instance_id))

    def _history(self, instance_id: str) -> list[pb.HistoryEvent]:
        request = pb.StreamInstanceHistoryRequest(instanceId=instance_id)
        with grpc.insecure_channel(self._address) as channel:
            chunks = TaskHubSidecarServiceStub(channel).StreamInstanceHistory(request)
            return [event for chunk in chunks for event in chunk.events]


@contextmanager
def in_memory_hub() -> Iterator[Hub]:
    """Open a hub on a free port."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    backend = create_test_backend(port=port)
    try:
        yield Hub(f"localhost:{port}")
    finally:
        backend.stop()


def replay(orchestrator: Any, path: Path) -> Any:
    """Return the output that today's code gives the history at ``path``; fail where it cannot follow it."""
    actions = replayed(orchestrator, path)
    endings = [action.completeOrchestration for action in actions if action.HasField("completeOrchestration")]
    assert endings, f"the history ends here, but the code goes on: {actions}"
    assert not endings[0].failureDetails.errorType, endings[0].failureDetails.errorMessage
    return json.loads(endings[0].result.value or "null")


def replayed(orchestrator: Any, path: Path) -> Sequence[pb.OrchestratorAction]:
    """Return what today's code asks for at the end of the history at ``path``."""
    events = [event for event in _events(path) if not event.HasField("executionCompleted")]
    last = max(position for position, event in enumerate(events) if event.HasField("orchestratorStarted"))
    request = pb.OrchestratorRequest(instanceId="replay", pastEvents=events[:last], newEvents=events[last:])
    context = func.OrchestrationContext(base64.b64encode(request.SerializeToString()).decode())
    body = df.Orchestrator(user_function(orchestrator)).handle(context)
    return pb.OrchestratorResponse.FromString(base64.b64decode(body)).actions


def recorded_output(path: Path) -> Any:
    """Return the output at the end of the history at ``path``."""
    [ending] = [event.executionCompleted for event in _events(path) if event.HasField("executionCompleted")]
    return json.loads(ending.result.value or "null")


def user_function(decorated: Any) -> Any:
    """Return what was written under a Durable Functions decorator."""
    function = decorated.build().get_user_function() if hasattr(decorated, "build") else decorated
    for name in ("orchestrator_function", "entity_function"):
        function = getattr(function, name, function)
    return function


def _events(path: Path) -> Sequence[pb.HistoryEvent]:
    return json_format.Parse(path.read_text(encoding="utf-8"), pb.HistoryChunk()).events


def _activity(name: str, fake: Fake) -> Callable[[Any, Any], Any]:
    def activity(_context: Any, payload: Any) -> Any:
        return fake(payload)

    activity.__name__ = name
    return activity
