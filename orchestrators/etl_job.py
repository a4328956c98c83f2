"""One ETL job: raw records in Bronze become clean Silver and a published Gold, and every row is accounted for."""

import logging
from datetime import UTC

import azure.durable_functions as df
from durabletask import task
from durabletask.entities import EntityInstanceId

from orchestrators.large_lane import run_on_databricks
from orchestrators.reviewing import review
from orchestrators.slots import Slot
from orchestrators.steps import StepFailedError, Steps, step
from orchestrators.watching import JobCancelledError, JobOverdueError, Watch
from shared.admission import Took
from shared.payloads import (
    Job,
    JobBegun,
    JobLane,
    JobNote,
    JobOutcome,
    JobProgress,
    JobState,
    JobStep,
    JobTerms,
    LargeStatus,
    Measured,
    ProgressItem,
    QuotaAnswer,
    QuotaRequest,
    QuotaUse,
    Refined,
)

bp = df.Blueprint()
logger = logging.getLogger(__name__)


DATABRICKS_SECONDS = 60
"""What a large job sets aside of its owner's time on Databricks; what it really took counts in the end."""


class JobFailedError(Exception):
    """The job ended without its Gold, or without serving it; its record says why."""


@bp.orchestration_trigger(context_name="context")
def etl_job(ctx: task.OrchestrationContext, job: Job) -> Steps[JobOutcome]:
    """Measure, clean, model, publish and serve one job, in the lane that its measured size asks for."""
    begun: JobBegun = yield from step(ctx, "begin_job", job)
    run = _Run(ctx, job, begun["terms"])
    note: JobNote = {**job, "state": "failed"}
    try:
        yield from run.to_the_end()
    except JobCancelledError:
        note = {**job, "state": "cancelled", "outcome": "cancelled"}
    except StepFailedError as error:
        note = {**note, "code": error.code, "message": error.message}
    except task.TaskFailedError as error:
        # Unforeseen, so its text may hold anything: it stays in the log and in the history.
        ctx.create_replay_safe_logger(logger).error("%s: %s", ctx.instance_id, error)
        note = {**note, "code": "internal_error", "message": "Something unexpected went wrong; retry the job."}
    else:
        run.leave("completed")
        return {"job_id": job["job_id"], "state": "completed"}

    yield from step(ctx, "note_job", {**note, "percentage": run.percentage})
    if note.get("state") == "cancelled":
        run.leave("cancelled")
        return {"job_id": job["job_id"], "state": "cancelled"}
    run.leave("failed")
    raise JobFailedError(f"{note.get('code')}: {note.get('message')}")


