"""Job runs: one job, which runs ``databricks/sql_query_job.py``."""

import json
import random
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from localhost.services.databricks.engine import Cancellation, Engine, QueryFailedError
from localhost.services.databricks.work import Work, Workers
from localhost.services.faults import Fault, Faults

JOB_ID = 1
JOB_NAME = "sql_query_job"
TASK_KEY = "sql_query"
JOB_PARAMETERS = {"sql": "", "result_url": "", "row_limit": "1000", "instance_id": "", "query_id": "", "attempt": "1"}

# Databricks forgets a run after 60 days.
RUN_SECONDS = 60 * 24 * 3_600
RUNS_KEPT = 10_000


class RunFailedError(QueryFailedError):
    """The run failed around the SQL, not in it: no cluster, no driver. ``error_code`` is a termination code."""


def _new_id() -> int:
    return random.randint(10**14, 10**15 - 1)  # noqa: S311 - an id, not a secret


@dataclass(slots=True)
class Run:
    """One run of the job. Its only task has a run id of its own."""

    parameters: dict[str, str]
    number: int
    id: int = field(default_factory=_new_id)
    task_id: int = field(default_factory=_new_id)
    work: Work[dict[str, Any]] = field(default_factory=Work[dict[str, Any]])
    engine: str = ""


class Runs:
    """The runs of the job, newest last."""

    def __init__(self, engine: Engine, workers: Workers, faults: Faults) -> None:
        self._engine = engine
        self._workers = workers
        self._faults = faults
        self._lock = Lock()
        self._runs: OrderedDict[int, Run] = OrderedDict()
        self._by_task: dict[int, Run] = {}
        self._by_token: dict[str, int] = {}
        self._started = 0

    def run_now(self, parameters: dict[str, str], token: str | None) -> Run:
        """Start a run, or return the one that was started with the same ``token``."""
        with self._lock:
            if token and (known := self._by_token.get(token)):
                return self._runs[known]
            self._started += 1
            run = Run(JOB_PARAMETERS | parameters, self._started)
            self._runs[run.id] = run
            self._by_task[run.task_id] = run
            if token:
                self._by_token[token] = run.id
            self._forget()
        subject = json.dumps(run.parameters)
        failure = self._faults.take("fail_run", subject)
        self._workers.start(
            run.work,
            lambda cancellation: self._run(run, cancellation),
            hang=self._faults.take("hang_run", subject),
            failure=failure and _failure(failure),
        )
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

    def _run(self, run: Run, cancellation: Cancellation) -> dict[str, Any]:
        try:
            row_limit = int(run.parameters["row_limit"])
        except ValueError as error:
            raise QueryFailedError(f"ValueError: {error}") from error
        report, run.engine = self._engine.run_query_job(
            run.parameters["sql"], run.parameters["result_url"], row_limit, cancellation
        )
        return report

    def _forget(self) -> None:
        now = time.time() * 1000
        while self._runs:
            oldest = next(iter(self._runs.values()))
            ended = oldest.work.ended_at
            if ended is None or (len(self._runs) <= RUNS_KEPT and now - ended < RUN_SECONDS * 1000):
                return
            del self._runs[oldest.id], self._by_task[oldest.task_id]
            self._by_token = {token: run_id for token, run_id in self._by_token.items() if run_id != oldest.id}


def _failure(fault: Fault) -> QueryFailedError:
    message = fault.detail.get("message", "The cluster could not be started: an injected fault.")
    code = fault.detail.get("error_code", "CLUSTER_ERROR")
    return QueryFailedError(message) if code == "RUN_EXECUTION_ERROR" else RunFailedError(message, error_code=code)
