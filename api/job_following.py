"""Following a job: where it stands by its record and its orchestration, read at one moment."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import azure.durable_functions as df
from durabletask.client import OrchestrationState

from api.instances import ENDED, wait_for_news
from api.job_starting import path_name
from api.requests import not_found
from shared.errors import NotFoundError
from shared.identity import Caller
from shared.jobs import ENDED as ENDED_STATES
from shared.jobs import JobRecord, jobs
from shared.payloads import JobProgress, JobState

NOT_STARTED_AFTER = timedelta(minutes=1)
"""A record that no orchestration has taken by then will not be taken."""
VERSIONS_PER_RUN = 1_000
"""A run takes a few dozen steps at most; the last version of a run says that it has ended."""

type Lost = Literal["terminated", "internal_error", "not_started"]

LOST: dict[Lost, str] = {
    "terminated": "An operator ended this job; it can be retried.",
    "internal_error": "Something unexpected ended this job; it can be retried.",
    "not_started": "This job was accepted and never started; it can be retried.",
}


@dataclass(frozen=True, slots=True)
class JobSnapshot:
    """A job and its orchestration. A completed one needs no orchestration."""

    record: JobRecord
    orchestration: OrchestrationState | None

    @property
    def runs(self) -> bool:
        """Whether the orchestration has something to do yet."""
        return self.orchestration is not None and self.orchestration.runtime_status.name not in ENDED

    @property
    def begun_again(self) -> bool:
        """Whether a new run is under way that the record does not know of yet."""
        record, state = self.record, self.orchestration
        if record["state"] not in ENDED_STATES or state is None or not self.runs:
            return False
        finished = record.get("finished_at")
        return finished is not None and state.created_at.replace(tzinfo=UTC) > datetime.fromisoformat(finished)

    @property
    def lost(self) -> Lost | None:
        """Why nobody will finish this job, though its record does not say so."""
        if self.record["state"] in ENDED_STATES or self.runs:
            return None
        if self.orchestration is None:
            age = datetime.now(UTC) - datetime.fromisoformat(self.record["created_at"])
            return "not_started" if age > NOT_STARTED_AFTER else None
        return "terminated" if self.orchestration.runtime_status.name == "TERMINATED" else "internal_error"

    @property
    def said(self) -> JobProgress | None:
        """What the orchestration last said of itself."""
        return self.orchestration.get_custom_status() if self.orchestration is not None else None

    @property
    def progress(self) -> JobProgress | None:
        """What it says while it runs."""
        return self.said if self.runs else None

    @property
    def state(self) -> JobState:
        """Where the job stands; an end is an end once the record says so."""
        if self.lost:
            return "failed"
        recorded = self.record["state"]
        if recorded in ENDED_STATES and not self.begun_again:
            return recorded
        said = self.progress["state"] if self.progress else "queued" if self.begun_again else recorded
        return recorded if said in ENDED_STATES else said

    @property
    def status(self) -> Literal["processing", "completed", "error"]:
        """The one of the three words that clients of the chat know, too."""
        if self.state == "completed":
            return "completed"
        return "error" if self.state in ENDED_STATES else "processing"

    @property
    def version(self) -> int:
        """A number that grows with every step, from run to run, and once more at the end."""
        said = self.progress["version"] if self.progress else 0
        return _version(self, VERSIONS_PER_RUN - 1 if self.status != "processing" else said)

    @property
    def percentage(self) -> int:
        """How far the job is; a new run begins where the facts of the last one end."""
        said = self.said["percentage"] if self.said else 0
        return 100 if self.status == "completed" else min(99, max(said, self.record["percentage"]))


async def look_at_job(client: df.DurableFunctionsClient, caller: Caller, job_id: str) -> JobSnapshot:
    """Return where ``caller``'s job stands.

    Raises:
        NotFoundError: there is none, or it is somebody else's.
    """
    record = await read_job(caller, job_id)
    if record["state"] == "completed":
        return JobSnapshot(record, None)
    snapshot = JobSnapshot(record, await client.get_orchestration_state(job_id))
    if snapshot.lost:
        # The orchestration may have ended between the two reads; the record was then read too early.
        return JobSnapshot(await read_job(caller, job_id), snapshot.orchestration)
    return snapshot


async def read_job(caller: Caller, job_id: str) -> JobRecord:
    """Return the record of ``caller``'s job.

    Raises:
        NotFoundError: there is none, or it is somebody else's.
    """
    try:
        return await asyncio.to_thread(lambda: jobs().read(job_id, caller.owner))
    except NotFoundError:
        raise not_found() from None


async def wait_for_job(client: df.DurableFunctionsClient, snapshot: JobSnapshot, since: int, seconds: int) -> None:
    """Return when the job is past version ``since``, has ended, or ``seconds`` are over."""

    def is_news(state: OrchestrationState | None) -> bool:
        said: JobProgress | None = state.get_custom_status() if state else None
        return said is not None and _version(snapshot, said["version"]) > since

    await wait_for_news(client, snapshot.record["id"], seconds, is_news)


def job_body(snapshot: JobSnapshot, manifest: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the body of ``GET /api/jobs/{id}``."""
    record, lost = snapshot.record, snapshot.lost
    error = {"code": lost, "message": LOST[lost]} if lost else None if snapshot.begun_again else record["error"]
    if snapshot.state == "cancelled" and error is None:
        error = {"code": "cancelled", "message": "This job was cancelled; it can be retried."}
    progress = snapshot.progress
    lane = progress["lane"] if progress and progress["lane"] else record["lane"]
    counts = record["counts"]
    return {
        "jobId": record["id"],
        "parentJobId": record["parent_job_id"],
        "jobName": record["name"],
        "status": snapshot.status,
        "state": snapshot.state,
        "version": snapshot.version,
        "percentage": snapshot.percentage,
        "processingPath": path_name(lane) if lane else None,
        "queue_position": record["queue_position"] if snapshot.state == "queued" else None,
        "dataCount": record["declared_count"],
        "measured_count": record.get("measured_count"),
        "priority": record["priority"],
        "window": record["window"],
        "source": {name: record["source"][name] for name in ("path", "format", "bytes", "sha256")},
        "counts": counts,
        "rejects": {
            "count": counts["rejected"] if counts else None,
            "reasons": counts["reasons"] if counts else {},
            "url": f"/api/jobs/{record['id']}/rejects" if counts else None,
        },
        "deadline": record["deadline"],
        "attempts": [{k: v for k, v in attempt.items() if k != "handle"} for attempt in record["attempts"]],
        "gold": _gold(record, manifest),
        "serving": record["serving"],
        "review": record["review"],
        "error": error["message"] if error else None,
        "error_code": error["code"] if error else None,
        "created_at": record["created_at"],
        "updated_at": record["updated_at"],
        "finished_at": None if snapshot.status == "processing" else record.get("finished_at"),
    }


