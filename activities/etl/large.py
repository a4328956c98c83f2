"""The large lane: one run of the medallion job on Databricks, submitted once for each attempt, asked for, cancelled."""

from typing import cast

import azure.durable_functions as df

from activities.etl import attempts
from activities.etl.cleaning import folder_of, note_silver
from activities.etl.source import raw_blocks, raw_path, stage_raw
from activities.verdicts import verdict
from shared.databricks.medallion import MedallionRun, RunKey, medallion_lane
from shared.jobs import JobRecord
from shared.lake_files import exists, url_of, write_bytes
from shared.payloads import JobStep, LargeStatus, Verdict
from shared.settings import settings
from shared.staging import note_manifest

bp = df.Blueprint()


@bp.activity_trigger(input_name="work")
@verdict
def submit_large(work: JobStep) -> LargeStatus:
    """Lay out what the run reads, and start it, unless this attempt was submitted before."""
    from shared.etl.rules import load_rules, rules_json

    record = attempts.begin(work, "cleaning", 15)
    rules = load_rules()
    raw, folder = raw_path(record), folder_of(record, work)
    if not exists(raw):  # measured in the small lane, and now here all the same
        with raw_blocks(record["source"], rules) as blocks:
            stage_raw(record, blocks, beyond=-1)
    rules_path = f"{folder}-rules.json"
    write_bytes(rules_path, rules_json(rules).encode())
    run = medallion_lane().submit(
        RunKey(record["id"], work["attempt"]),
        input_url=url_of(raw),
        rules_url=url_of(rules_path),
        output_url=url_of(folder),
        timeout_seconds=settings().etl_large_deadline_seconds,
    )

    def note(record: JobRecord) -> None:
        attempt = attempts.find(record, work, "cleaning")
        if attempt is not None:
            attempt["run_id"], attempt["handle"] = run.run_id, run.handle

    attempts.note(work, note)
    return {"state": "running", "handle": run.handle, "run_id": run.run_id}


@bp.activity_trigger(input_name="work")
@verdict
def poll_large(work: JobStep) -> LargeStatus:
    """Ask where the run stands; once it succeeded, note the Silver and Gold that it left."""
    run = medallion_lane().fetch(work.get("handle", ""))
    match run.state:
        case "running":
            return {"state": "running", "seconds": run.seconds}
        case "succeeded":
            folder = folder_of(attempts.read(work), work)
            staged = note_manifest(folder, run.manifest or {})
            refined = note_silver(work, folder, staged, gold=True)
            return {**refined, "state": "succeeded", "seconds": run.seconds}
        case _:
            attempts.fail(work, "cleaning", cancelled=run.state == "canceled")
            return _failed(run)


@bp.activity_trigger(input_name="work")
@verdict
def cancel_large(work: JobStep) -> Verdict:
    """Ask Databricks to end the run."""
    medallion_lane().cancel(work.get("handle", ""))
    return {}


def _failed(run: MedallionRun) -> LargeStatus:
    cause = "infrastructure" if run.retryable else "final"
    code = "job_timeout" if run.state == "timeout" else "large_lane_failed"
    message = f"The run on Databricks did not succeed: {run.error}"
    return cast(
        LargeStatus, {"state": "failed", "cause": cause, "code": code, "message": message, "seconds": run.seconds}
    )
