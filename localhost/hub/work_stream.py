"""Work for workers outside this process: the streams of ``GetWorkItems``, and what comes back for them."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import durabletask.internal.orchestrator_service_pb2 as pb

from localhost.hub.interface import TAKERS, Wanted, WorkKind, WorkSource

# A worker hangs up on a stream that says nothing for two minutes.
PING_AFTER = 30.0
DEFAULT_BOUND = 100
# A worker that can reads a longer history by itself, in pieces.
STREAMED_HISTORY = 1024 * 1024


@dataclass(slots=True, frozen=True)
class _Out:
    kind: WorkKind
    room: asyncio.Semaphore
    worker: set[str]
    """The tokens of everything that its worker has."""


class WorkStreams:
    """Hands work to workers that listen; what a worker has not answered when it hangs up goes to another."""

    def __init__(self, hub: WorkSource) -> None:
        self._hub = hub
        self._out: dict[str, _Out] = {}
        self._parts: dict[str, pb.OrchestratorResponse] = {}

    async def stream(self, request: pb.GetWorkItemsRequest) -> AsyncGenerator[pb.WorkItem]:
        """Yield work items for as long as the worker listens."""
        outgoing: asyncio.Queue[pb.WorkItem] = asyncio.Queue()
        mine: set[str] = set()
        bounds: dict[WorkKind, int] = {
            "orchestration": request.maxConcurrentOrchestrationWorkItems,
            "activity": request.maxConcurrentActivityWorkItems,
            "entity": request.maxConcurrentEntityWorkItems,
        }
        wishes = _wishes(request)
        reads_histories = pb.WORKER_CAPABILITY_HISTORY_STREAMING in request.capabilities

        async def pump(kind: WorkKind, room: asyncio.Semaphore) -> None:
            while True:
                await room.acquire()
                item = await self._hub.take(kind, wishes.get(kind))
                self._out[item.completionToken] = _Out(kind, room, mine)
                mine.add(item.completionToken)
                if reads_histories and item.ByteSize() > STREAMED_HISTORY and item.orchestratorRequest.pastEvents:
                    del item.orchestratorRequest.pastEvents[:]
                    item.orchestratorRequest.requiresHistoryStreaming = True
                outgoing.put_nowait(item)

        async def ping() -> None:
            while True:
                await asyncio.sleep(PING_AFTER)
                outgoing.put_nowait(pb.WorkItem(healthPing=pb.HealthPing()))

        rooms: dict[WorkKind, asyncio.Semaphore] = {
            kind: asyncio.Semaphore(bound if bound > 0 else DEFAULT_BOUND) for kind, bound in bounds.items()
        }
        tasks = [asyncio.create_task(pump(kind, room)) for kind, room in rooms.items() for _ in range(TAKERS)]
        tasks.append(asyncio.create_task(ping()))
        try:
            while True:
                yield await outgoing.get()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for token in list(mine):
                self._parts.pop(token, None)
                if out := self._out.pop(token, None):
                    await self._hub.abandon(out.kind, token)

    def answered(self, kind: WorkKind, token: str) -> None:
        """Make room for the next item: this one has come back."""
        out = self._out.get(token)
        if out is not None and out.kind == kind:
            del self._out[token]
            out.worker.discard(token)
            out.room.release()

    async def complete_orchestration(self, response: pb.OrchestratorResponse) -> None:
        """Commit a step that a worker did; one that comes in parts, with the last of them."""
        token = response.completionToken
        if response.isPartial:
            if token in self._out:
                self._parts.setdefault(token, pb.OrchestratorResponse()).MergeFrom(response)
            return
        if (parts := self._parts.pop(token, None)) is not None:
            parts.MergeFrom(response)
            response = parts
        self.answered("orchestration", token)
        await self._hub.complete_orchestration(response)

    async def complete_activity(self, response: pb.ActivityResponse) -> None:
        """Deliver what a worker's activity returned."""
        self.answered("activity", response.completionToken)
        await self._hub.complete_activity(response)

    async def complete_entity(self, result: pb.EntityBatchResult) -> None:
        """Commit a batch that a worker did."""
        self.answered("entity", result.completionToken)
        await self._hub.complete_entity(result)

    async def abandon(self, kind: WorkKind, token: str) -> None:
        """Take back what a worker does not want: that it says so shows that it did not die of it."""
        self.answered(kind, token)
        await self._hub.abandon(kind, token, declined=True)


def _wishes(request: pb.GetWorkItemsRequest) -> dict[WorkKind, Wanted]:
    """Return what a worker wants of each kind; one that named no filters wants everything."""
    if not request.HasField("workItemFilters"):
        return {}
    filters = request.workItemFilters
    return {
        "orchestration": _wanted([(f.name, list(f.versions)) for f in filters.orchestrations]),
        "activity": _wanted([(f.name, list(f.versions)) for f in filters.activities]),
        "entity": _wanted([(f.name, []) for f in filters.entities]),
    }


def _wanted(filters: list[tuple[str, list[str]]]) -> Wanted:
    """Accept the names in ``filters``, in any version where none is listed."""
    versions: dict[str, set[str]] = {}
    for name, listed in filters:
        versions.setdefault(name.lower(), set()).update(listed)

    def wanted(name: str, version: str) -> bool:
        accepted = versions.get(name.lower())
        return accepted is not None and (not accepted or version in accepted)

    return wanted
