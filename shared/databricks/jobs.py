"""The job lane: a run of the job that ``databricks/sql_query_job.py`` defines."""

import json
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypedDict, cast

from shared.conversations import ColumnType
from shared.databricks.client import ExecutionGoneError, databricks_errors, workspace
from shared.databricks.execution import Execution, QueryKey, failure_of, first_line, gone
from shared.errors import QueryError

if TYPE_CHECKING:
    from databricks.sdk.service.jobs import JobsAPI, Run


class _Report(TypedDict):
    """What the job says when it ends."""

    row_count: int
    truncated: bool
    columns: list[ColumnType]


class JobLane:
    """Runs of one job. Databricks starts one run for one idempotency token, however often it is asked."""

    def __init__(self, job_id: int) -> None:
        self._job_id = job_id

    @cached_property
    def _api(self) -> "JobsAPI":
        return workspace().jobs

    def submit(
        self,
        sql: str,
        key: QueryKey,
        *,
        result_url: str,
        row_limit: int,
        begun_before: bool,  # noqa: ARG002  the idempotency token finds the earlier run
    ) -> Execution:
        """Start a run, or find the one that this attempt started before."""
        parameters = {
            "sql": sql,
            "result_url": result_url,
            "row_limit": str(row_limit),
            "instance_id": key.instance_id,
            "query_id": key.query_id,
            "attempt": str(key.attempt),
        }
        with databricks_errors("the run"):
            started = self._api.run_now(self._job_id, idempotency_token=key.token, job_parameters=parameters)
        run_id = int(cast("dict[str, Any]", started.bind())["run_id"])
        return Execution(handle=str(run_id), run_id=run_id, state="running")

    def fetch(self, handle: str, *, result_url: str, row_limit: int) -> Execution:  # noqa: ARG002  the job knows both
        """Return where the run stands; once it succeeded, the job has left its rows in the lake."""
        from databricks.sdk.service.jobs import RunLifeCycleState as Life
        from databricks.sdk.service.jobs import RunResultState as Result

        run_id = int(handle)
        try:
            with databricks_errors("the run"):
                run = self._api.get_run(run_id)
        except ExecutionGoneError:
            return gone(handle, run_id)
        facts: dict[str, Any] = {"handle": handle, "run_id": run_id}
        state = run.state
        if state is None or state.life_cycle_state not in {Life.TERMINATED, Life.SKIPPED, Life.INTERNAL_ERROR}:
            return Execution(state="running", **facts)
        match state.result_state:
            case Result.SUCCESS:
                report = self._report(run)
                return Execution(state="succeeded", **facts, **report)
            case Result.CANCELED:
                return Execution(state="canceled", error="The run was cancelled.", **facts)
            case Result.TIMEDOUT:
                return Execution(state="timeout", error="The run reached its own time limit.", **facts)
            case _:
                message = self._error(run)
                return Execution(state="failed", error=message, failure=failure_of(message), **facts)

    def cancel(self, handle: str) -> None:
        """Ask for the end of the run."""
        with suppress(ExecutionGoneError), databricks_errors("the cancellation"):  # what is gone is over
            self._api.cancel_run(int(handle))

    def _report(self, run: "Run") -> _Report:
        with databricks_errors("the run's output"):
            output = self._api.get_run_output(_task_run(run))
        try:
            report = json.loads((output.notebook_output and output.notebook_output.result) or "")
            return {
                "row_count": int(report["row_count"]),
                "truncated": bool(report["truncated"]),
                "columns": [{"name": str(c["name"]), "type": str(c["type"])} for c in report["columns"]],
            }
        except (ValueError, KeyError, TypeError) as error:
            message = f"Run {run.run_id} of job {self._job_id} ended without its report"
            raise QueryError(f"{message}; deploy databricks/sql_query_job.py as that job.") from error

    def _error(self, run: "Run") -> str:
        with databricks_errors("the run's output"):
            output = self._api.get_run_output(_task_run(run))
        fallback = run.state.state_message if run.state else None
        return first_line(output.error or fallback or "")


def _task_run(run: "Run") -> int:
    """Return the run id of the job's only task: its output is asked for by that."""
    task_ids = [task.run_id for task in run.tasks or [] if task.run_id]
    return task_ids[0] if task_ids else run.run_id or 0
