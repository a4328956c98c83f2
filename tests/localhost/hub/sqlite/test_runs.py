"""Continuing as new, sub-orchestrations, suspension and rewinding."""

import asyncio

import durabletask.internal.orchestrator_service_pb2 as pb
import pytest
from durabletask.internal import helpers
from hub_harness.by_hand import (
    COMPLETED,
    FAILED,
    RUNNING,
    SUSPENDED,
    TERMINATED,
    activity,
    again,
    begun,
    child,
    complete,
    fail,
    finished,
    history,
    nothing,
    raised,
    schedule,
    send,
    start,
    state,
    step,
    terminated,
    timer,
)

from localhost.hub.interface import InstanceConflictError, UnknownInstanceError
from localhost.hub.sqlite import writer


def inputs(taken):
    return [e.eventRaised.input.value for e in taken.news if e.HasField("eventRaised")]


# Continuing as new


async def test_a_new_run_begins_with_an_empty_history_and_its_input(hub):
    await begun(hub, "one", schedule(1), again('"next"'))
    taken = await step(hub)
    assert taken.past == []
    assert taken.kinds == ["executionStarted"]
    assert taken.news[0].executionStarted.input.value == '"next"'


async def test_a_new_run_has_another_execution_id(hub):
    await start(hub)
    first = await step(hub)
    await first.reply(again())
    second = await step(hub)
    assert first.item.orchestratorRequest.executionId.value != second.item.orchestratorRequest.executionId.value


async def test_carried_events_come_first_then_those_that_arrived(hub, crash):
    await start(hub)
    first = await step(hub)
    await raised(hub, data="3")
    carried = [helpers.new_event_raised_event("e", data) for data in ("1", "2")]
    await first.reply(again(None, carried))
    async with crash() as after:
        for current in (hub, after):
            assert inputs(await step(current)) == ["1", "2", "3"]


async def test_no_event_is_lost_or_doubled_while_continuing_as_new(hub):
    """Events that were not processed yet got lost there (durabletask-dotnet 387, extension 1676 and 1152)."""
    await start(hub)
    seen = []
    sent = 0
    while len(seen) < 200:
        taken = await step(hub)
        seen += inputs(taken)
        for _ in range(3):
            if sent < 200:
                await raised(hub, data=str(sent))
                sent += 1
        await taken.reply(again())
    assert seen == [str(n) for n in range(200)]


@pytest.mark.parametrize("open_", [schedule(1), timer(1, 0.02), child(1)])
async def test_what_an_earlier_run_left_open_is_nothing_to_a_later_one(hub, open_):
    await begun(hub, "one", open_, again())
    if open_.HasField("scheduleTask"):
        await (await activity(hub)).reply()
    seen = []
    for _ in range(2 if open_.HasField("createSubOrchestration") else 1):
        taken = await step(hub)
        seen += taken.kinds
        await taken.reply(*([complete()] if taken.instance == "child" else []))
    assert await nothing(hub, "orchestration")
    assert set(seen) == {"executionStarted"}


async def test_a_thousand_runs_leave_one_history(hub):
    await start(hub)
    for _ in range(300):
        await (await step(hub)).reply(again())
    await (await step(hub)).reply(complete())
    assert await history(hub) == [
        "orchestratorStarted",
        "executionStarted",
        "orchestratorCompleted",
        "executionCompleted",
    ]


async def test_a_new_run_may_have_a_new_version(hub):
    action = again()
    action.completeOrchestration.newVersion.value = "2"
    await begun(hub, "one", action)
    assert (await step(hub)).news[0].executionStarted.version.value == "2"


async def test_a_parent_waits_for_the_last_run_of_its_child(hub):
    await begun(hub, "one", child(1))
    await (await step(hub)).reply(again())
    await (await step(hub)).reply(complete("7"))
    [news] = (await step(hub)).news
    assert news.subOrchestrationInstanceCompleted.result.value == "7"


# Sub-orchestrations


