"""ETL jobs: start one, follow it, decide about its rejects, read what came out."""

import asyncio
import re
from typing import get_args

import azure.durable_functions as df
import azure.functions as func

from api.chat import MAX_VERSION, MAX_WAIT_SECONDS
from api.instances import wait_for_end
from api.job_following import brief, job_body, look_at_job, read_job, wait_for_job
from api.job_starting import Started, accepted, start_job
from api.job_tables import read_manifest, read_rejects
from api.people import identify_user
from api.requests import invalid_fields, read_id, read_idempotency_key, read_whole_number
from api.responses import JobFailedError, answering, reply, standing
from api.submissions import Submission, read_order, read_submission
from shared.jobs import jobs
from shared.payloads import JobState

bp = df.Blueprint(http_auth_level=func.AuthLevel.ANONYMOUS)  # who may is decided by `identify_user`

DEFAULT_LEGACY_WAIT = 25
MAX_LEGACY_WAIT = 60
PAGE = 20
MAX_PAGE = 100
_TOKEN = re.compile(r"[!-~](?:[ -~]{0,4000}[!-~])?")
"""What can stand in a header of Cosmos DB."""
STATES: tuple[JobState, ...] = get_args(JobState.__value__)


@bp.route(route="clean_data", methods=["POST"])
@bp.durable_client_input(client_name="client")
@answering
async def clean_data(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Start a job over the records that are sent, or over a file in Bronze: 202 with the URL to poll."""
    caller = await asyncio.to_thread(identify_user, req)
    key = read_idempotency_key(req)
    order = read_order(await asyncio.to_thread(read_submission, req))
    return await accepted(req, client, await start_job(client, caller, order, key))


@bp.route(route="write_to_db", methods=["POST"])
@bp.durable_client_input(client_name="client")
@answering
async def write_to_db(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Do what ``clean_data`` does and wait for the end; 202 as ``clean_data`` if that takes longer than ``wait``."""
    caller = await asyncio.to_thread(identify_user, req)
    key = read_idempotency_key(req)
    submission: Submission = await asyncio.to_thread(read_submission, req)
    seconds = submission.fields.whole_number("wait", default=DEFAULT_LEGACY_WAIT, highest=MAX_LEGACY_WAIT)
    started: Started = await start_job(client, caller, read_order(submission), key)
    if seconds:
        await wait_for_end(client, started.record["id"], seconds)
    snapshot = await look_at_job(client, caller, started.record["id"])
    if snapshot.status == "processing":
        return await accepted(req, client, started)
    body = job_body(snapshot, await asyncio.to_thread(read_manifest, snapshot.record))
    if snapshot.status == "error":
        raise JobFailedError(body["jobId"], body["error_code"] or "internal_error", body["error"] or "The job failed.")
    return reply(body)


@bp.route(route="api/jobs", methods=["GET"])
@answering
async def list_jobs(req: func.HttpRequest) -> func.HttpResponse:
    """Return the caller's jobs, the newest first, a page at a time."""
    caller = await asyncio.to_thread(identify_user, req)
    limit = read_whole_number(req, "limit", highest=MAX_PAGE) or PAGE
    token: str | None = req.params.get("token")
    if token is not None and not _TOKEN.fullmatch(token):
        raise invalid_fields({"token": "It is not from a page of these jobs: begin again without it."})
    wanted: str | None = req.params.get("state")
    state: JobState | None = next((one for one in STATES if one == wanted), None)
    if wanted is not None and state is None:
        raise invalid_fields({"state": f"It must be one of {', '.join(STATES)}."})
    page = await asyncio.to_thread(lambda: jobs().page(caller.owner, limit=limit, token=token, state=state))
    return reply({"jobs": [brief(record) for record in page.records], "token": page.token})


@bp.route(route="api/jobs/{job_id}", methods=["GET"])
@bp.durable_client_input(client_name="client")
@answering
async def get_job(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Say where a job stands; with ``wait`` and ``since`` as soon as it stands elsewhere."""
    caller = await asyncio.to_thread(identify_user, req)
    job_id = read_id(req, "job_id")
    seconds = read_whole_number(req, "wait", highest=MAX_WAIT_SECONDS) or 0
    since = read_whole_number(req, "since", highest=MAX_VERSION)
    snapshot = await look_at_job(client, caller, job_id)
    known = snapshot.version if since is None else since
    if seconds and snapshot.status == "processing" and snapshot.version <= known:
        await wait_for_job(client, snapshot, known, seconds)
        snapshot = await look_at_job(client, caller, job_id)
    body = job_body(snapshot, await asyncio.to_thread(read_manifest, snapshot.record))
    return standing(req, body, processing=snapshot.status == "processing")


@bp.route(route="api/jobs/{job_id}/rejects", methods=["GET"])
@answering
async def get_rejects(req: func.HttpRequest) -> func.HttpResponse:
    """Return rejected rows with their reasons, personal values masked, a page at a time."""
    caller = await asyncio.to_thread(identify_user, req)
    record = await read_job(caller, read_id(req, "job_id"))
    limit = read_whole_number(req, "limit", highest=MAX_PAGE) or PAGE
    after = read_whole_number(req, "after", highest=10**12)
    rows = await asyncio.to_thread(read_rejects, record, after=-1 if after is None else after, limit=limit)
    counts = record["counts"]
    return reply(
        {
            "jobId": record["id"],
            "count": counts["rejected"] if counts else None,
            "reasons": counts["reasons"] if counts else {},
            "rejects": rows,
            "after": rows[-1]["_row"] if len(rows) == limit else None,
        }
    )
