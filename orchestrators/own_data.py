"""A question about data that is being made: it waits for it on durable timers, and then goes on by itself."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain, repeat

from durabletask import task

from orchestrators.steps import Steps, step
from shared.payloads import DataAwaited, DataWait, Turn


def wait_for_data(ctx: task.OrchestrationContext, turn: Turn, patience: timedelta) -> Steps[None]:
    """Return once nothing newer is being made; past ``patience`` the last version has to do.

    Raises:
        StepFailedError: there is no version at all.
    """
    deadline = ctx.current_utc_datetime + patience
    for pause in _pauses():
        left = deadline - ctx.current_utc_datetime
        yield ctx.create_timer(max(min(pause, left), timedelta(0)))
        wait: DataWait = {**turn, "last": left <= pause}
        found: DataAwaited = yield from step(ctx, "await_data", wait)
        if not found.get("waiting", False):
            return


def _pauses() -> Iterator[timedelta]:
    """Yield the pauses between looks: 1 s growing to 15 s, without end."""
    return chain((timedelta(seconds=s) for s in (1, 1, 2, 3, 5, 8, 12)), repeat(timedelta(seconds=15)))
