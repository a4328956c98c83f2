"""One turn of a conversation: a question in, an answer in the record out."""

import logging
from datetime import UTC, timedelta
from typing import Any

import azure.durable_functions as df
from durabletask import task
from durabletask.entities import EntityInstanceId

from orchestrators.own_data import wait_for_data
from orchestrators.steps import StepFailedError, Steps, step
from shared.payloads import (
    Begun,
    Plan,
    Progress,
    ProgressItem,
    QueryOutcome,
    QueryRequest,
    State,
    Turn,
    TurnFailure,
    TurnOutcome,
)

bp = df.Blueprint()
logger = logging.getLogger(__name__)

ANONYMOUS = "anonymous"


class TurnFailedError(Exception):
    """The turn ended without an answer; its record says why."""


@bp.orchestration_trigger(context_name="context")
def conversation(ctx: task.OrchestrationContext, turn: Turn) -> Steps[TurnOutcome]:
    """Answer one question: plan its queries, run them, and put what they found into words."""
    report = _Report(ctx, turn["owner"])
    try:
        attempts = yield from _answer(ctx, turn, report)
    except StepFailedError as error:
        code, message = error.code, error.message
    except task.TaskFailedError as error:
        # Unforeseen, so its text may hold anything: it stays in the log and in the history.
        ctx.create_replay_safe_logger(logger).error("%s: %s", ctx.instance_id, error)
        code, message = "internal_error", "Something unexpected went wrong while answering; ask again."
    else:
        report.say("completed", "Completed", 100)
        return {"conversation_id": turn["conversation_id"], "status": "completed", "sql_attempts": attempts}

    failure: TurnFailure = {
        "conversation_id": turn["conversation_id"],
        "turn": turn["turn"],
        "code": code,
        "message": message,
    }
    yield from step(ctx, "fail_turn", failure)
    report.say("failed", "Failed", report.percentage)
    raise TurnFailedError(f"{code}: {message}")


def _answer(ctx: task.OrchestrationContext, turn: Turn, report: "_Report") -> Steps[int]:
    """Go through the steps of a turn; return how many statements were tried."""
    report.say("analyzing", "Analyzing question with LLM", 10)
    begun: Begun = yield from step(ctx, "begin_turn", turn)
    if patience := begun.get("wait_seconds", 0):
        report.say("awaiting_data", "Waiting for your newer data", 20)
        yield from wait_for_data(ctx, turn, timedelta(seconds=patience))
    report.say("generating_sql", "Generating SQL query", 30)
    plan: Plan = yield from step(ctx, "plan_answer", turn)

    query_ids = plan.get("query_ids", [])
    outcomes: list[QueryOutcome] = []
    if query_ids:
        outcomes = yield from _run_queries(ctx, turn, begun, query_ids, report)
        if lost := next((outcome for outcome in outcomes if not outcome["succeeded"]), None):
            raise StepFailedError(lost.get("code", "query_failed"), lost.get("message", "A query failed."))
        report.say("answering", "Processing results with LLM", 85)
        yield from step(ctx, "answer_question", turn)

    report.say("finishing", "Preparing final answer", 97)
    yield from step(ctx, "finish_turn", turn)
    return sum(outcome["attempts"] for outcome in outcomes)


def _run_queries(
    ctx: task.OrchestrationContext, turn: Turn, begun: Begun, query_ids: list[str], report: "_Report"
) -> Steps[list[QueryOutcome]]:
    """Run all queries side by side and report each end."""
    report.executing(0, len(query_ids))
    running: list[task.Task[Any]] = []
    for query_id in query_ids:
        request: QueryRequest = {
            "conversation_id": turn["conversation_id"],
            "query_id": query_id,
            "deadline_seconds": begun.get("query_deadline_seconds", 300),
            "max_sql_retries": begun.get("max_sql_retries", 3),
        }
        child = f"{ctx.instance_id}:{turn['turn']}:{query_id}"
        running.append(ctx.call_sub_orchestrator("databricks_query", input=request, instance_id=child))
    pending = list(running)
    while pending:
        ended = yield task.when_any(pending)
        pending.remove(ended)
        report.executing(len(running) - len(pending), len(running))
    return [query.get_result() for query in running]


class _Report:
    """Tells the turn's progress: to whoever polls the instance, and to the user's own list."""

    def __init__(self, ctx: task.OrchestrationContext, owner: str) -> None:
        self._ctx = ctx
        self._owner = owner
        self._version = 0
        self._queries = (0, 0)
        self.percentage = 0

    def executing(self, done: int, total: int) -> None:
        """Say how many queries have ended: 60 % for none of one, 80 % for all."""
        self._queries = (done, total)
        percentage = min(80, 40 + 40 * (2 * done + 1) // (2 * total))
        self.say("executing", f"Executing Spark SQL ({done}/{total} queries completed)...", percentage)

    def say(self, state: State, current_step: str, percentage: int) -> None:
        """Publish a step; the percentage never falls."""
        self._version += 1
        self.percentage = max(self.percentage, percentage)
        done, total = self._queries
        progress: Progress = {
            "state": state,
            "current_step": current_step,
            "percentage": self.percentage,
            "queries": {"done": done, "total": total},
            "version": self._version,
        }
        self._ctx.set_custom_status(progress)
        # Strangers share the name `anonymous`, so it has no list of its own.
        if self._owner != ANONYMOUS and state in {"analyzing", "completed", "failed"}:
            item: ProgressItem = {
                "id": self._ctx.instance_id,
                "kind": "chat",
                "state": state,
                "percentage": self.percentage,
                "at": self._ctx.current_utc_datetime.replace(tzinfo=UTC).isoformat(),
            }
            self._ctx.signal_entity(EntityInstanceId("user_progress", self._owner), "advance", input=item)
