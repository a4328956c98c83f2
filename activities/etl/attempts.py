"""What the record says of each try of a step; a try that was given up on says nothing any more."""

from collections.abc import Callable, Iterator

from shared.conversations import now
from shared.jobs import Attempt, JobRecord, jobs
from shared.payloads import JobState, JobStep

MAX_ATTEMPTS = 60
"""The oldest are forgotten first: a record has an end."""


def begin(work: JobStep, step: JobState, percentage: int) -> JobRecord:
    """Note that a step is tried, once, and return the record."""

    def write(record: JobRecord) -> None:
        record["state"], record["lane"] = step, work["lane"]
        record["percentage"] = max(record["percentage"], percentage)
        if find(record, work, step) is None:
            attempt: Attempt = {
                "id": work["attempt"],
                "lane": work["lane"],
                "step": step,
                "started_at": now(),
                "ended_at": None,
                "outcome": "running",
            }
            record["attempts"] = [*record["attempts"], attempt][-MAX_ATTEMPTS:]

    return note(work, write)


def succeed(work: JobStep, step: JobState, change: Callable[[JobRecord], None]) -> JobRecord:
    """Note what a try has come to; ``change`` is left out where the job has gone on without it."""

    def write(record: JobRecord) -> None:
        attempt = find(record, work, step)
        if attempt is None or attempt["outcome"] in {"escalated", "cancelled"}:
            return
        attempt["outcome"], attempt["ended_at"] = "succeeded", now()
        change(record)

    return note(work, write)


def fail(work: JobStep, step: JobState, *, cancelled: bool) -> None:
    """Note that a try came to nothing."""

    def write(record: JobRecord) -> None:
        attempt = find(record, work, step)
        if attempt is not None and attempt["outcome"] == "running":
            attempt["outcome"], attempt["ended_at"] = "cancelled" if cancelled else "failed", now()

    note(work, write)


def note(work: JobStep, change: Callable[[JobRecord], None]) -> JobRecord:
    """Apply ``change`` to the record of the job."""
    return jobs().update(work["job_id"], work["owner"], change)


def read(work: JobStep) -> JobRecord:
    """Return the record of the job."""
    return jobs().read(work["job_id"], work["owner"])


def open_tries(record: JobRecord) -> Iterator[Attempt]:
    """Return the tries that nobody has said the end of."""
    return (one for one in record["attempts"] if one["outcome"] == "running")


def find(record: JobRecord, work: JobStep, step: JobState) -> Attempt | None:
    """Return what the record says of this try of ``step``."""
    tries = (one for one in record["attempts"] if (one["id"], one["step"]) == (work["attempt"], step))
    return next(tries, None)
