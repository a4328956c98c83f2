"""Timers fire once, not early, in order, and whatever happens to the process."""

from datetime import UTC, datetime, timedelta, timezone

import durabletask.internal.orchestrator_service_pb2 as pb
import pytest
from hub_harness.by_hand import (
    PENDING,
    again,
    batch,
    begun,
    complete,
    history,
    nothing,
    raised,
    signal,
    state,
    step,
    terminated,
    timer,
)
from hub_harness.runner import Runner


def fired(taken):
    return [e.timerFired.timerId for e in taken.news if e.HasField("timerFired")]


@pytest.mark.parametrize("seconds", [-3600, -1, 0])
async def test_a_timer_that_is_due_already_fires_at_once(hub, seconds):
    await begun(hub, "one", timer(1, seconds))
    assert fired(await step(hub)) == [1]


@pytest.mark.parametrize("seconds", [0.01, 0.1])
async def test_a_timer_is_not_early(hub, seconds):
    due = datetime.now(UTC) + timedelta(seconds=seconds)
    await begun(hub, "one", timer(1, seconds))
    assert fired(await step(hub)) == [1]
    assert datetime.now(UTC) >= due


@pytest.mark.parametrize("days", [1, 40, 3650])
async def test_a_far_timer_waits(hub, days):
    await begun(hub, "one", timer(1, days * 86_400))
    assert await nothing(hub, "orchestration")


async def test_a_timer_in_the_year_9999_waits(hub):
    action = timer(1, 0)
    action.createTimer.fireAt.FromDatetime(datetime(9999, 12, 31, tzinfo=UTC))
    await begun(hub, "one", action)
    assert await nothing(hub, "orchestration")


@pytest.mark.parametrize("hours", [(4,), (1, 2, 3)])
async def test_timers_fire_in_the_order_of_their_times(hub, clock, hours):
    """Whether they are due one after the other or, after a pause, all at once."""
    await begun(hub, "one", timer(1, 3 * 3600), timer(2, 3600), timer(3, 2 * 3600))
    order = []
    for hour in hours:
        clock.forward(hour * 3600 + 60)
        taken = await step(hub)
        order.append(fired(taken))
        await taken.reply()
    assert order == ([[2, 3, 1]] if len(hours) == 1 else [[2], [3], [1]])


async def test_a_near_timer_is_not_held_up_by_a_far_one(hub):
    await begun(hub, "far", timer(1, 3600))
    await begun(hub, "near", timer(1, 0.02))
    assert (await step(hub)).instance == "near"


async def test_a_timer_survives_a_crash(hub, crash, clock):
    await begun(hub, "one", timer(1, 3600))
    async with crash() as after:
        clock.forward(3700)
        assert fired(await step(after)) == [1]


async def test_a_timer_that_came_due_while_nobody_was_there_fires_at_the_start(hub, crash, clock):
    await begun(hub, "one", timer(1, 3600))
    clock.forward(3700)
    async with crash() as after:  # of what was there before anybody looked at the clock
        assert fired(await step(after)) == [1]
    assert fired(await step(hub)) == [1]


async def test_a_timer_fires_once(hub, crash):
    await begun(hub, "one", timer(1, 0.01))
    await (await step(hub)).reply()
    async with crash() as after:
        assert await nothing(after, "orchestration")


@pytest.mark.parametrize("ending", ["completed", "terminated", "continued"])
async def test_a_timer_ends_with_its_run(hub, ending, clock):
    await begun(hub, "one", timer(1, 3600))
    if ending == "terminated":
        await terminated(hub)
    else:
        await raised(hub)
        await (await step(hub)).reply(complete() if ending == "completed" else again())
    if ending == "continued":
        await (await step(hub)).reply()
    await begun(hub, "clock", timer(1, 7200))
    clock.forward(8000)
    assert (await step(hub)).instance == "clock"
    assert "timerFired" not in await history(hub)


@pytest.mark.parametrize("hours", [-11, 5.5, 14])
async def test_a_timer_knows_the_time_zone_it_was_set_in(hub, hours):
    """It fired hours early or late before durabletask-python 1.7."""
    zone = timezone(timedelta(hours=hours))

    def nap(ctx, _):
        begun = ctx.current_utc_datetime.replace(tzinfo=UTC)
        yield ctx.create_timer((begun + timedelta(seconds=0.1)).astimezone(zone))
        return (ctx.current_utc_datetime.replace(tzinfo=UTC) - begun).total_seconds()

    async with Runner(hub, nap) as runner:
        found = await runner.result(await runner.start("nap"))
    assert 0.1 <= float(found.output.value) < 1800


async def test_a_thousand_timers_fire(hub):
    await begun(hub, "one", *[timer(n, 0.02) for n in range(1, 1001)])
    seen = []
    while len(seen) < 1000:
        taken = await step(hub)
        seen += fired(taken)
        await taken.reply()
    assert sorted(seen) == list(range(1, 1001))


async def test_a_scheduled_start_waits(hub, clock):
    request = pb.CreateInstanceRequest(instanceId="one", name="f")
    request.scheduledStartTimestamp.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    await hub.start_instance(request)
    assert await nothing(hub, "orchestration")
    assert (await state(hub)).orchestrationStatus == PENDING
    assert (await state(hub)).HasField("scheduledStartTimestamp")
    clock.forward(3700)
    assert (await step(hub)).kinds == ["executionStarted"]


async def test_a_scheduled_start_survives_a_crash(hub, crash, clock):
    request = pb.CreateInstanceRequest(instanceId="one", name="f")
    request.scheduledStartTimestamp.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    await hub.start_instance(request)
    async with crash() as after:
        assert await nothing(after, "orchestration")
        clock.forward(3700)
        assert (await step(after)).kinds == ["executionStarted"]


async def test_an_event_before_a_scheduled_start_is_kept_for_it(hub, clock):
    request = pb.CreateInstanceRequest(instanceId="one", name="f")
    request.scheduledStartTimestamp.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    await hub.start_instance(request)
    await raised(hub)
    clock.forward(3700)
    assert (await step(hub)).kinds == ["executionStarted", "eventRaised"]


async def test_a_delayed_signal_waits_and_survives_a_crash(hub, crash, clock):
    await begun(hub, "one", signal(1, seconds=3600))
    assert await nothing(hub, "entity")
    async with crash() as after:
        clock.forward(3700)
        assert (await batch(after)).operations == ["op"]


async def test_a_clock_set_forward_makes_timers_fire(hub, clock):
    await begun(hub, "one", timer(1, 3600))
    clock.forward(3700)
    await begun(hub, "other", timer(1, 7200))
    assert fired(await step(hub)) == [1]


async def test_a_clock_set_back_does_not_lose_timers(hub, clock):
    await begun(hub, "one", timer(1, 3600))
    clock.forward(-3600)
    assert await nothing(hub, "orchestration")
    clock.forward(3700)
    assert fired(await step(hub)) == [1]
