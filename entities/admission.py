"""The slots of one lane: who runs, who waits, who is next."""

from typing import TypedDict, cast

import azure.durable_functions as df
from durabletask.entities import DurableEntity, EntityInstanceId

from shared.admission import (
    LaneState,
    Running,
    Took,
    Waiting,
    in_order,
    instant,
    later,
    next_look,
    next_window,
    position,
    with_recent,
)
from shared.payloads import Admitted, Leaving, SlotAnswer, SlotCheck, SlotHolder, SlotRequest

bp = df.Blueprint()

MAX_WAITING = 500
"""The state is read at every operation, so the queue has an end."""


class Moment(TypedDict):
    """When something happened, as ISO 8601."""

    at: str


@bp.entity_trigger(context_name="context", entity_name="admission")
class Admission(DurableEntity):
    """At most ``slots`` jobs of a lane run; the others wait, and the next one is told when its turn has come.

    A job asks once and is told once: whoever frees a slot sets off ``announce_admission``, in the same commit as the
    slot changes hands. A job that was terminated says nothing, so a slot is a lease: when it is over, ``check_slots``
    asks the task hub whether the job is still there, and a living job never loses its slot. The entity tells the time
    by what it is told, and by alarms that it sets itself.
    """

    def request(self, wanted: SlotRequest) -> SlotAnswer:
        """Take a slot, or a place in the queue; asking again changes nothing."""
        state = self.queue()
        state["slots"], state["lease_seconds"] = wanted["slots"], wanted["lease_seconds"]
        job_id, at = wanted["job_id"], wanted["at"]
        known = next((job for job in [*state["running"], *state["waiting"]] if job["job_id"] == job_id), None)
        if known is not None:
            known["ticket"] = wanted["ticket"]  # a new run of the job takes over what the last one held
        elif len(state["waiting"]) < MAX_WAITING:
            self._enqueue(state, wanted)
        else:
            return {"admitted": False, "position": 0}
        self._fill(state, at, asking=job_id)
        self.set_state(state)
        admitted = any(job["job_id"] == job_id for job in state["running"])
        return {"admitted": admitted, "position": 0 if admitted else position(state, job_id, at)}

    def release(self, leaving: Leaving) -> None:
        """Give a slot back, or a place in the queue; what another run of the job has by now stays its own."""
        state = self.queue()
        gone = (leaving["job_id"], leaving["ticket"])
        state["running"] = [job for job in state["running"] if (job["job_id"], job["ticket"]) != gone]
        state["waiting"] = [job for job in state["waiting"] if (job["job_id"], job["ticket"]) != gone]
        if "rows" in leaving and "seconds" in leaving:
            took: Took = {"rows": leaving["rows"], "seconds": leaving["seconds"]}
            state["recent"] = with_recent(state.get("recent", []), took)
        self._fill(state, leaving["at"])
        self.set_state(state)

    def open_window(self, moment: Moment) -> None:
        """Let every job in that waits for the window; the alarm of an empty lane is not set again."""
        state = self.queue()
        state["window_at"] = None
        for job in state["waiting"]:
            job["held"] = False
        self._fill(state, moment["at"])
        self.set_state(state)

    def sweep(self, moment: Moment) -> None:
        """Have the jobs looked for whose lease is over; an alarm that was set for another time is ignored."""
        state = self.queue()
        if state["sweep_at"] != moment["at"]:
            return
        now = instant(moment["at"])
        over = [job for job in state["running"] if instant(job["until"]) <= now]
        for job in over:
            job["until"] = next_look(job, moment["at"], state["lease_seconds"])
        if over:
            holders: list[SlotHolder] = [
                {"job_id": job["job_id"], "owner": job["owner"], "ticket": job["ticket"]} for job in over
            ]
            check: SlotCheck = {"lane": self._lane, "jobs": holders}
            self.schedule_new_orchestration("check_slots", check)
        state["sweep_at"] = None
        self._set_alarm(state)
        self.set_state(state)

    def queue(self) -> LaneState:
        """Return who runs and who waits."""
        empty: LaneState = {
            "slots": 0,
            "lease_seconds": 60,
            "running": [],
            "waiting": [],
            "next_number": 1,
            "sweep_at": None,
            "window_at": None,
        }
        return cast(LaneState, self.get_state(None, empty))

    @property
    def _lane(self) -> str:
        return self.entity_context.entity_id.key

    def _enqueue(self, state: LaneState, wanted: SlotRequest) -> None:
        window = wanted.get("window_seconds", 0)
        job: Waiting = {
            "job_id": wanted["job_id"],
            "owner": wanted["owner"],
            "ticket": wanted["ticket"],
            "priority": wanted["priority"],
            "since": wanted["at"],
            "number": state["next_number"],
            "held": window > 0,
        }
        state["next_number"] += 1
        state["waiting"].append(job)
        if window and state["window_at"] is None:
            # One alarm at a time, whatever was missed: after an outage the window opens once.
            state["window_at"] = next_window(wanted["at"], window)
            self._signal_self("open_window", state["window_at"])

    def _fill(self, state: LaneState, at: str, *, asking: str = "") -> None:
        """Admit the next jobs while there are slots; all but the one that is asking right now are told."""
        while len(state["running"]) < state["slots"] and (queue := in_order(state, at)):
            job = queue[0]
            state["waiting"].remove(job)
            running: Running = {
                "job_id": job["job_id"],
                "owner": job["owner"],
                "ticket": job["ticket"],
                "since": at,
                "until": later(at, state["lease_seconds"]),
            }
            state["running"].append(running)
            if job["job_id"] != asking:
                news: Admitted = {"job_id": job["job_id"], "lane": self._lane}
                told = f"{job['job_id']}:admitted:{self._lane}:{job['number']}"
                self.schedule_new_orchestration("announce_admission", news, instance_id=told)
        self._set_alarm(state)

    def _set_alarm(self, state: LaneState) -> None:
        """Have the lane swept when the first lease ends; one alarm at a time."""
        if state["sweep_at"] is None and state["running"]:
            state["sweep_at"] = min(job["until"] for job in state["running"])
            self._signal_self("sweep", state["sweep_at"])

    def _signal_self(self, operation: str, at: str) -> None:
        moment: Moment = {"at": at}
        self.signal_entity(EntityInstanceId("admission", self._lane), operation, moment, instant(at))
