"""Random orchestrations end the same on the durable hub as on the one over Microsoft's in-memory backend."""

import asyncio
import json
import random
from datetime import timedelta

import durabletask.internal.orchestrator_service_pb2 as pb
import pytest
from durabletask import task
from durabletask.entities import EntityInstanceId
from hub_harness.runner import Runner

from localhost.hub.memory import MemoryHub
from localhost.hub.sqlite.hub import SqliteHub

RETRY = task.RetryPolicy(first_retry_interval=timedelta(milliseconds=1), max_number_of_attempts=3)


def add(context, numbers):
    return sum(numbers)


def break_(context, message):
    raise ValueError(message)


def stumble(context, how):
    """Fail until the task has been tried often enough: its id tells how often."""
    if context.task_id % 3:
        raise RuntimeError("not yet")
    return how


def tally(ctx, amount):
    value = ctx.get_state(int, 0) + amount
    ctx.set_state(value)
    return value


def interpret(ctx, program):  # noqa: C901  # one case for each thing an orchestration can do
    """Do what a program says, and return a trace of what came of it."""
    trace = []
    for position, (what, argument) in enumerate(program["do"]):
        match what:
            case "activity":
                trace.append((yield ctx.call_activity(add, input=argument)))
            case "fan":
                trace.append((yield task.when_all([ctx.call_activity(add, input=[n, n]) for n in range(argument)])))
            case "caught":
                try:
                    yield ctx.call_activity(break_, input=argument)
                except task.TaskFailedError as error:
                    trace.append([error.details.error_type, error.details.message])
            case "uncaught":
                yield ctx.call_activity(break_, input=argument)
            case "raise":
                raise KeyError(argument)
            case "retry":
                try:
                    trace.append((yield ctx.call_activity(stumble, input=argument, retry_policy=RETRY)))
                except task.TaskFailedError as error:
                    trace.append(error.details.error_type)
            case "timer":
                yield ctx.create_timer(timedelta(milliseconds=argument))
                trace.append("rang")
            case "race":
                winner = yield task.when_any(
                    [ctx.create_timer(timedelta(hours=1)), ctx.call_activity(add, input=[argument])]
                )
                trace.append(winner.get_result())
            case "child":
                child = ctx.call_sub_orchestrator(
                    interpret, input=argument, instance_id=f"{ctx.instance_id}.{position}"
                )
                try:
                    trace.append((yield child))
                except task.TaskFailedError:
                    trace.append("child failed")
            case "event":
                ctx.send_event(ctx.instance_id, f"e{position}", argument)
                trace.append((yield ctx.wait_for_external_event(f"e{position}")))
            case "call":
                entity = EntityInstanceId("tally", f"{ctx.instance_id}-{argument % 2}")
                trace.append((yield ctx.call_entity(entity, "add", argument)))
            case "signal":
                ctx.signal_entity(EntityInstanceId("tally", f"{ctx.instance_id}-{argument % 2}"), "add", argument)
            case "lock":
                entity = EntityInstanceId("tally", f"{ctx.instance_id}-0")
                with (yield ctx.lock_entities([entity])):
                    trace.append((yield ctx.call_entity(entity, "add", argument)))
            case "status":
                ctx.set_custom_status({"at": argument})
            case _:
                trace.append(len(str(ctx.new_uuid())))
    if program["again"]:
        ctx.continue_as_new({**program, "again": program["again"] - 1})
        return None
    return trace


def program(rng: random.Random, depth: int = 0) -> dict:
    """Return a random program."""
    kinds = ["activity", "fan", "caught", "retry", "timer", "race", "event", "call", "signal", "lock", "status", "uuid"]
    steps = []
    for _ in range(rng.randint(1, 5)):
        kind = rng.choice([*kinds, *(["child", "child"] if depth < 2 else [])])
        if rng.random() < 0.04:
            kind = rng.choice(["uncaught", "raise"])
        argument = {
            "activity": [rng.randint(0, 9) for _ in range(rng.randint(0, 3))],
            "fan": rng.randint(1, 12),
            "timer": rng.randint(0, 10),
            "child": program(rng, depth + 1) if kind == "child" else None,
        }.get(kind, rng.randint(0, 99))
        steps.append((kind, argument))
    return {"do": steps, "again": rng.choice([0, 0, 0, 1, 2]) if depth == 0 else 0}


async def outcomes(hub, programs):
    """Run programs on a hub, and return all that can be seen of how they ended."""
    await hub.start()
    async with Runner(hub, interpret, add, break_, stumble, entities=(tally,)) as runner:
        ids = [await runner.start("interpret", json.dumps(p), instanceId=f"p{n}") for n, p in enumerate(programs)]
        async with asyncio.timeout(90):
            states = [await runner.result(instance_id) for instance_id in ids]
            seen = [
                (
                    pb.OrchestrationStatus.Name(s.orchestrationStatus),
                    s.output.value,
                    s.customStatus.value,
                    s.failureDetails.errorType,
                    s.failureDetails.errorMessage,
                )
                for s in states
            ]
            entities = await settled_entities(hub)
    await hub.stop()
    return seen, entities


async def settled_entities(hub):
    """Return the states of all entities once they change no more; the hub in memory does not count what is out."""
    before = None
    while True:
        query = pb.EntityQuery(includeState=True, includeTransient=True)
        found = (await hub.query_entities(pb.QueryEntitiesRequest(query=query))).entities
        states = {e.instanceId: e.serializedState.value for e in found if e.HasField("serializedState")}
        if states == before and not any(e.backlogQueueSize for e in found):
            assert not any(e.lockedBy.value for e in found)
            return states
        before = states
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("seed", range(12))
async def test_random_orchestrations_end_the_same_on_both_hubs(seed, tmp_path):
    rng = random.Random(seed)
    programs = [program(rng) for _ in range(12)]
    in_memory = await outcomes(MemoryHub(), programs)
    durable = await outcomes(SqliteHub(tmp_path / "hub.db"), programs)
    for number, (left, right) in enumerate(zip(in_memory[0], durable[0], strict=True)):
        assert left == right, programs[number]
    assert in_memory[1] == durable[1]
