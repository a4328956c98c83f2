"""What kills or is given back each time is given up, with a reason, and the rest goes on."""

import asyncio
import threading

import durabletask.internal.orchestrator_service_pb2 as pb
import pytest
from hub_harness.by_hand import (
    A_MOMENT,
    FAILED,
    activity,
    batch,
    begun,
    call,
    complete,
    nothing,
    schedule,
    signalled,
    soon,
    start,
    state,
    step,
    terminated,
    timer,
)
from hub_harness.served import served, stub_of

from localhost.hub.sqlite import limits, work, writer


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(work, "FIRST_PAUSE", 0.0)


async def abandon(hub, kind, take, times):
    for _ in range(times):
        taken = await take(hub)
        await hub.abandon(kind, taken.item.completionToken)


@pytest.mark.parametrize(("kind", "take"), [("orchestration", step), ("activity", activity), ("entity", batch)])
async def test_an_item_given_back_comes_again(hub, kind, take):
    await begun(hub, "one", schedule(1), call(2))
    await start(hub, "two")
    await abandon(hub, kind, take, 3)
    await take(hub)


async def test_after_a_kill_a_step_leaves_once_its_start_is_on_disk(hub, crash, monkeypatch):
    """A start that kills the host before it is written would never be counted, and what is beside it would be."""
    committing, disk = threading.Event(), threading.Event()
    monkeypatch.setattr(writer, "FEW", -1)  # the disk is waited for in a thread
    monkeypatch.setattr("localhost.hub.sqlite.state.WARY_SECONDS", 3600.0)
    await start(hub, "before")
    async with crash() as after:
        await step(after)
        commit = after._state.writer._commit
        monkeypatch.setattr(after._state.writer, "_commit", lambda: (committing.set(), disk.wait(), commit()))
        taking = asyncio.create_task(step(after))
        starting = asyncio.create_task(start(after, "deadly"))
        await asyncio.to_thread(committing.wait)
        await asyncio.sleep(A_MOMENT)
        left_early = taking.done()
        disk.set()
        assert not left_early
        assert (await taking).instance == "deadly"
        await starting


async def test_a_step_given_back_ten_times_fails_its_instance_with_a_reason(hub):
    await start(hub)
    await abandon(hub, "orchestration", step, limits.MAX_ATTEMPTS)
    assert await nothing(hub, "orchestration")
    found = await state(hub)
    assert found.orchestrationStatus == FAILED
    assert found.failureDetails.errorType == "PoisonedWorkItem"
    assert "10 times" in found.failureDetails.errorMessage


async def test_a_step_that_no_message_holds_is_given_up_saying_so(hub):
    """A worker over gRPC hangs up on a message that it finds too large, and says nothing (extension 2831)."""
    await begun(hub, "one", schedule(1, "a", "x" * 5_000_000), timer(2, 0))
    await abandon(hub, "orchestration", step, limits.MAX_ATTEMPTS)
    assert await nothing(hub, "orchestration")
    assert "max_receive_message_length" in (await state(hub)).failureDetails.errorMessage


async def test_an_activity_given_back_ten_times_fails_its_call(hub):
    await begun(hub, "one", schedule(1, "bad"))
    await abandon(hub, "activity", activity, limits.MAX_ATTEMPTS)
    assert await nothing(hub, "activity")
    [news] = (await step(hub)).news
    assert news.taskFailed.failureDetails.errorType == "PoisonedWorkItem"
    assert "'bad'" in news.taskFailed.failureDetails.errorMessage


async def test_a_batch_given_back_ten_times_fails_its_calls(hub):
    await begun(hub, "one", call(1))
    await abandon(hub, "entity", batch, limits.MAX_ATTEMPTS)
    assert await nothing(hub, "entity")
    [news] = (await step(hub)).news
    assert news.entityOperationFailed.failureDetails.errorType == "PoisonedWorkItem"


async def test_a_poisoned_entity_keeps_its_state_and_goes_on(hub):
    await signalled(hub)
    await (await batch(hub)).reply("1")
    await signalled(hub)
    await abandon(hub, "entity", batch, limits.MAX_ATTEMPTS)
    assert await nothing(hub, "entity")
    await signalled(hub, operation="next")
    taken = await batch(hub)
    assert (taken.operations, taken.state) == (["next"], "1")


async def test_nine_times_is_not_too_often(hub):
    await start(hub)
    await abandon(hub, "orchestration", step, limits.MAX_ATTEMPTS - 1)
    await (await step(hub)).reply(complete("1"))
    assert (await state(hub)).output.value == "1"


