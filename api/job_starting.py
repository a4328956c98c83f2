"""Starting an ETL job: its source in Bronze, a record, one orchestration."""

import asyncio
import hashlib
import math
from dataclasses import dataclass
from typing import Any, Literal

import azure.durable_functions as df
import azure.functions as func
import grpc
from durabletask.entities import EntityInstanceId

from api.instances import beginning_once, is_to_begin
from api.responses import RETRY_AFTER_SECONDS, reply
from api.starting import origin
from api.submissions import Order, Upload, nothing_at_path, read_bronze_path
from shared.admission import LaneState, usual_seconds
from shared.errors import ConflictError, NotFoundError
from shared.etl_paths import bronze_path
from shared.identity import Caller
from shared.ids import derived_id, fingerprint, new_id
from shared.jobs import ENDED, JobRecord, Source, jobs, new_record
from shared.payloads import Job, JobLane
from shared.rate_limit import Allowance, rate_limits
from shared.settings import settings

type PathName = Literal["small_batch", "large_batch"]


@dataclass(frozen=True, slots=True)
class Started:
    """A job that is under way, and the lane that its size points to; what is measured may yet decide otherwise."""

    record: JobRecord
    lane: JobLane
    rows: int


async def start_job(client: df.DurableFunctionsClient, caller: Caller, order: Order, key: str | None) -> Started:
    """Start a job; with ``key`` (an ``Idempotency-Key``) at most once.

    Raises:
        RequestError: the records cannot be read.
        RateLimitedError: the caller has started too many.
        ConflictError: ``key`` was used for another job.
        NotFoundError: the caller has nothing at the path.
    """
    started, created = await asyncio.to_thread(_create, caller, order, key)
    record = started.record
    if created or (record["state"] not in ENDED and await is_to_begin(client, record["id"], record["created_at"])):
        await begin_job(client, record)
    return started


async def begin_job(client: df.DurableFunctionsClient, record: JobRecord) -> None:
    """Begin the job's orchestration, or a new run of it."""
    job: Job = {"job_id": record["id"], "owner": record["owner"]}
    with beginning_once():
        await client.schedule_new_orchestration("etl_job", input=job, instance_id=record["id"])


async def accepted(req: func.HttpRequest, client: df.DurableFunctionsClient, started: Started) -> func.HttpResponse:
    """Return 202 with where to go on, and how long that may take."""
    job_id = started.record["id"]
    poll_url = f"/api/jobs/{job_id}"
    promised = expected_seconds(started.lane)
    usual = await _usual_seconds(client, started)
    body: dict[str, Any] = {
        "status": "success",
        "jobId": job_id,
        "processingPath": path_name(started.lane),
        "expectedDuration": duration(promised if usual is None else usual),
        "expected_seconds": promised if usual is None else usual,
        "promised_seconds": promised,
        "message": "Job accepted. Poll poll_url for its progress.",
        "poll_url": poll_url,
        "statusQueryGetUri": f"{origin(req)}/api/instances/{job_id}",
    }
    return reply(body, 202, headers={"Location": poll_url, "Retry-After": str(RETRY_AFTER_SECONDS)})


async def _usual_seconds(client: df.DurableFunctionsClient, started: Started) -> int | None:
    """Return how long jobs of this size took lately, or None where too few are known, or this one is to wait."""
    if started.record["window"] == "window":
        return None
    try:
        entity = await client.get_entity(EntityInstanceId("admission", started.lane))
    except grpc.aio.AioRpcError:
        return None  # the job has begun, and that is what counts
    state: LaneState | None = entity.get_typed_state() if entity is not None else None
    usual = usual_seconds(state.get("recent", []), started.rows) if state is not None else None
    return None if usual is None else max(1, math.ceil(usual))


def path_name(lane: JobLane) -> PathName:
    """Return what clients call a lane."""
    return "small_batch" if lane == "small" else "large_batch"


def expected_seconds(lane: JobLane) -> int:
    """Return within how many seconds a lane promises to be done."""
    chosen = settings()
    return chosen.etl_small_deadline_seconds if lane == "small" else chosen.etl_large_deadline_seconds


def duration(seconds: int) -> str:
    """Return a promise as words."""
    for size, name in ((3_600, "hours"), (60, "minutes")):
        if seconds >= size and seconds % size == 0:
            return f"< {seconds // size} {name}"
    return f"< {seconds} seconds" if seconds > 1 else "< 1 second"


def key_id(owner: str, kind: str, key: str | None) -> str:
    """Return the id that ``owner`` gets for ``key`` in requests of one kind, or a new one where there is no key."""
    chosen = settings()
    # No key has a blank, so ids of different kinds never meet.
    return (
        new_id() if key is None else derived_id(owner, f"{kind} {key}", secret=chosen.jwt_secret or chosen.cosmos_key)
    )


def take_start(caller: Caller) -> None:
    """Count one more job, or data set, against what a user may start.

    Raises:
        RateLimitedError: it is too much.
    """
    chosen = settings()
    rate_limits().take(f"job:{caller.owner}", Allowance(chosen.etl_burst, chosen.etl_starts_per_second))


def _create(caller: Caller, order: Order, key: str | None) -> tuple[Started, bool]:
    take_start(caller)
    job_id = key_id(caller.owner, "job", key)
    if order.upload is None:
        parent, source = _find(order.path, caller.owner)
        count = order.declared_count
    else:
        checksum = hashlib.sha256(order.upload.content).hexdigest()
        count = order.upload.count(checksum, small=settings().etl_small_limit)
        parent, source = job_id, _store(order.upload, caller.owner, job_id, checksum, count)
    made = new_record(
        job_id=job_id,
        owner=caller.owner,
        name=order.name,
        source=source,
        fingerprint=fingerprint(
            {
                "name": order.name,
                "count": str(order.declared_count),
                "priority": str(order.priority),
                "window": order.window,
                "path": source["path"],
                "sha256": source["sha256"],
            }
        ),
        declared_count=order.declared_count or count,
        parent_job_id=parent,
        priority=order.priority,
        window=order.window,
    )
    record, created = jobs().create(made)
    return Started(record, "small" if count <= settings().etl_small_limit else "large", count), created


def _find(path: str, owner: str) -> tuple[str, Source]:
    from shared.lake_files import facts_of, sha256_of

    parent, kind = read_bronze_path(path, owner)
    facts = facts_of(path)
    if facts is None:
        raise nothing_at_path()
    try:
        checksum = sha256_of(path)
    except NotFoundError:
        raise nothing_at_path() from None
    return parent, {"path": path, "format": kind, "bytes": facts.bytes, "sha256": checksum, "etag": facts.etag}


def _store(upload: Upload, owner: str, job_id: str, checksum: str, rows: int) -> Source:
    """Put the records into Bronze as they came; Bronze is never written over."""
    from shared.lake_files import create_bytes, facts_of, sha256_of

    path = bronze_path(owner, job_id, job_id, upload.format)
    if not create_bytes(path, upload.content) and sha256_of(path) != checksum:
        raise ConflictError("This Idempotency-Key was used for another job; use a new key for a new job.")
    facts = facts_of(path)
    return {
        "path": path,
        "format": upload.format,
        "bytes": len(upload.content),
        "sha256": checksum,
        "etag": facts.etag if facts else "",
        "rows": rows,
    }
