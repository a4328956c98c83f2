"""The large lane of the ETL: one-time runs of ``databricks/medallion_job.py``, serverless or on a job cluster."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from shared.databricks.client import ExecutionGoneError, databricks_errors, workspace
from shared.databricks.execution import failure_of, first_line
from shared.errors import QueryError, SettingsError
from shared.settings import settings

if TYPE_CHECKING:
    from databricks.sdk.service.jobs import JobsAPI, Run

type Steps = Literal["all", "silver", "gold"]
type RunFailure = Literal["job", "setup", "permission", "infrastructure"]
"""job: its own code failed, on this data. setup: it could not be started as it is. infrastructure: worth repeating."""

TASK = "medallion"
_SETUP = {
    "DISABLED",
    "FEATURE_DISABLED",
    "INVALID_CLUSTER_REQUEST",
    "INVALID_RUN_CONFIGURATION",
    "LIBRARY_INSTALLATION_ERROR",
    "REPOSITORY_CHECKOUT_FAILED",
    "RESOURCE_NOT_FOUND",
}


class RunKey(NamedTuple):
    """One attempt at one job: what must never run twice."""

    instance_id: str
    attempt: str

    @property
    def token(self) -> str:
        """The same 64 characters for the same attempt, for Databricks to recognise it by."""
        return hashlib.sha256(f"{TASK}/{self.instance_id}/{self.attempt}".encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class MedallionRun:
    """Where one run stands. ``handle`` finds it again; people look at it on ``page_url``.

    ``manifest`` is there once it succeeded, ``error`` and ``failure`` once it failed. ``seconds`` is how long it has
    run, or ran.
    """

    handle: str
    run_id: int
    state: Literal["running", "succeeded", "failed", "canceled", "timeout"]
    page_url: str = ""
    manifest: dict[str, Any] | None = None
    error: str = ""
    failure: RunFailure | None = None
    seconds: float = 0.0

    @property
    def retryable(self) -> bool:
        """Whether another attempt at the same may do better."""
        return self.failure == "infrastructure"


class MedallionLane:
    """Runs of the medallion job. Databricks starts one run for one idempotency token, however often it is asked.

    ``cluster`` is a job cluster in the words of the Clusters API; None: serverless. Every method raises
    WarehouseUnavailableError when nothing was taken and QueryError when Databricks refused.
    """

    def __init__(self, notebook: str, cluster: Mapping[str, Any] | None = None) -> None:
        self._notebook = notebook
        self._cluster = cluster

    @cached_property
    def _api(self) -> "JobsAPI":
        return workspace().jobs

    def submit(
        self,
        key: RunKey,
        *,
        input_url: str,
        rules_url: str,
        output_url: str,
        timeout_seconds: int,
        steps: Steps = "all",
    ) -> MedallionRun:
        """Start a run, or find the one that this attempt started before.

        ``input_url`` holds raw rows as Parquet, ``rules_url`` the text of ``rules_json``. The run leaves a folder for
        each table, and its manifest, in the folder ``output_url``. Past ``timeout_seconds``, Databricks ends it.
        """
        from databricks.sdk.service.compute import ClusterSpec
        from databricks.sdk.service.jobs import NotebookTask, QueueSettings, SubmitTask

        tags = {"instance_id": key.instance_id, "attempt": key.attempt}
        parameters = {"input_url": input_url, "rules_url": rules_url, "output_url": output_url}
        parameters |= {"job_id": key.instance_id, "steps": steps, **tags}
        task = SubmitTask(TASK, notebook_task=NotebookTask(self._notebook, base_parameters=parameters))
        if self._cluster is not None:
            own_tags: dict[str, str] = self._cluster.get("custom_tags", {})
            task.new_cluster = ClusterSpec.from_dict({**self._cluster, "custom_tags": {**own_tags, **tags}})
        with databricks_errors("the run"):
            started = self._api.submit(
                idempotency_token=key.token,
                queue=QueueSettings(enabled=True),
                # Serverless runs have no tags of their own: the name says whose they are.
                run_name=f"{TASK} {key.instance_id} {key.attempt}",
                tasks=[task],
                timeout_seconds=timeout_seconds,
            )
        run_id = int(cast("dict[str, Any]", started.bind())["run_id"])
        return MedallionRun(handle=str(run_id), run_id=run_id, state="running")

    def fetch(self, handle: str) -> MedallionRun:
        """Return where the run stands."""
        from databricks.sdk.service.jobs import RunLifeCycleState as Life
        from databricks.sdk.service.jobs import RunResultState as Result

        run_id = int(handle)
        try:
            with databricks_errors("the run"):
                run = self._api.get_run(run_id)
        except ExecutionGoneError:
            error = "Databricks lost the run."
            return MedallionRun(handle=handle, run_id=run_id, state="failed", error=error, failure="infrastructure")
        facts: dict[str, Any] = {"handle": handle, "run_id": run_id, "page_url": run.run_page_url or ""}
        facts["seconds"] = (run.run_duration or run.execution_duration or 0) / 1000
        state = run.state
        if state is None or state.life_cycle_state not in {Life.TERMINATED, Life.SKIPPED, Life.INTERNAL_ERROR}:
            return MedallionRun(state="running", **facts)
        match state.result_state:
            case Result.SUCCESS:
                return MedallionRun(state="succeeded", manifest=self._manifest(run), **facts)
            case Result.CANCELED:
                return MedallionRun(state="canceled", error="The run was cancelled.", **facts)
            case Result.TIMEDOUT:
                return MedallionRun(state="timeout", error="The run reached its time limit.", **facts)
            case _:
                message = self._error(run)
                return MedallionRun(state="failed", error=message, failure=_failure(run, message), **facts)

    def cancel(self, handle: str) -> None:
        """Ask for the end of the run; it is over when ``fetch`` says so."""
        with suppress(ExecutionGoneError), databricks_errors("the cancellation"):  # what is gone is over
            self._api.cancel_run(int(handle))

    def _manifest(self, run: "Run") -> dict[str, Any]:
        with databricks_errors("the run's output"):
            output = self._api.get_run_output(_task_run(run))
        text = (output.notebook_output and output.notebook_output.result) or ""
        try:
            manifest = json.loads(text)
            return {"counts": manifest["counts"], "tables": manifest["tables"], **manifest}
        except (ValueError, KeyError, TypeError) as error:
            message = (
                f"Run {run.run_id} ended without its manifest; deploy databricks/medallion_job.py as {self._notebook}."
            )
            raise QueryError(message) from error

    def _error(self, run: "Run") -> str:
        message = run.state.state_message if run.state else None
        with suppress(QueryError), databricks_errors("the run's output"):  # a run that never began has none
            message = self._api.get_run_output(_task_run(run)).error or message
        return first_line(message or "")


@cache
def medallion_lane() -> MedallionLane:
    """Return the large lane, as the settings say.

    Raises:
        SettingsError: DATABRICKS_CLUSTER is not a JSON object.
    """
    text = settings().databricks_cluster
    try:
        cluster = json.loads(text) if text else None
    except ValueError as error:
        raise SettingsError(
            f"DATABRICKS_CLUSTER is not JSON: {error}; leave it empty for serverless compute."
        ) from error
    if cluster is not None and not isinstance(cluster, dict):
        raise SettingsError("DATABRICKS_CLUSTER is not a JSON object; leave it empty for serverless compute.")
    return MedallionLane(settings().databricks_medallion_notebook, cast("dict[str, Any] | None", cluster))


def _failure(run: "Run", message: str) -> RunFailure:
    """Tell what kind of failure ended ``run``, by its termination code."""
    details = run.status.termination_details if run.status else None
    code = details.code.value if details and details.code else ""
    if code == "UNAUTHORIZED_ERROR" or failure_of(message) == "permission":
        return "permission"
    if code == "RUN_EXECUTION_ERROR":
        return "job"
    return "setup" if code in _SETUP else "infrastructure"


def _task_run(run: "Run") -> int:
    """Return the run id of the only task: its output is asked for by that."""
    task_ids = [task.run_id for task in run.tasks or [] if task.run_id]
    return task_ids[0] if task_ids else run.run_id or 0
