"""Job runs of the stand-in, through the real SDK."""

import json
import logging
import time
import urllib.request

import pyarrow.dataset as ds
import pytest
from databricks.sdk.errors import InvalidParameterValue, ResourceDoesNotExist
from databricks.sdk.service.jobs import RunLifeCycleState as Life
from databricks.sdk.service.jobs import RunLifecycleStateV2State as LifeV2
from databricks.sdk.service.jobs import RunResultState as Result
from databricks.sdk.service.jobs import TerminationCodeCode, TerminationTypeType

from localhost.services.faults import Fault

ENDLESS = "SELECT count(*) FROM range(100000000) a CROSS JOIN range(100000) b WHERE a.id * b.id % 7 = 3"
TOP = "SELECT tconst, averageRating FROM imdb.title_ratings ORDER BY averageRating DESC"


@pytest.fixture(scope="module")
def jobs(workspace):
    return workspace.jobs


def start(jobs, sql="SELECT 1 AS n", url="file:///unused", token=None, **parameters):
    given = {"sql": sql, "result_url": str(url), **parameters}
    return jobs.run_now(1, idempotency_token=token, job_parameters=given).run_id


def until_ended(jobs, run_id):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        run = jobs.get_run(run_id)
        if run.status.state == LifeV2.TERMINATED:
            return run
        time.sleep(0.02)
    raise AssertionError("the run did not end")


def test_leaves_the_rows_in_the_lake(jobs, tmp_path):
    """A run writes its rows, in order and at most `row_limit`, and exits with what they are."""
    folder = tmp_path / "results with a space" / "q-1"

    run = until_ended(jobs, start(jobs, TOP, folder.as_uri(), row_limit="3"))

    assert (run.state.life_cycle_state, run.state.result_state) == (Life.TERMINATED, Result.SUCCESS)
    assert (run.status.termination_details.code, run.tasks[0].state.result_state) == (
        TerminationCodeCode.SUCCESS,
        Result.SUCCESS,
    )
    assert 0 < run.start_time <= run.end_time
    output = jobs.get_run_output(run.tasks[0].run_id)
    assert json.loads(output.notebook_output.result) == {
        "row_count": 3,
        "truncated": True,
        "columns": [{"name": "tconst", "type": "STRING"}, {"name": "averageRating", "type": "DOUBLE"}],
    }
    assert ds.dataset(folder, format="parquet").to_table()["tconst"].to_pylist() == ["tt04", "tt01", "tt05"]
    assert (folder / "_SUCCESS").exists()


def test_writing_again_replaces(jobs, tmp_path):
    """A second run into the same folder leaves its own rows there and no others."""
    for sql in (TOP, "SELECT 'only' AS one"):
        until_ended(jobs, start(jobs, sql, tmp_path.as_uri()))

    assert ds.dataset(tmp_path, format="parquet").to_table().to_pylist() == [{"one": "only"}]


def test_a_token_starts_one_run(jobs, tmp_path):
    """The same idempotency token is the same run, however often and with whatever it is sent."""
    first = start(jobs, token="t-1", url=tmp_path.as_uri())
    until_ended(jobs, first)

    assert start(jobs, token="t-1", url=tmp_path.as_uri()) == first
    assert start(jobs, token="t-2", url=tmp_path.as_uri()) != first
    assert len(str(first)) == 15


def test_sql_that_fails_is_a_failed_run(jobs):
    """The run says that the workload failed, its output says why, as on Databricks."""
    run = until_ended(jobs, start(jobs, "SELECT foo FROM imdb.title_basics"))

    assert (run.state.life_cycle_state, run.state.result_state) == (Life.TERMINATED, Result.FAILED)
    details = run.status.termination_details
    assert (details.code, details.type) == (TerminationCodeCode.RUN_EXECUTION_ERROR, TerminationTypeType.CLIENT_ERROR)
    output = jobs.get_run_output(run.tasks[0].run_id)
    assert output.error.startswith("[UNRESOLVED_COLUMN")
    assert output.notebook_output is None


def test_columns_of_one_name_fail(jobs, tmp_path):
    """Parquet cannot hold two columns of one name: the run fails and names it."""
    run = until_ended(jobs, start(jobs, "SELECT 1 AS a, 2 AS A", tmp_path.as_uri()))

    assert jobs.get_run_output(run.tasks[0].run_id).error.startswith("[COLUMN_ALREADY_EXISTS]")


def test_runs_can_be_made_to_fail(jobs, faults):
    """`fail_run` fails the run around its SQL: infrastructure, not the query."""
    faults.add(Fault(effect="fail_run", match='"query_id": "q-7"', detail={"message": "No nodes."}))

    run = until_ended(jobs, start(jobs, query_id="q-7"))

    assert (run.state.life_cycle_state, run.state.result_state) == (Life.INTERNAL_ERROR, Result.FAILED)
    assert run.state.state_message == "Task sql_query failed with message: No nodes."
    details = run.status.termination_details
    assert (details.code, details.type) == (TerminationCodeCode.CLUSTER_ERROR, TerminationTypeType.CLOUD_FAILURE)


