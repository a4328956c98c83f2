"""The record of each ETL job: what it is made of, how far it is, and what came out.

One item a job, in the container ``jobs``; its partition key is its owner, so that a list reads one partition and
somebody else's job is not there at all. Its id is the instance id of its orchestration. Every change reads the item,
changes it and replaces it only if nobody else did in between (ETag), so a change must be safe to apply twice and to
apply to a newer item.
"""

import copy
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NotRequired, TypedDict, cast

from shared.conversations import now
from shared.cosmos import change_item, container, cosmos_errors
from shared.errors import ConflictError, InvalidFieldError, NotFoundError, RecordError
from shared.payloads import DeadlineState, JobLane, JobState
from shared.settings import settings

if TYPE_CHECKING:
    from azure.cosmos import ContainerProxy

MAX_WRITTEN = 200
"""Records of which is remembered what this process wrote last."""
_NEWEST = "SELECT * FROM c ORDER BY c.created_at DESC"
_NEWEST_IN_STATE = "SELECT * FROM c WHERE c.state = @state ORDER BY c.created_at DESC"
ENDED: tuple[JobState, ...] = ("completed", "failed", "cancelled")
"""The states in which a job stays."""


class Source(TypedDict):
    """What the job reads. ``path`` is below ``LAKE_URL``; ``etag`` names the content that was accepted."""

    path: str
    format: Literal["json", "jsonl", "csv", "parquet"]
    bytes: int
    sha256: str
    etag: str
    rows: NotRequired[int]
    """How many records these bytes hold, where they were counted before the job was accepted."""


class Counts(TypedDict):
    """Where the rows went: ``input`` is the sum of the next three. ``reasons`` counts rejects by kind."""

    input: int
    cleaned: int
    rejected: int
    duplicates: int
    reasons: dict[str, int]


class Deadline(TypedDict):
    """Until when the job was promised, and whether that holds."""

    expected_seconds: int
    due_at: str
    state: DeadlineState


class Attempt(TypedDict):
    """One try of one step in one lane. ``run_id`` is that of Databricks, ``handle`` finds it there."""

    id: str
    lane: JobLane
    step: JobState
    started_at: str
    ended_at: str | None
    outcome: Literal["running", "succeeded", "failed", "cancelled", "escalated"]
    run_id: NotRequired[int]
    handle: NotRequired[str]


class GoldVersion(TypedDict):
    """The published star schema; ``path`` is the folder of its tables."""

    path: str
    version: str
    manifest_path: str
    published_at: str


class Served(TypedDict):
    """What one serving store has of the job."""

    state: Literal["pending", "loaded", "failed", "compensated", "skipped"]
    rows: NotRequired[int]
    views: NotRequired[int]


class Serving(TypedDict):
    """What the serving stores have of the job."""

    mysql: Served
    synapse: Served


class Review(TypedDict):
    """What somebody decided about too many rejects."""

    decision: Literal["accept", "replay"]
    by: str
    at: str
    path: NotRequired[str]


class JobError(TypedDict):
    """Why the job failed; ``code`` is stable."""

    code: str
    message: str


class JobRecord(TypedDict):
    """An ETL job. Times are ISO 8601 in UTC, paths are below ``LAKE_URL``."""

    id: str
    owner: str
    parent_job_id: str
    name: str
    fingerprint: str
    declared_count: int
    priority: int
    window: Literal["now", "window"]
    source: Source
    created_at: str
    updated_at: str
    state: JobState
    lane: JobLane | None
    percentage: int
    queue_position: int | None
    counts: Counts | None
    deadline: Deadline | None
    attempts: list[Attempt]
    silver_path: str | None
    rejects_path: str | None
    gold: GoldVersion | None
    serving: Serving | None
    review: Review | None
    error: JobError | None
    ttl: int
    runs: NotRequired[int]
    """How often the orchestration of the job was begun."""
    measured_count: NotRequired[int]
    staged_path: NotRequired[str]
    """The newest folder with the complete Silver of the job, and with its Gold where ``staged_gold`` says so."""
    staged_gold: NotRequired[bool]
    review_due: NotRequired[bool]
    """Too many rows of that Silver were rejected, and nobody has decided about them yet."""
    finished_at: NotRequired[str]


class Page(NamedTuple):
    """Some of an owner's jobs, the newest first; ``token`` leads to the next ones, and is None after the last."""

    records: list[JobRecord]
    token: str | None


