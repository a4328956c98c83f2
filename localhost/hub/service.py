"""Any task hub, served to ``durabletask`` clients and workers over gRPC on loopback.

A waiting client costs a coroutine, not a thread.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb
import durabletask.internal.orchestrator_service_pb2_grpc as stubs
import grpc
from google.protobuf import empty_pb2

from localhost.hub.interface import (
    HubError,
    InstanceConflictError,
    Milestone,
    TaskHub,
    UnknownInstanceError,
    UnsupportedError,
    WorkKind,
)
from localhost.hub.work_stream import WorkStreams

type Context = grpc.aio.ServicerContext[Any, Any]
type Operation = Callable[[Any], Awaitable[Any]]

MAX_MESSAGE = 64 * 1024 * 1024
EVENTS_PER_CHUNK = 100


class TaskHubServer:
    """The gRPC address of a hub."""

    def __init__(self, hub: TaskHub) -> None:
        limits = [("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.max_send_message_length", MAX_MESSAGE)]
        # A second host must get an error, not half of the first one's calls.
        self._server = grpc.aio.server(options=[*limits, ("grpc.so_reuseport", 0)])
        stubs.add_TaskHubSidecarServiceServicer_to_server(_servicer(hub), self._server)  # pyright: ignore[reportUnknownMemberType]  # generated, untyped

    async def start(self) -> str:
        """Listen, and return the address as ``host:port``."""
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return f"127.0.0.1:{port}"

    async def stop(self) -> None:
        """Stop listening; calls under way get a moment to end."""
        await self._server.stop(grace=0.2)


def _servicer(hub: TaskHub) -> stubs.TaskHubSidecarServiceServicer:
    """Answer every operation of the service with the hub's method for it; the rest stays unimplemented."""

    async def hello(_request: empty_pb2.Empty) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    async def start(request: pb.CreateInstanceRequest) -> pb.CreateInstanceResponse:
        return pb.CreateInstanceResponse(instanceId=await hub.start_instance(request))

    async def get(request: pb.GetInstanceRequest) -> pb.GetInstanceResponse:
        return _found(await hub.get_instance(request.instanceId, payloads=request.getInputsAndOutputs))

    def wait_for(milestone: Milestone) -> Operation:
        async def wait(request: pb.GetInstanceRequest) -> pb.GetInstanceResponse:
            payloads = request.getInputsAndOutputs
            return _found(await hub.wait_for_instance(request.instanceId, milestone, payloads=payloads))

        return wait

    async def query(request: pb.QueryInstancesRequest) -> pb.QueryInstancesResponse:
        return await hub.query_instances(request.query)

    async def restart(request: pb.RestartInstanceRequest) -> pb.RestartInstanceResponse:
        return pb.RestartInstanceResponse(instanceId=await hub.restart(request))

    operations: dict[str, Operation] = {
        "Hello": hello,
        "StartInstance": start,
        "GetInstance": get,
        "WaitForInstanceStart": wait_for("started"),
        "WaitForInstanceCompletion": wait_for("completed"),
        "QueryInstances": query,
        "ListInstanceIds": hub.list_instance_ids,
        "RaiseEvent": _told(hub.raise_event, pb.RaiseEventResponse),
        "TerminateInstance": _told(hub.terminate, pb.TerminateResponse),
        "SuspendInstance": _told(hub.suspend, pb.SuspendResponse),
        "ResumeInstance": _told(hub.resume, pb.ResumeResponse),
        "RewindInstance": _told(hub.rewind, pb.RewindInstanceResponse),
        "RestartInstance": restart,
        "PurgeInstances": hub.purge,
        "SignalEntity": _told(hub.signal_entity, pb.SignalEntityResponse),
        "GetEntity": hub.get_entity,
        "QueryEntities": hub.query_entities,
        "CleanEntityStorage": hub.clean_entities,
    }

    streams = WorkStreams(hub)
    servicer = stubs.TaskHubSidecarServiceServicer()
    handlers = {name: _handler(operation) for name, operation in {**operations, **_for_workers(hub, streams)}.items()}
    by_stream = {"StreamInstanceHistory": _history_stream(hub), "GetWorkItems": _work_stream(streams)}
    for name, handler in {**handlers, **by_stream}.items():
        setattr(servicer, name, handler)
    return servicer


