"""One job: which steps it takes in which lane, what it holds meanwhile, and how it ends."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from durabletask.client import TaskHubGrpcClient
from durabletask.entities import EntityInstanceId
from replaying import Hub, Run, user_function

from entities.admission import Admission
from entities.user_progress import UserProgress
from entities.user_quota import UserQuota
from orchestrators.etl_job import etl_job
from orchestrators.lane_upkeep import announce_admission, check_slots

JOB = {"job_id": "j1", "owner": "ana"}
TERMS: Mapping[str, Any] = {
    "name": "May",
    "priority": 5,
    "declared_count": 100,
    "window": "now",
    "small_limit": 10_000,
    "lanes": {
        "small": {"slots": 10, "deadline_seconds": 300, "window_seconds": 600},
        "large": {"slots": 3, "deadline_seconds": 86_400, "window_seconds": 36_000},
    },
    "lease_seconds": 600,
    "review_seconds": 600,
    "quota": {"concurrent_jobs": 100, "rows": 1_000_000, "databricks_seconds": 1_000},
    "run": 1,
    "measured_count": None,
    "silver_done": False,
    "review_due": False,
    "gold_done": False,
    "published": False,
}
ENTITIES = {"admission": Admission, "user_quota": UserQuota, "user_progress": UserProgress}
ORCHESTRATORS = (etl_job, announce_admission, check_slots)
STEPS = ("measure_source", "refine_small", "model_small", "publish_gold", "serve_mysql", "serve_synapse", "finish_job")
LARGE = ("submit_large", "poll_large", "cancel_large")
REFUSED = {"failure": {"code": "lake_failed", "message": "no", "again": False}}


class Plant:
    """Fakes of the activities: each gives its answers one after the other, and the last one again and again."""

    def __init__(self, *, terms: Mapping[str, Any] | None = None, **answers: Any) -> None:
        self.answers: dict[str, list[Any]] = {
            "begin_job": [{"terms": {**TERMS, **(terms or {})}}],
            "measure_source": [{"count": 100}],
            "submit_large": [{"state": "running", "handle": "7", "run_id": 7}],
            "poll_large": [{"state": "succeeded", "seconds": 12.0}],
        }
        self.answers |= {name: value if isinstance(value, list) else [value] for name, value in answers.items()}
        self.calls: list[tuple[str, Any]] = []
        self.waits: dict[str, threading.Event] = {}
        self.begun: dict[str, threading.Event] = {}

    @property
    def activities(self) -> dict[str, Callable[[Any], Any]]:
        names = ("begin_job", "note_job", "settle_review", "unserve_mysql", "find_lost_jobs", *STEPS, *LARGE)
        return {name: lambda payload, name=name: self._answer(name, payload) for name in names}

    def hold(self, name: str) -> threading.Event:
        """Let an activity begin and not end until the event is set."""
        self.waits[name], self.begun[name] = threading.Event(), threading.Event()
        return self.waits[name]

    def names(self, *, notes: bool = False) -> list[str]:
        return [name for name, _ in self.calls if notes or name not in {"begin_job", "note_job"}]

    def notes(self, key: str) -> list[Any]:
        return [payload[key] for name, payload in self.calls if name == "note_job" and key in payload]

    def attempts(self, name: str) -> list[str]:
        return [payload["attempt"] for called, payload in self.calls if called == name]

    def _answer(self, name: str, payload: Any) -> Any:
        self.calls.append((name, payload))
        if name in self.waits:
            self.begun[name].set()
            assert self.waits[name].wait(30)
        answers = self.answers.get(name, [{}])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return answer(payload) if callable(answer) else answer


class Works:
    """A hub at work on jobs."""

    def __init__(self, hub: Hub, client: TaskHubGrpcClient) -> None:
        self._hub, self.client = hub, client

    def start(self, job_id: str = "j1", owner: str = "ana") -> None:
        job = {"job_id": job_id, "owner": owner}
        self.client.schedule_new_orchestration(user_function(etl_job), input=job, instance_id=job_id)

    def end(self, job_id: str = "j1") -> Run:
        return self._hub.ended(self.client, job_id)

    def tell(self, event: str, data: Any = None, job_id: str = "j1") -> None:
        self.client.raise_orchestration_event(job_id, event, data=data)

    def until(self, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < until, "it did not come to that"
            time.sleep(0.02)

    def entity(self, name: str, key: str) -> Any:
        found = self.client.get_entity(EntityInstanceId(name, key))
        return (
            None
            if found is None
            else found.get_typed_state()
            if hasattr(found, "get_typed_state")
            else found.get_state()
        )

    def slots(self, lane: str) -> list[str]:
        state = self.entity("admission", lane)
        return [] if state is None else [job["job_id"] for job in state["running"]]

    def state_of(self, job_id: str = "j1") -> str:
        found = self.client.get_orchestration_state(job_id)
        status = found.get_custom_status() if found else None
        return status["state"] if status else ""


@contextmanager
def works(hub: Hub, plant: Plant) -> Iterator[Works]:
    with hub.working(ORCHESTRATORS, activities=plant.activities, entities=ENTITIES) as client:
        yield Works(hub, client)


def run(hub: Hub, plant: Plant) -> Run:
    with works(hub, plant) as at:
        at.start()
        ended = at.end()
        at.until(lambda: not at.slots("small") and not at.slots("large"))
        return ended


def test_a_small_job_goes_through_its_steps_once(hub: Hub) -> None:
    plant = Plant()
    ended = run(hub, plant)
    assert ended.output == {"job_id": "j1", "state": "completed"}
    assert plant.names() == list(STEPS)
    assert ended.custom_status == {"state": "completed", "lane": "small", "percentage": 100, "version": 9}


def test_the_measured_count_decides_about_the_lane(hub: Hub) -> None:
    """The client said 100 of each; a wrong number sends nobody's million rows to pandas."""
    plant = Plant(measure_source=lambda work: {"count": int(work["job_id"])})
    lanes = {"0": "small", "1": "small", "10000": "small", "10001": "large"}
    with works(hub, plant) as at:
        for count in lanes:
            at.start(count)
        assert {count: at.end(count).custom_status["lane"] for count in lanes} == lanes
    assert sorted(payload["job_id"] for name, payload in plant.calls if name == "submit_large") == ["10001"]


