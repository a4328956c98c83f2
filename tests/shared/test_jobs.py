"""The record of a job, through the real Cosmos DB client against the stand-in."""

import base64
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from azure.cosmos import CosmosClient, PartitionKey
from serving import serving

from localhost.services.cosmos.app import create_app
from localhost.services.faults import Faults
from shared import jobs as door
from shared.errors import ConflictError, InvalidFieldError, NotFoundError
from shared.jobs import JobRecord, Jobs, Source, new_record, retriable
from shared.settings import Settings

KEY = base64.b64encode(b"a key for tests, as long as real").decode()
SOURCE: Source = {"path": "shanlee-raw-data/u/p/j.json", "format": "json", "bytes": 2, "sha256": "", "etag": ""}


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    required = {"AZURE_OPENAI_ENDPOINT": "x", "DATABRICKS_HOST": "x", "COSMOS_ENDPOINT": "x", "LAKE_URL": "x"}
    monkeypatch.setattr(door, "settings", lambda: Settings.from_env(required))
    with serving(create_app(tmp_path / "cosmos.sqlite", KEY, Faults())) as url:
        database = CosmosClient(url, KEY, retry_total=0).create_database_if_not_exists("imdb_chat")
        yield Jobs(database.create_container_if_not_exists("jobs", PartitionKey("/owner")))


def record(owner: str = "ana", **fields: Any) -> JobRecord:
    job_id = fields.pop("job_id", None) or str(uuid4())
    made = new_record(job_id=job_id, owner=owner, name="May", source=SOURCE, fingerprint="f")
    return {**made, **fields}  # type: ignore[typeddict-item]


def test_a_request_that_comes_twice_makes_one_job(jobs: Jobs) -> None:
    """The second one gets the first one's record, as it stands by then."""
    first = record()
    assert jobs.create(first)[1]
    jobs.update(first["id"], "ana", lambda r: r.update(state="cleaning"))
    stored, created = jobs.create(record(job_id=first["id"]))
    assert not created
    assert stored["state"] == "cleaning"


def test_another_request_under_the_same_id_is_a_conflict(jobs: Jobs) -> None:
    first = record()
    jobs.create(first)
    with pytest.raises(ConflictError):
        jobs.create(record(job_id=first["id"], fingerprint="other"))


def test_somebody_elses_job_is_not_there(jobs: Jobs) -> None:
    """Unknown and foreign ids get the same answer, to a read and to a change."""
    mine = record()
    jobs.create(mine)
    with pytest.raises(NotFoundError) as foreign:
        jobs.read(mine["id"], "ben")
    assert str(foreign.value) == f"There is no job {mine['id']}, or not any more."
    with pytest.raises(NotFoundError):
        jobs.update(mine["id"], "ben", lambda r: r.update(state="failed"))
    assert jobs.page("ben", limit=10) == ([], None)


def test_no_change_is_lost_among_writers(jobs: Jobs) -> None:
    mine = record()
    jobs.create(mine)

    def count() -> None:
        for _ in range(5):
            jobs.update(mine["id"], "ana", lambda r: r.update(percentage=r["percentage"] + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert jobs.read(mine["id"], "ana")["percentage"] == 20


def test_a_change_is_applied_to_what_others_wrote_since(jobs: Jobs) -> None:
    """Another worker wrote: what this one remembers is refused by its ETag, and read anew."""
    mine = record()
    jobs.create(mine)
    elsewhere = Jobs(jobs._items)
    elsewhere.update(mine["id"], "ana", lambda r: r.update(percentage=40))
    jobs.update(mine["id"], "ana", lambda r: r.update(state="cleaning"))
    stored = elsewhere.read(mine["id"], "ana")
    assert (stored["percentage"], stored["state"]) == (40, "cleaning")


def test_a_change_that_fails_leaves_nothing_behind(jobs: Jobs) -> None:
    """The next one begins with what is stored, not with half a change."""
    mine = record()
    jobs.create(mine)

    def half(r: JobRecord) -> None:
        r["percentage"] = 99
        raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        jobs.update(mine["id"], "ana", half)
    returned = jobs.update(mine["id"], "ana", lambda r: r.update(state="cleaning"))
    returned["percentage"] = 98
    assert jobs.update(mine["id"], "ana", lambda _r: None)["percentage"] == 0


def test_the_newest_come_first_and_pages_meet_without_gap_or_overlap(jobs: Jobs) -> None:
    """Though jobs are added between two pages."""
    made = [record(created_at=f"2026-11-21T10:00:{n:02}.000Z") for n in range(5)]
    for one in made:
        jobs.create(one)
    first, token = jobs.page("ana", limit=2)
    jobs.create(record(created_at="2026-11-21T11:00:00.000Z"))
    second, token = jobs.page("ana", limit=2, token=token)
    third, token = jobs.page("ana", limit=2, token=token)
    assert [r["id"] for r in (*first, *second, *third)] == [r["id"] for r in reversed(made)]
    assert token is None


def test_a_list_can_be_of_one_state(jobs: Jobs) -> None:
    ended = record(state="completed")
    jobs.create(record())
    jobs.create(ended)
    assert [r["id"] for r in jobs.page("ana", limit=10, state="completed").records] == [ended["id"]]


def test_a_token_from_elsewhere_is_refused(jobs: Jobs) -> None:
    jobs.create(record())
    with pytest.raises(InvalidFieldError):
        jobs.page("ana", limit=2, token="bm9wZQ==")


@pytest.mark.parametrize(
    ("state", "expected"), [("failed", True), ("cancelled", True), ("completed", False), ("cleaning", False)]
)
def test_only_what_ended_without_its_result_can_be_retried(jobs: Jobs, state: str, expected: bool) -> None:
    assert retriable(record(state=state)) is expected
