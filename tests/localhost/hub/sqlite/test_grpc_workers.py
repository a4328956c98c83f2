"""Ordinary ``durabletask`` workers and clients on the durable hub, over gRPC."""

import durabletask.internal.orchestrator_service_pb2 as pb
import pytest
from durabletask import task
from durabletask.client import OrchestrationStatus
from durabletask.entities import EntityInstanceId
from hub_harness.by_hand import PATIENCE, activity, begun, complete, nothing, schedule, start, state, step
from hub_harness.served import client_of, next_item, served, stub_of, working

from localhost.hub import work_stream


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


@pytest.mark.parametrize(("function", "given", "output"), [(chain, 1, "8"), (fan, 50, "2450"), (careful, 7, "7")])
async def test_a_worker_runs_what_a_client_starts(hub, function, given, output):
    async with (
        served(hub) as address,
        working(address, function, double, entities=(account,), channel_options=None),
        client_of("async", address) as client,
    ):
        instance_id = await client.schedule_new_orchestration(function, input=given)
        found = await client.wait_for_orchestration_completion(instance_id, timeout=PATIENCE)
        assert found.runtime_status == OrchestrationStatus.COMPLETED
        assert found.serialized_output == output


async def test_what_a_worker_had_when_it_left_goes_to_another(hub):
    await begun(hub, "one", schedule(1))
    async with served(hub) as address, stub_of(address) as stub:
        stream = stub.GetWorkItems(pb.GetWorkItemsRequest())
        item = await next_item(stream)
        assert item.activityRequest.taskId == 1
        assert await nothing(hub, "activity")
        stream.cancel()
        assert (await activity(hub)).request.taskId == 1


async def test_a_worker_gets_what_it_asks_for_and_no_more_than_it_can_carry(hub):
    for name in ("mine", "yours", "mine"):
        await hub.start_instance(pb.CreateInstanceRequest(name=name))
    wanted = pb.WorkItemFilters(orchestrations=[pb.OrchestrationFilter(name="mine")])
    request = pb.GetWorkItemsRequest(maxConcurrentOrchestrationWorkItems=1, workItemFilters=wanted)
    async with served(hub) as address, stub_of(address) as stub:
        stream = stub.GetWorkItems(request)
        for _ in range(2):
            item = await next_item(stream)
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
    async with served(hub) as address, stub_of(address) as stub:
        stream = stub.GetWorkItems(pb.GetWorkItemsRequest(workItemFilters=wanted))
        if gets:
            assert (await next_item(stream)).orchestratorRequest.instanceId == "one"
        else:
            assert (await step(hub)).instance == "one"
        stream.cancel()


async def test_a_worker_gives_back_what_it_does_not_want(hub):
    await start(hub)
    async with served(hub) as address, stub_of(address) as stub:
        stream = stub.GetWorkItems(pb.GetWorkItemsRequest())
        item = await next_item(stream)
        await stub.AbandonTaskOrchestratorWorkItem(
            pb.AbandonOrchestrationTaskRequest(completionToken=item.completionToken)
        )
        again = await next_item(stream)
        assert again.orchestratorRequest.instanceId == "one"
        assert again.completionToken != item.completionToken
        stream.cancel()


async def test_instances_can_be_ended_in_a_batch(hub):
    await start(hub)
    async with served(hub) as address, stub_of(address) as stub:
        batch = pb.InstanceBatch(instanceIds=["one", "unknown"])
        response = await stub.SkipGracefulOrchestrationTerminations(
            pb.SkipGracefulOrchestrationTerminationsRequest(instanceBatch=batch)
        )
    assert list(response.unterminatedInstanceIds) == ["unknown"]
    assert (await state(hub)).orchestrationStatus == pb.ORCHESTRATION_STATUS_TERMINATED


@pytest.mark.parametrize("size", [0, 5_000_000, 10_000_000])
async def test_large_payloads_pass_a_client_that_allows_them(hub, size):
    payload = "x" * size
    async with served(hub) as address, stub_of(address) as stub:
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
    async with served(hub) as address, stub_of(address) as stub:
        items = stub.GetWorkItems(pb.GetWorkItemsRequest())
        assert [(await items.read()).WhichOneof("request") for _ in range(3)] == ["healthPing"] * 3