async def test_a_child_knows_its_parent(hub):
    await begun(hub, "one", child(1, payload='"x"'))
    started = (await step(hub)).news[0].executionStarted
    assert started.parentInstance.orchestrationInstance.instanceId == "one"
    assert started.parentInstance.taskScheduledId == 1
    assert started.input.value == '"x"'
    assert (await state(hub, "child")).parentInstanceId.value == "one"


async def test_a_failed_child_is_told_with_its_error(hub):
    await begun(hub, "one", child(1))
    await (await step(hub)).reply(fail("broken"))
    [news] = (await step(hub)).news
    details = news.subOrchestrationInstanceFailed.failureDetails
    assert (details.errorType, details.errorMessage) == ("Boom", "broken")


async def test_a_terminated_child_is_a_failure_for_its_parent(hub):
    await begun(hub, "one", child(1))
    await terminated(hub, "child")
    [news] = (await step(hub)).news
    assert "terminated" in news.subOrchestrationInstanceFailed.failureDetails.errorMessage


async def test_a_taken_id_is_news_for_the_parent_and_everything_else_goes_on(hub):
    """As an error of the commit it would come again for ever, and the parent with it (durabletask-go 140)."""
    await begun(hub, "taken")
    await begun(hub, "one", schedule(1), child(2, "taken"), timer(3, 0))
    assert (await activity(hub)).request.taskId == 1
    taken = await step(hub)
    assert sorted(taken.kinds) == ["subOrchestrationInstanceFailed", "timerFired"]
    await taken.reply(complete("1"))
    assert (await state(hub)).output.value == "1"
    assert (await state(hub, "taken")).orchestrationStatus == RUNNING


async def test_an_orchestration_cannot_be_its_own_child(hub):
    await begun(hub, "one", child(1, "one"))
    assert (await step(hub)).kinds == ["subOrchestrationInstanceFailed"]


async def test_the_id_of_a_child_that_is_over_may_be_used_again(hub):
    await begun(hub, "one", child(1))
    await (await step(hub)).reply(fail())
    await (await step(hub)).reply(child(2))
    await (await step(hub)).reply(complete("2"))
    [news] = (await step(hub)).news
    assert news.subOrchestrationInstanceCompleted.taskScheduledId == 2


async def test_a_child_outlives_a_parent_that_does_not_wait(hub):
    await begun(hub, "one", child(1), complete())
    await (await step(hub)).reply(complete("1"))
    assert (await state(hub, "child")).output.value == "1"
    assert await nothing(hub, "orchestration")


async def test_two_hundred_children_come_home(hub):
    await begun(hub, "one", *[child(n, f"c{n}") for n in range(200)])
    home = 0
    while home < 200:
        taken = await step(hub)
        if taken.instance == "one":
            home += len(taken.news)
            await taken.reply()
        else:
            await taken.reply(complete())
    assert home == 200


@pytest.mark.parametrize("recursive", [True, False])
async def test_termination_reaches_descendants_only_when_recursive(hub, recursive):
    await begun(hub, "one", child(1))
    await (await step(hub)).reply(child(1, "grandchild"))
    await (await step(hub)).reply()
    await terminated(hub, recursive=recursive)
    expected = TERMINATED if recursive else RUNNING
    assert (await state(hub)).orchestrationStatus == TERMINATED
    assert (await state(hub, "child")).orchestrationStatus == expected
    assert (await state(hub, "grandchild")).orchestrationStatus == expected


async def test_termination_reaches_a_child_that_got_its_id_from_the_one_before(hub, monkeypatch):
    """The end of the first, when it was on disk, took the second out of its parent's children."""
    monkeypatch.setattr(writer, "FEW", -1)  # the disk is waited for in a thread
    await begun(hub, "one", child(1))
    taken = await step(hub)
    ending = asyncio.create_task(taken.reply(complete()))
    second = asyncio.create_task((await step(hub)).reply(child(2)))
    await asyncio.gather(ending, second)
    await (await step(hub)).reply()
    await terminated(hub, recursive=True)
    assert (await state(hub, "child")).orchestrationStatus == TERMINATED


