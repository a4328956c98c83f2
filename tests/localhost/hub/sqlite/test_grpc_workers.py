"""Ordinary ``durabletask`` workers and clients on the durable hub, over gRPC."""

import asyncio
import logging
from contextlib import asynccontextmanager

import durabletask.internal.orchestrator_service_pb2 as pb
import durabletask.internal.orchestrator_service_pb2_grpc as stubs
import grpc
import pytest
from durabletask import task
from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationStatus
from durabletask.entities import EntityInstanceId
from durabletask.worker import TaskHubGrpcWorker
from hub_harness.by_hand import activity, begun, complete, nothing, schedule, start, state, step
from hub_harness.served import served

from localhost.hub import work_stream

QUIET = logging.getLogger("quiet.worker")
QUIET.setLevel(logging.CRITICAL + 1)


def double(_, number):
    return number * 2


def chain(ctx, number):
    for _ in range(3):
        number = yield ctx.call_activity(double, input=number)
    return number


def fan(ctx, width):
    return sum((yield task.when_all([ctx.call_activity(double, input=n) for n in range(width)])))


def careful(ctx, amount):
    account = EntityInstanceId("account", "a")
    with (yield ctx.lock_entities([account])):
        return (yield ctx.call_entity(account, "add", amount))


def account(ctx, amount):
    ctx.set_state(ctx.get_state(int, 0) + amount)
    return ctx.get_state(int)


@asynccontextmanager
async def working(address, *orchestrators, activities=(double,), entities=(account,)):
    worker = TaskHubGrpcWorker(host_address=address, logger=QUIET)
    for function in orchestrators:
        worker.add_orchestrator(function)
    for function in activities:
        worker.add_activity(function)
    for function in entities:
        worker.add_entity(function)
    worker.start()
    try:
        yield worker
    finally:
        await asyncio.to_thread(worker.stop)


@pytest.mark.parametrize(("function", "given", "output"), [(chain, 1, "8"), (fan, 50, "2450"), (careful, 7, "7")])
async def test_a_worker_runs_what_a_client_starts(hub, function, given, output):
    async with (
        served(hub) as address,
        working(address, function),
        AsyncTaskHubGrpcClient(host_address=address) as client,
    ):
        instance_id = await client.schedule_new_orchestration(function, input=given)
        found = await client.wait_for_orchestration_completion(instance_id, timeout=90)
        assert found.runtime_status == OrchestrationStatus.COMPLETED
        assert found.serialized_output == output


async def test_what_a_worker_had_when_it_left_goes_to_another(hub):
    await begun(hub, "one", schedule(1))
    async with served(hub) as address, grpc.aio.insecure_channel(address) as channel:
        stream = stubs.TaskHubSidecarServiceStub(channel).GetWorkItems(pb.GetWorkItemsRequest())
        item = await stream.read()
        assert item.activityRequest.taskId == 1
        assert await nothing(hub, "activity")
        stream.cancel()
        assert (await activity(hub)).request.taskId == 1


async def test_a_worker_gets_what_it_asks_for_and_no_more_than_it_can_carry(hub):
    for name in ("mine", "yours", "mine"):
        await hub.start_instance(pb.CreateInstanceRequest(name=name))
    wanted = pb.WorkItemFilters(orchestrations=[pb.OrchestrationFilter(name="mine")])
    request = pb.GetWorkItemsRequest(maxConcurrentOrchestrationWorkItems=1, workItemFilters=wanted)
    async with served(hub) as address, grpc.aio.insecure_channel(address) as channel:
        stub = stubs.TaskHubSidecarServiceStub(channel)
        stream = stub.GetWorkItems(request)
        for _ in range(2):
            item = await stream.read()
            assert item.orchestratorRequest.newEvents[1].executionStarted.name == "mine"
            response = pb.OrchestratorResponse(
                instanceId=item.orchestratorRequest.instanceId, completionToken=item.completionToken
            )
            await stub.CompleteOrchestratorTask(response)
        assert (await step(hub)).news[0].executionStarted.name == "yours"
        stream.cancel()


@pytest.mark.parametrize(("versions", "gets"), [([], True), (["1"], True), (["2"], False), (["1", "2"], True)])
async def test_a_worker_may_ask_for_versions(hub, versions, gets):
    request = pb.CreateInstanceRequest(instanceId="one", name="f")
    request.version.value = "1"
    await hub.start_instance(request)
    wanted = pb.WorkItemFilters(orchestrations=[pb.OrchestrationFilter(name="f", versions=versions)])
    async with served(hub) as address, grpc.aio.insecure_channel(address) as channel:
        stub = stubs.TaskHubSidecarServiceStub(channel)
        stream = stub.GetWorkItems(pb.GetWorkItemsRequest(workItemFilters=wanted))
        if gets:
            assert (await stream.read()).orchestratorRequest.instanceId == "one"
        else:
            await channel.channel_ready()
            assert (await step(hub)).instance == "one"
        stream.cancel()


async def test_a_worker_gives_back_what_it_does_not_want(hub):
    await start(hub)
    async with served(hub) as address, grpc.aio.insecure_channel(address) as channel:
        stub = stubs.TaskHubSidecarServiceStub(channel)
        stream = stub.GetWorkItems(pb.GetWorkItemsRequest())
        item = await stream.read()
        await stub.AbandonTaskOrchestratorWorkItem(
            pb.AbandonOrchestrationTaskRequest(completionToken=item.completionToken)
        )
        again = await stream.read()
        assert again.orchestratorRequest.instanceId == "one"
        assert again.completionToken != item.completionToken
        stream.cancel()


async def test_instances_can_be_ended_in_a_batch(hub):
    await start(hub)
    async with served(hub) as address, grpc.aio.insecure_channel(address) as channel:
        stub = stubs.TaskHubSidecarServiceStub(channel)
        batch = pb.InstanceBatch(instanceIds=["one", "unknown"])
        response = await stub.SkipGracefulOrchestrationTerminations(
            pb.SkipGracefulOrchestrationTerminationsRequest(instanceBatch=batch)
        )
    assert list(response.unterminatedInstanceIds) == ["unknown"]
    assert (await state(hub)).orchestrationStatus == pb.ORCHESTRATION_STATUS_TERMINATED


@pytest.mark.parametrize("size", [0, 5_000_000, 10_000_000])
async def test_large_payloads_pass_a_client_that_allows_them(hub, size):
    options = [("grpc.max_receive_message_length", 64 * 2**20), ("grpc.max_send_message_length", 64 * 2**20)]
    payload = "x" * size
    async with served(hub) as address, grpc.aio.insecure_channel(address, options=options) as channel:
        stub = stubs.TaskHubSidecarServiceStub(channel)
        request = pb.CreateInstanceRequest(instanceId="one", name="f")
        request.input.value = payload
        await stub.StartInstance(request)
        await (await step(hub)).reply(complete(payload))
        found = await stub.WaitForInstanceCompletion(pb.GetInstanceRequest(instanceId="one", getInputsAndOutputs=True))
        assert found.orchestrationState.input.value == payload
        assert found.orchestrationState.output.value == payload


async def test_a_stream_with_nothing_to_do_says_that_it_lives(hub, monkeypatch):
    """Workers hang up on a stream that is silent for two minutes."""
    monkeypatch.setattr(work_stream, "PING_AFTER", 0.01)
    async with served(hub) as address, grpc.aio.insecure_channel(address) as channel:
        items = stubs.TaskHubSidecarServiceStub(channel).GetWorkItems(pb.GetWorkItemsRequest())
        assert [(await items.read()).WhichOneof("request") for _ in range(3)] == ["healthPing"] * 3