def test_a_job_declared_large_that_is_small_gives_its_large_slot_back(hub: Hub) -> None:
    plant = Plant(terms={"declared_count": 1_000_000})
    assert run(hub, plant).custom_status["lane"] == "small"
    assert plant.notes("lane") == ["large", "small"]
    assert "submit_large" not in plant.names()


def test_a_large_job_is_followed_on_durable_timers(hub: Hub) -> None:
    """Waiting for Databricks costs timers, not activities that sleep; its Gold is made in the same run."""
    plant = Plant(measure_source={"count": 50_000}, poll_large=[{"state": "running"}, {"state": "succeeded"}])
    assert run(hub, plant).output["state"] == "completed"
    large = ["submit_large", "poll_large", "poll_large", "model_small"]
    assert plant.names() == ["measure_source", *large, *STEPS[3:]]


def test_a_run_that_breaks_is_run_again_as_another_attempt(hub: Hub) -> None:
    broken = {"state": "failed", "cause": "infrastructure", "code": "large_lane_failed", "message": "cluster lost"}
    plant = Plant(measure_source={"count": 50_000}, submit_large=[broken, {"state": "succeeded"}])
    assert run(hub, plant).output["state"] == "completed"
    assert plant.attempts("submit_large") == ["1-large-1", "1-large-2"]


def test_a_job_past_its_promise_moves_to_the_large_lane(hub: Hub) -> None:
    """The same job, not resubmitted: both attempts are noted, and the small one's slot is free at once."""
    lanes = {**TERMS["lanes"], "small": {"slots": 10, "deadline_seconds": 1, "window_seconds": 600}}
    plant = Plant(terms={"lanes": lanes})
    release = plant.hold("refine_small")
    with works(hub, plant) as at:
        at.start()
        ended = at.end()
        release.set()
        at.until(lambda: not at.slots("small") and not at.slots("large"))
    assert ended.output["state"] == "completed"
    assert plant.notes("deadline")[:2] == ["at_risk", "breached"]
    assert plant.notes("outcome") == ["escalated"]
    assert plant.attempts("refine_small") + plant.attempts("submit_large") == ["1-small", "1-large-1"]