async def test_a_child_without_an_id_is_known_by_the_one_that_it_got(hub):
    await begun(hub, "one", child(1, ""))
    made = (await step(hub)).instance
    [created] = [e for e in await hub.history("one") if e.HasField("subOrchestrationInstanceCreated")]
    assert created.subOrchestrationInstanceCreated.instanceId == made


async def test_an_orchestration_terminates_another(hub):
    await begun(hub, "other")
    action = pb.OrchestratorAction(
        id=1, terminateOrchestration=pb.TerminateOrchestrationAction(instanceId="other", recurse=True)
    )
    await begun(hub, "one", action)
    assert (await state(hub, "other")).orchestrationStatus == TERMINATED


# Events


async def test_an_event_to_another_orchestration_arrives(hub):
    await begun(hub, "other")
    await begun(hub, "one", send(1, "other", "hello", '"x"'))
    [news] = (await step(hub)).news
    assert (news.eventRaised.name, news.eventRaised.input.value) == ("hello", '"x"')
    assert "eventSent" in await history(hub)


@pytest.mark.parametrize("target", ["unknown", "over", "one"])
async def test_an_event_to_nobody_harms_nothing(hub, target):
    await finished(hub, "over")
    await begun(hub, "one", send(1, target), schedule(2))
    assert (await activity(hub)).request.taskId == 2


async def test_events_of_one_sender_keep_their_order(hub):
    await begun(hub)
    for number in range(100):
        await raised(hub, data=str(number))
    assert inputs(await step(hub)) == [str(n) for n in range(100)]


async def test_an_event_for_an_unknown_instance_is_refused(hub):
    with pytest.raises(UnknownInstanceError, match="nobody"):
        await raised(hub, "nobody")


async def test_an_event_for_an_instance_that_is_over_is_ignored(hub):
    await finished(hub)
    await raised(hub)
    assert await nothing(hub, "orchestration")


# Suspension


async def test_a_suspended_instance_gets_its_events_when_it_goes_on(hub, crash):
    await begun(hub)
    await hub.suspend(pb.SuspendRequest(instanceId="one"))
    await (await step(hub)).reply()
    assert (await state(hub)).orchestrationStatus == SUSPENDED
    await raised(hub, data="1")
    await raised(hub, data="2")
    assert await nothing(hub, "orchestration")
    async with crash() as after:
        for current in (hub, after):
            assert await nothing(current, "orchestration")
            await current.resume(pb.ResumeRequest(instanceId="one"))
            taken = await step(current)
            assert inputs(taken) == ["1", "2"]
            assert "executionResumed" in taken.kinds
            await taken.reply()
            assert (await state(current)).orchestrationStatus == RUNNING


async def test_timers_and_results_wait_for_a_suspended_instance(hub):
    await begun(hub)
    await hub.suspend(pb.SuspendRequest(instanceId="one"))
    await (await step(hub)).reply(schedule(1), timer(2, 0))
    await (await activity(hub)).reply()
    assert await nothing(hub, "orchestration")
    await hub.resume(pb.ResumeRequest(instanceId="one"))
    assert sorted((await step(hub)).kinds) == ["executionResumed", "taskCompleted", "timerFired"]


async def test_a_suspended_instance_can_be_terminated(hub):
    await begun(hub)
    await hub.suspend(pb.SuspendRequest(instanceId="one"))
    await (await step(hub)).reply()
    await terminated(hub)
    assert (await state(hub)).orchestrationStatus == TERMINATED


async def test_suspending_twice_is_suspending_once(hub):
    await begun(hub)
    await hub.suspend(pb.SuspendRequest(instanceId="one"))
    await (await step(hub)).reply()
    await hub.suspend(pb.SuspendRequest(instanceId="one"))
    assert await nothing(hub, "orchestration")


