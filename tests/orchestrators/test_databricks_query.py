"""One query: what is repeated, what is mended, and what ends it."""

from collections import Counter
from typing import Any

import pytest
from replaying import Hub

from orchestrators.databricks_query import databricks_query
from shared.payloads import QueryRequest

REQUEST: QueryRequest = {"conversation_id": "c", "query_id": "q1", "deadline_seconds": 60, "max_sql_retries": 3}
RUNNING = {"state": "running", "lane": "statement", "handle": "h"}
SUCCEEDED = {"state": "succeeded"}
BAD_SQL = {"state": "failed", "cause": "sql", "code": "query_failed", "message": "[UNRESOLVED_COLUMN] x"}
BROKEN = {"state": "failed", "cause": "infrastructure", "code": "query_failed", "message": "cluster lost"}
REFUSED = {"state": "failed", "cause": "final", "code": "sql_refused", "message": "no"}


class Warehouse:
    """Fakes that go through the statuses they were given, and count how often they were asked."""

    def __init__(self, submits: list[Any], polls: list[Any] | None = None) -> None:
        self.answers = {"submit_query": submits, "poll_query": polls or []}
        self.calls: Counter[str] = Counter()
        self.attempts: list[int] = []

    @property
    def activities(self) -> dict[str, Any]:
        names = ("submit_query", "poll_query", "cancel_query", "repair_query")
        return {name: lambda payload, name=name: self._answer(name, payload) for name in names}

    def _answer(self, name: str, payload: Any) -> Any:
        self.calls[name] += 1
        if name == "submit_query":
            self.attempts.append(payload["attempt"])
        answers = self.answers.get(name, [])
        if not answers:
            return {}
        return answers.pop(0) if len(answers) > 1 else answers[0]


def test_a_query_that_ends_at_once_is_submitted_once_and_never_polled(hub: Hub) -> None:
    warehouse = Warehouse([SUCCEEDED])
    run = hub.run(databricks_query, REQUEST, activities=warehouse.activities)
    assert run.output == {"succeeded": True, "attempts": 1}
    assert warehouse.calls == {"submit_query": 1}


def test_a_running_query_is_followed_on_durable_timers(hub: Hub) -> None:
    """Waiting costs timers, not activities that sleep."""
    warehouse = Warehouse([RUNNING], [RUNNING, SUCCEEDED])
    run = hub.run(databricks_query, REQUEST, activities=warehouse.activities)
    assert run.output == {"succeeded": True, "attempts": 1}
    assert warehouse.calls == {"submit_query": 1, "poll_query": 2}
    assert run.timers() == 2


def test_sql_that_fails_goes_back_to_the_model_until_it_runs(hub: Hub) -> None:
    warehouse = Warehouse([BAD_SQL, BAD_SQL, SUCCEEDED])
    run = hub.run(databricks_query, REQUEST, activities=warehouse.activities)
    assert run.output == {"succeeded": True, "attempts": 3}
    assert warehouse.calls["repair_query"] == 2
    assert warehouse.attempts == [1, 2, 3], "an attempt is never submitted under an earlier number"


def test_the_model_is_asked_at_most_max_sql_retries_times(hub: Hub) -> None:
    warehouse = Warehouse([BAD_SQL])
    run = hub.run(databricks_query, REQUEST, activities=warehouse.activities)
    assert run.output["succeeded"] is False
    assert run.output["attempts"] == 4
    assert warehouse.calls["repair_query"] == 3
    assert "UNRESOLVED_COLUMN" in run.output["message"]


def test_a_broken_execution_is_run_again_without_asking_the_model(hub: Hub) -> None:
    warehouse = Warehouse([BROKEN, BROKEN, SUCCEEDED])
    run = hub.run(databricks_query, REQUEST, activities=warehouse.activities)
    assert run.output == {"succeeded": True, "attempts": 3}
    assert warehouse.calls["repair_query"] == 0


def test_what_the_guard_refuses_is_not_tried_again(hub: Hub) -> None:
    warehouse = Warehouse([REFUSED])
    run = hub.run(databricks_query, REQUEST, activities=warehouse.activities)
    assert run.output == {"succeeded": False, "attempts": 1, "code": "sql_refused", "message": "no"}
    assert warehouse.calls == {"submit_query": 1}


def test_a_query_past_its_deadline_is_cancelled_and_waited_for(hub: Hub) -> None:
    """It is over when Databricks says so, not when we asked."""
    warehouse = Warehouse([RUNNING], [RUNNING, RUNNING, {"state": "failed", "cause": "final"}])
    run = hub.run(databricks_query, {**REQUEST, "deadline_seconds": 1}, activities=warehouse.activities)
    assert run.output["code"] == "query_timeout"
    assert warehouse.calls == {"submit_query": 1, "poll_query": 3, "cancel_query": 1}


@pytest.mark.parametrize("activity", ["submit_query", "poll_query"])
def test_a_busy_warehouse_is_asked_again_after_the_time_it_names(hub: Hub, activity: str) -> None:
    """The repeated call is the same attempt, so it cannot become a second run."""
    busy = {"failure": {"code": "warehouse_unavailable", "message": "busy", "again": True, "retry_after": 0.2}}
    warehouse = Warehouse([RUNNING], [SUCCEEDED])
    warehouse.answers[activity].insert(0, busy)
    run = hub.run(databricks_query, REQUEST, activities=warehouse.activities)
    assert run.output == {"succeeded": True, "attempts": 1}
    assert set(warehouse.attempts) == {1}
