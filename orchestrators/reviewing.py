"""A job that rejected too much waits for somebody's decision: accept, or replay the rejects with corrections."""

from datetime import timedelta
from typing import Any

from durabletask import task

from orchestrators.slots import Slot
from orchestrators.steps import StepFailedError, Steps, step
from orchestrators.watching import Watch
from shared.payloads import JobNote, JobStep, Refined, ReviewDecision

MAX_ROUNDS = 20
"""Corrections that mend nothing, twenty times over, are not a review any more."""


def review(ctx: task.OrchestrationContext, work: JobStep, watch: Watch, slot: Slot, patience: int) -> Steps[None]:
    """Return once the rejects are accepted, or few enough after a replay; the job then has its slot again.

    Raises:
        JobCancelledError: the job was cancelled instead.
        StepFailedError: nobody decided in ``patience`` seconds.
    """
    for number in range(1, MAX_ROUNDS + 1):
        yield from step(ctx, "note_job", _parked(work))
        decision = yield from _decision(ctx, watch, patience)
        yield from slot.take(work["lane"])
        this: JobStep = {**work, "attempt": f"{work['attempt']}-review-{number}", "review": decision}
        try:
            refined: Refined = yield from step(ctx, "settle_review", this, wait=watch)
        except StepFailedError as error:
            # Corrections that cannot be read are no reason to lose the job: its rejects wait for better ones.
            note: JobNote = {**_parked(work), "code": error.code, "message": error.message}
            yield from step(ctx, "note_job", note)
            refined = {"review": True}
        if not refined.get("review"):
            return
        slot.give_back()
    raise StepFailedError("review_exhausted", f"{MAX_ROUNDS} decisions did not settle the rejects of this job.")


def _decision(ctx: task.OrchestrationContext, watch: Watch, patience: int) -> Steps[ReviewDecision]:
    decided: task.CancellableTask[Any] = ctx.wait_for_external_event("review")
    expired = ctx.create_timer(timedelta(seconds=patience))
    first = yield from watch.first([decided, expired], interruptible=True)
    if first is expired:
        raise StepFailedError("review_expired", "Nobody decided about the rejected rows in time; retry the job.")
    expired.cancel()
    return decided.get_result()


def _parked(work: JobStep) -> JobNote:
    return {"job_id": work["job_id"], "owner": work["owner"], "state": "awaiting_review", "percentage": 60}