@pytest.mark.parametrize("before", [0, 1, 2])
async def test_resuming_what_is_not_suspended_is_nothing_to_it(hub, before):
    """A worker that is told to go on and was not held cannot make sense of it, and fails the orchestration."""
    await begun(hub)
    for _ in range(before):
        await hub.suspend(pb.SuspendRequest(instanceId="one"))
        await hub.resume(pb.ResumeRequest(instanceId="one"))
    for _ in range(2):
        await hub.resume(pb.ResumeRequest(instanceId="one"))
    await raised(hub)
    assert (await step(hub)).kinds == [*["executionSuspended", "executionResumed"] * before, "eventRaised"]


async def test_a_new_run_of_a_suspended_instance_knows_that_it_is(hub, crash):
    """So that it can be resumed; until then it does nothing."""
    await begun(hub)
    await raised(hub)
    await hub.suspend(pb.SuspendRequest(instanceId="one"))
    first = await step(hub)
    assert first.kinds == ["eventRaised", "executionSuspended"]
    await first.reply(again())
    assert (await state(hub)).orchestrationStatus == SUSPENDED
    async with crash() as after:
        assert await nothing(after, "orchestration")
        await after.resume(pb.ResumeRequest(instanceId="one"))
        assert (await step(after)).kinds == ["executionStarted", "executionSuspended", "executionResumed"]


async def test_what_comes_after_a_suspension_waits_with_it(hub):
    """A worker that continues as new in that step would not carry it over."""
    await begun(hub)
    await raised(hub, name="before")
    await hub.suspend(pb.SuspendRequest(instanceId="one"))
    await raised(hub, name="after")
    first = await step(hub)
    assert first.kinds == ["eventRaised", "executionSuspended"]
    await first.reply(again())
    await hub.resume(pb.ResumeRequest(instanceId="one"))
    kinds = (await step(hub)).kinds
    assert kinds == ["executionStarted", "executionSuspended", "eventRaised", "executionResumed"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda hub: hub.suspend(pb.SuspendRequest(instanceId="no")),
        lambda hub: hub.resume(pb.ResumeRequest(instanceId="no")),
        lambda hub: hub.terminate(pb.TerminateRequest(instanceId="no")),
        lambda hub: hub.rewind(pb.RewindInstanceRequest(instanceId="no")),
        lambda hub: hub.restart(pb.RestartInstanceRequest(instanceId="no")),
        lambda hub: hub.history("no"),
    ],
)
async def test_an_unknown_instance_is_refused_by_name(hub, ask):
    with pytest.raises(UnknownInstanceError, match="'no'"):
        await ask(hub)


@pytest.mark.parametrize("again_", [1, 2])
async def test_terminating_what_is_over_changes_nothing(hub, again_):
    await finished(hub)
    for _ in range(again_):
        await terminated(hub)
    assert (await state(hub)).orchestrationStatus == COMPLETED


async def test_termination_needs_no_worker(hub):
    await start(hub)
    await terminated(hub)
    found = await state(hub)
    assert (found.orchestrationStatus, found.output.value) == (TERMINATED, '"why"')
    assert await history(hub) == [
        "executionStarted",
        "executionTerminated",
        "orchestratorCompleted",
        "executionCompleted",
    ]


# Rewinding


def rewritten(taken):
    """Answer a rewind as the SDK does: without the failures and the activities that failed."""
    request = taken.item.orchestratorRequest
    events = [*request.pastEvents, *request.newEvents]
    failed = {e.taskFailed.taskScheduledId for e in events if e.HasField("taskFailed")}
    gone = ("taskFailed", "subOrchestrationInstanceFailed", "executionCompleted")
    kept = [
        e
        for e in events
        if e.WhichOneof("eventType") not in gone and not (e.HasField("taskScheduled") and e.eventId in failed)
    ]
    return pb.OrchestratorAction(id=-1, rewindOrchestration=pb.RewindOrchestrationAction(newHistory=kept))


async def failed_with(hub, *actions):
    await begun(hub, "one", *actions)
    await (await activity(hub)).reply(error="once")
    await (await step(hub)).reply(fail())


