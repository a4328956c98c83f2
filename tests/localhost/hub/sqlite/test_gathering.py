"""How results of activities are gathered into steps: few steps for many, and nobody waits for what is slow."""

import asyncio

import pytest
from hub_harness.by_hand import activity, begun, complete, nothing, raised, schedule, state, step

from localhost.hub.sqlite import gathering


@pytest.fixture
def patient(monkeypatch):
    """Wait for the next result so long that only what ends the waiting at once can be the reason for a step."""
    monkeypatch.setattr(gathering, "SHORTEST", 3600.0)
    monkeypatch.setattr(gathering, "LONGEST", 3600.0)


async def fanned_out(hub, width: int):
    await begun(hub, "one", *(schedule(n) for n in range(width)))
    return [await activity(hub) for _ in range(width)]


async def test_one_step_sees_all_results_of_a_fan_out(hub, patient):
    """While others of its activities are out, an orchestration is not stepped; with the last, it sees all of them."""
    first, second, third = await fanned_out(hub, 3)
    await second.reply("2")
    await first.reply("1")
    assert await nothing(hub, "orchestration")
    await third.reply("3")
    assert sorted(e.taskCompleted.result.value for e in (await step(hub)).news) == ["1", "2", "3"]


async def test_a_failure_is_gathered_as_a_result_is(hub, patient):
    """Results and failures are seen together."""
    first, second = await fanned_out(hub, 2)
    await first.reply(error="no")
    await second.reply("2")
    assert (await step(hub)).kinds == ["taskFailed", "taskCompleted"]


async def test_a_chain_never_waits(hub, patient):
    """The result of the one activity that is out is seen at once."""
    [only] = await fanned_out(hub, 1)
    await only.reply("1")
    next_step = await step(hub)
    assert next_step.kinds == ["taskCompleted"]
    await next_step.reply(schedule(7))
    await (await activity(hub)).reply("2")
    assert (await step(hub)).kinds == ["taskCompleted"]


async def test_an_event_is_seen_at_once_with_what_was_gathered(hub, patient):
    """Anything but a result ends the waiting."""
    first, _slow = await fanned_out(hub, 2)
    await first.reply("1")
    assert await nothing(hub, "orchestration")
    await raised(hub)
    assert (await step(hub)).kinds == ["taskCompleted", "eventRaised"]


async def test_nobody_waits_long_for_a_slow_one(hub):
    """With nothing more coming, a step sees what is there, though an activity is out."""
    first, _slow = await fanned_out(hub, 2)
    await first.reply("1")
    assert (await step(hub)).kinds == ["taskCompleted"]


async def test_results_that_keep_coming_are_not_gathered_for_ever(hub, monkeypatch):
    """A stream of results is seen in between, however closely they follow one another."""
    monkeypatch.setattr(gathering, "GAPS", 1)
    works = await fanned_out(hub, 50)
    taking = asyncio.create_task(step(hub))
    for work in works[:-1]:
        await work.reply("1")
        await asyncio.sleep(gathering.SHORTEST / 2)
        if taking.done():
            break
    assert 0 < len((await taking).news) < len(works) - 1


async def test_results_gathered_for_a_run_that_ended_disturb_nobody(hub):
    """A step that was waited for is not made when the orchestration is over by then."""
    first, _slow = await fanned_out(hub, 2)
    await raised(hub)
    last = await step(hub)
    await first.reply("1")
    await last.reply(complete())
    assert (await state(hub)).orchestrationStatus
    assert await nothing(hub, "orchestration")
