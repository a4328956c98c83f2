"""Any task hub, served to ``durabletask`` clients and workers over gRPC on loopback.

A waiting client costs a coroutine, not a thread.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb
import grpc
from google.protobuf import empty_pb2
from google.protobuf.message_factory import GetMessageClass

from localhost.hub.interface import (
    HubError,
    InstanceConflictError,
    InstanceStateError,
    InvalidRequestError,
    Milestone,
    PayloadTooLargeError,
    StorageError,
    TaskHub,
    UnknownInstanceError,
    UnsupportedError,
    WorkKind,
)
from localhost.hub.transport.server import CallError, GrpcServer, Method, Streaming, Unary
from localhost.hub.work_stream import WorkStreams

type Operation = Callable[[Any], Awaitable[Any]]
type StreamOperation = Callable[[Any], AsyncGenerator[Any]]

# What a worker answers is taken, however large: refused, its item would be out for ever. The hub fails it for its size.
ANSWERS = ("CompleteOrchestratorTask", "CompleteActivityTask", "CompleteEntityTask")
EVENTS_PER_CHUNK = 100
BYTES_PER_CHUNK = 2 * 1024 * 1024  # clients take 4 MB a message unless told otherwise


class TaskHubServer(GrpcServer):
    """The gRPC address of a hub."""

    def __init__(self, hub: TaskHub) -> None:
        streams = WorkStreams(hub)
        super().__init__(
            _methods({**_for_clients(hub), **_for_workers(hub, streams)}, {**_history_stream(hub), **_work(streams)})
        )


def methods_for_clients(hub: TaskHub) -> dict[str, Method]:
    """Return what clients may call, by path, for those who are in this process."""
    return _methods(_for_clients(hub), _history_stream(hub))


def _methods(unary: dict[str, Operation], streaming: dict[str, StreamOperation]) -> dict[str, Method]:
    """Give every operation its path and the type of its request; the service's other operations do not exist here."""
    service = pb.DESCRIPTOR.services_by_name["TaskHubSidecarService"]

    def path(name: str) -> str:
        return f"/{service.full_name}/{name}"

    def decode(name: str) -> Callable[[bytes], Any]:
        return GetMessageClass(service.methods_by_name[name].input_type).FromString

    return {
        **{path(name): Unary(decode(name), _refusing(operation), name in ANSWERS) for name, operation in unary.items()},
        **{path(name): Streaming(decode(name), _refusing_stream(operation)) for name, operation in streaming.items()},
    }


def _for_clients(hub: TaskHub) -> dict[str, Operation]:
    """Return the operations of those who start, watch and steer orchestrations."""

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

    return {
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

    async def create_hub(request: pb.CreateTaskHubRequest) -> pb.CreateTaskHubResponse:
        if request.recreateIfExists:  # it is there since the host started
            await hub.clear()
        return pb.CreateTaskHubResponse()

    async def delete_hub(_request: pb.DeleteTaskHubRequest) -> pb.DeleteTaskHubResponse:
        await hub.clear()
        return pb.DeleteTaskHubResponse()

    return {
        "CompleteOrchestratorTask": _told(streams.complete_orchestration, pb.CompleteTaskResponse),
        "CompleteActivityTask": _told(streams.complete_activity, pb.CompleteTaskResponse),
        "CompleteEntityTask": _told(streams.complete_entity, pb.CompleteTaskResponse),
        "AbandonTaskOrchestratorWorkItem": abandon("orchestration", pb.AbandonOrchestrationTaskResponse),
        "AbandonTaskActivityWorkItem": abandon("activity", pb.AbandonActivityTaskResponse),
        "AbandonTaskEntityWorkItem": abandon("entity", pb.AbandonEntityTaskResponse),
        "SkipGracefulOrchestrationTerminations": terminate_now,
        "CreateTaskHub": create_hub,
        "DeleteTaskHub": delete_hub,
    }


def _work(streams: WorkStreams) -> dict[str, StreamOperation]:
    return {"GetWorkItems": streams.stream}


def _history_stream(hub: TaskHub) -> dict[str, StreamOperation]:
    async def stream_history(request: pb.StreamInstanceHistoryRequest) -> AsyncGenerator[pb.HistoryChunk]:
        events = await hub.history(request.instanceId)
        chunk, size = pb.HistoryChunk(), 0
        for event in events:
            if chunk.events and (len(chunk.events) == EVENTS_PER_CHUNK or size + event.ByteSize() > BYTES_PER_CHUNK):
                yield chunk
                chunk, size = pb.HistoryChunk(), 0
            chunk.events.append(event)
            size += event.ByteSize()
        if chunk.events:
            yield chunk

    return {"StreamInstanceHistory": stream_history}


def _refusing(operation: Operation) -> Operation:
    async def refusing(request: Any) -> Any:
        try:
            return await operation(request)
        except HubError as error:
            raise _refusal(error) from error

    return refusing


def _refusing_stream(operation: StreamOperation) -> StreamOperation:
    async def refusing(request: Any) -> AsyncGenerator[Any]:
        try:
            async with aclosing(operation(request)) as answers:
                async for answer in answers:
                    yield answer
        except HubError as error:
            raise _refusal(error) from error

    return refusing


def _refusal(error: HubError) -> CallError:
    codes: dict[type[HubError], grpc.StatusCode] = {
        UnknownInstanceError: grpc.StatusCode.NOT_FOUND,
        InstanceConflictError: grpc.StatusCode.ALREADY_EXISTS,
        InstanceStateError: grpc.StatusCode.FAILED_PRECONDITION,
        InvalidRequestError: grpc.StatusCode.INVALID_ARGUMENT,
        PayloadTooLargeError: grpc.StatusCode.RESOURCE_EXHAUSTED,
        StorageError: grpc.StatusCode.UNAVAILABLE,
        UnsupportedError: grpc.StatusCode.UNIMPLEMENTED,
    }
    return CallError(codes.get(type(error), grpc.StatusCode.INTERNAL), str(error))


def _found(state: pb.OrchestrationState | None) -> pb.GetInstanceResponse:
    return pb.GetInstanceResponse(exists=state is not None, orchestrationState=state)