async def test_success_forgets_earlier_attempts(hub):
    await start(hub)
    await abandon(hub, "orchestration", step, limits.MAX_ATTEMPTS - 1)
    await (await step(hub)).reply(schedule(1))
    await (await activity(hub)).reply()
    await abandon(hub, "orchestration", step, limits.MAX_ATTEMPTS - 1)
    await (await step(hub)).reply(complete("1"))
    assert (await state(hub)).output.value == "1"


@pytest.mark.parametrize(("kind", "take"), [("orchestration", step), ("activity", activity), ("entity", batch)])
async def test_what_kills_the_process_each_time_is_given_up(hub, crash, kind, take):
    """Attempts are counted on disk before they are made: one message came 24,489 times (durabletask 842, 610)."""
    await begun(hub, "one", schedule(1), call(2))
    if kind == "orchestration":
        await start(hub, "two")
    current, opened = hub, []
    await take(current)
    for _ in range(limits.MAX_ATTEMPTS - 1):
        opened.append(crash(current))
        current = await opened[-1].__aenter__()
        await take(current)
    opened.append(crash(current))
    current = await opened[-1].__aenter__()
    assert await nothing(current, kind)
    for one in reversed(opened):
        await one.__aexit__()


async def test_what_only_waited_when_the_process_died_is_not_suspected(hub, crash):
    await begun(hub, "one", schedule(1), schedule(2))
    current, opened = hub, []
    for _ in range(limits.MAX_ATTEMPTS + 2):
        opened.append(crash(current))
        current = await opened[-1].__aenter__()
    work_ = await activity(current)
    await work_.reply()
    for one in reversed(opened):
        await one.__aexit__()


async def test_an_orderly_stop_is_nobodys_fault(hub, tmp_path):
    await begun(hub, "one", schedule(1))
    for _ in range(limits.MAX_ATTEMPTS + 2):
        taken = await activity(hub)
        await hub.abandon("activity", taken.item.completionToken)
        await hub.stop()
        await hub.start()
    await (await activity(hub)).reply()


async def test_a_poisoned_step_does_not_hold_up_others(hub):
    await start(hub, "bad")
    await abandon(hub, "orchestration", step, 2)
    await start(hub, "good")
    seen = {(await step(hub)).instance, (await step(hub)).instance}
    assert seen == {"bad", "good"}


async def test_a_poisoned_instance_can_be_terminated_at_once(hub):
    await start(hub)
    await abandon(hub, "orchestration", step, 3)
    await terminated(hub)
    assert await nothing(hub, "orchestration")


async def test_a_parent_learns_that_its_child_was_given_up(hub):
    from hub_harness.by_hand import child

    await begun(hub, "one", child(1))
    await abandon(hub, "orchestration", step, limits.MAX_ATTEMPTS)
    [news] = (await step(hub)).news
    assert news.subOrchestrationInstanceFailed.failureDetails.errorType == "PoisonedWorkItem"


async def test_what_is_out_beside_a_killer_is_not_given_up_with_it(hub, crash):
    """Both are out at every death until half of the attempts are used; then one at a time, and the innocent ends."""
    await begun(hub, "one", schedule(1, "slow"), schedule(2, "killer"))
    current, opened, deaths = hub, [], 0
    while out := await everything(current):
        names = {item.activityRequest.name for item in out}
        if names == {"slow"}:  # nothing dies of it
            await current.complete_activity(pb.ActivityResponse(completionToken=out[0].completionToken))
            continue
        deaths += 1
        opened.append(crash(current))
        current = await opened[-1].__aenter__()
    assert limits.MAX_ATTEMPTS <= deaths <= 2 * limits.MAX_ATTEMPTS
    news = {event.WhichOneof("eventType") for event in (await step(current)).news}
    assert news == {"taskCompleted", "taskFailed"}
    for one in reversed(opened):
        await one.__aexit__()


async def everything(hub):
    """Take all the activities that may go out now."""
    out = []
    while (item := await soon(hub, "activity")) is not None:
        out.append(item)
    return out


async def test_a_step_that_workers_decline_waits_for_one_of_its_version(hub):
    """A worker that rejects versions gives such steps back, well; after ten times the instance was failed."""
    await start(hub)
    async with served(hub) as address, stub_of(address) as stub:
        for _ in range(limits.MAX_ATTEMPTS + 2):
            token = (await step(hub)).item.completionToken
            await stub.AbandonTaskOrchestratorWorkItem(pb.AbandonOrchestrationTaskRequest(completionToken=token))
    await (await step(hub)).reply(complete("1"))
    assert (await state(hub)).output.value == "1"
