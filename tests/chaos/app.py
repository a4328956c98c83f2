"""The orchestrations that are tormented: each one's result is a function of its input alone."""

import os
import random
from collections.abc import Generator
from datetime import timedelta
from typing import Any

from durabletask import task
from durabletask.entities import EntityInstanceId

from chaos import ledger

type Steps = Generator[task.Task[Any], Any, Any]


def add_one(context, number):
    """Add one, and write in the ledger that this ran."""
    ledger.note(context.orchestration_id, context.task_id)
    return number + 1


def chain(ctx, number) -> Steps:
    """Three activities, one after the other."""
    for _ in range(3):
        number = yield ctx.call_activity(add_one, input=number)
    return number


def fan(ctx, width) -> Steps:
    """Activities in parallel."""
    results = yield task.when_all([ctx.call_activity(add_one, input=n) for n in range(width)])
    return sum(results)


def family(ctx, number) -> Steps:
    """Two sub-orchestrations."""
    results = yield task.when_all([ctx.call_sub_orchestrator(chain, input=number + n) for n in range(2)])
    return sum(results)


def nested(ctx, depth) -> Steps:
    """A sub-orchestration in a sub-orchestration in one ..."""
    if depth == 0:
        return 0
    return 1 + (yield ctx.call_sub_orchestrator(nested, input=depth - 1))


def nap(ctx, number) -> Steps:
    """A timer, then an activity."""
    yield ctx.create_timer(timedelta(milliseconds=20))
    return (yield ctx.call_activity(add_one, input=number))


def alarm(ctx, seconds) -> Steps:
    """Return by how many seconds a timer was late; a negative number is early."""
    due = ctx.current_utc_datetime + timedelta(seconds=seconds)
    yield ctx.create_timer(due)
    return (ctx.current_utc_datetime - due).total_seconds()


def collect(ctx, seen) -> Steps:
    """Gather events, continuing as new at each, until one says stop."""
    number = yield ctx.wait_for_external_event("number")
    if number < 0:
        return seen
    ctx.continue_as_new([*seen, number], save_events=True)


def tally(ctx, seen) -> Steps:
    """Count the events of several senders, continuing as new at each, and note whatever is out of order."""
    sender, number = yield ctx.wait_for_external_event("number")
    if number < 0:
        return seen
    expected = seen["next"].get(sender, 0)
    if number == expected:
        seen["next"][sender] = number + 1
    elif number == expected - 1:
        seen["again"] += 1
    else:
        seen["wrong"].append([sender, number, expected])
    ctx.continue_as_new(seen, save_events=True)


def sleeper(ctx, _) -> Steps:
    """Wait for what never comes; somebody terminates it."""
    yield ctx.wait_for_external_event("never")


def receive(ctx, _) -> Steps:
    """Return the message that another orchestration sends."""
    return (yield ctx.wait_for_external_event("message"))


def send(ctx, order) -> Steps:
    """Send a message once an activity has made it."""
    message = yield ctx.call_activity(add_one, input=order["number"])
    ctx.send_event(order["to"], "message", data=message)
    return message


def remember(ctx, number) -> Steps:
    """Say a number in the status, put it into an entity and take it out again."""
    cell = EntityInstanceId("cell", ctx.instance_id)
    ctx.set_custom_status({"number": number})
    yield ctx.call_entity(cell, "set", number)
    return (yield ctx.call_entity(cell, "take"))


def transfer(ctx, order) -> Steps:
    """Move an amount between two accounts, with both locked."""
    source, target = (EntityInstanceId("account", name) for name in order["accounts"])
    with (yield ctx.lock_entities([source, target])):
        yield ctx.call_entity(source, "add", -order["amount"])
        yield ctx.call_entity(target, "add", order["amount"])
    return "moved"


class InsideError(Exception):
    """Thrown by an orchestration that holds locks."""


def visit(ctx, order) -> Steps:
    """Enter several rooms that nobody else may be in, do something, and leave; or throw inside."""
    rooms = [EntityInstanceId("room", name) for name in order["rooms"]]
    with (yield ctx.lock_entities(rooms)):
        for room_ in rooms:
            yield ctx.call_entity(room_, "enter", ctx.instance_id)
        yield ctx.call_activity(add_one, input=0)
        if order["throws"]:
            raise InsideError(ctx.instance_id)
        for room_ in rooms:
            yield ctx.call_entity(room_, "leave", ctx.instance_id)
    return "visited"


def deadly_activity(_context, _):
    """End the process, whoever is in it."""
    os._exit(9)


def calls_deadly(ctx, _) -> Steps:
    """Call what ends the process."""
    yield ctx.call_activity(deadly_activity)


def deadly(ctx, _):
    """An orchestrator that ends the process."""
    os._exit(9)


def account(ctx, amount):
    """A number that can be added to."""
    value = ctx.get_state(int, 0) + amount
    ctx.set_state(value)
    return value


def cell(ctx, number):
    """A number that can be set, and taken out again once."""
    held = ctx.get_state(int)
    ctx.set_state(number if ctx.operation == "set" else None)
    return held


def room(ctx, who):
    """Keeps a list of who came and went."""
    ctx.set_state([*ctx.get_state(list, []), [ctx.operation, who]])


ORCHESTRATORS = (
    chain, fan, family, nested, nap, alarm, collect, tally, sleeper, receive, send, remember, transfer, visit,
    calls_deadly, deadly,
)  # fmt: skip
ACTIVITIES = (add_one, deadly_activity)
ENTITIES = (account, cell, room)


def expected(name: str, payload: Any) -> object:
    """Return what an orchestration must return."""
    match name:
        case "chain":
            return payload + 3
        case "fan":
            return sum(range(1, payload + 1))
        case "family":
            return 2 * payload + 1 + 6
        case "nap":
            return payload + 1
        case "send":
            return payload["number"] + 1
        case "nested" | "remember":
            return payload
        case "visit":
            return "visited"
        case _:
            return "moved"


def activities(name: str, payload: Any) -> int | None:
    """Return how many activities an orchestration must run itself."""
    return {"chain": 3, "nap": 1, "send": 1, "fan": payload, "visit": 1, "nested": 0, "remember": 0}.get(name)


def visits(rng: random.Random, number: int, rooms: int) -> dict[str, Any]:
    """Return an order for ``visit``."""
    names = [f"r{n}" for n in range(rooms)]
    return {"rooms": rng.sample(names, rng.randint(2, 4)), "throws": number % 10 == 0}
