"""What the owner of a job can do about it: cancel it, decide about its rejects, run it again."""

import asyncio
from typing import TYPE_CHECKING

import azure.durable_functions as df
import azure.functions as func

from api.job_following import JobSnapshot, look_at_job
from api.job_starting import begin_job
from api.people import identify_user
from api.requests import read_id
from api.responses import RETRY_AFTER_SECONDS, answering, reply
from api.submissions import Upload, read_submission
from shared.conversations import now
from shared.errors import ConflictError
from shared.etl_paths import corrections_path
from shared.identity import Caller
from shared.jobs import JobRecord, jobs, retriable
from shared.payloads import ReviewDecision

if TYPE_CHECKING:
    from shared.etl.reading import Raw
    from shared.etl.rules import Rules

bp = df.Blueprint(http_auth_level=func.AuthLevel.ANONYMOUS)  # who may is decided by `identify_user`

MAX_CORRECTIONS = 100
_DECISIONS = {"accept": "accept", "replay": "replay"}


@bp.route(route="api/jobs/{job_id}/review", methods=["POST"])
@bp.durable_client_input(client_name="client")
@answering
async def review_job(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Decide about the rejects of a job that waits for it: accept them, or replay them, corrected or as they are."""
    caller = await asyncio.to_thread(identify_user, req)
    snapshot = await look_at_job(client, caller, read_id(req, "job_id"))
    submission = await asyncio.to_thread(read_submission, req)
    fields, upload = submission.fields, submission.upload
    decision = fields.choice("decision", _DECISIONS, default="replay" if upload else "")
    if not decision:
        fields.refuse("decision", "It is required: accept or replay.")
    if decision == "accept" and upload is not None:
        fields.refuse("records", "Corrections go with a replay.")
    if fields.has("records"):
        fields.refuse("records", "It must be a list of records.")
    fields.check()
    if snapshot.state != "awaiting_review":
        raise ConflictError(f"This job waits for no decision: it is {snapshot.state}.")
    event: ReviewDecision = {"decision": "accept" if decision == "accept" else "replay", "by": caller.owner}
    if upload is not None:
        event["path"] = await asyncio.to_thread(_keep_corrections, snapshot.record, upload)
    await client.raise_orchestration_event(snapshot.record["id"], "review", data=event)
    return _told(snapshot, "The decision was taken down.")


@bp.route(route="api/jobs/{job_id}/cancel", methods=["POST"])
@bp.durable_client_input(client_name="client")
@answering
async def cancel_job(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Ask for the end of a job, also on Databricks; what is published already is not taken back."""
    caller = await asyncio.to_thread(identify_user, req)
    snapshot = await look_at_job(client, caller, read_id(req, "job_id"))
    if snapshot.state == "cancelled":
        return _told(snapshot, "The job is cancelled.")
    if snapshot.runs:
        await client.raise_orchestration_event(snapshot.record["id"], "cancel")
        return _told(snapshot, "The job is asked to end.")
    if snapshot.status == "processing" or snapshot.lost == "not_started":
        await asyncio.to_thread(_cancel_unstarted, snapshot.record, caller)
        return _told(await look_at_job(client, caller, snapshot.record["id"]), "The job is cancelled.")
    raise ConflictError(f"This job cannot be cancelled any more: it is {snapshot.state}.")


@bp.route(route="api/jobs/{job_id}/retry", methods=["POST"])
@bp.durable_client_input(client_name="client")
@answering
async def retry_job(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Run a job again that failed or was cancelled, from the step that was not done; finished steps are not redone."""
    caller = await asyncio.to_thread(identify_user, req)
    snapshot = await look_at_job(client, caller, read_id(req, "job_id"))
    if snapshot.begun_again:
        return _told(snapshot, "The job runs again.")
    if snapshot.runs or not (snapshot.lost or retriable(snapshot.record)):
        raise ConflictError(f"This job cannot be retried: it is {snapshot.state}.")
    await begin_job(client, snapshot.record)
    return _told(snapshot, "The job runs again.")


def _told(snapshot: JobSnapshot, message: str) -> func.HttpResponse:
    poll_url = f"/api/jobs/{snapshot.record['id']}"
    body = {
        "status": "success",
        "jobId": snapshot.record["id"],
        "state": snapshot.state,
        "message": message,
        "poll_url": poll_url,
    }
    return reply(body, 202, headers={"Location": poll_url, "Retry-After": str(RETRY_AFTER_SECONDS)})


def _cancel_unstarted(record: JobRecord, caller: Caller) -> None:
    def cancel(record: JobRecord) -> None:
        if record.get("runs", 0) == 0:
            record["state"], record["finished_at"] = "cancelled", now()

    jobs().update(record["id"], caller.owner, cancel)


def _keep_corrections(record: JobRecord, upload: Upload) -> str:
    """Read corrections as the job will, and put them into Bronze.

    Raises:
        RequestError: they cannot be read.
        InvalidFieldError: they are not corrections of this job's rejects.
    """
    from shared.etl.merging import corrections
    from shared.etl.rules import load_rules
    from shared.lake_files import create_bytes
    from shared.staging import read_staged, table_of

    rules = load_rules()
    rejects = table_of(read_staged(record.get("staged_path", ""))["tables"]["rejects"])
    corrections(_joined(upload, rules), rejects)
    place = (record["owner"], record["parent_job_id"], record["id"])
    for number in range(1, MAX_CORRECTIONS + 1):
        path = corrections_path(*place, number, upload.format)
        if create_bytes(path, upload.content):
            return path
    raise ConflictError(f"There are {MAX_CORRECTIONS} corrections of this job already; accept its rejects.")


def _joined(upload: Upload, rules: "Rules") -> "Raw":
    import io

    from shared.etl.reading import joined, read_raw

    return joined(read_raw(io.BytesIO(upload.content), upload.format, rules))
