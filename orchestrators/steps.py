"""How orchestrators call activities: with patience for what is busy, and an end for what is broken."""

from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any

from durabletask import task

from shared.payloads import Failure

# For what no activity foresees, a worker that dies for instance. What it does foresee comes back as a verdict.
RETRY = task.RetryPolicy(first_retry_interval=timedelta(seconds=1), max_number_of_attempts=3, backoff_coefficient=2.0)
PAUSES = (1, 2, 4, 8, 16)
"""Seconds between tries of a step whose service is busy and does not say for how long."""
LONGEST_PAUSE = 120

type Steps[T] = Generator[task.Task[Any], Any, T]
type Wait = Callable[[task.Task[Any]], Steps[Any]]
"""How to wait for a task, where more than its end matters."""


class StepFailedError(Exception):
    """A step cannot be done, or not soon enough."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def simply(one: task.Task[Any]) -> Steps[Any]:
    """Wait for ``one``, whatever else happens."""
    return (yield one)


def step(ctx: task.OrchestrationContext, activity: str, payload: Any, *, wait: Wait = simply) -> Steps[Any]:
    """Call ``activity``; while its service is busy, wait as long as that asks, on a durable timer.

    Raises:
        StepFailedError: the activity's verdict is a failure that repeating does not mend, or it stayed busy.
    """
    verdict = yield from wait(ctx.call_activity(activity, input=payload, retry_policy=RETRY))
    for pause in PAUSES:
        failure: Failure | None = verdict.get("failure")
        if failure is None:
            return verdict
        if not failure["again"]:
            break
        seconds = min(max(failure.get("retry_after", pause), 0.1), LONGEST_PAUSE)
        yield from wait(ctx.create_timer(timedelta(seconds=seconds)))
        verdict = yield from wait(ctx.call_activity(activity, input=payload, retry_policy=RETRY))
    if "failure" in verdict:
        raise StepFailedError(verdict["failure"]["code"], verdict["failure"]["message"])
    return verdict
