"""Runs: those of the one job, which runs ``databricks/sql_query_job.py``, and one-time runs of Python files."""

import json
import random
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock, Timer
from typing import Any

from localhost.services.databricks.engine import (
    Cancellation,
    Engine,
    JobFailedError,
    JobOutput,
    PythonJob,
    QueryFailedError,
    RunFailedError,
)
from localhost.services.databricks.python_jobs import job_file
from localhost.services.databricks.state import State
from localhost.services.databricks.work import Outcome, Work, Workers
from localhost.services.faults import Fault, Faults

JOB_ID = 1
JOB_NAME = "sql_query_job"
TASK_KEY = "sql_query"
JOB_PARAMETERS = {"sql": "", "result_url": "", "row_limit": "1000", "instance_id": "", "query_id": "", "attempt": "1"}
JOB_TASK = {"notebook_task": {"notebook_path": "databricks/sql_query_job.py", "source": "WORKSPACE"}}
LOST = "The driver was lost: the stand-in ended while the run was under way."

# Databricks forgets a run after 60 days.
RUN_SECONDS = 60 * 24 * 3_600
RUNS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What is to be run. ``task`` is the task as it was sent; ``one_time``: it belongs to no job."""

    name: str
    task_key: str
    task: dict[str, Any]
    parameters: dict[str, str]
    one_time: bool = False
    timeout_seconds: int = 0


def _new_id() -> int:
    return random.randint(10**14, 10**15 - 1)  # noqa: S311 - an id, not a secret


@dataclass(slots=True)
class Run:
    """One run. Its only task has a run id of its own."""

    request: RunRequest
    number: int
    token: str | None = None
    id: int = field(default_factory=_new_id)
    task_id: int = field(default_factory=_new_id)
    work: Work[JobOutput] = field(default_factory=Work[JobOutput])
    engine: str = ""
    timed_out: bool = False


class Runs:
    """The runs that are remembered, newest last. ``job_files`` is where the files of the workspace lie."""

    def __init__(self, engine: Engine, workers: Workers, faults: Faults, state: State, job_files: Path) -> None:
        self._engine = engine
        self._workers = workers
        self._faults = faults
        self._state = state
        self._job_files = job_files
        self._lock = Lock()
        self._runs: OrderedDict[int, Run] = OrderedDict()
        self._by_task: dict[int, Run] = {}
        self._by_token: dict[str, int] = {}
        self._started = 0
        for content, _ in state.all("run"):
            self._remember(_restored(content))

    def start(self, request: RunRequest, token: str | None) -> Run:
        """Start a run, or return the one that was started with the same ``token``."""
        with self._lock:
            if token and (known := self._by_token.get(token)):
                return self._runs[known]
            run = Run(request, self._started + 1, token)
            run.work = Work(lambda outcome: self._keep(run, outcome))
            self._remember(run)
            self._keep(run)
            self._forget()
        subject = json.dumps(request.parameters)
        failure = self._faults.take("fail_run", subject)
        self._workers.start(
            run.work,
            lambda cancellation: self._run(run, cancellation),
            hang=self._faults.take("hang_run", subject),
            failure=failure and _failure(failure),
        )
        if request.timeout_seconds:
            self._limit(run)
        return run

    def get(self, run_id: int) -> Run | None:
        """Return the run with this id, be it the job run's or its task's."""
        with self._lock:
            return self._runs.get(run_id) or self._by_task.get(run_id)

    def newest_first(self) -> Iterator[Run]:
        """Yield every run that is remembered."""
        with self._lock:
            runs = list(self._runs.values())
        yield from reversed(runs)

    def cancel_all(self) -> None:
        """Cancel what has not ended."""
        for run in self.newest_first():
            run.work.cancel()

    def _run(self, run: Run, cancellation: Cancellation) -> JobOutput:
        parameters = run.request.parameters
        if run.request.one_time:
            run.engine = "spark"
            return self._engine.run_python_job(_python_job(run.request, self._job_files), cancellation)
        try:
            row_limit = int(parameters["row_limit"])
        except ValueError as error:
            raise QueryFailedError(f"ValueError: {error}") from error
        report, run.engine = self._engine.run_query_job(
            parameters["sql"], parameters["result_url"], row_limit, cancellation
        )
        return JobOutput(json.dumps(report))

    def _limit(self, run: Run) -> None:
        def end() -> None:
            run.timed_out = True
            run.work.cancel()

        timer = Timer(run.request.timeout_seconds, end)
        timer.daemon = True
        run.work.ended.add_done_callback(lambda _: timer.cancel())
        timer.start()

    def _remember(self, run: Run) -> None:
        self._runs[run.id] = run
        self._by_task[run.task_id] = run
        self._started = run.number
        if run.token:
            self._by_token[run.token] = run.id

    def _keep(self, run: Run, outcome: Outcome[JobOutput] | None = None) -> None:
        content: dict[str, Any] = {
            name: getattr(run, name) for name in ("id", "task_id", "token", "number", "engine", "timed_out")
        }
        content |= {"request": asdict(run.request), "created_at": run.work.created_at, "begun_at": run.work.begun_at}
        if outcome is not None:
            content |= {"state": outcome.state, "ended_at": outcome.at, "error": _error_content(outcome.error)}
            content["output"] = asdict(outcome.result) if outcome.result else None
        self._state.put("run", str(run.id), content)

    def _forget(self) -> None:
        now = time.time() * 1000
        while self._runs:
            oldest = next(iter(self._runs.values()))
            ended = oldest.work.ended_at
            if ended is None or (len(self._runs) <= RUNS_KEPT and now - ended < RUN_SECONDS * 1000):
                return
            del self._runs[oldest.id], self._by_task[oldest.task_id]
            if oldest.token:
                del self._by_token[oldest.token]
            self._state.drop("run", str(oldest.id))


def _python_job(request: RunRequest, folder: Path) -> PythonJob:
    if "notebook_task" in request.task:
        file = job_file(folder, request.task["notebook_task"]["notebook_path"])
        return PythonJob("notebook", file, named=request.parameters)
    task = request.task["spark_python_task"]
    return PythonJob("script", job_file(folder, task["python_file"]), words=task.get("parameters") or [])


def _restored(content: dict[str, Any]) -> Run:
    """Return a run of an earlier process; what had not ended then is lost."""
    if "state" in content:
        output = JobOutput(**content["output"]) if content["output"] else None
        outcome = Outcome(content["state"], output, _error(content["error"]), content["ended_at"])
    else:
        lost = RunFailedError(LOST, error_code="DRIVER_ERROR")
        outcome = Outcome[JobOutput]("failed", None, lost, time.time_ns() // 1_000_000)
    return Run(
        RunRequest(**content["request"]),
        content["number"],
        content["token"],
        content["id"],
        content["task_id"],
        Work[JobOutput].over(outcome, created_at=content["created_at"], begun_at=content["begun_at"]),
        content["engine"],
        content["timed_out"],
    )


def _error_content(error: QueryFailedError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    trace = error.trace if isinstance(error, JobFailedError) else ""
    around = isinstance(error, RunFailedError)
    return {"message": str(error), "error_code": error.error_code, "trace": trace, "around": around}


def _error(content: dict[str, Any] | None) -> QueryFailedError | None:
    if content is None:
        return None
    if content["around"]:
        return RunFailedError(content["message"], error_code=content["error_code"])
    return JobFailedError(content["message"], content["trace"])


def _failure(fault: Fault) -> QueryFailedError:
    message = fault.detail.get("message", "The cluster could not be started: an injected fault.")
    code = fault.detail.get("error_code", "CLUSTER_ERROR")
    return QueryFailedError(message) if code == "RUN_EXECUTION_ERROR" else RunFailedError(message, error_code=code)
