"""One step of an orchestration: what its actions do, and its history, as one change."""

import logging
import time
from uuid import uuid4

import durabletask.internal.orchestrator_service_pb2 as pb

from localhost.hub.interface import TERMINAL, HubError, StorageError
from localhost.hub.sqlite import events, limits
from localhost.hub.sqlite.changes import Changes
from localhost.hub.sqlite.entities import Entities
from localhost.hub.sqlite.lifecycle import Lifecycle
from localhost.hub.sqlite.records import Activity, Dispatch, Instance, Parent, micros, now, text
from localhost.hub.sqlite.rewind import Rewind
from localhost.hub.sqlite.state import State

log = logging.getLogger(__name__)

_ENDINGS = TERMINAL | {pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW}


class Steps:
    """Commits steps."""

    def __init__(self, state: State, lifecycle: Lifecycle, entities: Entities, rewind: Rewind) -> None:
        self._state = state
        self._lifecycle = lifecycle
        self._entities = entities
        self._rewind = rewind

    def complete(self, changes: Changes, dispatch: Dispatch, response: pb.OrchestratorResponse) -> None:
        """Commit what a step did."""
        instance = dispatch.item
        assert isinstance(instance, Instance)  # noqa: S101  # the token says so
        instance.token = None
        instance.pace = time.monotonic() - dispatch.since
        instance.attempts = instance.declined = 0
        instance.suspect = False
        instance.updated = now()
        seen = {message_id for message_id, _ in dispatch.inbox}
        instance.inbox = [message for message in instance.inbox if message[0] not in seen]
        changes.delete_inbox(dispatch.inbox)
        instance.custom_status = response.customStatus.value if response.HasField("customStatus") else None
        self._follow_suspension(instance, dispatch.events)

        history = list(dispatch.events)
        ending, actions = self._decide(instance, response, history)
        for action in actions:
            if action.HasField("rewindOrchestration"):
                self._rewind.rewrite(changes, instance, action.rewindOrchestration)
                return
            self._act(changes, instance, action, history)
        if ending is not None and ending.orchestrationStatus == pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW:
            self._lifecycle.renew(changes, instance, ending)
            changes.update_instance(instance)
            return
        history.append(events.timed(orchestratorCompleted=pb.OrchestratorCompletedEvent()))
        if ending is not None:
            failure = ending.failureDetails if ending.HasField("failureDetails") else None
            output = ending.result.value if ending.HasField("result") else None
            status = ending.orchestrationStatus
            history.append(self._lifecycle.finish(changes, instance, status, output, failure))
        packed = events.packed(history)
        changes.append_history(instance.id, instance.chunks, len(history), packed)
        self._state.histories.grow(instance, packed, len(history))
        if ending is None:
            changes.update_progress(instance)
            changes.after_commit(lambda: self._state.tell(instance.id))
            self._state.wake(instance)

    def _follow_suspension(self, instance: Instance, seen: list[pb.HistoryEvent]) -> None:
        if instance.status == pb.ORCHESTRATION_STATUS_PENDING:
            instance.status = pb.ORCHESTRATION_STATUS_RUNNING
        for event in seen:
            if event.HasField("executionSuspended"):
                instance.status = pb.ORCHESTRATION_STATUS_SUSPENDED
            elif event.HasField("executionResumed"):
                instance.status = pb.ORCHESTRATION_STATUS_RUNNING

    def _decide(
        self, instance: Instance, response: pb.OrchestratorResponse, history: list[pb.HistoryEvent]
    ) -> tuple[pb.CompleteOrchestrationAction | None, list[pb.OrchestratorAction]]:
        """Return how the step ends its orchestration, if it does, and what else of it is to be done.

        Of a step that contradicts its history, or would make it too long, nothing is done.
        """
        actions = [action for action in response.actions if not action.HasField("completeOrchestration")]
        endings = [a.completeOrchestration for a in response.actions if a.HasField("completeOrchestration")]
        if not endings:
            too_large = self._too_large(instance, history, response)
            return (too_large, []) if too_large is not None else (None, actions)
        ending = endings[-1]
        if ending.orchestrationStatus not in _ENDINGS:
            words = f"The worker ended the orchestration with status {ending.orchestrationStatus}, which is no end."
            return _failed(pb.TaskFailureDetails(errorType="NoSuchEnd", errorMessage=words)), []
        if "NonDeterminis" in ending.failureDetails.errorType:
            return ending, []
        too_large = limits.payload_too_large(f"The output of orchestration {instance.id!r}", ending.result.value)
        return (_failed(too_large) if too_large is not None else ending), actions

    def _too_large(
        self, instance: Instance, history: list[pb.HistoryEvent], response: pb.OrchestratorResponse
    ) -> pb.CompleteOrchestrationAction | None:
        count = instance.events + len(history) + len(response.actions) + 1
        if instance.events < limits.WARN_EVENTS <= count:
            log.warning(
                "Orchestration %r has %d events; continue as new before %d.", instance.id, count, limits.MAX_EVENTS
            )
        size = instance.size + sum(event.ByteSize() for event in history) + response.ByteSize()
        failure = limits.history_too_large(count, size)
        if failure is None:
            return None
        return _failed(failure)

    def _act(
        self, changes: Changes, instance: Instance, action: pb.OrchestratorAction, history: list[pb.HistoryEvent]
    ) -> None:
        match action.WhichOneof("orchestratorActionType"):
            case "scheduleTask":
                history.append(self._schedule(changes, instance, action.id, action.scheduleTask))
            case "createTimer":
                due = action.createTimer.fireAt
                created = pb.TimerCreatedEvent(fireAt=due)
                history.append(events.timed(eventId=action.id, timerCreated=created))
                self.set_timer(changes, instance, action.id, created)
            case "createSubOrchestration":
                history.append(self._start_child(changes, instance, action.id, action.createSubOrchestration))
            case "sendEvent":
                history.append(self._send_event(changes, action.id, action.sendEvent))
            case "sendEntityMessage":
                history.append(self._send_to_entity(changes, instance, action.id, action.sendEntityMessage))
            case "terminateOrchestration":
                target = self._state.instances.get(action.terminateOrchestration.instanceId)
                if target is not None and target is not instance:
                    reason, recursive = action.terminateOrchestration.reason, action.terminateOrchestration.recurse
                    output = reason.value if action.terminateOrchestration.HasField("reason") else None
                    self._lifecycle.terminate(changes, target, output, recursive=recursive)
            case kind:
                log.warning("Orchestration %r asked for %r, which this hub does not know.", instance.id, kind)

    def _schedule(
        self, changes: Changes, instance: Instance, task_id: int, task: pb.ScheduleTaskAction
    ) -> pb.HistoryEvent:
        scheduled = pb.TaskScheduledEvent(
            name=task.name,
            version=task.version if task.HasField("version") else None,
            input=task.input if task.HasField("input") else None,
            parentTraceContext=task.parentTraceContext if task.HasField("parentTraceContext") else None,
            tags=task.tags or None,
        )
        self.schedule(changes, instance, task_id, scheduled)
        return events.timed(eventId=task_id, taskScheduled=scheduled)

    def schedule(self, changes: Changes, instance: Instance, task_id: int, task: pb.TaskScheduledEvent) -> None:
        """Have an activity run, once this change is on disk."""
        request = pb.ActivityRequest(
            name=task.name,
            version=task.version if task.HasField("version") else None,
            input=task.input if task.HasField("input") else None,
            orchestrationInstance=pb.OrchestrationInstance(
                instanceId=instance.id, executionId=text(instance.execution_id)
            ),
            taskId=task_id,
            parentTraceContext=task.parentTraceContext if task.HasField("parentTraceContext") else None,
            tags=task.tags or None,
        )
        activity = Activity(self._state.next_id(), instance.id, instance.run, request)
        changes.insert_activity(activity)
        self._state.gathering.scheduled(instance.run)
        changes.after_commit(lambda: self._state.activities.put(activity))

    def set_timer(self, changes: Changes, instance: Instance, timer_id: int, created: pb.TimerCreatedEvent) -> None:
        """Have a timer fire; one that is due already fires with this change."""
        due = micros(created.fireAt)
        fired = pb.TimerFiredEvent(fireAt=created.fireAt, timerId=timer_id)
        if due <= now():
            self._state.post(changes, instance, events.timed(timerFired=fired))
        else:
            event = events.timed(timerFired=fired)
            self._state.add_timer(changes, "timer", due, instance.id, instance.run, event)

    def _start_child(
        self, changes: Changes, instance: Instance, task_id: int, child: pb.CreateSubOrchestrationAction
    ) -> pb.HistoryEvent:
        created = pb.SubOrchestrationInstanceCreatedEvent(
            instanceId=child.instanceId or uuid4().hex,
            name=child.name,
            version=child.version if child.HasField("version") else None,
            input=child.input if child.HasField("input") else None,
            parentTraceContext=child.parentTraceContext if child.HasField("parentTraceContext") else None,
            tags=child.tags or None,
        )
        self.start_child(changes, instance, task_id, created)
        return events.timed(eventId=task_id, subOrchestrationInstanceCreated=created)

    def start_child(
        self, changes: Changes, instance: Instance, task_id: int, child: pb.SubOrchestrationInstanceCreatedEvent
    ) -> None:
        """Start a sub-orchestration. That its id is taken is news for the parent, not a failure of this change."""
        request = pb.CreateInstanceRequest(
            instanceId=child.instanceId,
            name=child.name,
            version=child.version if child.HasField("version") else None,
            input=child.input if child.HasField("input") else None,
            parentTraceContext=child.parentTraceContext if child.HasField("parentTraceContext") else None,
            tags=child.tags or None,
        )
        try:
            self._lifecycle.start(changes, request, Parent(instance.id, instance.run, task_id))
        except StorageError:
            raise
        except HubError as error:
            details = pb.TaskFailureDetails(errorType=type(error).__name__, errorMessage=str(error))
            self._state.post(changes, instance, events.sub_orchestration_failed(task_id, details))

    def _send_event(self, changes: Changes, action_id: int, send: pb.SendEventAction) -> pb.HistoryEvent:
        target = self._state.instances.get(send.instance.instanceId)
        data = send.data if send.HasField("data") else None
        if target is not None and target.completed is None:
            raised = pb.EventRaisedEvent(name=send.name, input=data)
            self._state.post(changes, target, events.timed(eventRaised=raised))
        sent = pb.EventSentEvent(instanceId=send.instance.instanceId, name=send.name, input=data)
        return events.timed(eventId=action_id, eventSent=sent)

    def _send_to_entity(
        self, changes: Changes, instance: Instance, action_id: int, message: pb.SendEntityMessageAction
    ) -> pb.HistoryEvent:
        match message.WhichOneof("EntityMessageType"):
            case "entityOperationSignaled":
                signaled = message.entityOperationSignaled
                self._entities.signal(changes, signaled.targetInstanceId.value, signaled)
                return events.timed(eventId=action_id, entityOperationSignaled=signaled)
            case "entityOperationCalled":
                called = message.entityOperationCalled
                called.parentInstanceId.value = instance.id
                called.parentExecutionId.value = instance.execution_id
                event = events.timed(entityOperationCalled=called)
                self._entities.queue(changes, called.targetInstanceId.value, event)
                return events.timed(eventId=action_id, entityOperationCalled=called)
            case "entityLockRequested":
                request = message.entityLockRequested
                request.parentInstanceId.value = instance.id
                self._entities.request_lock(changes, request)
                return events.timed(eventId=action_id, entityLockRequested=request)
            case _:
                unlock = message.entityUnlockSent
                self._entities.unlock(changes, unlock.targetInstanceId.value, unlock.criticalSectionId)
                return events.timed(eventId=action_id, entityUnlockSent=unlock)


def _failed(details: pb.TaskFailureDetails) -> pb.CompleteOrchestrationAction:
    return pb.CompleteOrchestrationAction(orchestrationStatus=pb.ORCHESTRATION_STATUS_FAILED, failureDetails=details)
