"""What a user may use of the day, to the row."""

from typing import Any

from azure.durable_functions.testing import execute_entity
from replaying import user_function

from entities.user_quota import UserQuota

Entity = user_function(UserQuota)
LIMITS = {"concurrent_jobs": 3, "rows": 1_000, "databricks_seconds": 100}
MORNING, NEXT_DAY = "2026-11-21T23:59:00", "2026-11-22T00:00:01"


class User:
    """One user's quota."""

    def __init__(self) -> None:
        self.state: Any = None

    def do(self, operation: str, value: Any = None) -> Any:
        done = execute_entity(Entity, operation, value, self.state)
        self.state = done.get_state()
        return done.get_result()

    def reserve(self, job: str, rows: int, *, seconds: int = 0, at: str = MORNING) -> Any:
        wanted = {"job_id": job, "at": at, "rows": rows, "databricks_seconds": seconds, "limits": LIMITS}
        return self.do("reserve", wanted)

    def settle(self, job: str, rows: int, seconds: int = 0, at: str = MORNING) -> None:
        self.do("settle", {"job_id": job, "at": at, "rows": rows, "databricks_seconds": seconds})


def test_what_is_reserved_is_gone_until_it_is_settled_or_given_back() -> None:
    user = User()
    assert user.reserve("a", 600)["remaining"]["rows"] == 400
    refused = user.reserve("b", 500)
    assert (refused["granted"], refused["lacking"], refused["remaining"]["rows"]) == (False, "rows", 400)
    user.settle("a", 450)
    assert user.reserve("b", 500)["remaining"]["rows"] == 50
    user.do("refund", {"job_id": "b"})
    assert user.reserve("c", 1)["remaining"]["rows"] == 549


def test_every_operation_may_come_twice() -> None:
    user = User()
    user.reserve("a", 600)
    assert user.reserve("a", 600)["remaining"]["rows"] == 400
    user.settle("a", 600)
    user.settle("a", 600)
    user.do("refund", {"job_id": "a"})
    assert user.do("usage")["rows"] == 600


def test_a_reservation_can_grow_to_what_was_measured() -> None:
    """A declared count is only a hint; a growth that there is no room for leaves the old reservation."""
    user = User()
    user.reserve("a", 100)
    assert user.reserve("a", 900)["granted"]
    assert not user.reserve("a", 1_001)["granted"]
    assert user.state["reserved"]["a"]["rows"] == 900


def test_the_next_day_begins_with_nothing_used() -> None:
    user = User()
    user.reserve("a", 1_000)
    user.settle("a", 1_000)
    refused = user.reserve("b", 1)
    assert (refused["granted"], refused["retry_after"]) == (False, 61)
    assert user.reserve("b", 1_000, at=NEXT_DAY)["granted"]


def test_who_has_used_up_one_thing_may_still_use_the_others() -> None:
    """A large job may take longer on Databricks than was set aside; small jobs need none of that."""
    user = User()
    user.reserve("a", 1, seconds=60)
    user.settle("a", 1, seconds=500)
    assert user.reserve("b", 1, seconds=1)["lacking"] == "databricks_seconds"
    assert user.reserve("c", 1)["granted"]


def test_only_so_many_jobs_are_under_way() -> None:
    user = User()
    assert [user.reserve(job, 1)["granted"] for job in "abcd"] == [True, True, True, False]
    user.settle("a", 1)
    assert user.reserve("d", 1)["granted"]


def test_a_reservation_of_a_job_that_is_no_more_does_not_stay_for_ever() -> None:
    user = User()
    user.reserve("lost", 1)
    user.reserve("a", 1, at="2026-12-05T00:00:00")
    assert list(user.state["reserved"]) == ["a"]