def _told[Request](method: Callable[[Request], Awaitable[None]], answer: Callable[[], Any]) -> Operation:
    async def tell(request: Request) -> Any:
        await method(request)
        return answer()

    return tell


def _for_workers(hub: TaskHub, streams: WorkStreams) -> dict[str, Operation]:
    """Return the operations of workers outside this process, and of those who look after hubs."""

    def abandon(kind: WorkKind, answer: Callable[[], Any]) -> Operation:
        async def give_back(request: Any) -> Any:
            await streams.abandon(kind, request.completionToken)
            return answer()

        return give_back

    async def terminate_now(
        request: pb.SkipGracefulOrchestrationTerminationsRequest,
    ) -> pb.SkipGracefulOrchestrationTerminationsResponse:
        missing: list[str] = []
        for instance_id in request.instanceBatch.instanceIds:
            try:
                await hub.terminate(pb.TerminateRequest(instanceId=instance_id, output=request.reason))
            except UnknownInstanceError:
                missing.append(instance_id)
        return pb.SkipGracefulOrchestrationTerminationsResponse(unterminatedInstanceIds=missing)

    async def create_hub(_request: pb.CreateTaskHubRequest) -> pb.CreateTaskHubResponse:
        return pb.CreateTaskHubResponse()  # it is there since the host started

    return {
        "CompleteOrchestratorTask": _told(streams.complete_orchestration, pb.CompleteTaskResponse),
        "CompleteActivityTask": _told(streams.complete_activity, pb.CompleteTaskResponse),
        "CompleteEntityTask": _told(streams.complete_entity, pb.CompleteTaskResponse),
        "AbandonTaskOrchestratorWorkItem": abandon("orchestration", pb.AbandonOrchestrationTaskResponse),
        "AbandonTaskActivityWorkItem": abandon("activity", pb.AbandonActivityTaskResponse),
        "AbandonTaskEntityWorkItem": abandon("entity", pb.AbandonEntityTaskResponse),
        "SkipGracefulOrchestrationTerminations": terminate_now,
        "CreateTaskHub": create_hub,
    }


def _work_stream(streams: WorkStreams) -> Callable[[pb.GetWorkItemsRequest, Context], AsyncIterator[pb.WorkItem]]:
    async def get_work_items(request: pb.GetWorkItemsRequest, context: Context) -> AsyncIterator[pb.WorkItem]:
        try:
            async with aclosing(streams.stream(request)) as items:
                async for item in items:
                    yield item
        except HubError as error:
            await _refuse(context, error)

    return get_work_items


def _history_stream(
    hub: TaskHub,
) -> Callable[[pb.StreamInstanceHistoryRequest, Context], AsyncIterator[pb.HistoryChunk]]:
    async def stream_history(
        request: pb.StreamInstanceHistoryRequest, context: Context
    ) -> AsyncIterator[pb.HistoryChunk]:
        try:
            events = await hub.history(request.instanceId)
        except HubError as error:
            await _refuse(context, error)
            return
        for start in range(0, len(events), EVENTS_PER_CHUNK):
            yield pb.HistoryChunk(events=events[start : start + EVENTS_PER_CHUNK])

    return stream_history


def _handler(operation: Operation) -> Callable[[Any, Context], Awaitable[Any]]:
    async def handle(request: Any, context: Context) -> Any:
        try:
            return await operation(request)
        except HubError as error:
            await _refuse(context, error)

    return handle


async def _refuse(context: Context, error: HubError) -> None:
    codes: dict[type[HubError], grpc.StatusCode] = {
        UnknownInstanceError: grpc.StatusCode.NOT_FOUND,
        InstanceConflictError: grpc.StatusCode.ALREADY_EXISTS,
        UnsupportedError: grpc.StatusCode.UNIMPLEMENTED,
    }
    await context.abort(codes.get(type(error), grpc.StatusCode.INTERNAL), str(error))


def _found(state: pb.OrchestrationState | None) -> pb.GetInstanceResponse:
    return pb.GetInstanceResponse(exists=state is not None, orchestrationState=state)
