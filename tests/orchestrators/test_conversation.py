"""One turn: its steps, its progress, and how it ends when a step fails."""

import json
from pathlib import Path
from typing import Any

import pytest
from replaying import Hub, Run, recorded_output, replay

from entities.user_progress import UserProgress
from orchestrators.conversation import conversation
from orchestrators.databricks_query import databricks_query
from orchestrators.etl_job import etl_job
from shared.payloads import Turn

TURN: Turn = {"conversation_id": "11111111-2222-3333-4444-555555555555", "turn": 1, "owner": "demo"}
BEGUN = {"query_deadline_seconds": 30, "max_sql_retries": 3}
ORCHESTRATORS = {"conversation": conversation, "databricks_query": databricks_query, "etl_job": etl_job}
HISTORIES = sorted((Path(__file__).parent.parent / "histories").glob("*.json"))


def steps(**answers: Any) -> dict[str, Any]:
    """Fakes for every activity of a turn; each answers what is given here, or that it is done."""
    usual = {
        "begin_turn": BEGUN,
        "plan_answer": {"query_ids": ["q1"]},
        "submit_query": {"state": "succeeded"},
        "answer_question": {},
        "finish_turn": {},
        "fail_turn": {},
    }
    return {name: lambda payload, answer=answer: answer for name, answer in {**usual, **answers}.items()}


def run_turn(hub: Hub, activities: dict[str, Any]) -> Run:
    entities = {"user_progress": UserProgress}
    return hub.run(conversation, TURN, activities=activities, others=[databricks_query], entities=entities)


def test_a_turn_with_one_query_takes_five_activities(hub: Hub) -> None:
    """At most eight are promised: begin, plan, submit, answer, finish."""
    run = run_turn(hub, steps())
    assert run.output == {"conversation_id": TURN["conversation_id"], "status": "completed", "sql_attempts": 1}
    assert run.failures() == []
    assert run.activities() == ["begin_turn", "plan_answer", "answer_question", "finish_turn"]
    assert run.custom_status["state"] == "completed"
    assert run.custom_status["percentage"] == 100
    assert run.custom_status["current_step"] == "Completed"


def test_progress_is_bounded_and_carries_no_text_of_the_user(hub: Hub) -> None:
    """The custom status stays below 2 KB, and history below a few KB whatever was asked."""
    run = run_turn(hub, steps())
    assert len(json.dumps(run.custom_status).encode()) < 2_000
    assert sum(event.ByteSize() for event in run.history) < 6_000


def test_an_answer_without_a_query_skips_databricks(hub: Hub) -> None:
    run = run_turn(hub, steps(plan_answer={"query_ids": []}))
    assert run.output["sql_attempts"] == 0
    assert run.activities() == ["begin_turn", "plan_answer", "finish_turn"]


def test_a_turn_waits_for_its_data(hub: Hub) -> None:
    """Asked again until nothing newer is being made; after that it goes on as any other."""
    looks = iter([{"waiting": True}, {"waiting": False}])
    activities = steps(begin_turn={**BEGUN, "wait_seconds": 60}, plan_answer={"query_ids": []})
    run = run_turn(hub, {**activities, "await_data": lambda _wait: next(looks)})
    assert run.activities() == ["begin_turn", "await_data", "await_data", "plan_answer", "finish_turn"]


def test_a_turn_waits_only_so_long(hub: Hub) -> None:
    """At the end of its patience it says that this look is the last one."""
    last: list[bool] = []

    def look(wait: Any) -> Any:
        last.append(wait["last"])
        return {"waiting": not wait["last"]}

    activities = steps(begin_turn={**BEGUN, "wait_seconds": 2}, plan_answer={"query_ids": []})
    run_turn(hub, {**activities, "await_data": look})
    assert last[-1]
    assert not any(last[:-1])


def test_several_queries_run_as_children_and_are_all_counted(hub: Hub) -> None:
    run = run_turn(hub, steps(plan_answer={"query_ids": ["q1", "q2", "q3"]}))
    assert run.output["sql_attempts"] == 3
    assert run.custom_status["queries"] == {"done": 3, "total": 3}


@pytest.mark.parametrize(
    ("name", "verdict", "code"),
    [
        ("plan_answer", {"failure": {"code": "model_failed", "message": "m", "again": False}}, "model_failed"),
        ("submit_query", {"state": "failed", "cause": "final", "code": "sql_refused", "message": "m"}, "sql_refused"),
        ("answer_question", {"failure": {"code": "lake_failed", "message": "m", "again": False}}, "lake_failed"),
    ],
)
def test_a_step_that_fails_ends_the_turn_with_its_code_in_the_record(
    hub: Hub, name: str, verdict: Any, code: str
) -> None:
    noted: list[Any] = []
    activities = steps(**{name: verdict})
    activities["fail_turn"] = lambda payload: noted.append(payload) or {}
    run = run_turn(hub, activities)
    assert run.state.runtime_status.name == "FAILED"
    assert noted[0]["code"] == code
    assert run.custom_status["state"] == "failed"
    assert run.custom_status["percentage"] < 100


def test_what_nobody_foresaw_is_repeated_and_then_told_without_its_text(hub: Hub) -> None:
    noted: list[Any] = []
    activities = steps()

    def explode(_payload: Any) -> Any:
        raise RuntimeError("secret=hunter2")

    activities["answer_question"] = explode
    activities["fail_turn"] = lambda payload: noted.append(payload) or {}
    run = run_turn(hub, activities)
    assert run.activities().count("answer_question") == 3
    assert noted[0]["code"] == "internal_error"
    assert "hunter2" not in json.dumps(noted)


def test_every_running_orchestration_survives_an_upgrade() -> None:
    """Histories recorded by earlier versions replay under today's code to the same output."""
    assert HISTORIES, "record one with `python tests/orchestrators/record_histories.py`"
    for path in HISTORIES:
        orchestrator = ORCHESTRATORS[path.stem.split("-")[0]]
        assert replay(orchestrator, path) == recorded_output(path), path.name
