"""What a work item did is on disk together, or not at all."""

import asyncio
import threading

import pytest
from hub_harness.by_hand import (
    RUNNING,
    activity,
    again,
    batch,
    begun,
    call,
    child,
    complete,
    history,
    lock,
    nothing,
    raised,
    schedule,
    send,
    signal,
    signalled,
    start,
    state,
    step,
    terminated,
    timer,
)

from localhost.hub.sqlite import writer


async def test_a_start_that_was_acknowledged_survives(hub, crash):
    await start(hub, payload='"in"')
    async with crash() as after:
        found = await state(after)
        assert (found.name, found.input.value) == ("f", '"in"')
        assert (await step(after)).kinds == ["executionStarted"]


async def test_an_event_that_was_acknowledged_survives(hub, crash):
    await begun(hub)
    await raised(hub, data="1")
    async with crash() as after:
        assert [e.eventRaised.input.value for e in (await step(after)).news] == ["1"]


async def test_a_step_that_was_not_completed_is_handed_out_again_with_the_same_news(hub, crash):
    await start(hub)
    first = await step(hub)
    async with crash() as after:
        second = await step(after)
        assert second.kinds == first.kinds
        assert second.past == first.past


async def test_a_completed_step_is_not_handed_out_again(hub, crash):
    await begun(hub, "one", schedule(1))
    async with crash() as after:
        assert await nothing(after, "orchestration")


async def test_an_activity_that_was_not_completed_is_handed_out_again(hub, crash):
    await begun(hub, "one", schedule(1, "a", '"x"'))
    before = await activity(hub)
    async with crash() as after:
        again_ = await activity(after)
        assert again_.request == before.request


async def test_a_completed_activity_is_not_handed_out_again(hub, crash):
    await begun(hub, "one", schedule(1))
    await (await activity(hub)).reply('"r"')
    async with crash() as after:
        assert await nothing(after, "activity")
        assert [e.taskCompleted.result.value for e in (await step(after)).news] == ['"r"']


async def test_an_entity_batch_that_was_not_completed_is_handed_out_again(hub, crash):
    await signalled(hub, operation="add")
    await batch(hub)
    async with crash() as after:
        assert (await batch(after)).operations == ["add"]


async def test_a_completed_entity_batch_is_not_handed_out_again(hub, crash):
    await signalled(hub)
    await (await batch(hub)).reply("1")
    async with crash() as after:
        assert await nothing(after, "entity")


async def test_an_instance_that_is_over_stays_over(hub, crash):
    await begun(hub, "one", complete('"out"'))
    async with crash() as after:
        assert (await state(after)).output.value == '"out"'
        assert await nothing(after, "orchestration")


async def test_every_effect_of_one_step_survives_together(hub, crash, clock):
    await begun(hub, "other")
    effects = (
        schedule(1),
        timer(2, 3600),
        child(3),
        send(4, "other"),
        signal(5),
        call(6, "@e@2"),
        lock(7, "s", "@e@3"),
    )
    await begun(hub, "one", *effects)
    async with crash() as after:
        assert (await activity(after)).request.taskId == 1
        assert {(await batch(after)).entity, (await batch(after)).entity} == {"@e@1", "@e@2"}
        clock.forward(3700)
        seen = {}
        while len(seen) < 3 or "timerFired" not in seen["one"]:
            taken = await step(after)
            seen.setdefault(taken.instance, []).extend(taken.kinds)
            await taken.reply()
        assert seen == {
            "one": ["entityLockGranted", "timerFired"],
            "child": ["executionStarted"],
            "other": ["eventRaised"],
        }
        assert await nothing(after, "activity")


async def test_nothing_of_a_step_survives_when_it_was_not_completed(hub, crash):
    await begun(hub)
    await raised(hub)
    await step(hub)
    async with crash() as after:
        assert await history(after) == ["orchestratorStarted", "executionStarted", "orchestratorCompleted"]
        assert (await state(after)).orchestrationStatus == RUNNING
        assert await nothing(after, "activity")


async def test_continuing_as_new_replaces_history_and_input_together(hub, crash):
    await begun(hub, "one", again('"second"'))
    async with crash() as after:
        assert await history(after) == []
        [started] = (await step(after)).news
        assert started.executionStarted.input.value == '"second"'


async def test_the_end_of_a_child_and_the_news_for_its_parent_survive_together(hub, crash):
    await begun(hub, "one", child(1))
    await (await step(hub)).reply(complete('"c"'))
    async with crash() as after:
        [news] = (await step(after)).news
        assert news.subOrchestrationInstanceCompleted.result.value == '"c"'


async def test_termination_survives(hub, crash):
    await begun(hub)
    await terminated(hub)
    async with crash() as after:
        assert (await state(after)).output.value == '"why"'


@pytest.mark.parametrize("times", [2, 5])
async def test_crashing_again_and_again_changes_nothing(hub, crash, times):
    await begun(hub, "one", schedule(1), timer(2, 60))
    await raised(hub, data="1")
    current = hub
    opened = []
    for _ in range(times):
        opened.append(crash(current))
        current = await opened[-1].__aenter__()
    assert [e.eventRaised.input.value for e in (await step(current)).news] == ["1"]
    for one in reversed(opened):
        await one.__aexit__()


async def test_what_was_being_committed_when_another_change_failed_is_acknowledged(hub, monkeypatch):
    """It is on disk, and whoever asked for it hears so."""
    committing, go_on = threading.Event(), threading.Event()

    def hold(name: str) -> None:
        if name == "commit.before":
            committing.set()
            go_on.wait()

    def fail_halfway() -> None:
        with hub._state.change():
            go_on.set()
            raise ZeroDivisionError

    monkeypatch.setattr(writer, "failpoint", hold)
    monkeypatch.setattr(hub._state.writer, "_busy", lambda: True)
    starting = asyncio.create_task(start(hub, "one"))
    await asyncio.to_thread(committing.wait)
    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    await starting
    assert (await state(hub, "one")).instanceId == "one"
