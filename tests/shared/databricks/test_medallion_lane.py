"""The large lane's door, through the real SDK against the stand-in: one attempt, one run, and what its end means."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import serving

from localhost.services.databricks.app import create_app
from localhost.services.databricks.engine import Cancellation, JobFailedError, JobOutput, PythonJob
from localhost.services.faults import Fault, Faults
from shared.databricks import client
from shared.databricks.medallion import MedallionLane, MedallionRun, RunKey, medallion_lane
from shared.errors import QueryError, SettingsError, WarehouseUnavailableError
from shared.settings import settings

KEY = RunKey("11111111-2222-3333-4444-555555555555", "1-2")
FILES = {"input_url": "file:///raw", "rules_url": "file:///rules.json", "output_url": "file:///out"}
MANIFEST = {"version": 1, "engine": "spark", "counts": {"input": 0}, "tables": {}}


class Spark:
    """Stands in for the session: exits as it is told, or fails."""

    def __init__(self) -> None:
        self.jobs: list[PythonJob] = []
        self.exits: str | Exception = json.dumps(MANIFEST)

    def run_python_job(self, job: PythonJob, _: Cancellation) -> JobOutput:
        self.jobs.append(job)
        if isinstance(self.exits, Exception):
            raise self.exits
        return JobOutput(self.exits)

    def start(self) -> None:
        pass

    def close(self) -> None:
        pass


class Workspace:
    """The stand-in, and the lane to it."""

    def __init__(self, url: str, faults: Faults, spark: Spark) -> None:
        self.url = url
        self.faults = faults
        self.spark = spark
        self.lane = MedallionLane("/Workspace/Shared/any/medallion_job")

    def submit(self, lane: MedallionLane | None = None, key: RunKey = KEY, timeout: int = 60) -> MedallionRun:
        return (lane or self.lane).submit(key, **FILES, timeout_seconds=timeout)

    def finish(self, run: MedallionRun) -> MedallionRun:
        until = time.monotonic() + 30
        while run.state == "running" and time.monotonic() < until:
            time.sleep(0.02)
            run = self.lane.fetch(run.handle)
        return run


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    spark, faults = Spark(), Faults()
    monkeypatch.setattr("localhost.services.databricks.app.open_engine", lambda *_: spark)
    with serving(create_app(tmp_path, "spark", faults)) as url:
        given = {"AZURE_OPENAI_ENDPOINT": "-", "COSMOS_ENDPOINT": "-", "LAKE_URL": tmp_path.as_uri()}
        for name, value in {**given, "DATABRICKS_HOST": url, "DATABRICKS_TOKEN": "t"}.items():
            monkeypatch.setenv(name, value)
        _forget()
        yield Workspace(url, faults, spark)
        _forget()


def _forget() -> None:
    for cached in (settings, client.workspace, medallion_lane):
        cached.cache_clear()


def test_a_run_is_told_whose_it_is_and_hands_its_manifest_back(workspace: Workspace) -> None:
    """Its parameters name the job and the attempt; a person finds it by its page and by its name."""
    ended = workspace.finish(workspace.submit())
    assert (ended.state, ended.manifest, ended.failure) == ("succeeded", MANIFEST, None)
    assert ended.page_url.startswith(workspace.url)
    [job] = workspace.spark.jobs
    assert job.named == {
        **FILES,
        "job_id": KEY.instance_id,
        "steps": "all",
        "instance_id": KEY.instance_id,
        "attempt": "1-2",
    }
    assert client.workspace().jobs.get_run(ended.run_id).run_name == f"medallion {KEY.instance_id} 1-2"


def test_an_attempt_submitted_twice_runs_once(workspace: Workspace) -> None:
    first, again = workspace.submit(), workspace.submit()
    other = workspace.submit(key=RunKey(KEY.instance_id, "1-3"))
    assert (again.handle, other.handle == first.handle) == (first.handle, False)
    workspace.finish(first)
    workspace.finish(other)
    assert len(workspace.spark.jobs) == 2


def test_a_job_cluster_carries_the_tags_of_the_job(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """With DATABRICKS_CLUSTER the run has a cluster of its own, tagged with the instance; without, it is serverless."""
    cluster = {"spark_version": "17.3.x-scala2.13", "num_workers": 2, "custom_tags": {"team": "data"}}
    monkeypatch.setenv("DATABRICKS_CLUSTER", json.dumps(cluster))
    _forget()
    run = workspace.finish(workspace.submit(medallion_lane()))
    [task] = client.workspace().jobs.get_run(run.run_id).tasks or []
    assert task.new_cluster is not None
    assert task.new_cluster.num_workers == 2
    assert task.new_cluster.custom_tags == {"team": "data", "instance_id": KEY.instance_id, "attempt": "1-2"}
    assert workspace.spark.jobs[0].file.name == "medallion_job.py"


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_cluster_that_is_none_is_a_setting_to_mend(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("DATABRICKS_CLUSTER", text)
    _forget()
    with pytest.raises(SettingsError, match="DATABRICKS_CLUSTER"):
        medallion_lane()


@pytest.mark.parametrize(
    ("detail", "failure"),
    [
        ({"error_code": "CLUSTER_ERROR", "message": "No nodes."}, "infrastructure"),
        ({"error_code": "DRIVER_ERROR", "message": "Out of memory."}, "infrastructure"),
        ({"error_code": "RESOURCE_NOT_FOUND", "message": "No such notebook."}, "setup"),
        ({"error_code": "UNAUTHORIZED_ERROR", "message": "No."}, "permission"),
        ({"error_code": "RUN_EXECUTION_ERROR", "message": "[INSUFFICIENT_PERMISSIONS] No."}, "permission"),
        ({"error_code": "RUN_EXECUTION_ERROR", "message": "ConstraintError: Gold is not what it should be."}, "job"),
    ],
)
def test_what_failed_says_whether_another_attempt_helps(
    workspace: Workspace, detail: dict[str, str], failure: str
) -> None:
    """Only what broke around the job is worth repeating; what its code says about this data stays so."""
    workspace.faults.add(Fault(effect="fail_run", detail=detail))
    ended = workspace.finish(workspace.submit())
    assert (ended.state, ended.failure, ended.retryable) == ("failed", failure, failure == "infrastructure")
    assert detail["message"] in ended.error


def test_a_run_that_fails_without_a_word_of_ours_is_explained(workspace: Workspace) -> None:
    workspace.spark.exits = JobFailedError("ValueError: steps is 'x': use all, silver, gold.", "Traceback ...")
    ended = workspace.finish(workspace.submit())
    assert (ended.failure, ended.error) == ("job", "ValueError: steps is 'x': use all, silver, gold.")


@pytest.mark.parametrize("exits", ["", "done", "{}", "[]"])
def test_another_notebook_in_its_place_is_found_out(workspace: Workspace, exits: str) -> None:
    """What does not exit with a manifest is not the medallion job."""
    workspace.spark.exits = exits
    run = workspace.submit()
    with pytest.raises(QueryError, match=r"deploy databricks/medallion_job\.py"):
        workspace.finish(run)


def test_cancelling_ends_a_run_and_a_lost_one_is_over(workspace: Workspace) -> None:
    workspace.faults.add(Fault(effect="hang_run"))
    running = workspace.lane.fetch(workspace.submit().handle)
    assert running.state == "running"
    workspace.lane.cancel(running.handle)
    assert workspace.finish(running).state == "canceled"
    workspace.lane.cancel("7")
    lost = workspace.lane.fetch("7")
    assert (lost.state, lost.retryable) == ("failed", True)


def test_a_run_past_its_limit_says_so(workspace: Workspace) -> None:
    workspace.faults.add(Fault(effect="hang_run"))
    ended = workspace.finish(workspace.submit(timeout=1))
    assert (ended.state, ended.retryable) == ("timeout", False)
    assert ended.seconds >= 1


@pytest.mark.parametrize(
    ("fault", "after"),
    [
        (
            Fault(
                match="POST", status=429, headers={"Retry-After": "7"}, body={"error_code": "REQUEST_LIMIT_EXCEEDED"}
            ),
            7,
        ),
        (Fault(match="POST", drop=True), None),
    ],
    ids=["429", "dropped"],
)
def test_a_busy_service_is_left_to_the_orchestration_at_once(workspace: Workspace, fault: Fault, after: Any) -> None:
    """Nothing sleeps in here; the wait that was asked for is handed on."""
    workspace.faults.add(fault)
    with pytest.raises(WarehouseUnavailableError) as raised:
        workspace.submit()
    assert raised.value.retry_after == after
    assert len([call for call in workspace.faults.calls() if call["method"] == "POST"]) == 1
