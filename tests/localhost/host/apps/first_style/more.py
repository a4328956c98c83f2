"""The other half of the app, in a blueprint."""

import azure.durable_functions as df

blueprint = df.Blueprint()
ATTEMPTS: dict[str, int] = {}


@blueprint.activity_trigger(input_name="last")
def count_to(last: int) -> list:
    return list(range(1, last + 1))


@blueprint.activity_trigger(input_name="n")
async def square(n: int) -> int:
    return n * n


@blueprint.activity_trigger(input_name="key")
def attempts(key: str) -> int:
    ATTEMPTS[key] = ATTEMPTS.get(key, 0) + 1
    return ATTEMPTS[key]


@blueprint.activity_trigger(input_name="key", activity="third_time")
def third(key: str) -> int:
    if attempts_of(key) < 3:
        raise RuntimeError("not yet")
    return ATTEMPTS[key]


@blueprint.activity_trigger(input_name="what")
def never(what: str) -> str:
    raise RuntimeError("never worked")


@blueprint.entity_trigger(context_name="context", entity_name="Tally")
def tally(context: df.DurableEntityContext):
    total = context.get_state(lambda: 0)
    match context.operation_name:
        case "add":
            total += context.get_input()
            context.set_state(total)
        case "reset":
            total = 0
            context.destruct_on_exit()
    context.set_result(total)


def attempts_of(key: str) -> int:
    ATTEMPTS[key] = ATTEMPTS.get(key, 0) + 1
    return ATTEMPTS[key]
