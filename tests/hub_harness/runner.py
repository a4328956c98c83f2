"""The SDK's own worker, fed by a hub directly."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Self

import durabletask.internal.orchestrator_service_pb2 as pb
from durabletask.worker import TaskHubGrpcWorker

from localhost.hub.interface import TAKERS, TaskHub, WorkKind

_QUIET = logging.getLogger("hub_harness.quiet")
_QUIET.setLevel(logging.CRITICAL + 1)


class _Answers:
    """Stands where the gRPC stub would, and keeps what the worker says."""

    def __init__(self) -> None:
        self.orchestration: pb.OrchestratorResponse | None = None
        self.activity: pb.ActivityResponse | None = None
        self.entity: pb.EntityBatchResult | None = None

    def CompleteOrchestratorTask(self, response: pb.OrchestratorResponse) -> None:
        self.orchestration = response

    def CompleteActivityTask(self, response: pb.ActivityResponse) -> None:
        self.activity = response

    def CompleteEntityTask(self, result: pb.EntityBatchResult) -> None:
        self.entity = result


class Runner:
    """Takes work of all kinds and has the SDK do it, on the event loop itself."""

    def __init__(
        self, hub: TaskHub, *functions: Callable[..., Any], entities: tuple[Any, ...] = (), bound: int = 1000
    ) -> None:
        self.hub = hub
        self._bound = bound
        self._worker = TaskHubGrpcWorker(host_address="localhost:1", logger=_QUIET)
        for function in functions:
            names = function.__code__.co_varnames
            if names and names[0] == "ctx":
                self._worker.add_orchestrator(function)
            else:
                self._worker.add_activity(function)
        for entity in entities:
            self._worker.add_entity(entity)
        self._tasks: list[asyncio.Task[None]] = []
        self.under_way: set[asyncio.Task[None]] = set()
        self.steps = 0

    async def __aenter__(self) -> Self:
        for kind in ("orchestration", "activity", "entity"):
            room = asyncio.Semaphore(self._bound)
            self._tasks += [asyncio.create_task(self._pump(kind, room)) for _ in range(TAKERS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    async def _pump(self, kind: WorkKind, room: asyncio.Semaphore) -> None:
        while True:
            await room.acquire()
            item = await self.hub.take(kind)
            completion = asyncio.create_task(self.run(kind, item))
            self.under_way.add(completion)
            completion.add_done_callback(self.under_way.discard)
            completion.add_done_callback(lambda _: room.release())

    async def run(self, kind: WorkKind, item: pb.WorkItem) -> None:
        """Do one item and hand back what came of it."""
        answers = _Answers()
        self.steps += 1
        match kind:
            case "orchestration":
                self._worker._execute_orchestrator(item.orchestratorRequest, answers, item.completionToken)
                assert answers.orchestration is not None
                await self.hub.complete_orchestration(answers.orchestration)
            case "activity":
                await self.hub.complete_activity(self.activity(item))
            case "entity":
                self._worker._execute_entity_batch(item.entityRequestV2, answers, item.completionToken)
                assert answers.entity is not None
                await self.hub.complete_entity(answers.entity)

    def activity(self, item: pb.WorkItem) -> pb.ActivityResponse:
        """Run an activity; any thread may."""
        answers = _Answers()
        self._worker._execute_activity(item.activityRequest, answers, item.completionToken)
        assert answers.activity is not None
        return answers.activity

    async def start(self, name: str, payload: str | None = None, **fields: Any) -> str:
        """Start an orchestration with an encoded input."""
        request = pb.CreateInstanceRequest(name=name, **fields)
        if payload is not None:
            request.input.value = payload
        return await self.hub.start_instance(request)

    async def result(self, instance_id: str) -> pb.OrchestrationState:
        """Return how an orchestration ended."""
        state = await self.hub.wait_for_instance(instance_id, "completed", payloads=True)
        assert state is not None
        return state
