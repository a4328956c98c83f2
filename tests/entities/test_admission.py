"""Who gets a slot, in which order, and that none is ever lost or given twice."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.durable_functions.testing import execute_entity
from replaying import user_function

from entities import admission
from entities.admission import Admission
from shared.admission import ENOUGH, RECENT, position, usual_seconds

Entity = user_function(Admission)
BEGAN = datetime(2026, 11, 21, 12, tzinfo=UTC)


def at(seconds: float) -> str:
    return (BEGAN + timedelta(seconds=seconds)).isoformat()


class Lane:
    """One lane, and what it has set off: the jobs it told, its alarms, the checks."""

    def __init__(self, slots: int = 2, lease: int = 60) -> None:
        self.slots, self.lease = slots, lease
        self.state: Any = None
        self.told: list[str] = []
        self.checks: list[dict[str, Any]] = []
        self.alarms: list[tuple[datetime, str, Any]] = []

    def do(self, operation: str, value: Any = None) -> Any:
        done = execute_entity(Entity, operation, value, self.state, entity_key="small")
        self.state = done.get_state()
        for action in done.actions:
            if hasattr(action, "name"):
                news = action.get_input()
                if action.name == "announce_admission":
                    self.told.append(news["job_id"])
                else:
                    self.checks.append(news)
            else:
                self.alarms.append((action.scheduled_time, action.operation, action.get_input()))
        return done.get_result()

    def request(self, job: str, seconds: float = 0, *, owner: str = "", priority: int = 5, **more: Any) -> Any:
        wanted = {
            "job_id": job,
            "owner": owner or job,
            "ticket": "t",
            "priority": priority,
            "at": at(seconds),
            "slots": self.slots,
            "lease_seconds": self.lease,
            **more,
        }
        return self.do("request", wanted)

    def release(self, job: str, seconds: float = 0, ticket: str = "t") -> None:
        self.do("release", {"job_id": job, "ticket": ticket, "at": at(seconds)})

    @property
    def running(self) -> list[str]:
        return [job["job_id"] for job in self.state["running"]]


def test_a_lane_runs_no_more_than_its_slots_and_tells_the_rest_their_place() -> None:
    lane = Lane(slots=2)
    answers = [lane.request(job) for job in "abcd"]
    assert answers == [
        {"admitted": True, "position": 0},
        {"admitted": True, "position": 0},
        {"admitted": False, "position": 1},
        {"admitted": False, "position": 2},
    ]


def test_a_slot_that_is_given_back_goes_to_the_next_one_who_is_told_once() -> None:
    lane = Lane(slots=1)
    for job in "abc":
        lane.request(job)
    lane.release("a")
    lane.release("a")
    assert (lane.running, lane.told) == (["b"], ["b"])


def test_asking_again_changes_nothing() -> None:
    """A step may run twice, and a waiting job asks again after a long silence."""
    lane = Lane(slots=1)
    for job in "aabbcb":
        lane.request(job)
    assert lane.running == ["a"]
    assert [job["job_id"] for job in lane.state["waiting"]] == ["b", "c"]


def test_a_new_run_of_a_job_keeps_what_the_last_one_held() -> None:
    """What comes late from the last run frees nothing of the new one's."""
    lane = Lane(slots=1)
    lane.request("a", ticket="1")
    assert lane.request("a", ticket="2")["admitted"]
    lane.release("a", ticket="1")
    assert lane.running == ["a"]


def test_priority_decides_and_then_who_came_first() -> None:
    lane = Lane(slots=1)
    lane.request("running")
    for job, priority in (("low", 1), ("first", 5), ("second", 5), ("high", 9)):
        lane.request(job, priority=priority)
    for job in ("running", "high", "first", "second"):
        lane.release(job)
    assert lane.told == ["high", "first", "second", "low"]


def test_no_priority_starves() -> None:
    """A job of priority 1 gets its turn though one of priority 9 comes in every ten seconds."""
    lane = Lane(slots=1)
    lane.request("0")
    lane.request("patient", 1, priority=1)
    for number in range(1, 200):
        lane.request(str(number), number * 10, priority=9)
        lane.release(lane.running[0], number * 10 + 5)
        if "patient" in lane.told:
            break
    assert 400 < number * 10 < 700


def test_one_owner_does_not_take_the_whole_lane() -> None:
    """The next slot goes to who has none, though another asked for ten first."""
    lane = Lane(slots=4)
    for number in range(10):
        lane.request(f"greedy{number}", owner="greedy")
    lane.request("modest", 30, owner="modest")
    lane.release("greedy0", 31)
    assert lane.told == ["modest"]


def test_a_place_in_the_queue_can_be_given_up() -> None:
    lane = Lane(slots=1)
    for job in "abc":
        lane.request(job)
    lane.release("b")
    lane.release("a")
    assert lane.told == ["c"]