class _Run:
    """One run of one job: what it holds, what it has done, and how it says so."""

    def __init__(self, ctx: task.OrchestrationContext, job: Job, terms: JobTerms) -> None:
        self._ctx = ctx
        self._job = job
        self._terms = terms
        self._watch = Watch(ctx, job)
        self._slot = Slot(ctx, job, terms, self._watch)
        self._lane: JobLane | None = None
        self._version = self.percentage = self._rows = 0
        self._began = ctx.current_utc_datetime
        self._at_one_go = terms["run"] == 1 and terms["window"] == "now"
        self._databricks_seconds = 0.0

    def to_the_end(self) -> Steps[None]:
        """Do what no earlier run has done yet.

        Raises:
            JobCancelledError: the job was cancelled before its Gold was published.
            StepFailedError: it cannot go on.
        """
        self.say("queued", 0)
        measured = self._terms["measured_count"]
        known = self._terms["declared_count"] if measured is None else measured
        yield from self._reserve(known)
        yield from self._enter(self._fitting(known))
        if not self._terms["published"]:
            self._rows = (yield from self._measure()) if measured is None else measured
            yield from self._make_gold()
        yield from self._serve()

    def _make_gold(self) -> Steps[None]:
        done = self._terms["silver_done"]
        review_due = self._terms["review_due"] if done else (yield from self._refine())
        if review_due:
            yield from self._review()
        if review_due or not self._terms["gold_done"]:
            # Databricks begins with Bronze: it would make the Gold of rows that were corrected since.
            yield from self._model(may_escalate=not (done or review_due) and self._lane == "small")
        self._watch.checkpoint()
        self._watch.deaf = True  # what is published is not taken back
        self.say("publishing", 85)
        yield from step(self._ctx, "publish_gold", self._work(), wait=self._watch)

    def _measure(self) -> Steps[int]:
        """Count the rows; the measured count decides about the lane, the declared one was a hint."""
        self.say("measuring", 5)
        measured: Measured = yield from step(self._ctx, "measure_source", self._work(), wait=self._watch)
        self._watch.checkpoint()
        count = measured.get("count", 0)
        self.say("routing", 10)
        if count > self._terms["declared_count"]:
            yield from self._reserve(count)
        if self._fitting(count) != self._lane:
            yield from self._enter(self._fitting(count))
        return count

    def _refine(self) -> Steps[bool]:
        """Make Silver, and the large lane Gold in the same run; return whether too much was rejected to go on."""
        self.say("cleaning", 15)
        refined: Refined = {}
        if self._lane == "small" and self._watch.overdue:  # measuring alone took too long
            yield from self._escalate()
        elif self._lane == "small":
            self._watch.overdue_ends = True
            try:
                refined = yield from step(self._ctx, "refine_small", self._work(), wait=self._watch)
            except JobOverdueError:
                yield from self._escalate()
            self._watch.overdue_ends = False
        if self._lane == "large":
            refined = yield from self._on_databricks()
        self._watch.checkpoint()
        return refined.get("review", False)

    def _review(self) -> Steps[None]:
        """Let somebody decide about the rejects; the slot is for others meanwhile."""
        self._watch.forget_promise()
        self._slot.give_back()
        self._at_one_go = False
        self.say("awaiting_review", 60)
        yield from review(self._ctx, self._work(), self._watch, self._slot, self._terms["review_seconds"])
        self._watch.checkpoint()
        yield from self._promise(self._lane or "small")

    def _model(self, *, may_escalate: bool) -> Steps[None]:
        """Make Gold of the Silver there is; where the run on Databricks has made it, there is nothing to do."""
        self.say("modelling", 65)
        self._watch.overdue_ends = may_escalate
        try:
            yield from step(self._ctx, "model_small", self._work(), wait=self._watch)
        except JobOverdueError:
            yield from self._escalate()
            yield from self._on_databricks()
        self._watch.overdue_ends = False

    def _on_databricks(self) -> Steps[LargeStatus]:
        status = yield from run_on_databricks(self._ctx, self._work(), self._watch)
        self._databricks_seconds += status.get("seconds", 0.0)
        return status

    def _escalate(self) -> Steps[None]:
        """Go on in the large lane; whatever the small one still makes, nobody will read."""
        self._watch.overdue_ends = False
        note: JobNote = {**self._job, "ended_attempt": self._work()["attempt"], "outcome": "escalated"}
        yield from step(self._ctx, "note_job", note)
        yield from self._enter("large")

    def _serve(self) -> Steps[None]:
        """Load the serving stores; if only one of them takes the job, neither keeps it."""
        self._watch.deaf = True
        self.say("serving", 90)
        yield from step(self._ctx, "serve_mysql", self._work(), wait=self._watch)
        try:
            yield from step(self._ctx, "serve_synapse", self._work(), wait=self._watch)
        except (StepFailedError, task.TaskFailedError):
            yield from step(self._ctx, "unserve_mysql", self._work())
            raise
        self.say("reporting", 97)
        yield from step(self._ctx, "finish_job", self._work(), wait=self._watch)

    def _fitting(self, count: int) -> JobLane:
        return "small" if count <= self._terms["small_limit"] else "large"

    def _enter(self, lane: JobLane) -> Steps[None]:
        """Wait for a slot in ``lane``; from then on its promise holds."""
        first = self._lane is None
        yield from self._slot.take(lane, windowed=first and self._terms["window"] == "window")
        self._lane = lane
        yield from self._promise(lane)

    def _promise(self, lane: JobLane) -> Steps[None]:
        seconds = self._terms["lanes"][lane]["deadline_seconds"]
        note: JobNote = {**self._job, "lane": lane, "queue_position": None, "expected_seconds": seconds}
        yield from step(self._ctx, "note_job", note)
        self._watch.promise(seconds)

    def _reserve(self, rows: int) -> Steps[None]:
        wanted: QuotaRequest = {
            "job_id": self._job["job_id"],
            "at": self._now,
            "rows": rows,
            "databricks_seconds": 0 if self._fitting(rows) == "small" else DATABRICKS_SECONDS,
            "limits": self._terms["quota"],
        }
        answer: QuotaAnswer = yield self._ctx.call_entity(self._quota, "reserve", input=wanted)
        if not answer["granted"]:
            lacking = answer.get("lacking", "rows").replace("_", " ")
            message = f"Your {lacking} are used up; retry in {answer.get('retry_after', 60)} s."
            raise StepFailedError("quota_exceeded", message)

    def leave(self, state: JobState) -> None:
        """Give back what the job held, and say how it ended."""
        self._slot.give_back(self._took() if state == "completed" and self._at_one_go else None)
        self._watch.forget_promise()
        used: QuotaUse = {
            "job_id": self._job["job_id"],
            "at": self._now,
            "rows": self._rows,
            "databricks_seconds": round(self._databricks_seconds),
        }
        self._ctx.signal_entity(self._quota, "settle", input=used)
        self.say(state, 100 if state == "completed" else self.percentage)

    def _took(self) -> Took:
        seconds = (self._ctx.current_utc_datetime - self._began).total_seconds()
        return {"rows": self._rows, "seconds": round(seconds, 3)}

    def say(self, state: JobState, percentage: int) -> None:
        """Publish a step; the percentage never falls."""
        self._version += 1
        self.percentage = max(self.percentage, percentage)
        progress: JobProgress = {
            "state": state,
            "lane": self._lane,
            "percentage": self.percentage,
            "version": self._version,
        }
        self._ctx.set_custom_status(progress)
        item: ProgressItem = {
            "id": self._job["job_id"],
            "kind": "etl",
            "state": state,
            "percentage": self.percentage,
            "at": self._now,
            "lane": self._lane,
            "name": self._terms["name"],
        }
        self._ctx.signal_entity(EntityInstanceId("user_progress", self._job["owner"]), "advance", input=item)

    def _work(self) -> JobStep:
        lane = self._lane or "small"
        return {**self._job, "lane": lane, "attempt": f"{self._terms['run']}-{lane}"}

    @property
    def _quota(self) -> EntityInstanceId:
        return EntityInstanceId("user_quota", self._job["owner"])

    @property
    def _now(self) -> str:
        return self._ctx.current_utc_datetime.replace(tzinfo=UTC).isoformat()