async def test_a_rewound_instance_runs_again_from_its_last_good_step(hub, crash):
    await failed_with(hub, schedule(1))
    await hub.rewind(pb.RewindInstanceRequest(instanceId="one"))
    async with crash() as after:
        for current in (hub, after):
            taken = await step(current)
            assert taken.kinds == ["executionRewound"]
            assert "executionCompleted" in taken.past
            await taken.reply(rewritten(taken))
            taken = await step(current)
            assert "taskFailed" not in taken.past
            assert "taskScheduled" not in taken.past
            await taken.reply(schedule(1))
            await (await activity(current)).reply('"ok"')
            await (await step(current)).reply(complete('"done"'))
            found = await state(current)
            assert (found.orchestrationStatus, found.output.value) == (COMPLETED, '"done"')
            assert not found.HasField("failureDetails")


async def test_what_was_under_way_at_the_failure_is_taken_up_again(hub, clock):
    await begun(hub, "one", schedule(1, "bad"), schedule(2, "slow"), timer(3, 3600))
    bad = await activity(hub)
    slow = await activity(hub)
    await bad.reply(error="once")
    await (await step(hub)).reply(fail())
    await slow.reply('"too late"')
    await hub.rewind(pb.RewindInstanceRequest(instanceId="one"))
    taken = await step(hub)
    await taken.reply(rewritten(taken))
    await (await step(hub)).reply()
    assert (await activity(hub)).request.name == "slow"
    clock.forward(3700)
    assert (await step(hub)).kinds == ["timerFired"]


async def test_a_failed_child_is_rewound_with_its_parent(hub):
    await begun(hub, "one", child(1))
    await (await step(hub)).reply(schedule(1))
    await (await activity(hub)).reply(error="once")
    await (await step(hub)).reply(fail())
    await (await step(hub)).reply(fail())
    await hub.rewind(pb.RewindInstanceRequest(instanceId="one"))
    taken = await step(hub)
    await taken.reply(rewritten(taken))
    rewinding = {}
    for _ in range(2):
        taken = await step(hub)
        rewinding[taken.instance] = taken
    await rewinding["one"].reply()
    await rewinding["child"].reply(rewritten(rewinding["child"]))
    await (await step(hub)).reply(complete('"ok"'))
    taken = await step(hub)
    assert (taken.instance, taken.kinds) == ("one", ["subOrchestrationInstanceCompleted"])


async def test_an_event_during_a_rewind_comes_after_it(hub):
    await failed_with(hub, schedule(1))
    await hub.rewind(pb.RewindInstanceRequest(instanceId="one"))
    await raised(hub)
    taken = await step(hub)
    assert taken.kinds == ["executionRewound"]
    await taken.reply(rewritten(taken))
    assert (await step(hub)).kinds == ["eventRaised"]


@pytest.mark.parametrize("status", [RUNNING, COMPLETED])
async def test_only_what_failed_is_rewound(hub, status):
    await begun(hub, "one", *([complete()] if status == COMPLETED else []))
    with pytest.raises(InstanceConflictError):
        await hub.rewind(pb.RewindInstanceRequest(instanceId="one"))
    assert (await state(hub)).orchestrationStatus == status


async def test_a_failed_instance_says_why(hub, crash):
    await begun(hub, "one", fail("because"))
    async with crash() as after:
        found = await state(after)
        assert (found.orchestrationStatus, found.failureDetails.errorMessage) == (FAILED, "because")


async def test_a_rewind_leaves_a_child_alone_whose_id_is_anothers_now(hub):
    """It took the other's instance for its own, and a later termination of its parent failed for it."""
    await begun(hub, "one", child(1))
    await (await step(hub)).reply(fail())
    await (await step(hub)).reply(fail())
    await begun(hub, "other", child(1))
    await (await step(hub)).reply()
    await hub.rewind(pb.RewindInstanceRequest(instanceId="one"))
    rewinding = await step(hub)
    await rewinding.reply(rewritten(rewinding))
    await (await step(hub)).reply()
    await terminated(hub, "other", recursive=True)
    assert (await state(hub, "child")).orchestrationStatus == TERMINATED
    assert (await state(hub, "child")).parentInstanceId.value == "other"