class Jobs:
    """The door to the records. Safe to use from several threads."""

    def __init__(self, items: "ContainerProxy") -> None:
        self._items = items
        self._written: OrderedDict[str, JobRecord] = OrderedDict()
        self._lock = Lock()

    def create(self, record: JobRecord) -> tuple[JobRecord, bool]:
        """Store ``record``; return what is stored and whether it is new.

        Raises:
            ConflictError: another request has this id.
            RecordUnavailableError: nothing was created; worth repeating.
        """
        from azure.cosmos.exceptions import CosmosResourceExistsError

        try:
            with cosmos_errors(f"job {record['id']}"):
                self._remember(self._items.create_item(cast("dict[str, Any]", record)))
        except CosmosResourceExistsError:
            known = self.read(record["id"], record["owner"])
            if known["fingerprint"] != record["fingerprint"]:
                message = "This Idempotency-Key was used for another job; use a new key for a new job."
                raise ConflictError(message) from None
            return known, False
        return record, True

    def read(self, job_id: str, owner: str) -> JobRecord:
        """Return the record.

        Raises:
            NotFoundError: the owner has no such job (any more).
            RecordUnavailableError: Cosmos DB cannot be reached now.
        """
        from azure.cosmos.exceptions import CosmosResourceNotFoundError

        try:
            with cosmos_errors(f"job {job_id}"):
                return cast(JobRecord, self._items.read_item(job_id, partition_key=owner))
        except CosmosResourceNotFoundError:
            raise _gone(job_id) from None

    def update(self, job_id: str, owner: str, change: Callable[[JobRecord], JobRecord | None]) -> JobRecord:
        """Apply ``change`` to the record and return what is stored now.

        The first try is over what this process wrote last: mostly nobody else has written since, and if somebody has,
        Cosmos DB says so and the record is read. ``change`` alters the record it is given, or returns another; it may
        be applied several times, each time to a fresh record.

        Raises:
            NotFoundError: the owner has no such job (any more).
            RecordUnavailableError: Cosmos DB cannot be reached, or other writers were always first.
        """
        from azure.cosmos.exceptions import CosmosResourceNotFoundError

        def read(met: int) -> JobRecord:
            return (None if met else self._last_written(job_id, owner)) or self.read(job_id, owner)

        def changed(record: JobRecord) -> JobRecord:
            record = change(record) or record
            record["updated_at"] = now()
            return record

        try:
            stored = change_item(self._items, f"job {job_id}", read, changed)
        except CosmosResourceNotFoundError:
            raise _gone(job_id) from None
        self._remember(stored)
        return cast("JobRecord", dict(stored))

    def page(self, owner: str, *, limit: int, token: str | None = None, state: JobState | None = None) -> Page:
        """Return at most ``limit`` of the owner's jobs, the newest first, that follow ``token``.

        Raises:
            InvalidFieldError: ``token`` is not from a page of these jobs.
            RecordUnavailableError: Cosmos DB cannot be reached now.
        """
        query = _NEWEST if state is None else _NEWEST_IN_STATE
        parameters: list[dict[str, object]] = [{"name": "@state", "value": state}]
        try:
            with cosmos_errors(f"the jobs of {owner}"):
                found: Any = self._items.query_items(
                    query, parameters=parameters if state else None, partition_key=owner, max_item_count=limit
                )
                pages = found.by_page(token)
                records = list[JobRecord](next(pages, ()))
        except RecordError as error:
            if token is not None and getattr(error.__cause__, "status_code", None) == 400:
                message = "`token` is not from a page of these jobs: begin again without it."
                raise InvalidFieldError(message, problems={"token": "unknown"}) from error
            raise
        return Page(records, pages.continuation_token or None)

    def first(self, owner: str, query: str) -> dict[str, Any] | None:
        """Return the first result of ``query`` over the owner's jobs, or None.

        Raises:
            RecordUnavailableError: Cosmos DB cannot be reached now.
        """
        with cosmos_errors(f"the jobs of {owner}"):
            found: Any = self._items.query_items(query, partition_key=owner, max_item_count=1)
            return next(iter(found), None)

    def _remember(self, stored: Mapping[str, Any]) -> None:
        record = cast(JobRecord, copy.deepcopy(dict(stored)))
        with self._lock:
            self._written[record["id"]] = record
            self._written.move_to_end(record["id"])
            if len(self._written) > MAX_WRITTEN:
                self._written.popitem(last=False)

    def _last_written(self, job_id: str, owner: str) -> JobRecord | None:
        with self._lock:
            record = self._written.get(job_id)
        return copy.deepcopy(record) if record is not None and record["owner"] == owner else None


def new_record(  # noqa: PLR0913  as many as a job has
    *,
    job_id: str,
    owner: str,
    name: str,
    source: Source,
    fingerprint: str,
    declared_count: int = 0,
    parent_job_id: str | None = None,
    priority: int = 5,
    window: Literal["now", "window"] = "now",
) -> JobRecord:
    """Return the record of a job that was just accepted; ``fingerprint`` is equal for equal requests."""
    created = now()
    return {
        "id": job_id,
        "owner": owner,
        "parent_job_id": parent_job_id or job_id,
        "name": name,
        "fingerprint": fingerprint,
        "declared_count": declared_count,
        "priority": priority,
        "window": window,
        "source": source,
        "created_at": created,
        "updated_at": created,
        "state": "queued",
        "lane": None,
        "percentage": 0,
        "queue_position": None,
        "counts": None,
        "deadline": None,
        "attempts": [],
        "silver_path": None,
        "rejects_path": None,
        "gold": None,
        "serving": None,
        "review": None,
        "error": None,
        "ttl": settings().job_ttl_seconds,
    }


def retriable(record: JobRecord) -> bool:
    """Whether a new run of this job would do more than the last one did.

    A new run of the same id reads in the record which steps are done, and begins after them.
    """
    return record["state"] in {"failed", "cancelled"}


@cache
def jobs() -> Jobs:
    """Return the door to the records of this app's Cosmos DB."""
    return Jobs(container("jobs"))


def _gone(job_id: str) -> NotFoundError:
    return NotFoundError(f"There is no job {job_id}, or not any more.")
