"""Jobs of the small lane on a running product: every row is accounted for, whatever happens on the way."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hosting
import pytest
from factory import OWNER, RUNTIME, Factory, kill, most_at_once

from shared.admission import instant, next_window
from shared.etl.generate import generate_json_lines

WINDOW_SECONDS = 3


@pytest.fixture(scope="module")
def factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Factory]:
    settings = {"ETL_LEASE_SECONDS": "2", "ETL_SMALL_WINDOW_SECONDS": str(WINDOW_SECONDS)}
    host = hosting.start("--sql-engine", "duckdb", data=tmp_path_factory.mktemp("factory"), **settings)
    running = Factory(host)
    yield running
    running.close()
    assert host.stop() == 0, "".join(host.errors)


def orders(*numbers: int, **changes: Any) -> list[bytes]:
    """Return clean records of the orders ``range(*numbers)``, all of them changed in the same way."""
    plain = {"user_id": "u1", "product": "tea", "quantity": 1, "unit_price": "2.50", "order_date": "2026-01-02"}
    records = [{**plain, "order_id": f"o{number}", **changes} for number in range(*numbers)]
    return [json.dumps(record).encode() + b"\n" for record in records]


@pytest.mark.parametrize("rows", [0, 1, 10_000])
def test_every_row_is_accounted_for(factory: Factory, rows: int) -> None:
    """Cleaned, rejected or merged; and a job that is done holds nothing any more."""
    record = factory.end(factory.submit(generate_json_lines(rows, seed=rows), declared=rows))
    factory.balance(record, rows)
    assert record["lane"] == "small"
    assert record["percentage"] == 100
    assert record["deadline"]["state"] == "on_track"
    factory.until(lambda: factory.entity("user_quota", OWNER)["reserved"] == {}, what="a settled quota")
    history = factory.http.get(f"{RUNTIME}/instances/{record['id']}", params={"showHistory": True})
    assert len(history.content) < 64_000, "rows never go through history"
    report = json.loads(next((factory.lake / "logs" / "pipeline_runs").rglob(f"{record['id']}.json")).read_text())
    assert [attempt["step"] for attempt in report["attempts"]][-1] == "reporting"


def test_thirteen_jobs_at_once_run_ten_at_a_time(factory: Factory) -> None:
    """Whoever waits is told; the lane is never over its limit and is free in the end."""
    jobs = [factory.submit(generate_json_lines(2_000, seed=n), declared=2_000, owner=f"u{n % 3}") for n in range(13)]
    records = [factory.end(job, f"u{n % 3}") for n, job in enumerate(jobs)]
    for record in records:
        factory.balance(record, 2_000)
    assert 1 < most_at_once(records) <= 10
    factory.until(lambda: factory.running("small") == [], what="a free lane")


def test_a_terminated_job_leaks_no_slot_and_can_be_retried(factory: Factory) -> None:
    """An operator ended it; its lease ends, its record says so, and a new run finishes it."""
    job = factory.submit(orders(5_000, quantity="none at all"), declared=5_000)
    factory.until(lambda: factory.record(job)["state"] == "awaiting_review", what="a review")
    assert factory.running("small") == [], "who waits for a person holds no slot"
    again = factory.submit(generate_json_lines(10_000), declared=10_000)
    factory.until(lambda: again in factory.running("small"), what="a slot")
    for one in (job, again):
        factory.http.post(f"{RUNTIME}/instances/{one}/terminate", params={"reason": "test"})
    factory.until(lambda: factory.running("small") == [], what="a free lane")
    assert factory.end(again)["error"]["code"] == "terminated"
    factory.http.post(f"{RUNTIME}/instances/{again}/restart", params={"restartWithNewInstanceId": "false"})
    factory.until(lambda: factory.record(again)["state"] != "failed", what="a new run")
    factory.balance(factory.end(again), 10_000)


def test_too_many_rejects_are_corrected_and_merged_without_duplicates(factory: Factory) -> None:
    """Only the quarantined rows run again; corrections that cannot be read leave the job where it was."""
    lines = orders(60) + orders(60, 100, quantity="many")
    job = factory.submit(lines, declared=100)

    def parked(rejected: int, error: str | None = None) -> bool:
        record = factory.record(job)
        found = record["error"] and record["error"]["code"]
        return (record["state"], record["counts"]["rejected"], found) == ("awaiting_review", rejected, error)

    def correct(rows: range, **changes: Any) -> None:
        records = [{**json.loads(lines[row]), "quantity": 7, "_row": row, **changes} for row in rows]
        path = f"shanlee-raw-data/{job}-{rows.start}.jsonl"
        (factory.lake / path).write_text("".join(json.dumps(record) + "\n" for record in records))
        factory.tell(job, "review", {"decision": "replay", "path": path, "by": OWNER})

    factory.until(lambda: factory.record(job)["counts"] and parked(40), what="a review")
    assert factory.record(job)["gold"] is None
    correct(range(60, 65))
    factory.until(lambda: parked(35), what="a second review")
    correct(range(60, 65))  # these are no rejects any more
    factory.until(lambda: parked(35, "invalid_field"), what="a refusal")
    correct(range(65, 85), order_id="o3")  # all of them are one order, that there is already
    record = factory.end(job)
    factory.balance(record, 100)
    assert (record["counts"]["rejected"], record["counts"]["duplicates"]) == (15, 20)
    assert record["review"]["decision"] == "replay"


def test_bronze_that_changes_under_a_job_fails_it(factory: Factory) -> None:
    """It says so, publishes nothing, and counts nothing as used."""
    accepted = {"path": "shanlee-raw-data/changed.jsonl", "format": "jsonl", "bytes": 3, "sha256": "0", "etag": ""}
    (factory.lake / accepted["path"]).write_text("abc")
    job = factory.submit(orders(10), declared=10, source=accepted)
    record = factory.end(job)
    assert (record["state"], record["error"]["code"]) == ("failed", "source_changed")
    assert record["gold"] is None
    factory.until(lambda: factory.running("small") == [], what="a free lane")


def test_a_job_in_the_queue_can_be_cancelled(factory: Factory) -> None:
    """It gives its place up, and nothing of it was read."""
    job = factory.submit(orders(10), declared=10_001, window="window")  # of the large lane: every ten hours
    factory.until(lambda: factory.record(job)["queue_position"] == 1, what="a place in the queue")
    factory.tell(job, "cancel")
    record = factory.end(job)
    assert (record["state"], record["attempts"]) == ("cancelled", [])
    factory.until(lambda: not factory.entity("admission", "large")["waiting"], what="an empty queue")


def test_a_job_that_asks_for_the_window_begins_with_it(factory: Factory) -> None:
    """Not before; and a lane that nobody waits for has no alarm any more."""
    record = factory.end(factory.submit(orders(5), declared=5, window="window"))
    factory.balance(record, 5)
    opened = next_window(record["created_at"], WINDOW_SECONDS)
    assert instant(record["attempts"][0]["started_at"]) >= instant(opened)
    assert factory.entity("admission", "small")["window_at"] is None


def test_a_job_past_its_promise_moves_to_the_large_lane(tmp_path: Path) -> None:
    """The same job, without being sent again; here is no Spark, so the large lane says that it cannot."""
    host = hosting.start("--sql-engine", "duckdb", data=tmp_path, ETL_SMALL_DEADLINE_SECONDS="1")
    factory = Factory(host)
    host.faults("cosmos", {"match": "PUT .*/docs/", "latency": 0.7, "times": 4})
    job = factory.submit(orders(10), declared=10)
    record = factory.end(job)
    factory.close()
    assert host.stop() == 0
    assert record["deadline"]["state"] == "breached"
    assert (record["state"], record["error"]["code"]) == ("failed", "large_lane_failed")
    assert "needs Spark" in record["error"]["message"]
    assert (record["attempts"][0]["lane"], record["attempts"][-1]["lane"]) == ("small", "large")
    assert record["gold"] is None


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[[], Factory]]:
    """Start a host on the same data each time; what is left of it ends with the test."""
    started: list[Factory] = []

    def start() -> Factory:
        host = hosting.start("--sql-engine", "duckdb", data=tmp_path, ETL_SMALL_WINDOW_SECONDS="1")
        started.append(Factory(host))
        return started[-1]

    yield start
    kill(started[-1])


def test_jobs_killed_at_each_step_all_balance(begin: Callable[[], Factory]) -> None:
    """SIGKILL in the middle of each step in turn; one Gold is published for each job, and no row is lost or doubled.

    One of them waits for its window, of which several are missed while the host is down: it begins once.
    """
    factory = begin()
    jobs = [factory.submit(generate_json_lines(3_000, seed=9), declared=3_000, window="window")]
    for step in ("measuring", "cleaning", "modelling", "publishing", "serving", "reporting"):
        job = factory.submit(generate_json_lines(3_000, seed=len(jobs)), declared=3_000)
        jobs.append(job)
        factory.reach(job, step)
        kill(factory)
        factory = begin()
    for job in jobs:
        factory.balance(factory.end(job), 3_000)
    factory.until(lambda: factory.running("small") == [], what="a free lane")
    assert factory.record(jobs[0])["runs"] == 1
    assert factory.entity("admission", "small")["window_at"] is None
    assert all(factory.record(job)["serving"]["mysql"]["rows"] > 3_000 for job in jobs)