def brief(record: JobRecord) -> dict[str, Any]:
    """Return a job as a list shows it: what its record says, without a look at its orchestration."""
    return {
        "jobId": record["id"],
        "jobName": record["name"],
        "state": record["state"],
        "percentage": record["percentage"],
        "processingPath": path_name(record["lane"]) if record["lane"] else None,
        "counts": record["counts"],
        "error_code": _error_code(record),
        "created_at": record["created_at"],
        "updated_at": record["updated_at"],
        "poll_url": f"/api/jobs/{record['id']}",
    }


def _error_code(record: JobRecord) -> str | None:
    if record["error"] is not None:
        return record["error"]["code"]
    return "cancelled" if record["state"] == "cancelled" else None


def _gold(record: JobRecord, manifest: dict[str, Any] | None) -> dict[str, Any] | None:
    gold = record["gold"]
    if gold is None:
        return None
    shown = {name: manifest[name] for name in ("engine", "rules", "tables")} if manifest else {}
    return {**gold, **shown, "url": f"/api/jobs/{record['id']}/gold/{{table}}"}


def _version(snapshot: JobSnapshot, step: int) -> int:
    run = max(1, snapshot.record.get("runs", 1)) + (1 if snapshot.begun_again else 0)
    return (run - 1) * VERSIONS_PER_RUN + min(step, VERSIONS_PER_RUN - 1)
