"""The large lane of an ETL job: one run on Databricks, followed on durable timers to whatever end it has."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain, repeat

from durabletask import task

from orchestrators.steps import StepFailedError, Steps, step
from orchestrators.watching import JobCancelledError, Watch
from shared.payloads import JobStep, LargeStatus

MAX_RERUNS = 2
"""How often a run that broke, through no fault of its own, is run again."""
REST = timedelta(seconds=5)
"""Before a rerun; longer before the next one."""
POLLS_AFTER_CANCEL = 40


def run_on_databricks(ctx: task.OrchestrationContext, work: JobStep, watch: Watch) -> Steps[LargeStatus]:
    """Clean and model the job on Databricks; return how the run that succeeded ended.

    Raises:
        JobCancelledError: the job was cancelled, and Databricks says that the run is over.
        StepFailedError: no run succeeded.
    """
    status: LargeStatus = {}
    for number in range(1, MAX_RERUNS + 2):
        this: JobStep = {**work, "attempt": f"{work['attempt']}-{number}"}
        status = yield from _run(ctx, this, watch)
        if status.get("state") == "succeeded":
            return status
        if status.get("cause") != "infrastructure":
            break
        yield from watch.first([ctx.create_timer(number * REST)], interruptible=True)
    code, message = status.get("code", "large_lane_failed"), status.get("message", "The run on Databricks failed.")
    raise StepFailedError(code, message)


def _run(ctx: task.OrchestrationContext, this: JobStep, watch: Watch) -> Steps[LargeStatus]:
    status: LargeStatus = yield from step(ctx, "submit_large", this, wait=watch)
    if status.get("state") != "running":
        return status
    submitted: JobStep = {**this, "handle": status.get("handle", ""), "run_id": status.get("run_id", 0)}
    try:
        for pause in _pauses():
            yield from watch.first([ctx.create_timer(pause)], interruptible=True)
            status = yield from step(ctx, "poll_large", submitted, wait=watch)
            if status.get("state") != "running":
                break
    except JobCancelledError:
        yield from _cancel(ctx, submitted)
        raise
    return status


def _cancel(ctx: task.OrchestrationContext, submitted: JobStep) -> Steps[None]:
    """Cancel the run and wait until Databricks says that it is over."""
    yield from step(ctx, "cancel_large", submitted)
    for pause, _ in zip(_pauses(), range(POLLS_AFTER_CANCEL), strict=False):
        status: LargeStatus = yield from step(ctx, "poll_large", submitted)
        if status.get("state") != "running":
            return
        yield ctx.create_timer(pause)


def _pauses() -> Iterator[timedelta]:
    """Yield the pauses between polls: 2 s growing to 60 s, without end."""
    return chain((timedelta(seconds=s) for s in (2, 3, 5, 8, 13, 20, 30, 45)), repeat(timedelta(minutes=1)))
