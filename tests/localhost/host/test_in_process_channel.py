"""Durable clients in the host's process reach the hub without a connection, and cannot tell the difference."""

import asyncio
import json

import azure.durable_functions as df
import durabletask.internal.orchestrator_service_pb2 as pb
import durabletask.internal.orchestrator_service_pb2_grpc as stubs
import grpc
import pytest
from durabletask.client import AsyncTaskHubGrpcClient
from durabletask.internal import shared as sdk_channels

from localhost.host import in_process_channel
from localhost.hub.memory import MemoryHub
from localhost.hub.service import methods_for_clients
from localhost.hub.transport.server import CallError, Streaming

NOBODY = "127.0.0.1:1"  # nothing listens there: what is answered did not go through a socket


def in_process(test):
    """Run a coroutine with a durable client of a hub whose address nobody listens on."""

    def run():
        async def body():
            hub = MemoryHub("")
            await hub.start()
            end = in_process_channel.lead(NOBODY, methods_for_clients(hub))
            client = df.DurableFunctionsClient(json.dumps({"taskHubName": "t", "rpcBaseUrl": f"http://{NOBODY}"}))
            try:
                async with asyncio.timeout(20):
                    await test(hub, client)
            finally:
                await client.close()
                end()
                await hub.stop()

        asyncio.run(body())

    run.__doc__ = test.__doc__
    return run


@in_process
async def test_clients_of_the_process_start_and_watch_orchestrations(hub, client):
    """Starting an orchestration and reading its state work as through a connection."""
    instance_id = await client.schedule_new_orchestration("anything", input={"a": [1]}, instance_id="one")

    state = await client.get_orchestration_state(instance_id)

    assert (instance_id, state.name, state.serialized_input) == ("one", "anything", '{"a": [1]}')


@in_process
async def test_a_refusal_is_the_error_that_grpc_would_raise(hub, client):
    """Code and sentence of a refused call are those of the gRPC address."""
    await client.schedule_new_orchestration("anything", instance_id="one")

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await client.schedule_new_orchestration("anything", instance_id="one")

    assert refused.value.code() == grpc.StatusCode.ALREADY_EXISTS
    assert "one" in refused.value.details()


@in_process
async def test_who_waits_too_long_is_told_so(hub, client):
    """A wait ends with the SDK's TimeoutError when its time is over."""
    await client.schedule_new_orchestration("nobody_runs_this", instance_id="one")

    with pytest.raises(TimeoutError, match="Timed-out waiting for the orchestration to complete"):
        await client.wait_for_orchestration_completion("one", timeout=0.05)


def test_answers_in_many_parts_come_one_by_one_up_to_a_refusal():
    """Each message of a stream arrives, and after them the error that ends it."""

    async def answers(request):
        for number in range(3):
            yield pb.HistoryChunk(events=[pb.HistoryEvent(eventId=number)])
        raise CallError(grpc.StatusCode.NOT_FOUND, f"{request.instanceId} went away.")

    seen = []

    async def read():
        method = Streaming(pb.StreamInstanceHistoryRequest.FromString, answers)
        channel = in_process_channel.InProcessChannel({"/TaskHubSidecarService/StreamInstanceHistory": method})
        history = stubs.TaskHubSidecarServiceStub(channel).StreamInstanceHistory
        async for chunk in history(pb.StreamInstanceHistoryRequest(instanceId="one")):
            seen.extend(event.eventId for event in chunk.events)

    with pytest.raises(grpc.aio.AioRpcError, match="one went away"):
        asyncio.run(read())

    assert seen == [0, 1, 2]


@in_process
async def test_other_addresses_and_event_loops_get_the_sdk_s_own_channel(hub, client):
    """Only the hub's address, and only on the hub's event loop, goes without a socket."""
    other = AsyncTaskHubGrpcClient(host_address="127.0.0.1:2")
    assert isinstance(other._get_stub() and other._channel, grpc.aio.Channel)
    await other.close()

    def elsewhere():
        async def open_channel():
            channel = sdk_channels.get_async_grpc_channel(NOBODY)
            await channel.close()
            return channel

        return asyncio.run(open_channel())

    assert isinstance(await asyncio.to_thread(elsewhere), grpc.aio.Channel)


def test_the_sdk_s_channel_is_back_when_the_host_has_ended():
    """Ending it leaves the SDK as it was."""
    before = sdk_channels.get_async_grpc_channel

    async def lead_and_end():
        in_process_channel.lead(NOBODY, {})()

    asyncio.run(lead_and_end())

    assert sdk_channels.get_async_grpc_channel is before
