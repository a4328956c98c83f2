"""Who of the waiting jobs is next: priority, ageing and a fair share for each owner, as pure rules.

The entity ``admission`` keeps the state and decides by these; the API reads the state and shows a job its place.
"""

from datetime import UTC, datetime, timedelta
from typing import NotRequired, TypedDict

AGEING_SECONDS = 60
"""So long a job waits for one step of priority. Ageing has no limit: whoever waits long enough is next."""
FAIR_SHARE = 2.0
"""Steps of priority that each running job costs the other jobs of its owner."""

SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)
"""Jobs of up to so many rows are alike when it is asked how long one takes; larger ones are alike, too."""
RECENT = 12
"""Of so many jobs of each size it is remembered what they took."""
ENOUGH = 5
"""Fewer of them say nothing."""

LONGEST_LEASE = 10
"""Leases that a job which has run for long gets at once."""


class Running(TypedDict):
    """A job that holds a slot; at ``until`` somebody looks whether it is still there."""

    job_id: str
    owner: str
    ticket: str
    since: str
    until: str


class Waiting(TypedDict):
    """A job that waits since ``since``. ``held``: until the window of its lane opens."""

    job_id: str
    owner: str
    ticket: str
    priority: int
    since: str
    number: int
    held: bool


class Took(TypedDict):
    """What one job took, from its beginning to its end."""

    rows: int
    seconds: float


class LaneState(TypedDict):
    """One lane. ``sweep_at`` and ``window_at`` say for when the lane has set its alarm; ``recent`` begins empty."""

    slots: int
    lease_seconds: int
    running: list[Running]
    waiting: list[Waiting]
    next_number: int
    sweep_at: str | None
    window_at: str | None
    recent: NotRequired[list[Took]]


def instant(at: str) -> datetime:
    """Return the time that ``at`` names in ISO 8601; without an offset it is UTC."""
    time = datetime.fromisoformat(at)
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def later(at: str, seconds: float) -> str:
    """Return the time ``seconds`` after ``at``."""
    return (instant(at) + timedelta(seconds=seconds)).isoformat()


def next_look(job: Running, at: str, lease_seconds: float) -> str:
    """Return when to look for a job that may still be there at ``at``: the longer it has run, the later."""
    age = (instant(at) - instant(job["since"])).total_seconds()
    return later(at, min(max(age, lease_seconds), LONGEST_LEASE * lease_seconds))


def in_order(state: LaneState, at: str) -> list[Waiting]:
    """Return the waiting jobs that may be admitted, the next one first."""
    held: dict[str, int] = {}
    for job in state["running"]:
        held[job["owner"]] = held.get(job["owner"], 0) + 1
    moment = instant(at)

    def urgency(job: Waiting) -> tuple[float, int]:
        waited = (moment - instant(job["since"])).total_seconds()
        share = FAIR_SHARE * held.get(job["owner"], 0)
        return -(job["priority"] + waited / AGEING_SECONDS - share), job["number"]

    return sorted((job for job in state["waiting"] if not job["held"]), key=urgency)


def position(state: LaneState, job_id: str, at: str) -> int:
    """Return a job's place in the queue, from 1; 0 where it does not wait. Those held for the window come last."""
    queue = [*in_order(state, at), *(job for job in state["waiting"] if job["held"])]
    return next((place for place, job in enumerate(queue, start=1) if job["job_id"] == job_id), 0)


def next_window(at: str, seconds: int) -> str:
    """Return when the next window opens: at the next multiple of ``seconds`` since 1970-01-01."""
    epoch = instant(at).timestamp()
    return datetime.fromtimestamp((int(epoch // seconds) + 1) * seconds, UTC).isoformat()


def with_recent(recent: list[Took], took: Took) -> list[Took]:
    """Return what is remembered once ``took`` is, too: of each size the last ones."""
    alike = [one for one in recent if _size(one["rows"]) == _size(took["rows"])]
    gone = alike[: max(0, len(alike) + 1 - RECENT)]
    return [*(one for one in recent if not any(one is old for old in gone)), took]


def usual_seconds(recent: list[Took], rows: int) -> float | None:
    """Return within how many seconds nine of ten recent jobs of this size were done; None where too few are known."""
    alike = sorted(one["seconds"] for one in recent if _size(one["rows"]) == _size(rows))
    return alike[(9 * len(alike) - 1) // 10] if len(alike) >= ENOUGH else None


def _size(rows: int) -> int:
    return sum(rows > limit for limit in SIZES)
