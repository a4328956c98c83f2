"""Many who wait, and work that takes long: nobody is held up, and nothing runs twice."""

import asyncio
import time
from collections import Counter

import durabletask.internal.orchestrator_service_pb2 as pb
from durabletask import task
from durabletask.client import OrchestrationStatus
from hub_harness.by_hand import PATIENCE, activity, begun, complete, nothing, schedule, state, step
from hub_harness.served import client_of, next_item, served, stub_of, working

from localhost.hub import work_stream


def wait(ctx, _):
    return (yield ctx.wait_for_external_event("end"))


def double(_, number):
    return 2 * number


def chain(ctx, number):
    for _ in range(5):
        number = yield ctx.call_activity(double, input=number)
    return number


async def test_two_hundred_clients_that_wait_hold_up_nobody(hub):
    """A long poll costs no thread: where each held one, a dozen stopped everything."""
    async with (
        served(hub) as address,
        working(address, wait, chain, double),
        client_of("async", address) as waiting,
        client_of("async", address) as busy,
    ):
        ids = [await waiting.schedule_new_orchestration(wait) for _ in range(200)]
        waiters = [
            asyncio.ensure_future(waiting.wait_for_orchestration_completion(instance_id, timeout=PATIENCE))
            for instance_id in ids
        ]
        for _ in range(3):
            runs = [await busy.schedule_new_orchestration(chain, input=1) for _ in range(20)]
            ended = [await busy.wait_for_orchestration_completion(run, timeout=PATIENCE) for run in runs]
            assert [state.serialized_output for state in ended] == ["32"] * 20
        assert not any(waiter.done() for waiter in waiters)
        for instance_id in ids:
            await busy.raise_orchestration_event(instance_id, "end", data="now")
        states = await asyncio.gather(*waiters)
    assert {state.serialized_output for state in states} == {'"now"'}


async def test_a_slow_activity_runs_once(hub, monkeypatch):
    """What is out stays out while its worker is there, however long it takes: there is no lock that could run out.

    Elsewhere locks were not renewed, or with the wrong time (durabletask-go 136, 137).
    """
    monkeypatch.setattr(work_stream, "PING_AFTER", 0.05)
    runs = Counter()

    def slow(_, number):
        runs[number] += 1
        time.sleep(0.6)
        return number

    def many(ctx, width):
        return sum((yield task.when_all([ctx.call_activity(slow, input=n) for n in range(width)])))

    async with served(hub) as address, working(address, many, slow), client_of("async", address) as client:
        instance_id = await client.schedule_new_orchestration(many, input=60)
        ended = await client.wait_for_orchestration_completion(instance_id, timeout=PATIENCE)
    assert ended.runtime_status == OrchestrationStatus.COMPLETED
    assert runs == dict.fromkeys(range(60), 1)


async def test_a_worker_that_lost_its_stream_comes_too_late(hub):
    """Its activity went to another, whose result counts; its own, when it comes, changes nothing."""
    await begun(hub, "one", schedule(1))
    async with served(hub) as address, stub_of(address) as stub:
        stream = stub.GetWorkItems(pb.GetWorkItemsRequest())
        lost = await next_item(stream)
        assert await nothing(hub, "activity")
        stream.cancel()
        other = await activity(hub)
        late = pb.ActivityResponse(instanceId="one", taskId=1, completionToken=lost.completionToken)
        late.result.value = '"late"'
        await stub.CompleteActivityTask(late)
        assert await nothing(hub, "orchestration")
        await other.reply('"in time"')
        taken = await step(hub)
        assert [event.taskCompleted.result.value for event in taken.news] == ['"in time"']
        await stub.CompleteActivityTask(late)
        await taken.reply(complete())
    assert (await state(hub)).orchestrationStatus == pb.ORCHESTRATION_STATUS_COMPLETED
