"""Random orchestrations: programs of everything that an orchestration can do, and their interpreter."""

import random
from datetime import timedelta
from typing import Any

from durabletask import task
from durabletask.entities import EntityInstanceId
from durabletask.entities.entity_operation_failed_exception import EntityOperationFailedException

RETRY = task.RetryPolicy(first_retry_interval=timedelta(milliseconds=1), max_number_of_attempts=3)
NOTHING = {"do": [], "again": 0, "ending": "", "heard": 0}


def add(_, numbers):
    return sum(numbers)


def break_(_, message):
    raise ValueError(message)


def stumble(context, how):
    """Fail until the task has been tried often enough: its id tells how often."""
    if context.task_id % 3:
        raise RuntimeError("not yet")
    return how


def tally(ctx, amount):
    """Add, fail after changing the state, pass on, or start an orchestration."""
    value = ctx.get_state(int, 0) + (amount or 0)
    ctx.set_state(value)
    match ctx.operation:
        case "break":
            raise ValueError(f"broken at {value}")
        case "forget":
            ctx.set_state(None)
        case "pass_on":
            ctx.signal_entity(EntityInstanceId("tally", f"{ctx.entity_id.key}+"), "add", amount)
        case "begin":
            ctx.schedule_new_orchestration("interpret", NOTHING, f"{ctx.entity_id.key}:{amount}")
        case _:
            pass
    return value


def interpret(ctx, program):
    """Do what a program says, and return a trace of what came of it."""
    trace = []
    for position, (what, argument) in enumerate(program["do"]):
        step = STEPS[what](ctx, argument, position)
        if step is not None:
            trace.append((yield from step))
    if program["again"]:
        ctx.continue_as_new({**program, "again": program["again"] - 1}, save_events=True)
        return None
    match program["ending"]:
        case "stuck":
            ctx.set_custom_status("stuck")
            yield ctx.wait_for_external_event("never")
        case "family":
            child = {**NOTHING, "ending": "stuck"}
            yield ctx.call_sub_orchestrator(interpret, input=child, instance_id=f"{ctx.instance_id}.family")
        case _:
            pass
    return trace


# Steps


def _activity(ctx, argument, _):
    return (yield ctx.call_activity(add, input=argument))


def _fan(ctx, argument, _):
    return (yield task.when_all([ctx.call_activity(add, input=[n, n]) for n in range(argument)]))


def _caught(ctx, argument, _):
    try:
        yield ctx.call_activity(break_, input=argument)
    except task.TaskFailedError as error:
        return [error.details.error_type, error.details.message]


def _uncaught(ctx, argument, _):
    yield ctx.call_activity(break_, input=argument)


def _raise(ctx, argument, _):
    raise KeyError(argument)
    yield


def _retry(ctx, argument, _):
    try:
        return (yield ctx.call_activity(stumble, input=argument, retry_policy=RETRY))
    except task.TaskFailedError as error:
        return error.details.error_type


def _timer(ctx, argument, _):
    yield ctx.create_timer(timedelta(milliseconds=argument))
    return "rang"


def _race(ctx, argument, _):
    return (
        yield task.when_any([ctx.create_timer(timedelta(hours=1)), ctx.call_activity(add, input=[argument])])
    ).get_result()


def _child(ctx, argument, position):
    try:
        return (yield ctx.call_sub_orchestrator(interpret, input=argument, instance_id=f"{ctx.instance_id}.{position}"))
    except task.TaskFailedError as error:
        return ["child failed", error.details.error_type]


def _children(ctx, argument, position):
    ids = [f"{ctx.instance_id}.{position}.{n}" for n in range(argument)]
    return (yield task.when_all([ctx.call_sub_orchestrator(interpret, input=NOTHING, instance_id=one) for one in ids]))


def _event(ctx, argument, position):
    ctx.send_event(ctx.instance_id, f"e{position}", data=argument)
    return (yield ctx.wait_for_external_event(f"e{position}"))


def _hear(ctx, _argument, _position):
    return (yield ctx.wait_for_external_event("outside"))


def _entity(ctx, argument):
    return EntityInstanceId("tally", f"{ctx.instance_id}-{argument % 2}")


def _call(ctx, argument, _):
    return (yield ctx.call_entity(_entity(ctx, argument), "add", argument))


def _broken_call(ctx, argument, _):
    """The operation fails, and what it did to the state is undone."""
    try:
        yield ctx.call_entity(_entity(ctx, argument), "break", argument)
    except task.TaskFailedError as error:
        return [type(error).__name__, "broken at" in str(error)]
    except EntityOperationFailedException as error:
        return [type(error).__name__, "broken at" in str(error)]


def _signal(ctx, argument, _):
    ctx.signal_entity(
        _entity(ctx, argument), random.Random(argument).choice(["add", "pass_on", "break", "forget"]), argument
    )


def _begin(ctx, argument, position):
    entity = EntityInstanceId("tally", f"{ctx.instance_id}/{position}/{ctx.new_uuid()[:0]}")
    return (yield ctx.call_entity(entity, "begin", argument))


def _lock(ctx, argument, _):
    with (yield ctx.lock_entities([_entity(ctx, 1), _entity(ctx, 0)])):
        first = yield ctx.call_entity(_entity(ctx, 0), "add", argument)
        if argument % 10 == 0:
            raise RuntimeError("inside")
        return [first, (yield ctx.call_entity(_entity(ctx, 1), "add", argument))]


def _status(ctx, argument, _):
    ctx.set_custom_status({"at": argument})


def _uuid(ctx, *_):
    return len(str(ctx.new_uuid()))
    yield


STEPS = {
    "activity": _activity, "fan": _fan, "caught": _caught, "uncaught": _uncaught, "raise": _raise, "retry": _retry,
    "timer": _timer, "race": _race, "child": _child, "children": _children, "event": _event, "hear": _hear,
    "call": _call, "broken call": _broken_call, "signal": _signal, "begin": _begin, "lock": _lock, "status": _status,
    "uuid": _uuid,
}  # fmt: skip
RARE = ("uncaught", "raise")


def program(rng: random.Random, depth: int = 0) -> dict[str, Any]:
    """Return a random program."""
    kinds = [kind for kind in STEPS if kind not in RARE and (depth < 2 or kind != "child")]
    steps: list[tuple[str, Any]] = []
    for _ in range(rng.randint(1, 5)):
        kind = rng.choice(RARE if rng.random() < 0.04 else kinds)
        if kind == "hear" and depth:
            continue  # nobody outside knows when a sub-orchestration is there
        argument = {
            "activity": [rng.randint(0, 9) for _ in range(rng.randint(0, 3))],
            "fan": rng.randint(1, 12),
            "children": rng.randint(1, 3),
            "timer": rng.randint(0, 10),
            "child": program(rng, depth + 1) if kind == "child" else None,
        }.get(kind, rng.randint(0, 99))
        steps.append((kind, argument))
    again = rng.choice([0, 0, 0, 1, 2]) if depth == 0 and not any(kind == "begin" for kind, _ in steps) else 0
    return {
        "do": steps,
        "again": again,
        "ending": rng.choice(["", "", "", "stuck", "family"]) if depth == 0 else "",
        # What the world does
        "heard": sum(kind == "hear" for kind, _ in steps) * (again + 1),
        "early": rng.random(),
        # In memory, an instance that continued as new fails when it is resumed, for the new run does not know that it
        # was suspended, and recursive termination does not reach what it started since.
        "suspended": rng.random() < 0.3 and not again,
        "recursive": rng.random() < 0.5 and not again,
    }