def test_the_queue_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state of an entity is read at every operation."""
    monkeypatch.setattr(admission, "MAX_WAITING", 20)
    lane = Lane(slots=1)
    for number in range(21):
        lane.request(str(number))
    assert lane.request("one too many") == {"admitted": False, "position": 0}
    assert len(lane.state["waiting"]) == 20


def test_when_a_lease_is_over_somebody_looks_and_until_then_nothing_is_freed() -> None:
    """A job that lives longer than its lease keeps its slot; one alarm is set at a time."""
    lane = Lane(slots=2, lease=60)
    lane.request("a", 0)
    lane.request("b", 10)
    [(due, operation, moment)] = lane.alarms
    assert (due.astimezone(UTC), operation) == (BEGAN + timedelta(seconds=60), "sweep")
    lane.do(operation, moment)
    assert lane.checks == [{"lane": "small", "jobs": [{"job_id": "a", "owner": "a", "ticket": "t"}]}]
    assert lane.running == ["a", "b"]
    assert [alarm[0].astimezone(UTC) for alarm in lane.alarms[1:]] == [BEGAN + timedelta(seconds=70)]


def test_a_job_that_runs_for_hours_is_not_looked_for_every_minute() -> None:
    """The looks grow rarer with its age, up to ten leases apart: nobody is terminated unseen for longer."""
    lane = Lane(slots=1, lease=60)
    lane.request("a")
    for _ in range(8):
        lane.do(*lane.alarms[-1][1:])
    minutes = [(due.astimezone(UTC) - BEGAN) / timedelta(minutes=1) for due, _, _ in lane.alarms]
    assert minutes == [1, 2, 4, 8, 16, 26, 36, 46, 56]


def test_an_alarm_that_comes_twice_is_one() -> None:
    lane = Lane()
    lane.request("a")
    [(_, _, moment)] = lane.alarms
    lane.do("sweep", moment)
    lane.do("sweep", moment)
    assert len(lane.checks) == 1


def test_an_empty_lane_sets_no_alarm() -> None:
    """Nothing runs, so nothing has to be looked for."""
    lane = Lane()
    lane.request("a")
    lane.release("a", 1)
    [(_, _, moment)] = lane.alarms
    lane.do("sweep", moment)
    assert len(lane.alarms) == 1
    assert lane.checks == []


def test_jobs_that_ask_for_the_window_wait_for_it_together() -> None:
    """The lane is free, and still they wait for 12:10; nobody has to be there to open it."""
    lane = Lane(slots=2)
    answers = [lane.request(job, 30, window_seconds=600) for job in "ab"]
    assert [answer["admitted"] for answer in answers] == [False, False]
    [(due, operation, moment)] = lane.alarms
    assert (due.astimezone(UTC), operation) == (BEGAN + timedelta(seconds=600), "open_window")
    lane.do(operation, moment)
    assert lane.told == ["a", "b"]


def test_a_window_that_nobody_waits_for_does_not_open() -> None:
    """Skipped when empty: the alarm is set by who waits, and only once for all of them."""
    lane = Lane()
    lane.request("now")
    assert [operation for _, operation, _ in lane.alarms] == ["sweep"]


def test_after_an_outage_the_window_opens_once() -> None:
    """Five windows were missed; one catches up, and the next one is in the future."""
    lane = Lane(slots=1)
    lane.request("a", window_seconds=600)
    lane.do("open_window", {"at": at(3_100)})
    lane.request("b", 3_100, window_seconds=600)
    windows = [due for due, operation, _ in lane.alarms if operation == "open_window"]
    assert [due.astimezone(UTC) for due in windows] == [BEGAN + timedelta(seconds=s) for s in (600, 3_600)]


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_slots_are_neither_lost_nor_given_twice(seed: int) -> None:
    """Random requests, ends and repeats: never over the limit, never a free slot while somebody waits."""
    dice = random.Random(seed)
    lane = Lane(slots=3)
    asked: list[str] = []
    for step in range(200):
        if dice.random() < 0.5 or not asked:
            asked.append(f"j{step}")
            lane.request(asked[-1], step, owner=dice.choice("xyz"), priority=dice.randint(1, 9))
        else:
            job = dice.choice([*asked[-20:], *lane.running])
            lane.release(job, step) if dice.random() < 0.7 else lane.request(job, step, owner="x")
        assert len(set(lane.running)) == len(lane.running) <= 3
        assert len(lane.running) == 3 or not lane.state["waiting"]
    places = [position(lane.state, job["job_id"], at(200)) for job in lane.state["waiting"]]
    assert sorted(places) == list(range(1, len(places) + 1))


def test_a_lane_remembers_what_jobs_took_by_their_size() -> None:
    """The last few of each size; most of those alike were done within what it says, and too few say nothing."""
    lane = Lane()
    for number in range(3 * RECENT):
        for size, seconds in ((500, number), (5_000, 100)):
            leaving = {"job_id": f"{number}-{size}", "ticket": "t", "at": at(number)}
            lane.do("release", {**leaving, "rows": size, "seconds": seconds})
    recent = lane.state["recent"]
    assert len(recent) == 2 * RECENT
    assert usual_seconds(recent, 700) == 3 * RECENT - 2
    assert usual_seconds(recent, 10_000) == 100
    assert usual_seconds(recent, 10_001) is None
    assert usual_seconds(recent[: 2 * ENOUGH - 2], 700) is None


def test_a_job_that_says_nothing_of_its_time_changes_nothing() -> None:
    """Cancelled, reviewed and windowed ones took what nobody should expect."""
    lane = Lane()
    lane.request("a")
    lane.release("a")
    assert "recent" not in lane.state
