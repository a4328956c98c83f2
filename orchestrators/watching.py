"""Waiting within an ETL job: for a step, and meanwhile for a cancellation and for the deadline."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from durabletask import task

from orchestrators.steps import Steps, step
from shared.payloads import DeadlineState, Job, JobNote

AT_RISK = 0.8
"""The share of the promised time after which a job that still runs is at risk."""


class JobCancelledError(Exception):
    """Somebody asked for the end of the job."""


class JobOverdueError(Exception):
    """The lane did not keep its promise, and another one may do better."""


class Watch:
    """Waits for what a job waits for, and hears of everything else.

    A cancellation ends only a wait that is ``interruptible``; elsewhere what was begun ends first, and ``checkpoint``
    tells. Once it is ``deaf``, nothing cancels the job any more.
    """

    def __init__(self, ctx: task.OrchestrationContext, job: Job) -> None:
        self._ctx = ctx
        self._job = job
        self._cancel = ctx.wait_for_external_event("cancel")
        self._alarms: list[tuple[DeadlineState, task.TimerTask]] = []
        self._cancelled = False
        self.deaf = False
        self.overdue = False
        """Whether the deadline of what is promised now has passed."""
        self.overdue_ends = False
        """Whether ``JobOverdueError`` ends a wait at the deadline."""

    def promise(self, seconds: int) -> None:
        """Begin to count down ``seconds``, in place of what was promised before."""
        self.forget_promise()
        self.overdue = False
        alarms: tuple[tuple[DeadlineState, float], ...] = (("at_risk", AT_RISK * seconds), ("breached", seconds))
        self._alarms = [(state, self._ctx.create_timer(timedelta(seconds=after))) for state, after in alarms]

    def forget_promise(self) -> None:
        """Stop the clock: what follows is not the job's own time."""
        for _, alarm in self._alarms:
            alarm.cancel()
        self._alarms = []

    def checkpoint(self) -> None:
        """Go on, unless the job was cancelled meanwhile.

        Raises:
            JobCancelledError: it was.
        """
        if self._cancelled and not self.deaf:
            raise JobCancelledError

    def __call__(self, one: task.Task[Any]) -> Steps[Any]:
        """Wait for the end of ``one`` and return its result.

        Raises:
            JobOverdueError: the deadline came first, and ``overdue_ends``.
        """
        yield from self.first([one])
        return one.get_result()

    def first(self, awaited: Sequence[task.Task[Any]], *, interruptible: bool = False) -> Steps[task.Task[Any]]:
        """Wait for one of ``awaited`` and return it.

        Raises:
            JobCancelledError: that came first, and the wait is ``interruptible``.
            JobOverdueError: the deadline came first, and ``overdue_ends``.
        """
        if interruptible:
            self.checkpoint()
        while not any(one.is_complete for one in awaited):
            cancel = [] if self._cancelled else [self._cancel]
            ended = yield task.when_any([*awaited, *cancel, *(alarm for _, alarm in self._alarms)])
            if ended is self._cancel:
                self._cancelled = True
                if interruptible:
                    self.checkpoint()
            elif ended not in awaited:
                yield from self._ring(ended)
        return next(one for one in awaited if one.is_complete)

    def _ring(self, alarm: task.Task[Any]) -> Steps[None]:
        state: DeadlineState = next(state for state, one in self._alarms if one is alarm)
        self._alarms = [(other, one) for other, one in self._alarms if one is not alarm]
        note: JobNote = {"job_id": self._job["job_id"], "owner": self._job["owner"], "deadline": state}
        yield from step(self._ctx, "note_job", note)
        self.overdue = state == "breached"
        if self.overdue and self.overdue_ends:
            raise JobOverdueError
