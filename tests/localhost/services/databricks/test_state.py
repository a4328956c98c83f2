"""Statements and runs outlive the stand-in's process."""

import time

import pytest
from databricks.sdk.service.sql import QueryTag, StatementState
from serving import serving
from small_workspace import connect

from localhost.services.databricks.app import create_app
from localhost.services.faults import Fault, Faults


@pytest.fixture
def serve(lake, tmp_path):
    def serve(faults=None):
        return serving(create_app(lake, "duckdb", faults or Faults(), state=tmp_path / "databricks.sqlite"))

    return serve


def test_a_statement_and_its_rows_are_there_after_a_restart(serve):
    """Whoever asks for them by id, or looks for them by tag, finds what there was; errors too."""
    with serve() as url:
        statements = connect(url).statement_execution
        tag = [QueryTag("token", "t-1")]
        done = statements.execute_statement("SELECT 1 AS n, 'ä' AS s", "w", wait_timeout="10s", query_tags=tag)
        wrong = statements.execute_statement("SELECT nope FROM imdb.title_basics", "w", wait_timeout="10s")
    with serve() as url:
        workspace = connect(url)
        again = workspace.statement_execution.get_statement(done.statement_id)
        assert (again.status.state, again.result.data_array) == (StatementState.SUCCEEDED, [["1", "ä"]])
        assert [column.type_text for column in again.manifest.schema.columns] == ["INT", "STRING"]
        error = workspace.statement_execution.get_statement(wrong.statement_id).status.error
        assert error == wrong.status.error
        history = {query.query_id: query for query in workspace.query_history.list().res}
        assert [entry.value for entry in history[done.statement_id].query_tags] == ["t-1"]


def test_a_statement_that_ran_when_the_process_ended_is_lost(serve):
    """It failed, for a reason that is not its own: worth running again."""
    faults = Faults()
    faults.add(Fault(effect="hang_statement"))
    with serve(faults) as url:
        running = connect(url).statement_execution.execute_statement("SELECT 1", "w", wait_timeout="0s")
    with serve() as url:
        status = connect(url).statement_execution.get_statement(running.statement_id).status
        assert status.state == StatementState.FAILED
        assert status.error.error_code.value == "INTERNAL_ERROR"


def test_the_run_of_a_job_is_found_again_by_its_token(serve, tmp_path):
    """`run-now` repeated after a restart starts nothing."""
    given = {"sql": "SELECT 1 AS n", "result_url": (tmp_path / "q").as_uri()}
    with serve() as url:
        jobs = connect(url).jobs
        first = jobs.run_now(1, idempotency_token="t", job_parameters=given).run_id
        deadline = time.monotonic() + 30
        while jobs.get_run(first).state.result_state is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    with serve() as url:
        jobs = connect(url).jobs
        assert jobs.run_now(1, idempotency_token="t", job_parameters=given).run_id == first
        assert jobs.get_run(first).state.result_state.value == "SUCCESS"
        another = jobs.run_now(1, idempotency_token="u", job_parameters=given)
        assert another.bind()["run_id"] != first
        assert jobs.get_run(another.run_id).number_in_job == jobs.get_run(first).number_in_job + 1
