"""One-time runs of the stand-in, through the real SDK: what is refused, found again, limited and remembered."""

import time

import pytest
from databricks.sdk.errors import InvalidParameterValue
from databricks.sdk.errors import NotImplemented as NotThere
from databricks.sdk.service.compute import ClusterSpec, Environment
from databricks.sdk.service.jobs import (
    JobEnvironment,
    NotebookTask,
    RunType,
    SparkPythonTask,
    SqlTask,
    SubmitTask,
    TerminationCodeCode,
    TerminationTypeType,
)
from databricks.sdk.service.jobs import RunLifeCycleState as Life
from databricks.sdk.service.jobs import RunResultState as Result
from serving import serving
from small_workspace import connect

from localhost.services.databricks.app import create_app
from localhost.services.databricks.engine import JobFailedError, JobOutput
from localhost.services.faults import Fault, Faults

SERVERLESS = [JobEnvironment("default", Environment(environment_version="4"))]


class Engine:
    """Stands in for Spark: says what it was given, or fails as it is told."""

    def __init__(self):
        self.jobs = []
        self.failure = None

    def run_python_job(self, job, cancellation):
        self.jobs.append(job)
        if self.failure:
            raise self.failure
        return JobOutput(f"{job.kind} {job.file.name} {job.named}", f"printed {' '.join(job.words)}\n")

    def start(self):
        pass

    def close(self):
        pass


@pytest.fixture
def engine(monkeypatch):
    engine = Engine()
    monkeypatch.setattr("localhost.services.databricks.app.open_engine", lambda *_: engine)
    return engine


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "jobs"
    folder.mkdir()
    for name in ("load", "report"):
        (folder / f"{name}.py").write_text("")
    return folder


@pytest.fixture
def serve(tmp_path, files, engine):
    """Serve the stand-in on the state that an earlier one left."""

    def serve(faults=None):
        return serving(create_app(tmp_path, "spark", faults or Faults(), state=tmp_path / "d.sqlite", job_files=files))

    return serve


def notebook(path="/Workspace/Shared/etl/load", **options):
    parameters = options.pop("parameters", {"day": "1"})
    return SubmitTask(task_key="etl", notebook_task=NotebookTask(path, base_parameters=parameters), **options)


def script(*words, **options):
    return SubmitTask(task_key="etl", spark_python_task=SparkPythonTask("/Workspace/load.py", list(words)), **options)


def submit(jobs, *tasks, **options):
    return jobs.submit(tasks=list(tasks), **options).bind()["run_id"]


def until_ended(jobs, run_id):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        run = jobs.get_run(run_id)
        if run.state.life_cycle_state in {Life.TERMINATED, Life.INTERNAL_ERROR}:
            return run
        time.sleep(0.02)
    raise AssertionError("the run did not end")


def output(jobs, run):
    return jobs.get_run_output(run.tasks[0].run_id)


def test_a_notebook_gets_its_parameters_and_exits_with_a_text(serve, engine):
    """The file is found by its name; what it exits with is the run's output. On serverless compute or on a cluster."""
    with serve() as url:
        jobs = connect(url).jobs
        cluster = ClusterSpec(spark_version="17.3.x-scala2.13", node_type_id="Standard_DS4_v2", num_workers=2)
        for task in (notebook(), notebook("load.py", new_cluster=cluster)):
            run = until_ended(jobs, submit(jobs, task, run_name="nightly"))
            assert run.state.result_state == Result.SUCCESS
            assert output(jobs, run).notebook_output.result == "notebook load.py {'day': '1'}"
        assert (run.run_name, run.run_type, run.job_id) == ("nightly", RunType.SUBMIT_RUN, None)
        assert run.tasks[0].new_cluster.node_type_id == "Standard_DS4_v2"
        assert run.run_page_url.startswith(url)


def test_a_script_gets_its_words_and_prints(serve, engine):
    """A Python file in a serverless environment has a command line, and its output is what it printed."""
    with serve() as url:
        jobs = connect(url).jobs
        run = until_ended(jobs, submit(jobs, script("a", "b", environment_key="default"), environments=SERVERLESS))
        assert (output(jobs, run).logs, output(jobs, run).notebook_output) == ("printed a b\n", None)


def test_a_token_starts_one_run_even_across_processes(serve, engine):
    """The run of a token is found again, by the same stand-in and by the next one on its state."""
    with serve() as url:
        jobs = connect(url).jobs
        first = submit(jobs, notebook(), idempotency_token="t")
        until_ended(jobs, first)
        assert submit(jobs, notebook(), idempotency_token="t") == first
    with serve() as url:
        jobs = connect(url).jobs
        assert submit(jobs, notebook(), idempotency_token="t") == first
        assert output(jobs, jobs.get_run(first)).notebook_output.result == "notebook load.py {'day': '1'}"
        assert [run.run_id for run in jobs.list_runs(run_type=RunType.SUBMIT_RUN)] == [first]
        assert list(jobs.list_runs(job_id=1)) == []
    assert len(engine.jobs) == 1


