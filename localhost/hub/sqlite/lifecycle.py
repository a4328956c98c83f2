"""How an orchestration begins and ends: each a part of one change, so that nothing is left over."""

from collections.abc import Sequence
from uuid import uuid4

import durabletask.internal.orchestrator_service_pb2 as pb

from localhost.hub.interface import TERMINAL, InstanceConflictError, InvalidRequestError
from localhost.hub.sqlite import events, limits
from localhost.hub.sqlite.changes import Changes
from localhost.hub.sqlite.entities import Entities
from localhost.hub.sqlite.records import Instance, Parent, micros, now, text
from localhost.hub.sqlite.state import State

_KEPT_FOR_THE_NEXT_RUN = ("eventRaised", "executionSuspended", "executionResumed")


class Lifecycle:
    """Begins, renews and ends runs."""

    def __init__(self, state: State, entities: Entities, default_version: str) -> None:
        self._state = state
        self._default_version = default_version
        self._entities = entities

    def start(self, changes: Changes, request: pb.CreateInstanceRequest, parent: Parent | None = None) -> Instance:
        """Begin an instance.

        Raises:
            InstanceConflictError: one with this id exists, in a state that may not be replaced.
            PayloadTooLargeError: its input is.
            InvalidRequestError: it names no orchestrator.
        """
        if not request.name:
            raise InvalidRequestError("Say which orchestrator to start.")
        limits.check_payload("The input", request.input)
        instance_id = request.instanceId or uuid4().hex
        existing = self._state.find(instance_id)
        if existing is not None:
            replaceable = request.orchestrationIdReusePolicy.replaceableStatus or TERMINAL
            if existing.status not in replaceable:
                status = pb.OrchestrationStatus.Name(existing.status).removeprefix("ORCHESTRATION_STATUS_")
                raise InstanceConflictError(f"Orchestration instance {instance_id!r} already exists: {status}.")
            self._replace(changes, existing)
        time = now()
        scheduled = micros(request.scheduledStartTimestamp) if request.HasField("scheduledStartTimestamp") else None
        instance = Instance(
            id=instance_id,
            name=request.name,
            version=request.version.value if request.HasField("version") else self._default_version or None,
            run=self._state.next_run(),
            execution_id=request.executionId.value or uuid4().hex,
            created=time,
            updated=time,
            scheduled=scheduled,
            parent=parent,
            tags=dict(request.tags),
            trace=request.parentTraceContext.SerializeToString() if request.HasField("parentTraceContext") else None,
        )
        encoded_input = request.input.value if request.HasField("input") else None
        changes.insert_instance(instance, encoded_input)
        self._state.adopt(instance)
        if scheduled is not None and scheduled > time:
            self._state.add_timer(changes, "start", scheduled, instance.id, instance.run, None)
        self._state.post(changes, instance, events.execution_started(instance, encoded_input))
        return instance

    def _replace(self, changes: Changes, existing: Instance) -> None:
        if existing.completed is None:
            self._clear(changes, existing)
            existing.status = pb.ORCHESTRATION_STATUS_TERMINATED
            existing.completed = now()
            self._tell_parent(changes, existing, None)
        self._state.disown(existing)
        changes.delete_instance(existing.id)

    def finish(
        self,
        changes: Changes,
        instance: Instance,
        status: pb.OrchestrationStatus,
        output: str | None,
        failure: pb.TaskFailureDetails | None,
    ) -> pb.HistoryEvent:
        """End an instance: nothing waits for it any more, its locks are free, its parent knows.

        Returns the event that ends its history, to be appended by the caller.
        """
        instance.status = status
        instance.completed = instance.updated = now()
        details = limits.cut(failure) if failure is not None else None
        instance.failure = details.SerializeToString() if details is not None else None
        instance.attempts = 0
        self._clear(changes, instance)
        changes.set_payload(instance.id, "output", output)
        changes.update_instance(instance)
        self._tell_parent(changes, instance, output)
        changes.after_commit(lambda: self._forget(instance))
        ended = pb.ExecutionCompletedEvent(orchestrationStatus=status, result=text(output), failureDetails=details)
        return events.timed(executionCompleted=ended)

    def _forget(self, instance: Instance) -> None:
        self._state.disown(instance)
        self._state.tell(instance.id)

    def _tell_parent(self, changes: Changes, child: Instance, output: str | None) -> None:
        if child.parent is None:
            return
        parent = self._state.instances.get(child.parent.instance_id)
        if parent is not None and parent.run == child.parent.run and parent.completed is None:
            self._state.post(changes, parent, events.sub_orchestration_ended(child, child.parent.task_id, output))

    def _clear(self, changes: Changes, instance: Instance) -> None:
        """Free everything a run holds."""
        changes.delete_inbox(instance.inbox)
        instance.inbox = []
        self._state.cancel_timers(changes, instance)
        self._entities.release_all(changes, instance.id)
        if instance.token is not None:
            self._state.redeem(instance.token)
            instance.token = None

    def end(
        self,
        changes: Changes,
        instance: Instance,
        status: pb.OrchestrationStatus,
        *,
        output: str | None = None,
        failure: pb.TaskFailureDetails | None = None,
        because: Sequence[pb.HistoryEvent] = (),
    ) -> None:
        """End an instance from outside, where it stands; a step that is out counts for nothing."""
        history = [*because, events.timed(orchestratorCompleted=pb.OrchestratorCompletedEvent())]
        unseen = [event for _, event in instance.inbox if event.HasField("executionStarted")]
        history.append(self.finish(changes, instance, status, output, failure))
        packed = events.packed([*unseen, *history])
        changes.append_history(instance.id, instance.chunks, len(unseen) + len(history), packed)
        self._state.histories.grow(instance, packed, len(unseen) + len(history))

    def terminate(self, changes: Changes, instance: Instance, output: str | None, *, recursive: bool) -> None:
        """Terminate an instance, and its live sub-orchestrations if ``recursive``."""
        family = {instance.id: instance} if instance.completed is None else {}
        generation = list(family)
        while recursive and generation:
            # An id that was used again may be among its own descendants.
            generation = [child for one in generation for child in sorted(self._state.children.get(one, ()))]
            generation = [
                one for one in generation if self._state.instances[one].completed is None and one not in family
            ]
            family.update((one, self._state.instances[one]) for one in generation)
        for one in reversed(family.values()):
            terminated = pb.ExecutionTerminatedEvent(input=text(output), recurse=recursive)
            status = pb.ORCHESTRATION_STATUS_TERMINATED
            because = [events.timed(executionTerminated=terminated)]
            self.end(changes, one, status, output=output, because=because)

    def renew(self, changes: Changes, instance: Instance, action: pb.CompleteOrchestrationAction) -> None:
        """Continue as new: an empty history, the events that were carried over, and then those that arrived since."""
        arrived = [event for _, event in instance.inbox if event.WhichOneof("eventType") in _KEPT_FOR_THE_NEXT_RUN]
        self._clear(changes, instance)
        changes.clear_history(instance.id)
        self._state.histories.restart(instance)
        instance.run = self._state.next_run()
        instance.execution_id = uuid4().hex
        instance.version = action.newVersion.value if action.HasField("newVersion") else instance.version
        if instance.status != pb.ORCHESTRATION_STATUS_SUSPENDED:
            instance.status = pb.ORCHESTRATION_STATUS_RUNNING
        new_input = action.result.value if action.HasField("result") else None
        changes.set_payload(instance.id, "input", new_input)
        self._state.post(changes, instance, events.execution_started(instance, new_input))
        if instance.status == pb.ORCHESTRATION_STATUS_SUSPENDED:  # the new run must know of it to be resumed
            arrived.insert(0, events.timed(executionSuspended=pb.ExecutionSuspendedEvent()))
        for event in (*action.carryoverEvents, *arrived):
            if not event.timestamp.seconds:
                event.timestamp.GetCurrentTime()
            self._state.post(changes, instance, event)