def test_too_many_rejects_wait_for_a_decision_without_holding_a_slot(hub: Hub) -> None:
    plant = Plant(refine_small={"review": True})
    with works(hub, plant) as at:
        at.start()
        at.until(lambda: at.state_of() == "awaiting_review" and not at.slots("small"))
        at.tell("review", {"decision": "accept", "by": "ana"})
        assert at.end().output["state"] == "completed"
    [(_, payload)] = [call for call in plant.calls if call[0] == "settle_review"]
    assert payload["review"] == {"decision": "accept", "by": "ana"}


def test_corrections_that_are_not_good_enough_park_the_job_again(hub: Hub) -> None:
    """Corrections that cannot be read do not lose the job either."""
    plant = Plant(refine_small={"review": True}, settle_review=[REFUSED, {"review": True}, {}])
    with works(hub, plant) as at:
        at.start()
        for number in range(1, 4):
            at.until(lambda number=number: plant.notes("state").count("awaiting_review") >= number)
            at.tell("review", {"decision": "replay", "path": f"c{number}"})
        assert at.end().output["state"] == "completed"
    assert len(set(plant.attempts("settle_review"))) == 3
    assert plant.names().count("refine_small") == 1, "only the rejects run again"


def test_what_was_corrected_does_not_move_to_the_large_lane(hub: Hub) -> None:
    """It begins with Bronze and knows nothing of corrections; the job takes longer than promised, and says so."""
    lanes = {**TERMS["lanes"], "small": {"slots": 10, "deadline_seconds": 1, "window_seconds": 600}}
    plant = Plant(terms={"lanes": lanes, "run": 2, "measured_count": 100, "silver_done": True, "review_due": True})
    release = plant.hold("model_small")
    with works(hub, plant) as at:
        at.start()
        at.until(lambda: at.state_of() == "awaiting_review")
        at.tell("review", {"decision": "replay", "path": "c"})
        at.until(lambda: "breached" in plant.notes("deadline"))
        release.set()
        assert at.end().output["state"] == "completed"
    assert "submit_large" not in plant.names()


def test_a_decision_that_never_comes_fails_the_job(hub: Hub) -> None:
    plant = Plant(terms={"review_seconds": 1}, refine_small={"review": True})
    assert run(hub, plant).state.runtime_status.name == "FAILED"
    assert plant.notes("code") == ["review_expired"]


def test_a_cancelled_job_lets_its_step_end_and_goes_no_further(hub: Hub) -> None:
    """A thread cannot be stopped; its slot is freed when it has really ended."""
    plant = Plant()
    release = plant.hold("refine_small")
    with works(hub, plant) as at:
        at.start()
        assert plant.begun["refine_small"].wait(30)
        at.tell("cancel")
        time.sleep(0.3)
        assert at.slots("small") == ["j1"]
        release.set()
        assert at.end().output == {"job_id": "j1", "state": "cancelled"}
        at.until(lambda: not at.slots("small"))
    assert plant.names() == ["measure_source", "refine_small"]
    assert plant.notes("state")[-1] == "cancelled"


def test_a_cancellation_reaches_databricks_and_waits_for_its_end(hub: Hub) -> None:
    plant = Plant(measure_source={"count": 50_000}, poll_large=[{"state": "running"}, {"state": "failed"}])
    with works(hub, plant) as at:
        at.start()
        at.until(lambda: "submit_large" in plant.names())
        at.tell("cancel")
        assert at.end().output["state"] == "cancelled"
    assert plant.names()[-3:] == ["cancel_large", "poll_large", "poll_large"]


def test_a_cancellation_after_publishing_comes_too_late(hub: Hub) -> None:
    """What readers may have seen is not taken back."""
    plant = Plant()
    release = plant.hold("publish_gold")
    with works(hub, plant) as at:
        at.start()
        assert plant.begun["publish_gold"].wait(30)
        at.tell("cancel")
        release.set()
        assert at.end().output["state"] == "completed"


def test_a_retried_job_begins_after_what_is_done(hub: Hub) -> None:
    done = {"run": 2, "measured_count": 100, "silver_done": True}
    plant = Plant(terms=done)
    run(hub, plant)
    assert plant.names() == list(STEPS[2:])
    assert plant.attempts("model_small") == ["2-small"]


