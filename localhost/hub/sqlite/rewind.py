"""Letting a failed orchestration try again from its last good step.

The worker rewrites the history: failures go, and with them the activities that failed, which it then schedules anew.
What was still under way when the orchestration failed is not in its hands, so the hub takes it up again.
"""

from collections.abc import Callable
from typing import Protocol

import durabletask.internal.orchestrator_service_pb2 as pb

from localhost.hub.interface import TERMINAL
from localhost.hub.sqlite import events
from localhost.hub.sqlite.changes import Changes
from localhost.hub.sqlite.records import Instance, Parent, now, text
from localhost.hub.sqlite.state import State


class TakesUp(Protocol):
    """Who can schedule again what a history says was scheduled."""

    def schedule(self, changes: Changes, instance: Instance, task_id: int, task: pb.TaskScheduledEvent) -> None: ...

    def set_timer(self, changes: Changes, instance: Instance, timer_id: int, created: pb.TimerCreatedEvent) -> None: ...

    def start_child(
        self, changes: Changes, instance: Instance, task_id: int, child: pb.SubOrchestrationInstanceCreatedEvent
    ) -> None: ...


class Rewind:
    """Rewinds instances and the sub-orchestrations that failed with them."""

    def __init__(self, state: State, steps: Callable[[], TakesUp]) -> None:
        self._state = state
        self._steps = steps

    def begin(self, changes: Changes, instance: Instance, reason: str | None) -> None:
        """Bring a failed instance back; its next step rewrites its history."""
        if instance.history is None:
            instance.history, instance.events, instance.chunks = self._state.reader.history(instance.id)
            instance.size = len(instance.history)
        instance.run = self._state.next_run()
        instance.status = pb.ORCHESTRATION_STATUS_RUNNING
        instance.completed = None
        instance.failure = None
        instance.updated = now()
        instance.held = False
        changes.set_payload(instance.id, "output", None)
        changes.update_instance(instance)
        self._state.adopt(instance)
        rewound = pb.ExecutionRewoundEvent(reason=text(reason))
        self._state.post(changes, instance, events.timed(executionRewound=rewound))
        changes.after_commit(lambda: self._state.tell(instance.id))

    def rewrite(self, changes: Changes, instance: Instance, action: pb.RewindOrchestrationAction) -> None:
        """Replace the history by the rewritten one, and take up what it leaves open."""
        history = list(action.newHistory)
        packed = events.packed(history)
        changes.clear_history(instance.id)
        self._state.histories.restart(instance)
        changes.append_history(instance.id, 0, len(history), packed)
        self._state.histories.grow(instance, packed, len(history))
        instance.status = pb.ORCHESTRATION_STATUS_RUNNING
        changes.update_instance(instance)
        # A step without news replays the history, and asks again for what failed.
        self._state.post(changes, instance, events.timed(orchestratorStarted=pb.OrchestratorStartedEvent()))
        reasons = [e.executionRewound.reason.value for e in history if e.HasField("executionRewound")]
        self._take_up(changes, instance, history, reasons[-1] if reasons else None)

    def _take_up(
        self, changes: Changes, instance: Instance, history: list[pb.HistoryEvent], reason: str | None
    ) -> None:
        tasks = {e.taskCompleted.taskScheduledId for e in history if e.HasField("taskCompleted")}
        timers = {e.timerFired.timerId for e in history if e.HasField("timerFired")}
        children = {
            e.subOrchestrationInstanceCompleted.taskScheduledId
            for e in history
            if e.HasField("subOrchestrationInstanceCompleted")
        }
        for event in history:
            if event.HasField("taskScheduled") and event.eventId not in tasks:
                self._steps().schedule(changes, instance, event.eventId, event.taskScheduled)
            elif event.HasField("timerCreated") and event.eventId not in timers:
                self._steps().set_timer(changes, instance, event.eventId, event.timerCreated)
            elif event.HasField("subOrchestrationInstanceCreated") and event.eventId not in children:
                created = event.subOrchestrationInstanceCreated
                self._take_up_child(changes, instance, event.eventId, created, reason)

    def _take_up_child(
        self,
        changes: Changes,
        instance: Instance,
        task_id: int,
        created: pb.SubOrchestrationInstanceCreatedEvent,
        reason: str | None,
    ) -> None:
        child = self._state.find(created.instanceId)
        if child is None or child.parent is None or child.parent.instance_id != instance.id:  # the id is another's now
            self._steps().start_child(changes, instance, task_id, created)
            return
        child.parent = Parent(instance.id, instance.run, task_id)
        if child.status == pb.ORCHESTRATION_STATUS_FAILED:
            self.begin(changes, child, reason)
        elif child.status in TERMINAL:
            output = self._state.reader.payloads(child.id).get("output")
            changes.update_instance(child)
            self._state.post(changes, instance, events.sub_orchestration_ended(child, task_id, output))
        else:
            self._state.adopt(child)
            changes.update_instance(child)
