"""What the entity ``admission`` has done for it: tell a job that its turn has come, and look for jobs that are gone."""

from datetime import UTC
from typing import TypedDict

import azure.durable_functions as df
from durabletask import task
from durabletask.entities import EntityInstanceId

from orchestrators.steps import Steps, step
from shared.payloads import Admitted, Leaving, LostJobs, ProgressEnd, SlotCheck

bp = df.Blueprint()


class Told(TypedDict):
    """Who was told."""

    job_id: str


class Checked(TypedDict):
    """How many jobs were looked for, and how many of them are gone."""

    jobs: int
    gone: int


@bp.orchestration_trigger(context_name="context")
def announce_admission(ctx: task.OrchestrationContext, news: Admitted) -> Told:
    """Raise ``admitted`` in a waiting job; an entity cannot do so itself."""
    ctx.send_event(news["job_id"], "admitted", data=news["lane"])
    return {"job_id": news["job_id"]}


@bp.orchestration_trigger(context_name="context")
def check_slots(ctx: task.OrchestrationContext, check: SlotCheck) -> Steps[Checked]:
    """Free what is held for jobs that are gone: terminated or purged, they could not do it themselves."""
    lost: LostJobs = yield from step(ctx, "find_lost_jobs", check)
    at = ctx.current_utc_datetime.replace(tzinfo=UTC).isoformat()
    gone = lost.get("jobs", [])
    for job in gone:
        leaving: Leaving = {"job_id": job["job_id"], "ticket": job["ticket"], "at": at}
        ctx.signal_entity(EntityInstanceId("admission", check["lane"]), "release", input=leaving)
        ctx.signal_entity(EntityInstanceId("user_quota", job["owner"]), "refund", input={"job_id": job["job_id"]})
        ended: ProgressEnd = {"id": job["job_id"], "state": "failed", "at": at}
        ctx.signal_entity(EntityInstanceId("user_progress", job["owner"]), "end", input=ended)
    return {"jobs": len(check["jobs"]), "gone": len(gone)}