def test_runs_can_be_made_to_fail_in_their_work(jobs, faults):
    """With the code of a workload, `fail_run` is an error of the SQL."""
    detail = {"message": "[TABLE_OR_VIEW_NOT_FOUND] No.", "error_code": "RUN_EXECUTION_ERROR"}
    faults.add(Fault(effect="fail_run", detail=detail))

    run = until_ended(jobs, start(jobs))

    assert (run.state.life_cycle_state, run.state.result_state) == (Life.TERMINATED, Result.FAILED)
    assert jobs.get_run_output(run.tasks[0].run_id).error == "[TABLE_OR_VIEW_NOT_FOUND] No."


def test_a_hanging_run_ends_when_it_is_cancelled(jobs, faults):
    """`hang_run` keeps a run RUNNING until somebody cancels it."""
    faults.add(Fault(effect="hang_run"))
    run_id = start(jobs)
    assert jobs.get_run(run_id).state.life_cycle_state == Life.RUNNING
    assert [run.run_id for run in jobs.list_runs(active_only=True)] == [run_id]

    jobs.cancel_run(run_id)

    run = until_ended(jobs, run_id)
    assert (run.state.result_state, run.state.user_cancelled_or_timedout) == (Result.CANCELED, True)
    assert run.status.termination_details.code == TerminationCodeCode.USER_CANCELED
    jobs.cancel_run(run_id)
    assert jobs.get_run(run_id).state.result_state == Result.CANCELED


def test_a_hang_can_have_an_end(jobs, faults, tmp_path):
    """With a latency, a run hangs that long and then does its work."""
    faults.add(Fault(effect="hang_run", latency=0.2))
    run_id = start(jobs, url=tmp_path.as_uri())

    assert jobs.get_run(run_id).state.life_cycle_state == Life.RUNNING
    assert until_ended(jobs, run_id).state.result_state == Result.SUCCESS


def test_cancelling_interrupts_the_query(jobs, tmp_path):
    """A run in the middle of its query ends, and leaves nothing."""
    folder = tmp_path / "q"
    run_id = start(jobs, ENDLESS, folder.as_uri())

    jobs.cancel_run(run_id)

    assert until_ended(jobs, run_id).state.result_state == Result.CANCELED
    assert not folder.exists()


def test_lists_runs_newest_first(jobs, tmp_path):
    """Runs are listed newest first, over as many pages as it takes."""
    ids = [start(jobs, url=(tmp_path / str(n)).as_uri()) for n in range(5)]
    for run_id in ids:
        until_ended(jobs, run_id)

    listed = [run.run_id for run in jobs.list_runs(job_id=1, completed_only=True, limit=2)]

    assert listed[:5] == ids[::-1]
    assert len(listed) == len(set(listed))


def test_knows_its_job(jobs):
    """There is one job, with the parameters that it takes."""
    job = jobs.get(1)
    assert job.settings.name == "sql_query_job"
    assert {p.name for p in job.settings.parameters} >= {"sql", "result_url", "row_limit"}
    assert {job.job_id for job in jobs.list()} == {1}
    assert list(jobs.list(name="another")) == []


def test_refuses_what_databricks_would_refuse(jobs, tmp_path):
    """Unknown jobs and runs, foreign parameters and overlong tokens are errors that the SDK knows."""
    with pytest.raises((ResourceDoesNotExist, InvalidParameterValue), match="Job 7 does not exist"):
        jobs.run_now(7)
    with pytest.raises((ResourceDoesNotExist, InvalidParameterValue), match="Run 7 does not exist"):
        jobs.get_run(7)
    with pytest.raises(InvalidParameterValue, match="nope"):
        start(jobs, nope="x")
    with pytest.raises(InvalidParameterValue, match="64"):
        start(jobs, token="t" * 65)
    run = until_ended(jobs, start(jobs, url=tmp_path.as_uri()))
    with pytest.raises(InvalidParameterValue, match="each individual task run"):
        jobs.get_run_output(run.run_id)


def test_older_versions_are_served_with_one_warning(url, caplog):
    """2.1 and 2.0 are answered as 2.2, and a warning says so once for each."""
    with caplog.at_level(logging.WARNING, "localhost.services.databricks.app"):
        for version in ("2.1", "2.1", "2.0"):
            request = urllib.request.Request(f"{url}/api/{version}/jobs/list", headers={"Authorization": "Bearer x"})
            with urllib.request.urlopen(request) as answer:
                assert json.load(answer)["jobs"][0]["job_id"] == 1
    assert [record.args[0] for record in caplog.records] == ["2.1", "2.0"]


def test_answers_name_the_engine(url, jobs, tmp_path):
    """A header says which engine did the work."""
    run_id = start(jobs, url=tmp_path.as_uri())
    until_ended(jobs, run_id)
    request = urllib.request.Request(
        f"{url}/api/2.2/jobs/runs/get?run_id={run_id}", headers={"Authorization": "Bearer x"}
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["x-stand-in-engine"] == "duckdb"
