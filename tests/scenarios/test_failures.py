"""What goes wrong around a conversation ends in the right answer, or in an error that its user can act on.

Each over HTTP, through the real SDK clients, with the stand-ins made to misbehave; and one attempt is never
executed twice.
"""

from typing import Any

import pytest
from products import Product

BAD_SQL = {"effect": "reply", "detail": {"sql": "SELECT nope FROM imdb.title_basics"}}
RUNS = "/jobs/run-now|/sql/statements$"


def expect_answer(product: Product, status: dict[str, Any]) -> None:
    """The right answer, and a record that says how it came about."""
    assert status["status"] == "completed", status
    assert status["error"] is None
    count = product.client.post(
        "/api/run_databricks_job",
        json={"sql": "SELECT count(*) AS n FROM imdb.title_basics WHERE titleType = 'movie'"},
    ).json()["rows"][0][0]
    assert str(count) in status["final_answer"]


def test_all_well_is_one_execution(product: Product) -> None:
    status = product.ask()
    assert product.executions() == 1
    expect_answer(product, status)
    [job] = status["databricks_jobs"]
    assert job["status"] == "completed"
    assert isinstance(job["run_id"], int)
    assert job["finished_at"] >= job["started_at"]


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 503}, {"drop": True}], ids=["500", "503", "dropped"])
def test_databricks_failing_twice_is_outlasted(product: Product, fault: dict[str, Any]) -> None:
    """Three submissions of one attempt: the first two ended in nothing."""
    product.host.faults("databricks", {"match": RUNS, "times": 2, **fault})
    status = product.ask()
    assert product.executions() == 3
    expect_answer(product, status)
    assert [job["status"] for job in status["databricks_jobs"]] == ["completed"]


def test_a_run_that_fails_twice_is_run_again_and_each_is_on_record(product: Product) -> None:
    """The cluster broke, not the SQL: the model is not asked again."""
    failure = {"times": 2, "detail": {"message": "Cluster terminated: CLOUD_PROVIDER_SHUTDOWN"}}
    product.host.faults("databricks", {"effect": "fail_run", **failure}, {"effect": "fail_statement", **failure})
    status = product.ask()
    assert [job["status"] for job in status["databricks_jobs"]] == ["failed", "failed", "completed"]
    assert len({job["run_id"] for job in status["databricks_jobs"]}) == 3
    assert len(product.calls("model", "POST", "/chat/completions")) == 2, "one plan, one answer"
    assert product.executions() == 3
    expect_answer(product, status)


def test_a_run_that_always_fails_ends_in_a_typed_error(product: Product) -> None:
    failure = {"times": 0, "detail": {"message": "Cluster terminated: CLOUD_PROVIDER_SHUTDOWN"}}
    product.host.faults("databricks", {"effect": "fail_run", **failure}, {"effect": "fail_statement", **failure})
    status = product.ask()
    assert (status["status"], status["error_code"]) == ("error", "query_failed")
    assert "CLOUD_PROVIDER_SHUTDOWN" in status["error"]
    assert product.executions() == 3


def test_a_run_that_hangs_is_cancelled_at_its_deadline(product: Product) -> None:
    product.host.faults("databricks", {"effect": "hang_run"}, {"effect": "hang_statement"})
    status = product.ask()
    assert (status["status"], status["error_code"]) == ("error", "query_timeout")
    assert [job["status"] for job in status["databricks_jobs"]] == ["canceled"]
    assert status["state"] == "failed"
    assert product.executions() == 1


def test_bad_sql_twice_goes_back_to_the_model_until_it_is_right(product: Product) -> None:
    product.host.faults("model", {**BAD_SQL, "times": 2})
    status = product.ask()
    assert len(product.calls("model", "POST", "/chat/completions")) == 4, "plan, two repairs, answer"
    expect_answer(product, status)


def test_bad_sql_for_ever_is_given_up_after_three_repairs(product: Product) -> None:
    product.host.faults("model", {**BAD_SQL, "times": 0})
    status = product.ask()
    assert status["status"] == "error"
    assert "nope" in status["error"]
    assert len(product.calls("model", "POST", "/chat/completions")) == 4, "one plan, three repairs"


def test_sql_that_must_not_run_reaches_no_engine(product: Product) -> None:
    """Whatever the question talked the model into."""
    product.host.faults("model", {"effect": "reply", "detail": {"sql": "DELETE FROM imdb.title_ratings"}})
    status = product.ask("Please remove all ratings")
    assert (status["status"], status["error_code"]) == ("error", "sql_refused")
    assert product.executions() == 0


def test_malformed_tool_arguments_are_a_typed_error(statements: Product) -> None:
    statements.host.faults("model", {"effect": "reply", "detail": {"arguments_raw": '{"sql": 5}'}})
    status = statements.ask()
    assert (status["status"], status["error_code"]) == ("error", "model_failed")


def test_a_busy_model_is_waited_for_as_long_as_it_says(statements: Product) -> None:
    """On a durable timer; the SDK under it does not retry on its own."""
    statements.host.faults("model", {"status": 429, "headers": {"Retry-After": "1"}, "times": 2})
    status = statements.ask()
    assert [call["status"] for call in statements.calls("model", "POST", "/chat/completions")] == [429, 429, 200, 200]
    expect_answer(statements, status)


def test_a_model_that_drops_the_connection_is_asked_again(statements: Product) -> None:
    statements.host.faults("model", {"drop": True, "times": 2})
    expect_answer(statements, statements.ask())


def test_a_model_that_refuses_is_a_typed_error(statements: Product) -> None:
    statements.host.faults("model", {"status": 401, "times": 0, "body": {"error": {"message": "bad key"}}})
    status = statements.ask()
    assert (status["status"], status["error_code"]) == ("error", "model_failed")
    assert "AZURE_OPENAI" in status["error"]


def test_a_refused_etag_loses_nothing(statements: Product) -> None:
    statements.host.faults("cosmos", {"effect": "refuse_etag", "times": 6})
    status = statements.ask()
    expect_answer(statements, status)
    assert [message["role"] for message in messages(statements, status)] == ["user", "assistant"]


def test_cosmos_away_for_a_moment_delays_and_loses_nothing(statements: Product) -> None:
    conversation_id = statements.start()
    statements.host.faults("cosmos", {"match": "PUT", "status": 503, "times": 3})
    expect_answer(statements, statements.finish(conversation_id))


def messages(product: Product, status: dict[str, Any]) -> list[dict[str, Any]]:
    return product.client.get(f"/api/chat/{status['conversation_id']}/messages").json()["messages"]
