"""What one user has used of the day, and what is set aside for the jobs under way."""

from datetime import timedelta
from typing import NotRequired, TypedDict, cast

import azure.durable_functions as df
from durabletask.entities import DurableEntity

from shared.admission import instant, later
from shared.payloads import QuotaAnswer, QuotaLimits, QuotaRequest, QuotaUse

bp = df.Blueprint()

KEPT_SECONDS = 10 * 86_400
"""A reservation that nobody settled or gave back by then belonged to a job that is no more."""
WAIT_FOR_A_JOB_SECONDS = 30


class Reservation(TypedDict):
    """What is set aside for one job."""

    rows: int
    databricks_seconds: int
    until: str


class QuotaState(TypedDict):
    """One user. ``day`` is the UTC day that ``rows`` and ``databricks_seconds`` were used on."""

    day: str
    rows: int
    databricks_seconds: int
    reserved: dict[str, Reservation]


class Refund(TypedDict):
    """A job that used nothing."""

    job_id: str
    at: NotRequired[str]


@bp.entity_trigger(context_name="context", entity_name="user_quota")
class UserQuota(DurableEntity):
    """Reserve before, settle after, refund what came to nothing: exact, because one operation runs at a time.

    Each is keyed by the job and may come twice.
    """

    def reserve(self, wanted: QuotaRequest) -> QuotaAnswer:
        """Set a share aside; a job that has one already gets the difference, if there is enough for it."""
        state = self._state(wanted["at"])
        others = {job_id: one for job_id, one in state["reserved"].items() if job_id != wanted["job_id"]}
        limits = wanted["limits"]
        left = _left(state, others, limits)
        lacking = next((name for name, needed in _needs(wanted) if needed > 0 and needed > left[name]), None)
        if lacking is not None:
            self.set_state(state)
            return {
                "granted": False,
                "lacking": lacking,
                "retry_after": _retry_after(lacking, wanted["at"]),
                "remaining": left,
            }
        reservation: Reservation = {
            "rows": wanted["rows"],
            "databricks_seconds": wanted["databricks_seconds"],
            "until": later(wanted["at"], KEPT_SECONDS),
        }
        state["reserved"] = {**others, wanted["job_id"]: reservation}
        self.set_state(state)
        return {"granted": True, "remaining": _left(state, state["reserved"], limits)}

    def settle(self, used: QuotaUse) -> None:
        """Put what a job really used in place of its reservation; without one, it was settled before."""
        state = self._state(used["at"])
        if state["reserved"].pop(used["job_id"], None) is None:
            return
        state["rows"] += used["rows"]
        state["databricks_seconds"] += used["databricks_seconds"]
        self.set_state(state)

    def refund(self, job: Refund) -> None:
        """Give back what is set aside for a job."""
        state = self.usage()
        if state["reserved"].pop(job["job_id"], None) is not None:
            self.set_state(state)

    def usage(self) -> QuotaState:
        """Return what is used and set aside."""
        empty: QuotaState = {"day": "", "rows": 0, "databricks_seconds": 0, "reserved": {}}
        return cast(QuotaState, self.get_state(None, empty))

    def _state(self, at: str) -> QuotaState:
        """Return the state as of ``at``: a new day begins with nothing used, and old reservations are gone."""
        state, moment = self.usage(), instant(at)
        day = moment.date().isoformat()
        if state["day"] < day:
            state["day"], state["rows"], state["databricks_seconds"] = day, 0, 0
        state["reserved"] = {job_id: one for job_id, one in state["reserved"].items() if instant(one["until"]) > moment}
        return state


def _needs(wanted: QuotaRequest) -> tuple[tuple[str, int], ...]:
    return (
        ("concurrent_jobs", 1),
        ("rows", wanted["rows"]),
        ("databricks_seconds", wanted["databricks_seconds"]),
    )


def _left(state: QuotaState, reserved: dict[str, Reservation], limits: QuotaLimits) -> QuotaLimits:
    return {
        "concurrent_jobs": limits["concurrent_jobs"] - len(reserved),
        "rows": limits["rows"] - state["rows"] - sum(one["rows"] for one in reserved.values()),
        "databricks_seconds": limits["databricks_seconds"]
        - state["databricks_seconds"]
        - sum(one["databricks_seconds"] for one in reserved.values()),
    }


def _retry_after(lacking: str, at: str) -> int:
    """Return the seconds until there may be more: a job that ends, or the next day."""
    if lacking == "concurrent_jobs":
        return WAIT_FOR_A_JOB_SECONDS
    moment = instant(at)
    midnight = (moment + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return int((midnight - moment).total_seconds()) + 1
