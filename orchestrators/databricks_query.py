"""One query, from SQL to rows in the lake: run, wait on durable timers, mend or repeat where that can help."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain, repeat

import azure.durable_functions as df
from durabletask import task

from orchestrators.steps import Steps, step
from shared.payloads import QueryAttempt, QueryOutcome, QueryRequest, QueryStatus

bp = df.Blueprint()

MAX_RERUNS = 2
"""How often a query whose execution broke, through no fault of its SQL, is run again."""
POLLS_AFTER_CANCEL = 20


@bp.orchestration_trigger(context_name="context")
def databricks_query(ctx: task.OrchestrationContext, request: QueryRequest) -> Steps[QueryOutcome]:
    """Run the query; SQL that fails goes back to the model with the error, at most ``max_sql_retries`` times."""
    repairs = reruns = 0
    status: QueryStatus = {}
    for attempt in range(1, request["max_sql_retries"] + MAX_RERUNS + 2):
        this: QueryAttempt = {
            "conversation_id": request["conversation_id"],
            "query_id": request["query_id"],
            "attempt": attempt,
        }
        status = yield from _run(ctx, this, timedelta(seconds=request["deadline_seconds"]))
        if status.get("state") == "succeeded":
            return {"succeeded": True, "attempts": attempt}
        if status.get("cause") == "sql" and repairs < request["max_sql_retries"]:
            repairs += 1
            yield from step(ctx, "repair_query", this)
        elif status.get("cause") == "infrastructure" and reruns < MAX_RERUNS:
            reruns += 1
            yield ctx.create_timer(timedelta(seconds=reruns))
        else:
            return _failed(status, attempt)
    return _failed(status, repairs + reruns + 1)


def _run(ctx: task.OrchestrationContext, this: QueryAttempt, patience: timedelta) -> Steps[QueryStatus]:
    """Submit one attempt and follow it to its end, or to its deadline and then to its cancellation."""
    deadline = ctx.current_utc_datetime + patience
    status: QueryStatus = yield from step(ctx, "submit_query", this)
    if status.get("state") != "running":
        return status
    submitted: QueryAttempt = {
        **this,
        "lane": status.get("lane", "statement"),
        "handle": status.get("handle", ""),
    }
    for pause in _pauses():
        left = deadline - ctx.current_utc_datetime
        if left <= timedelta(0):
            break
        yield ctx.create_timer(min(pause, left))
        status = yield from step(ctx, "poll_query", submitted)
        if status.get("state") != "running":
            return status
    return (yield from _cancel(ctx, submitted, int(patience.total_seconds())))


def _cancel(ctx: task.OrchestrationContext, submitted: QueryAttempt, waited_seconds: int) -> Steps[QueryStatus]:
    """Cancel the execution and wait until Databricks says that it is over."""
    yield from step(ctx, "cancel_query", submitted)
    for pause, _ in zip(_pauses(), range(POLLS_AFTER_CANCEL), strict=False):
        status: QueryStatus = yield from step(ctx, "poll_query", submitted)
        if status.get("state") == "succeeded":
            return status  # it ended in the moment it was cancelled
        if status.get("state") != "running":
            break
        yield ctx.create_timer(pause)
    message = f"The query was still running after {waited_seconds} s and was cancelled; ask for less, or again later."
    return {"state": "failed", "cause": "final", "code": "query_timeout", "message": message}


def _pauses() -> Iterator[timedelta]:
    """Yield the pauses between polls: 2 s growing to 15 s, without end."""
    return chain((timedelta(seconds=s) for s in (2, 3, 4, 6, 9, 13)), repeat(timedelta(seconds=15)))


def _failed(status: QueryStatus, attempts: int) -> QueryOutcome:
    code, message = status.get("code", "query_failed"), status.get("message", "The query failed.")
    return {"succeeded": False, "attempts": attempts, "code": code, "message": message}
