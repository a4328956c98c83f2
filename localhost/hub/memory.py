"""The task hub that forgets: everything in this process's memory, for tests and first looks."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any, ClassVar, NoReturn, Protocol

import durabletask.internal.orchestrator_service_pb2 as pb
import grpc

from localhost.hub.interface import (
    TERMINAL,
    HubError,
    InstanceConflictError,
    InstanceStateError,
    Milestone,
    UnknownInstanceError,
    UnsupportedError,
    Wanted,
    WorkKind,
)
from localhost.hub.memory_backend import EventLoopBackend


class _Done:
    """Something to wait for that has happened."""

    def __await__(self) -> Generator[None]:
        yield from ()


_DONE = _Done()


class MemoryHub:
    """A ``TaskHub`` over ``EventLoopBackend``; all of it runs on the event loop that called ``start``."""

    kind = "in memory (gone when the host stops)"

    def __init__(self, default_version: str = "") -> None:
        """Make a hub that gives ``default_version`` to instances that name none."""
        self._default_version = default_version
        self._work = {kind: asyncio.Event() for kind in ("orchestration", "activity", "entity")}
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    async def start(self) -> None:
        """Open the hub, empty."""
        loop = asyncio.get_running_loop()
        self._backend = EventLoopBackend(loop.call_later, self._wake, self._settled, self._default_version)

    async def clear(self) -> None:
        """Forget everything, and tell whoever waits for some of it."""
        await self.start()
        for instance_id in list(self._waiting):
            self._settled(instance_id)

    async def stop(self) -> None:
        """Nothing to close: the memory goes with the process."""

    # Work

    async def take(self, kind: WorkKind, wanted: Wanted | None = None) -> pb.WorkItem:
        """Wait for the next item of ``kind``; it leaves as soon as it is enqueued."""
        if wanted is not None:
            raise UnsupportedError("The hub in memory does not filter work items; use the durable one.")
        taking: dict[WorkKind, Callable[[], pb.WorkItem | None]] = {
            "orchestration": self._backend.take_orchestration,
            "activity": self._backend.take_activity,
            "entity": self._backend.take_entity,
        }
        while (item := taking[kind]()) is None:
            self._work[kind].clear()
            await self._work[kind].wait()
        return item

    def complete_orchestration(self, response: pb.OrchestratorResponse) -> Awaitable[None]:
        """Commit one step of an orchestration."""
        self._call(self._backend.CompleteOrchestratorTask, response)
        return _DONE

    def complete_activity(self, response: pb.ActivityResponse) -> Awaitable[None]:
        """Deliver an activity's result or failure."""
        self._call(self._backend.CompleteActivityTask, response)
        return _DONE

    def complete_entity(self, result: pb.EntityBatchResult) -> Awaitable[None]:
        """Commit an entity's batch."""
        self._call(self._backend.CompleteEntityTask, result)
        return _DONE

    async def abandon(self, kind: WorkKind, token: str, *, declined: bool = False) -> None:  # noqa: ARG002  # it counts nothing
        """Give an item back untouched."""
        match kind:
            case "activity":
                self._backend.abandon_activity(token)
            case "orchestration":
                request = pb.AbandonOrchestrationTaskRequest(completionToken=token)
                self._call(self._backend.AbandonTaskOrchestratorWorkItem, request)
            case "entity":
                self._call(self._backend.AbandonTaskEntityWorkItem, pb.AbandonEntityTaskRequest(completionToken=token))

    # Instances

    async def start_instance(self, request: pb.CreateInstanceRequest) -> str:
        """Start an orchestration and return its instance id."""
        return self._call(self._backend.StartInstance, request).instanceId

    async def get_instance(self, instance_id: str, *, payloads: bool) -> pb.OrchestrationState | None:
        """Return what is known of an instance."""
        request = pb.GetInstanceRequest(instanceId=instance_id, getInputsAndOutputs=payloads)
        response = self._call(self._backend.GetInstance, request)
        return response.orchestrationState if response.exists else None

    async def wait_for_instance(
        self, instance_id: str, milestone: Milestone, *, payloads: bool
    ) -> pb.OrchestrationState | None:
        """Return as ``get_instance`` does, once ``milestone`` is reached."""
        while (state := await self.get_instance(instance_id, payloads=payloads)) is not None:
            status = state.orchestrationStatus
            if status in TERMINAL or (milestone == "started" and status != pb.ORCHESTRATION_STATUS_PENDING):
                break
            change = asyncio.get_running_loop().create_future()
            waiting = self._waiting.setdefault(instance_id, set())
            waiting.add(change)
            try:
                await change
            finally:
                waiting.discard(change)
        return state

    async def history(self, instance_id: str) -> Sequence[pb.HistoryEvent]:
        """Return everything that happened to an instance."""
        request = pb.StreamInstanceHistoryRequest(instanceId=instance_id)
        return [event for chunk in self._call(self._backend.StreamInstanceHistory, request) for event in chunk.events]

    async def query_instances(self, query: pb.InstanceQuery) -> pb.QueryInstancesResponse:
        """Return one page of the instances that match."""
        return self._call(self._backend.QueryInstances, pb.QueryInstancesRequest(query=query))

    async def list_instance_ids(self, request: pb.ListInstanceIdsRequest) -> pb.ListInstanceIdsResponse:
        """Return one page of the ids of instances that are over."""
        return self._call(self._backend.ListInstanceIds, request)

    async def raise_event(self, request: pb.RaiseEventRequest) -> None:
        """Deliver an external event."""
        self._call(self._backend.RaiseEvent, request)

    async def terminate(self, request: pb.TerminateRequest) -> None:
        """End an instance where it stands."""
        self._call(self._backend.TerminateInstance, request)

    async def suspend(self, request: pb.SuspendRequest) -> None:
        """Hold an instance."""
        self._call(self._backend.SuspendInstance, request)

    async def resume(self, request: pb.ResumeRequest) -> None:
        """Let a suspended instance go on."""
        self._call(self._backend.ResumeInstance, request)

    async def rewind(self, request: pb.RewindInstanceRequest) -> None:
        """Let a failed instance try again."""
        self._call(self._backend.RewindInstance, request)

    async def restart(self, request: pb.RestartInstanceRequest) -> str:
        """Run an instance that is over again."""
        return self._call(self._backend.RestartInstance, request).instanceId

    async def purge(self, request: pb.PurgeInstancesRequest) -> pb.PurgeInstancesResponse:
        """Forget instances that are over."""
        response = self._call(self._backend.PurgeInstances, request)
        for instance_id in list(self._waiting):
            self._settled(instance_id)  # whoever waits for one that is gone learns it now
        return response

    # Entities

    async def signal_entity(self, request: pb.SignalEntityRequest) -> None:
        """Send an operation to an entity."""
        self._call(self._backend.SignalEntity, request)

    async def get_entity(self, request: pb.GetEntityRequest) -> pb.GetEntityResponse:
        """Return an entity's state and metadata; as in Azure, one without a state does not exist."""
        wanted = pb.GetEntityRequest(instanceId=request.instanceId, includeState=True)
        found: pb.GetEntityResponse = self._call(self._backend.GetEntity, wanted)
        found.exists = found.entity.HasField("serializedState")
        if not request.includeState:
            found.entity.ClearField("serializedState")
        return found

    async def query_entities(self, request: pb.QueryEntitiesRequest) -> pb.QueryEntitiesResponse:
        """Return one page of the entities that match."""
        return self._call(self._backend.QueryEntities, request)

    async def clean_entities(self, request: pb.CleanEntityStorageRequest) -> pb.CleanEntityStorageResponse:
        """Remove empty entities and release orphaned locks."""
        return self._call(self._backend.CleanEntityStorage, request)

    def _call[Request, Response](self, method: "_Method[Request, Response]", request: Request) -> Response:
        return method(request, _Call())

    def _wake(self) -> None:
        for event in self._work.values():
            event.set()

    def _settled(self, instance_id: str) -> None:
        for change in self._waiting.pop(instance_id, ()):
            if not change.done():
                change.set_result(None)


class _Method[Request, Response](Protocol):
    """A method of the backend, as gRPC would call it."""

    def __call__(self, request: Request, context: Any, /) -> Response: ...


class _Call:
    """What the backend knows of its caller: whom to tell that it cannot be done."""

    _errors: ClassVar[dict[grpc.StatusCode, type[HubError]]] = {
        grpc.StatusCode.NOT_FOUND: UnknownInstanceError,
        grpc.StatusCode.ALREADY_EXISTS: InstanceConflictError,
        grpc.StatusCode.FAILED_PRECONDITION: InstanceStateError,
        grpc.StatusCode.UNIMPLEMENTED: UnsupportedError,
    }

    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        """Say no, the way this hub does."""
        raise self._errors.get(code, HubError)(details)
