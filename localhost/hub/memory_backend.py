"""Microsoft's in-memory backend, without its threads and with the rules of Durable Functions.

What the test backend leaves out and an application notices:

- it starts a thread for every timer and sub-orchestration, and stops listening for a sub-orchestration after 30 s;
- a timer or activity of an earlier run fires into a later run of the same instance id;
- an instance that is over is dispatched again when a late result arrives;
- the failure of a sub-orchestration loses its type; events carry no time; recursive termination is not there.

A *run* is one life of an instance id: started, started again, or continued as new. Results belong to a run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, override
from uuid import uuid4

import durabletask.internal.orchestrator_service_pb2 as pb
from durabletask.internal import helpers
from durabletask.testing.in_memory_backend import (
    ActivityWorkItem,
    InMemoryOrchestrationBackend,
    OrchestrationInstance,
)
from google.protobuf import timestamp_pb2, wrappers_pb2

from localhost.hub.interface import TERMINAL


class Timer(Protocol):
    """What ``call_later`` gives back."""

    def cancel(self) -> None:
        """Forget the call."""
        ...


type CallLater = Callable[[float, Callable[[], None]], Timer]


@dataclass(frozen=True, slots=True)
class _Run:
    """One life of an instance id."""

    instance_id: str
    number: int


class EventLoopBackend(InMemoryOrchestrationBackend):
    """The backend on one event loop: every method returns at once, timers are the loop's.

    ``wake`` is called when there may be work; ``settled`` with an instance id when its state has changed.
    """

    def __init__(
        self,
        call_later: CallLater,
        wake: Callable[[], None],
        settled: Callable[[str], None],
        default_version: str,
    ) -> None:
        super().__init__()
        self._default_version = default_version
        self._call_later = call_later
        self._wake = wake
        self._settled = settled
        self._runs: dict[str, _Run] = {}
        self._run_count = 0
        self._timers: dict[_Run, list[Timer]] = {}
        self._parents: dict[str, tuple[_Run, int]] = {}
        self._activities: dict[str, tuple[_Run, ActivityWorkItem]] = {}
        self._held: set[str] = set()

    # Handing out work

    def take_orchestration(self) -> pb.WorkItem | None:
        """Return the next orchestration that has news, or None."""
        while self._orchestration_queue:
            instance_id = self._orchestration_queue.popleft()
            self._orchestration_queue_set.discard(instance_id)
            instance = self._instances.get(instance_id)
            # An instance in flight comes back when its step is completed.
            if instance is None or not instance.pending_events or instance_id in self._orchestration_in_flight:
                continue
            news = instance.pending_events
            if instance.history and not news[0].HasField("orchestratorStarted"):
                news = [helpers.new_orchestrator_started_event(datetime.now(UTC)), *news]
            instance.dispatched_events, instance.pending_events = news, []
            self._orchestration_in_flight.add(instance_id)
            return pb.WorkItem(
                completionToken=str(instance.completion_token),
                orchestratorRequest=pb.OrchestratorRequest(
                    instanceId=instance_id, pastEvents=instance.history, newEvents=news
                ),
            )
        return None

    def take_activity(self) -> pb.WorkItem | None:
        """Return the next activity whose orchestration still wants it, or None."""
        while self._activity_queue:
            work = self._activity_queue.popleft()
            token = str(work.completion_token)
            if not self._current(self._activities[token][0]):
                del self._activities[token]
                continue
            request = pb.ActivityRequest(
                name=work.name,
                taskId=work.task_id,
                input=wrappers_pb2.StringValue(value=work.input) if work.input else None,
                orchestrationInstance=pb.OrchestrationInstance(instanceId=work.instance_id),
            )
            return pb.WorkItem(completionToken=token, activityRequest=request)
        return None

    def take_entity(self) -> pb.WorkItem | None:
        """Return everything that waits for the next entity, or None."""
        while self._entity_queue:
            entity_id = self._entity_queue.popleft()
            self._entity_queue_set.discard(entity_id)
            entity = self._entities.get(entity_id)
            if entity is None or not entity.pending_operations or entity_id in self._entity_in_flight:
                continue
            self._entity_in_flight.add(entity_id)
            entity.dispatched_operations, entity.pending_operations = entity.pending_operations, []
            state = entity.serialized_state
            return pb.WorkItem(
                completionToken=str(entity.completion_token),
                entityRequestV2=pb.EntityRequest(
                    instanceId=entity_id,
                    entityState=wrappers_pb2.StringValue(value=state) if state else None,
                    operationRequests=entity.dispatched_operations,
                ),
            )
        return None

    def abandon_activity(self, token: str) -> None:
        """Put an activity back at the head of the queue."""
        if token in self._activities:
            self._activity_queue.appendleft(self._activities[token][1])
            self._wake()

    # Runs

    def _begin_run(self, instance_id: str) -> None:
        self._end_run(instance_id)
        self._run_count += 1
        self._runs[instance_id] = _Run(instance_id, self._run_count)

    def _end_run(self, instance_id: str) -> None:
        if run := self._runs.pop(instance_id, None):
            for timer in self._timers.pop(run, []):
                timer.cancel()

    def _current(self, run: _Run) -> bool:
        return self._runs.get(run.instance_id) == run

    def _later(self, run: _Run, delay: float, action: Callable[[], None]) -> None:
        """Do ``action`` after ``delay`` seconds, if ``run`` still lasts then."""
        self._timers.setdefault(run, []).append(self._call_later(max(delay, 0.0), action))

    # Starting

    @override
    def StartInstance(self, request: pb.CreateInstanceRequest, context: object) -> pb.CreateInstanceResponse:
        request.instanceId = request.instanceId or uuid4().hex
        if self._default_version and not request.HasField("version"):
            request.version.value = self._default_version
        if not request.orchestrationIdReusePolicy.replaceableStatus:
            request.orchestrationIdReusePolicy.replaceableStatus.extend(TERMINAL)
        delay = 0.0
        if request.HasField("scheduledStartTimestamp"):
            start = request.scheduledStartTimestamp.ToDatetime(tzinfo=UTC)
            delay = (start - datetime.now(UTC)).total_seconds()
        existing = self._instances.get(request.instanceId)
        if delay > 0 and (existing is None or existing.status in TERMINAL):
            self._held.add(request.instanceId)
        response = super().StartInstance(request, context)  # pyright: ignore[reportArgumentType]  # it only calls abort
        self._parents.pop(request.instanceId, None)
        self._begin_run(request.instanceId)
        if delay > 0:
            self._later(self._runs[request.instanceId], delay, lambda: self._release(request.instanceId))
        return response

    def _release(self, instance_id: str) -> None:
        self._held.discard(instance_id)
        self._enqueue_orchestration(instance_id)

    @override
    def _create_instance_internal(
        self, instance_id: str, name: str, encoded_input: str | None = None, version: str | None = None
    ) -> None:
        super()._create_instance_internal(instance_id, name, encoded_input, version or self._default_version or None)
        self._parents.pop(instance_id, None)
        self._begin_run(instance_id)

    @override
    def _process_complete_orchestration_action(
        self, instance: OrchestrationInstance, complete_action: pb.CompleteOrchestrationAction
    ) -> None:
        super()._process_complete_orchestration_action(instance, complete_action)
        if complete_action.orchestrationStatus == pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW:
            self._begin_run(instance.instance_id)

    @override
    def _prepare_rewind(self, instance: OrchestrationInstance, reason: str | None = None) -> None:
        self._begin_run(instance.instance_id)
        super()._prepare_rewind(instance, reason)

    # Queues

    @override
    def _enqueue_orchestration(self, instance_id: str) -> None:
        instance = self._instances.get(instance_id)
        if instance is None or instance_id in self._held:
            return
        if instance.status in TERMINAL:
            instance.pending_events.clear()  # too late: nobody is there to read them
            return
        _stamp(instance.pending_events)
        super()._enqueue_orchestration(instance_id)
        self._wake()

    @override
    def _enqueue_entity(self, entity_id: str) -> None:
        super()._enqueue_entity(entity_id)
        self._wake()

    # Steps of an orchestration

    @override
    def CompleteOrchestratorTask(self, request: pb.OrchestratorResponse, context: object) -> pb.CompleteTaskResponse:
        instance = self._instances.get(request.instanceId)
        known = len(instance.history) if instance else 0
        response = super().CompleteOrchestratorTask(request, context)  # pyright: ignore[reportArgumentType]  # as above
        if instance is not None:
            _stamp(instance.history[min(known, len(instance.history)) :])
            if instance.pending_events:
                self._enqueue_orchestration(request.instanceId)
        return response

    @override
    def CompleteActivityTask(self, request: pb.ActivityResponse, context: object) -> pb.CompleteTaskResponse:
        run, _work = self._activities.pop(request.completionToken, (None, None))
        if run is None or not self._current(run):
            return pb.CompleteTaskResponse()
        return super().CompleteActivityTask(request, context)  # pyright: ignore[reportArgumentType]  # as above

    @override
    def _process_schedule_task_action(self, instance: OrchestrationInstance, action: pb.OrchestratorAction) -> None:
        super()._process_schedule_task_action(instance, action)
        work = self._activity_queue[-1]
        work.completion_token = self._next_completion_token
        self._next_completion_token += 1
        self._activities[str(work.completion_token)] = (self._runs[instance.instance_id], work)
        self._wake()

    @override
    def _process_create_timer_action(self, instance: OrchestrationInstance, action: pb.OrchestratorAction) -> None:
        fire_at = action.createTimer.fireAt.ToDatetime(tzinfo=UTC)
        instance.history.append(helpers.new_timer_created_event(action.id, fire_at))

        def fire() -> None:
            instance.pending_events.append(helpers.new_timer_fired_event(action.id, fire_at))
            instance.last_updated_at = datetime.now(UTC)
            self._enqueue_orchestration(instance.instance_id)

        self._later(self._runs[instance.instance_id], (fire_at - datetime.now(UTC)).total_seconds(), fire)

    @override
    def _schedule_delayed_entity_operation(self, entity_id: str, event: pb.HistoryEvent, fire_at: datetime) -> None:
        delay = max((fire_at - datetime.now(UTC)).total_seconds(), 0.0)
        self._call_later(delay, lambda: self._queue_entity_operation(entity_id, event))

    # Endings

    @override
    def _notify_waiters(self, instance_id: str) -> None:
        instance = self._instances.get(instance_id)
        if instance is not None and instance.status in TERMINAL:
            self._end_run(instance_id)
            self._tell_parent(instance)
        self._settled(instance_id)

    @override
    def _watch_sub_orchestration(self, parent_instance_id: str, sub_instance_id: str, task_id: int) -> None:
        self._parents[sub_instance_id] = (self._runs[parent_instance_id], task_id)

    def _tell_parent(self, child: OrchestrationInstance) -> None:
        parent_run, task_id = self._parents.pop(child.instance_id, (None, 0))
        if parent_run is None or not self._current(parent_run):
            return
        if child.status == pb.ORCHESTRATION_STATUS_COMPLETED:
            event = helpers.new_sub_orchestration_completed_event(task_id, child.output)
        else:
            failure = child.failure_details or pb.TaskFailureDetails(
                errorType="OrchestrationTerminated",
                errorMessage=f"Sub-orchestration {child.instance_id!r} was terminated.",
            )
            event = pb.HistoryEvent(
                eventId=-1,
                timestamp=timestamp_pb2.Timestamp(),
                subOrchestrationInstanceFailed=pb.SubOrchestrationInstanceFailedEvent(
                    taskScheduledId=task_id, failureDetails=failure
                ),
            )
        parent = self._instances[parent_run.instance_id]
        parent.pending_events.append(event)
        parent.last_updated_at = datetime.now(UTC)
        self._enqueue_orchestration(parent.instance_id)

    @override
    def _terminate_instance_internal(self, instance_id: str, output: str | None, recursive: bool = False) -> None:
        super()._terminate_instance_internal(instance_id, output, recursive=False)
        run = self._runs.get(instance_id)
        if recursive and run is not None:
            for child in [child for child, (parent, _) in self._parents.items() if parent == run]:
                self._terminate_instance_internal(child, output, recursive=True)


def _stamp(events: Sequence[pb.HistoryEvent]) -> None:
    """Give the time to events that have none."""
    for event in events:
        if not event.timestamp.seconds:
            event.timestamp.GetCurrentTime()
