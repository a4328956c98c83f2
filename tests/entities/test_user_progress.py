"""What is remembered of a user's work."""

from typing import Any

from azure.durable_functions.testing import execute_entity
from replaying import user_function

from entities.user_progress import MAX_ITEMS, UserProgress

Entity = user_function(UserProgress)


def item(number: int, percentage: int = 0) -> dict[str, Any]:
    return {"id": f"c{number}", "kind": "chat", "state": "analyzing", "percentage": percentage, "at": "2026-01-01"}


def advance(state: Any, value: dict[str, Any]) -> Any:
    return execute_entity(Entity, "advance", value, state).get_state()


def test_news_of_known_work_replaces_what_was_known() -> None:
    state = advance(advance(advance(None, item(1)), item(2)), item(1, 100))
    assert [(one["id"], one["percentage"]) for one in state] == [("c1", 100), ("c2", 0)]


def test_only_the_latest_are_remembered() -> None:
    """The state of an entity is read at every operation, so it is bounded."""
    state: Any = None
    for number in range(MAX_ITEMS + 10):
        state = advance(state, item(number))
    assert len(state) == MAX_ITEMS
    assert state[0]["id"] == f"c{MAX_ITEMS + 9}"


def test_what_runs_is_remembered_longer_than_what_ended() -> None:
    """A job that waits for a decision is still there after a hundred that came and went."""
    state = advance(None, item(0))
    for number in range(1, 100):
        state = advance(state, {**item(number), "kind": "etl", "state": "completed"})
    assert len(state) == MAX_ITEMS
    assert state[-1]["id"] == "c0"


def test_what_could_not_say_that_it_ended_is_said_to_have() -> None:
    """It keeps the rest; what has ended before, or is not remembered, stays as it is."""

    def end(state: Any, number: int) -> Any:
        return execute_entity(Entity, "end", {"id": f"c{number}", "state": "failed", "at": "2026-01-02"}, state)

    state = advance(advance(None, item(1, 60)), {**item(2), "state": "completed"})
    for number in (1, 2, 3):
        state = end(state, number).get_state() or state
    assert [(one["id"], one["state"], one["percentage"]) for one in state] == [
        ("c1", "failed", 60),
        ("c2", "completed", 0),
    ]


def test_an_unknown_user_has_done_nothing() -> None:
    assert execute_entity(Entity, "items").get_result() == []
