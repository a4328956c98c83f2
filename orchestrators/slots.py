"""A job's slot in a lane: asked for, waited for, given back."""

from datetime import timedelta
from typing import Any

from durabletask import task
from durabletask.entities import EntityInstanceId

from orchestrators.steps import StepFailedError, Steps, step
from orchestrators.watching import Watch
from shared.admission import Took
from shared.payloads import Job, JobLane, JobNote, JobTerms, Leaving, SlotAnswer, SlotRequest

SILENCE = timedelta(minutes=30)
"""So long a job waits for its turn before it asks whether it missed it."""


class Slot:
    """At most one slot, in one lane at a time."""

    def __init__(self, ctx: task.OrchestrationContext, job: Job, terms: JobTerms, watch: Watch) -> None:
        self._ctx = ctx
        self._job = job
        self._terms = terms
        self._watch = watch
        self._ticket = ctx.new_uuid()
        self._lane: JobLane | None = None

    def take(self, lane: JobLane, *, windowed: bool = False) -> Steps[None]:
        """Give back what is held elsewhere, and wait for a slot in ``lane``.

        Raises:
            JobCancelledError: the job was cancelled while it waited.
            StepFailedError: too many wait already.
        """
        self.give_back()
        self._lane = lane
        answer: SlotAnswer = yield from self._ask(lane, windowed=windowed)
        while not answer["admitted"]:
            if not answer["position"]:
                raise StepFailedError("queue_full", f"Too many jobs wait for the {lane} lane; try again later.")
            note: JobNote = {**self._job, "state": "queued", "lane": lane, "queue_position": answer["position"]}
            yield from step(self._ctx, "note_job", note)
            told = self._ctx.wait_for_external_event("admitted")
            silence = self._ctx.create_timer(SILENCE)
            yield from self._watch.first([told, silence], interruptible=True)
            told.cancel()
            silence.cancel()
            # The event is only a hint; whether the job has a slot is for the lane to say.
            answer = yield from self._ask(lane, windowed=windowed)

    def give_back(self, took: Took | None = None) -> None:
        """Free the slot, or the place in the queue, for others; ``took`` tells what such a job takes."""
        if self._lane is not None:
            leaving: Leaving = {"job_id": self._job["job_id"], "ticket": self._ticket, "at": self._now}
            if took is not None:
                leaving["rows"], leaving["seconds"] = took["rows"], took["seconds"]
            self._ctx.signal_entity(EntityInstanceId("admission", self._lane), "release", input=leaving)
            self._lane = None

    def _ask(self, lane: JobLane, *, windowed: bool) -> Steps[SlotAnswer]:
        terms = self._terms["lanes"][lane]
        wanted: SlotRequest = {
            "job_id": self._job["job_id"],
            "owner": self._job["owner"],
            "ticket": self._ticket,
            "priority": self._terms["priority"],
            "at": self._now,
            "slots": terms["slots"],
            "lease_seconds": self._terms["lease_seconds"],
        }
        if windowed:
            wanted["window_seconds"] = terms["window_seconds"]
        answer: Any = yield self._ctx.call_entity(EntityInstanceId("admission", lane), "request", input=wanted)
        return answer

    @property
    def _now(self) -> str:
        return self._ctx.current_utc_datetime.isoformat()
