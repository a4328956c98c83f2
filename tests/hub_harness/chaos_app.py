"""The orchestrations of the chaos test: each one's result is a function of its input alone."""

import os
from datetime import timedelta
from pathlib import Path

from durabletask import task
from durabletask.entities import EntityInstanceId

LEDGER_ENV = "CHAOS_LEDGER"


def add_one(context, number):
    """Add one, and write in the ledger that this ran."""
    line = f"{context.orchestration_id} {context.task_id} {os.getpid()}\n".encode()
    ledger = os.open(os.environ[LEDGER_ENV], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(ledger, line)
        os.fsync(ledger)
    finally:
        os.close(ledger)
    return number + 1


def chain(ctx, number):
    """Three activities, one after the other."""
    for _ in range(3):
        number = yield ctx.call_activity(add_one, input=number)
    return number


def fan(ctx, width):
    """Activities in parallel."""
    results = yield task.when_all([ctx.call_activity(add_one, input=n) for n in range(width)])
    return sum(results)


def family(ctx, number):
    """Two sub-orchestrations."""
    results = yield task.when_all([ctx.call_sub_orchestrator(chain, input=number + n) for n in range(2)])
    return sum(results)


def nap(ctx, number):
    """A timer, then an activity."""
    yield ctx.create_timer(timedelta(milliseconds=20))
    return (yield ctx.call_activity(add_one, input=number))


def collect(ctx, seen):
    """Gather events, continuing as new at each, until one says stop."""
    number = yield ctx.wait_for_external_event("number")
    if number < 0:
        return seen
    ctx.continue_as_new([*seen, number], save_events=True)


def transfer(ctx, order):
    """Move an amount between two accounts, with both locked."""
    source, target = (EntityInstanceId("account", name) for name in order["accounts"])
    with (yield ctx.lock_entities([source, target])):
        yield ctx.call_entity(source, "add", -order["amount"])
        yield ctx.call_entity(target, "add", order["amount"])
    return "moved"


def account(ctx, amount):
    """A number that can be added to."""
    value = ctx.get_state(int, 0) + amount
    ctx.set_state(value)
    return value


FUNCTIONS = (chain, fan, family, nap, collect, transfer, add_one)


def expected(name: str, payload) -> object:
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
        case _:
            return "moved"


def ledger_entries(path: Path) -> dict[tuple[str, str], int]:
    """Return how often each activity ran."""
    runs: dict[tuple[str, str], int] = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        instance, task_id, _ = line.split()
        runs[instance, task_id] = runs.get((instance, task_id), 0) + 1
    return runs
