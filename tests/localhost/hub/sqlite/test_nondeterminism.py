"""An orchestrator that changed under a running orchestration is told so, once, and nobody else notices."""

import ast
import json
from datetime import timedelta

import pytest
from durabletask import task
from durabletask.entities import EntityInstanceId
from hub_harness.by_hand import FAILED, RUNNING, history, raised, state, until
from hub_harness.mutants import mutants
from hub_harness.runner import Runner

from localhost.host.lost_steps import flag_lost_steps

# Every kind of step, recorded up to "go"; each statement of it is one step.
SOURCE = """
def original(ctx, _):
    yield ctx.call_activity("echo", input=1)
    yield ctx.call_activity("other", input=2)
    yield ctx.create_timer(timedelta(0))
    yield ctx.call_sub_orchestrator("child", input=3)
    yield task.when_all([ctx.call_activity("echo", input=n) for n in range(3)])
    yield ctx.call_entity(COUNTER, "add", 1)
    ctx.signal_entity(COUNTER, "add", 2)
    ctx.send_event(ctx.instance_id, "unheard", data=1)
    yield from nested(ctx)
    yield task.when_any([ctx.call_activity("other"), ctx.create_timer(timedelta(0))])
    yield ctx.call_activity("last")
    yield ctx.wait_for_external_event("go")
    return "done"

def nested(ctx):
    for number in range(2):
        yield ctx.call_activity("inner", input=number)
        yield ctx.create_timer(timedelta(0))
"""
NAMESPACE = {"timedelta": timedelta, "task": task, "COUNTER": EntityInstanceId("counter", "c")}
ORIGINAL = "def child(ctx, given):\n    return given\n    yield\n" + SOURCE


def is_step(statement):
    """Whether a statement does something that history knows; the wait for "go" is where history ends."""
    text = ast.unparse(statement)
    return "ctx." in text and "wait_for" not in text and not isinstance(statement, ast.FunctionDef | ast.For)


# To do the last step that history knows once more is to go on otherwise, which is no contradiction.
MUTANTS = [m for m in mutants(SOURCE, is_step) if m.change != "twice yield ctx.call_activity('last')"]


def echo(_, given):
    return given


def other(_, given):
    return given


def last(_, given):
    return given


def inner(_, given):
    return given


def counter(ctx, amount):
    ctx.set_state(ctx.get_state(int, 0) + amount)


ACTIVITIES = (echo, other, last, inner)


@pytest.fixture(autouse=True, scope="module")
def _lost_steps_are_flagged():
    flag_lost_steps()


def built(source_of, number):
    """Return an orchestrator under the name of its number, and its child."""
    scope = dict(NAMESPACE)
    exec(ORIGINAL, scope)
    function = source_of(scope)
    function.__name__ = f"o{number}"
    return function, scope["child"]


def changed(mutant):
    return lambda scope: mutant.function("original", scope)


async def quiet(hub, ids):
    """Return the histories once every instance is over or waits, and nothing is under way."""
    live, disk = hub._state, hub._state.writer

    def under_way():
        unread = [*(one.inbox for one in live.instances.values()), *(one.queue for one in live.entities.values())]
        return live._has_work() or len(live.timers) or any(unread) or disk.committed != disk._submitted

    await until(lambda: not under_way())
    return [await history(hub, instance_id) for instance_id in ids]


async def test_every_mutant_is_flagged_once_and_the_others_go_on(hub):
    """Of each change to each step: the instance fails, saying so; nothing more is scheduled; others are not touched."""
    assert len(MUTANTS) >= 40
    count = len(MUTANTS)
    before = [built(lambda scope: scope["original"], number)[0] for number in range(count + 5)]
    child = built(lambda scope: scope["original"], 0)[1]
    ids = [f"i{number}" for number in range(count + 5)]
    async with Runner(hub, *before, child, *ACTIVITIES, entities=(counter,)) as runner:
        for number, instance_id in enumerate(ids):
            await runner.start(f"o{number}", instanceId=instance_id)
        recorded = await quiet(hub, ids)
    for instance_id in ids:
        assert (await state(hub, instance_id)).orchestrationStatus == RUNNING

    after = [built(changed(mutant), number)[0] for number, mutant in enumerate(MUTANTS)] + before[count:]
    async with Runner(hub, *after, child, *ACTIVITIES, entities=(counter,)) as runner:
        for instance_id in ids:
            await raised(hub, instance_id, "go")
        grown = await quiet(hub, ids)

        unseen = []
        for number, mutant in enumerate(MUTANTS):
            found = await state(hub, ids[number])
            told = found.failureDetails.errorType.endswith("NonDeterminismError")
            if found.orchestrationStatus != FAILED or not told:
                unseen.append((mutant.change, found.orchestrationStatus, found.failureDetails.errorMessage))
                continue
            news = grown[number][len(recorded[number]) :]
            assert news == ["orchestratorStarted", "eventRaised", "orchestratorCompleted", "executionCompleted"]
        assert unseen == []
        for instance_id in ids[count:]:
            assert json.loads((await runner.result(instance_id)).output.value) == "done"

        for instance_id in ids[:count]:
            await raised(hub, instance_id, "go")
        assert await quiet(hub, ids) == grown, "what was flagged stays as it is"


async def test_what_comes_after_the_recorded_part_may_change(hub):
    """A new step behind what history knows is no contradiction."""
    longer = SOURCE.replace('    return "done"', '    return (yield ctx.call_activity("echo", input="more"))')

    def lengthened(scope):
        exec(longer, scope)
        return scope["original"]

    first, child = built(lambda scope: scope["original"], 0)
    async with Runner(hub, first, child, *ACTIVITIES, entities=(counter,)) as runner:
        await runner.start("o0", instanceId="one")
        await quiet(hub, ["one"])
    async with Runner(hub, built(lengthened, 0)[0], child, *ACTIVITIES, entities=(counter,)) as runner:
        await raised(hub, "one", "go")
        assert json.loads((await runner.result("one")).output.value) == "more"
    assert (await history(hub)).count("executionCompleted") == 1