def test_a_run_that_its_process_did_not_survive_is_lost_and_said_to_be(serve, engine):
    """It is neither running for ever nor cancelled by anybody: its driver is gone, and its token with it."""
    faults = Faults()
    faults.add(Fault(effect="hang_run"))
    with serve(faults) as url:
        jobs = connect(url).jobs
        lost = submit(jobs, notebook(), idempotency_token="t")
        assert jobs.get_run(lost).state.life_cycle_state == Life.RUNNING
    with serve() as url:
        jobs = connect(url).jobs
        run = jobs.get_run(lost)
        assert (run.state.life_cycle_state, run.state.result_state) == (Life.INTERNAL_ERROR, Result.FAILED)
        details = run.status.termination_details
        assert (details.code, details.type) == (TerminationCodeCode.DRIVER_ERROR, TerminationTypeType.CLOUD_FAILURE)
        assert submit(jobs, notebook(), idempotency_token="t") == lost
    assert engine.jobs == []


def test_a_run_past_its_time_is_ended(serve, engine):
    """A time limit of the task or of the run holds; the run says that it timed out."""
    faults = Faults()
    faults.add(Fault(effect="hang_run", times=2))
    with serve(faults) as url:
        jobs = connect(url).jobs
        for run_id in (submit(jobs, notebook(timeout_seconds=1)), submit(jobs, notebook(), timeout_seconds=1)):
            run = until_ended(jobs, run_id)
            assert (run.state.result_state, run.state.user_cancelled_or_timedout) == (Result.TIMEDOUT, True)
            assert run.status.termination_details.code == TerminationCodeCode.CANCELED


def test_a_run_can_be_cancelled(serve, engine):
    faults = Faults()
    faults.add(Fault(effect="hang_run", match='"day": "1"'))
    with serve(faults) as url:
        jobs = connect(url).jobs
        run_id = submit(jobs, notebook())
        jobs.cancel_run(run_id)
        assert until_ended(jobs, run_id).state.result_state == Result.CANCELED
    with serve() as url:
        assert connect(url).jobs.get_run(run_id).state.result_state == Result.CANCELED


def test_code_that_fails_is_told_from_a_file_that_is_missing(serve, engine):
    """The first is the workload's fault, with its message and trace; the second is the set-up's."""
    engine.failure = JobFailedError("ValueError: no", "Traceback ...")
    with serve() as url:
        jobs = connect(url).jobs
        run = until_ended(jobs, submit(jobs, notebook()))
        assert run.status.termination_details.code == TerminationCodeCode.RUN_EXECUTION_ERROR
        assert (output(jobs, run).error, output(jobs, run).error_trace) == ("ValueError: no", "Traceback ...")
        for path in ("/Workspace/nothing_there", "/Workspace/..", "../../secrets"):
            run = until_ended(jobs, submit(jobs, notebook(path)))
            assert run.status.termination_details.code == TerminationCodeCode.RESOURCE_NOT_FOUND
    assert len(engine.jobs) == 1


def test_refuses_what_databricks_would_refuse(serve, engine):
    """A script without compute, an environment that nobody described, two kinds of compute, no task at all."""
    with serve() as url:
        jobs = connect(url).jobs
        for task in (
            script(),
            script(environment_key="x"),
            notebook(environment_key="default", existing_cluster_id="c"),
        ):
            with pytest.raises(InvalidParameterValue):
                submit(jobs, task, environments=SERVERLESS)
        with pytest.raises(InvalidParameterValue, match="tasks"):
            submit(jobs)
        with pytest.raises(InvalidParameterValue, match="64"):
            submit(jobs, notebook(), idempotency_token="t" * 65)


def test_says_what_it_has_not(serve, engine):
    """Other kinds of task, several tasks and files from Git are answered with 501, by name."""
    with serve() as url:
        jobs = connect(url).jobs
        with pytest.raises(NotThere, match=r"jobs/runs/submit \(sql_task\)"):
            submit(jobs, SubmitTask(task_key="t", sql_task=SqlTask(warehouse_id="w")))
        with pytest.raises(NotThere, match="2 tasks"):
            submit(jobs, notebook(), notebook())


def test_needs_spark(tmp_path):
    """Where DuckDB answers, a job ends at once and says what is missing."""
    with serving(create_app(tmp_path, "duckdb", Faults())) as url:
        jobs = connect(url).jobs
        run = until_ended(jobs, submit(jobs, notebook("/Workspace/medallion_job")))
        assert run.state.life_cycle_state == Life.INTERNAL_ERROR
        assert "medallion_job.py needs Spark" in run.state.state_message
        assert run.status.termination_details.code == TerminationCodeCode.FEATURE_DISABLED
