"""Following a conversation: where it stands, and waiting until it stands elsewhere."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import azure.durable_functions as df
from durabletask.client import OrchestrationState

from api.instances import ENDED, wait_for_news
from api.requests import not_found
from shared.conversations import DatabricksJob, Record, conversations
from shared.identity import Caller
from shared.payloads import Progress

NOT_STARTED_AFTER = timedelta(minutes=1)
"""A record that no orchestration has taken by then will not be taken."""

VERSIONS_PER_TURN = 1_000
"""A turn takes a few dozen steps at most; the last version of a turn says that it has ended."""

_BEFORE: Progress = {
    "state": "analyzing",
    "current_step": "Analyzing question with LLM",
    "percentage": 0,
    "queries": {"done": 0, "total": 0},
    "version": 0,
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A conversation and its orchestration, read at one moment. A completed one needs no orchestration."""

    record: Record
    orchestration: OrchestrationState | None

    @property
    def progress(self) -> Progress:
        """What the orchestration last said of itself."""
        said: Progress | None = self.orchestration.get_custom_status() if self.orchestration else None
        return said or _BEFORE

    @property
    def status(self) -> Literal["processing", "completed", "error"]:
        """The one of the three words that clients know."""
        return "error" if self.lost else self.record["status"]

    @property
    def version(self) -> int:
        """A number that grows with every step, from turn to turn, and once more at the end."""
        return _version(self.record, VERSIONS_PER_TURN - 1 if self.status != "processing" else self.progress["version"])

    @property
    def lost(self) -> Literal["terminated", "internal_error", "not_started"] | None:
        """Why nobody will finish this conversation, though its record does not say so."""
        if self.record["status"] != "processing":
            return None
        if self.orchestration is None:
            age = datetime.now(UTC) - datetime.fromisoformat(self.record["created_at"])
            return "not_started" if age > NOT_STARTED_AFTER else None
        name = self.orchestration.runtime_status.name
        return None if name not in ENDED else "terminated" if name == "TERMINATED" else "internal_error"


_LOST = {
    "terminated": "An operator ended this conversation before its answer.",
    "internal_error": "Something unexpected ended this conversation before its answer.",
    "not_started": "This conversation was accepted and never started.",
}


async def look(client: df.DurableFunctionsClient, caller: Caller, conversation_id: str) -> Snapshot:
    """Return where ``caller``'s conversation stands.

    Raises:
        NotFoundError: there is none, or it is somebody else's.
    """
    record = await read_record(caller, conversation_id)
    if record["status"] == "completed":
        return Snapshot(record, None)
    snapshot = Snapshot(record, await client.get_orchestration_state(conversation_id))
    if snapshot.lost:
        # The orchestration may have ended between the two reads; the record was then read too early.
        return Snapshot(await read_record(caller, conversation_id), snapshot.orchestration)
    return snapshot


async def read_record(caller: Caller, conversation_id: str) -> Record:
    """Return the record of ``caller``'s conversation.

    Raises:
        NotFoundError: there is none, or it is somebody else's.
    """
    # The door opens on first use, so it is asked for in the thread.
    record = await asyncio.to_thread(lambda: conversations().get(conversation_id))
    if record is None or record["owner"] != caller.owner:
        raise not_found()
    return record


async def wait_for_change(client: df.DurableFunctionsClient, record: Record, since: int, seconds: int) -> None:
    """Return when the conversation is past version ``since``, has ended, or ``seconds`` are over."""

    def is_news(state: OrchestrationState | None) -> bool:
        said: Progress | None = state.get_custom_status() if state else None
        return said is not None and _version(record, said["version"]) > since

    await wait_for_news(client, record["id"], seconds, is_news)


def status_body(snapshot: Snapshot) -> dict[str, Any]:
    """Return the body of ``GET /api/chat/{id}/status``."""
    record, progress, lost = snapshot.record, snapshot.progress, snapshot.lost
    state, step, percentage = progress["state"], progress["current_step"], progress["percentage"]
    match snapshot.status:
        case "completed":
            state, step, percentage = "completed", "Completed", 100
        case "error":
            state, step = "failed", "Failed"
        case "processing" if percentage >= 100 or state in {"completed", "failed"}:
            # Not before the record has the answer.
            state, step, percentage = "finishing", "Preparing final answer", min(percentage, 99)
        case _:
            pass
    return {
        "conversation_id": record["id"],
        "status": snapshot.status,
        "question": record["question"],
        "final_answer": record["final_answer"],
        "error": _LOST[lost] if lost else record["error"],
        "error_code": lost or record["error_code"],
        "suggestions": record["suggestions"],
        "databricks_jobs": [_job(job) for job in record["databricks_jobs"]],
        "progress": {"current_step": step, "percentage": percentage},
        "state": state,
        "version": snapshot.version,
        "attempt": max((job["attempt"] for job in record["databricks_jobs"]), default=1),
        "turn": record["turn"],
        "dataset": record["dataset"],
        "data": _data(record),
        "created_at": record["created_at"],
        "updated_at": record["updated_at"],
    }


def _data(record: Record) -> dict[str, Any] | None:
    """Return which version of the asker's own data the question is answered from; None for a dataset of everybody's."""
    if "data" not in record:
        return None
    shown = {name: record["data"][name] for name in ("job_id", "name", "version", "published_at")}
    return {**shown, "coming": record.get("coming")}


def _version(record: Record, step: int) -> int:
    return (record["turn"] - 1) * VERSIONS_PER_TURN + min(step, VERSIONS_PER_TURN - 1)


def _job(job: DatabricksJob) -> dict[str, Any]:
    shown = ("run_id", "statement_id", "sql_query", "status", "started_at", "finished_at", "error")
    return {name: value for name, value in job.items() if name in shown}
