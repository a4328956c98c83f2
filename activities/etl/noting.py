"""The beginning of a job's run, and what is noted of it in between and when it does not reach its end."""

import azure.durable_functions as df

from activities.etl import attempts
from activities.verdicts import verdict
from shared.admission import later
from shared.conversations import now
from shared.jobs import Deadline, JobRecord, jobs
from shared.payloads import Job, JobBegun, JobLane, JobNote, JobTerms, LaneTerms, Verdict
from shared.settings import settings
from shared.staging import is_staged

bp = df.Blueprint()


@bp.activity_trigger(input_name="job")
@verdict
def begin_job(job: Job) -> JobBegun:
    """Count the run, and say what holds for it and what earlier runs have done."""

    def begin(record: JobRecord) -> None:
        record["runs"] = record.get("runs", 0) + 1
        record["state"], record["error"], record["queue_position"] = "queued", None, None
        record.pop("finished_at", None)

    record = jobs().update(job["job_id"], job["owner"], begin)
    chosen = settings()
    lanes: dict[JobLane, LaneTerms] = {
        "small": {
            "slots": chosen.etl_small_slots,
            "deadline_seconds": chosen.etl_small_deadline_seconds,
            "window_seconds": chosen.etl_small_window_seconds,
        },
        "large": {
            "slots": chosen.etl_large_slots,
            "deadline_seconds": chosen.etl_large_deadline_seconds,
            "window_seconds": chosen.etl_large_window_seconds,
        },
    }
    staged = record.get("staged_path")
    silver_done = staged is not None and is_staged(staged)
    terms: JobTerms = {
        "name": record["name"],
        "priority": record["priority"],
        "declared_count": record["declared_count"],
        "window": record["window"],
        "small_limit": chosen.etl_small_limit,
        "lanes": lanes,
        "lease_seconds": chosen.etl_lease_seconds,
        "review_seconds": chosen.etl_review_seconds,
        "quota": {
            "concurrent_jobs": chosen.etl_concurrent_jobs,
            "rows": chosen.etl_rows_per_day,
            "databricks_seconds": chosen.etl_databricks_seconds_per_day,
        },
        "run": record.get("runs", 1),
        "measured_count": record.get("measured_count"),
        "silver_done": silver_done,
        "review_due": silver_done and record.get("review_due", False),
        "gold_done": silver_done and record.get("staged_gold", False),
        "published": record["gold"] is not None,
    }
    return {"terms": terms}


@bp.activity_trigger(input_name="note")
@verdict
def note_job(note: JobNote) -> Verdict:
    """Write news into the record; told twice, it says the same."""
    at = now()

    def write(record: JobRecord) -> None:
        _write_state(record, note, at)
        if "expected_seconds" in note:
            seconds = note["expected_seconds"]
            deadline: Deadline = {"expected_seconds": seconds, "due_at": later(at, seconds), "state": "on_track"}
            # A promise that was broken is not made good by another one.
            if record["deadline"] is not None and record["deadline"]["state"] == "breached":
                deadline["state"] = "breached"
            record["deadline"] = deadline
        if "deadline" in note and record["deadline"] is not None:
            record["deadline"]["state"] = note["deadline"]
        for attempt in attempts.open_tries(record):
            if "outcome" in note and note.get("ended_attempt") == attempt["id"]:
                attempt["outcome"], attempt["ended_at"] = note["outcome"], at

    jobs().update(note["job_id"], note["owner"], write)
    return {}


def _write_state(record: JobRecord, note: JobNote, at: str) -> None:
    if "lane" in note:
        record["lane"] = note["lane"]
    if "queue_position" in note:
        record["queue_position"] = note["queue_position"]
    if "percentage" in note:
        record["percentage"] = max(record["percentage"], note["percentage"])
    if "state" in note:
        record["state"] = note["state"]
        if note["state"] in {"failed", "cancelled"}:
            record["finished_at"], record["queue_position"] = at, None
            for attempt in attempts.open_tries(record):
                attempt["outcome"] = "cancelled" if note["state"] == "cancelled" else "failed"
                attempt["ended_at"] = at
    if "code" in note:
        record["error"] = {"code": note["code"], "message": note.get("message", "")}
