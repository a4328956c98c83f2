"""The end of a job: its reports, its last state, and nothing left behind. And of jobs that could not end themselves."""

import json
from datetime import timedelta

import azure.durable_functions as df

from activities.etl import attempts
from activities.verdicts import verdict
from shared.admission import instant
from shared.conversations import now
from shared.databricks.medallion import medallion_lane
from shared.errors import NotFoundError
from shared.etl_paths import log_path, staging_path
from shared.jobs import ENDED, JobRecord, jobs
from shared.lake_files import remove, write_bytes
from shared.payloads import JobStep, LostJobs, SlotCheck, SlotHolder, Verdict

bp = df.Blueprint()

RUNNING = frozenset({"RUNNING", "PENDING", "SUSPENDED", "CONTINUED_AS_NEW"})
"""Names of the states in which an orchestration still has something to do."""


@bp.activity_trigger(input_name="work")
@verdict
def finish_job(work: JobStep) -> Verdict:
    """Write the job's two reports, clear away what it staged, and say that it is complete."""
    record = attempts.begin(work, "reporting", 97)
    place = (record["owner"], record["parent_job_id"], record["id"])
    finished = record.get("finished_at", now())
    seconds = (instant(finished) - instant(record["created_at"])) / timedelta(seconds=1)
    metrics = {"job_id": record["id"], "at": finished, "lane": record["lane"], "counts": record["counts"]}
    run = {
        "job_id": record["id"],
        "parent_job_id": record["parent_job_id"],
        "name": record["name"],
        "created_at": record["created_at"],
        "finished_at": finished,
        "seconds": round(seconds, 3),
        "runs": record.get("runs", 1),
        "deadline": record["deadline"],
        "source": record["source"],
        "gold": record["gold"],
        "serving": record["serving"],
        "attempts": record["attempts"],
    }
    write_bytes(log_path("transformation_metrics", *place), json.dumps(metrics).encode())
    write_bytes(log_path("pipeline_runs", *place), json.dumps(run).encode())
    remove(staging_path(*place, "x").rpartition("/")[0])

    def note(record: JobRecord) -> None:
        record["state"], record["percentage"], record["finished_at"] = "completed", 100, finished
        record["error"], record["queue_position"] = None, None
        record.pop("staged_path", None)
        record.pop("staged_gold", None)
        for served in attempts.open_tries(record):
            served["outcome"], served["ended_at"] = "succeeded", finished

    attempts.succeed(work, "reporting", note)
    return {}


@bp.durable_client_input(client_name="client")
@bp.activity_trigger(input_name="check")
@verdict
def find_lost_jobs(check: SlotCheck, client: df.SyncDurableFunctionsClient) -> LostJobs:
    """Return those of the jobs whose orchestration is over; their records say so from now on."""
    lost: list[SlotHolder] = []
    for holder in check["jobs"]:
        state = client.get_orchestration_state(holder["job_id"], fetch_payloads=False)
        if state is None or state.runtime_status.name not in RUNNING:
            _close(holder)
            lost.append(holder)
    return {"jobs": lost}


def _close(holder: SlotHolder) -> None:
    def note(record: JobRecord) -> None:
        if record["state"] in ENDED:
            return
        at = now()
        record["state"], record["finished_at"], record["queue_position"] = "failed", at, None
        record["error"] = {"code": "terminated", "message": "An operator ended this job; it can be retried."}
        for attempt in attempts.open_tries(record):
            attempt["outcome"], attempt["ended_at"] = "cancelled", at

    try:
        record = jobs().update(holder["job_id"], holder["owner"], note)
    except NotFoundError:
        return  # it expired
    for attempt in record["attempts"]:
        if attempt["outcome"] == "cancelled" and attempt.get("handle"):
            medallion_lane().cancel(attempt.get("handle", ""))