def test_a_retried_job_still_waits_for_its_decision(hub: Hub) -> None:
    """That nobody decided in time is no decision; what was modelled before it is modelled again after a replay."""
    done = {"run": 2, "measured_count": 100, "silver_done": True, "review_due": True, "gold_done": True}
    plant = Plant(terms=done)
    with works(hub, plant) as at:
        at.start()
        at.until(lambda: at.state_of() == "awaiting_review")
        at.tell("review", {"decision": "replay", "path": "c"})
        assert at.end().output["state"] == "completed"
    assert plant.names() == ["settle_review", *STEPS[2:]]


def test_what_is_published_is_not_made_again(hub: Hub) -> None:
    plant = Plant(terms={"run": 2, "measured_count": 100, "silver_done": True, "gold_done": True, "published": True})
    run(hub, plant)
    assert plant.names() == list(STEPS[4:])


def test_when_one_store_fails_the_other_gives_the_job_back(hub: Hub) -> None:
    plant = Plant(serve_synapse=REFUSED)
    ended = run(hub, plant)
    assert ended.state.runtime_status.name == "FAILED"
    assert plant.names()[-3:] == ["serve_mysql", "serve_synapse", "unserve_mysql"]
    assert plant.notes("code") == ["lake_failed"]


def test_a_failed_job_says_why_and_leaks_no_slot(hub: Hub) -> None:
    """At whichever step."""
    refusing = {name: lambda work, name=name: REFUSED if work["job_id"] == name else {"count": 100} for name in STEPS}
    plant = Plant(**refusing)
    with works(hub, plant) as at:
        for name in STEPS:
            at.start(name)
        for name in STEPS:
            ended = at.end(name)
            assert ended.state.runtime_status.name == "FAILED"
            assert ended.custom_status["state"] == "failed"
        at.until(lambda: not at.slots("small"))
    assert plant.notes("code") == ["lake_failed"] * len(STEPS)


def test_a_job_beyond_the_quota_does_not_begin(hub: Hub) -> None:
    quota = {"concurrent_jobs": 100, "rows": 99, "databricks_seconds": 1_000}
    plant = Plant(terms={"quota": quota})
    run(hub, plant)
    assert plant.names() == []
    assert plant.notes("code") == ["quota_exceeded"]


def test_a_waiting_job_is_told_when_its_turn_comes(hub: Hub) -> None:
    """One slot, three jobs: one at a time, each in its turn, and nobody asks twice while waiting."""
    lanes = {**TERMS["lanes"], "small": {"slots": 1, "deadline_seconds": 300, "window_seconds": 600}}
    plant = Plant(terms={"lanes": lanes})
    release = plant.hold("refine_small")
    with works(hub, plant) as at:
        for number in range(3):
            at.start(f"j{number}", f"owner{number}")
        at.until(lambda: plant.notes("queue_position").count(1) + plant.notes("queue_position").count(2) >= 2)
        assert len(at.slots("small")) == 1
        release.set()
        assert {at.end(f"j{number}").output["state"] for number in range(3)} == {"completed"}
        at.until(lambda: not at.slots("small"))


def test_a_terminated_job_leaks_no_slot(hub: Hub) -> None:
    """It cannot say that it is gone, so somebody looks when its lease is over; whoever waited then runs."""
    lanes = {**TERMS["lanes"], "small": {"slots": 1, "deadline_seconds": 300, "window_seconds": 600}}
    plant = Plant(terms={"lanes": lanes, "lease_seconds": 1})
    plant.answers["find_lost_jobs"] = [{"jobs": []}]
    release = plant.hold("refine_small")
    with works(hub, plant) as at:
        at.start("gone")
        assert plant.begun["refine_small"].wait(30)
        at.start("next")
        at.until(lambda: "find_lost_jobs" in plant.names())
        assert at.slots("small") == ["gone"], "a job that lives longer than its lease keeps its slot"
        at.client.terminate_orchestration("gone")
        ticket = at.entity("admission", "small")["running"][0]["ticket"]
        plant.answers["find_lost_jobs"] = [{"jobs": [{"job_id": "gone", "owner": "ana", "ticket": ticket}]}]
        at.until(lambda: at.slots("small") == ["next"])
        at.until(lambda: [i["state"] for i in at.entity("user_progress", "ana") if i["id"] == "gone"] == ["failed"])
        release.set()
        assert at.end("next").output["state"] == "completed"
