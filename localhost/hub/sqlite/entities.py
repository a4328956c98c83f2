"""Entities: what waits for them, their batches, and the locks that orchestrations take on them.

A lock request waits in the queue of each entity of its set in turn, in the one order that all requests share, so
requests are served in order and cannot wait for each other in a circle. A locked entity serves its holder alone;
the others keep their places.
"""

import logging
from collections.abc import Sequence
from uuid import uuid4

import durabletask.internal.orchestrator_service_pb2 as pb

from localhost.hub.sqlite import events, limits
from localhost.hub.sqlite.changes import Changes
from localhost.hub.sqlite.records import Dispatch, Entity, micros, now
from localhost.hub.sqlite.state import State

log = logging.getLogger(__name__)


class Entities:
    """The rules of entities over the state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def signal(
        self,
        changes: Changes,
        entity_id: str,
        signaled: pb.EntityOperationSignaledEvent,
    ) -> None:
        """Queue an operation, now or when it is due."""
        event = events.timed(entityOperationSignaled=signaled)
        due = micros(signaled.scheduledTime) if signaled.HasField("scheduledTime") else 0
        if due > now():
            self._state.add_timer(changes, "signal", due, entity_id, 0, event)
        else:
            self.queue(changes, entity_id, event)

    def queue(self, changes: Changes, entity_id: str, event: pb.HistoryEvent) -> None:
        """Put an operation or a lock request at the end of what waits for an entity."""
        entity = self._state.entity(entity_id)
        if not entity.known:
            entity.modified = now()
            changes.save_entity(entity)
        message_id = self._state.next_id()
        changes.insert_operation(message_id, entity_id, event)
        entity.queue.append((message_id, event))
        changes.touched.append(entity)
        changes.after_commit(lambda: self.wake(entity))
        if event.HasField("entityLockRequested"):
            self._serve_lock_request(changes, entity)

    def wake(self, entity: Entity) -> None:
        """Make an entity ready when something may be done with it."""
        if self._state.entities.get(entity.id) is not entity:
            return
        if entity.token is None and not entity.queued and self.batch(entity):
            entity.queued = True
            self._state.ready_entities.put(entity)
        else:
            self._state.rest(entity)

    def batch(self, entity: Entity) -> list[tuple[int, pb.HistoryEvent]]:
        """Return the operations that may run now: the holder's of a locked entity, else all before a lock request."""
        chosen: list[tuple[int, pb.HistoryEvent]] = []
        for message in entity.queue:
            event = message[1]
            if entity.lock_section is not None:
                if event.entityOperationCalled.parentInstanceId.value != entity.lock_owner:
                    continue
            elif event.HasField("entityLockRequested"):
                break
            chosen.append(message)
            if len(chosen) == limits.MAX_BATCH:
                break
        return [m for m in chosen if not m[1].HasField("entityLockRequested")]

    # Locks

    def request_lock(self, changes: Changes, request: pb.EntityLockRequestedEvent) -> None:
        """Queue for the locks of a set, one after the other."""
        ordered = pb.EntityLockRequestedEvent()
        ordered.CopyFrom(request)
        del ordered.lockSet[:]
        ordered.lockSet.extend(sorted(set(request.lockSet)))
        ordered.position = 0
        if not ordered.lockSet:
            self._grant(changes, ordered)
            return
        self._request_next(changes, ordered)

    def _request_next(self, changes: Changes, request: pb.EntityLockRequestedEvent) -> None:
        entity_id = request.lockSet[request.position]
        self._state.locked.setdefault(request.parentInstanceId.value, set()).add(entity_id)
        self.queue(changes, entity_id, events.timed(entityLockRequested=request))

    def _serve_lock_request(self, changes: Changes, entity: Entity) -> None:
        """Give the lock to the request at the head of the queue, if there is one and the entity is free."""
        if entity.lock_section is not None or entity.token is not None or not entity.queue:
            return
        message = entity.queue[0]
        if not message[1].HasField("entityLockRequested"):
            return
        request = message[1].entityLockRequested
        entity.queue.popleft()
        changes.delete_operations([message])
        entity.lock_section = request.criticalSectionId
        entity.lock_owner = request.parentInstanceId.value
        changes.save_entity(entity)
        if request.position + 1 < len(request.lockSet):
            onward = pb.EntityLockRequestedEvent()
            onward.CopyFrom(request)
            onward.position += 1
            self._request_next(changes, onward)
        else:
            self._grant(changes, request)

    def _grant(self, changes: Changes, request: pb.EntityLockRequestedEvent) -> None:
        holder = self._state.instances.get(request.parentInstanceId.value)
        if holder is not None:
            granted = pb.EntityLockGrantedEvent(criticalSectionId=request.criticalSectionId)
            self._state.post(changes, holder, events.timed(entityLockGranted=granted))

    def unlock(self, changes: Changes, entity_id: str, section: str) -> None:
        """Release one lock, if it is held for ``section``, and serve who waits."""
        entity = self._state.entity(entity_id)
        if entity.lock_section == section:
            self._release(changes, entity)
        else:
            self._state.rest(entity)

    def _release(self, changes: Changes, entity: Entity) -> None:
        held = self._state.locked.get(entity.lock_owner or "", set())
        if not any(m[1].entityLockRequested.parentInstanceId.value == entity.lock_owner for m in entity.queue):
            held.discard(entity.id)
        if not held:
            self._state.locked.pop(entity.lock_owner or "", None)
        entity.lock_section = entity.lock_owner = None
        changes.save_entity(entity)
        self._serve_lock_request(changes, entity)
        changes.after_commit(lambda: self.wake(entity))

    def release_all(self, changes: Changes, owner: str) -> None:
        """Release what an orchestration holds, and take its lock requests out of every queue."""
        for entity_id in sorted(self._state.locked.pop(owner, ())):
            entity = self._state.entity(entity_id)
            requests = [m for m in entity.queue if m[1].entityLockRequested.parentInstanceId.value == owner]
            if requests:
                changes.delete_operations(requests)
                gone = {message_id for message_id, _ in requests}
                entity.queue = type(entity.queue)(m for m in entity.queue if m[0] not in gone)
                changes.touched.append(entity)
            if entity.lock_owner == owner:
                self._release(changes, entity)
            else:
                self._serve_lock_request(changes, entity)
                changes.after_commit(lambda entity=entity: self.wake(entity))

    # Batches

    def complete(
        self, changes: Changes, dispatch: Dispatch, result: pb.EntityBatchResult
    ) -> Sequence[pb.OperationAction]:
        """Commit a batch: state and results. Returns the actions for the hub to carry out."""
        entity = dispatch.item
        assert isinstance(entity, Entity)  # noqa: S101  # the token says so
        entity.token = None
        entity.attempts = 0
        entity.suspect = False
        if too_large := limits.payload_too_large(f"The state of entity {entity.id!r}", result.entityState.value):
            result = pb.EntityBatchResult(failureDetails=too_large)
        if result.results or not result.HasField("failureDetails"):
            entity.state = result.entityState.value or None
        entity.modified = now()
        done = dispatch.inbox if result.HasField("failureDetails") else dispatch.inbox[: len(result.results)]
        finished = {message_id for message_id, _ in done}
        entity.queue = type(entity.queue)(m for m in entity.queue if m[0] not in finished)
        changes.delete_operations(done)
        changes.save_entity(entity)
        for position, (_, event) in enumerate(done):
            if position < len(result.results):
                self._answer(changes, event, result.results[position])
            else:
                failure = pb.OperationResultFailure(failureDetails=result.failureDetails)
                self._answer(changes, event, pb.OperationResult(failure=failure))
        self._serve_lock_request(changes, entity)
        changes.after_commit(lambda: self.wake(entity))
        return result.actions

    def refuse(self, changes: Changes, entity: Entity, details: pb.TaskFailureDetails) -> None:
        """Fail everything that could run now; the state stays."""
        batch = self.batch(entity)
        failure = pb.OperationResult(failure=pb.OperationResultFailure(failureDetails=details))
        dispatch = Dispatch(entity, 0, batch, [])
        state = pb.EntityBatchResult(results=[failure] * len(batch))
        if entity.state is not None:
            state.entityState.value = entity.state
        self.complete(changes, dispatch, state)

    def _answer(self, changes: Changes, event: pb.HistoryEvent, result: pb.OperationResult) -> None:
        if not event.HasField("entityOperationCalled"):
            if result.HasField("failure"):
                details = result.failure.failureDetails
                log.warning("A signalled operation failed: %s: %s", details.errorType, details.errorMessage)
            return
        called = event.entityOperationCalled
        caller = self._state.instances.get(called.parentInstanceId.value)
        # The caller may be over, or have begun a new life since; that one has not asked.
        if (
            caller is None
            or caller.completed is not None
            or (called.parentExecutionId.value not in ("", caller.execution_id))
        ):
            return
        if result.HasField("failure"):
            failed = pb.EntityOperationFailedEvent(
                requestId=called.requestId, failureDetails=limits.cut(result.failure.failureDetails)
            )
            self._state.post(changes, caller, events.timed(entityOperationFailed=failed))
        else:
            output = result.success.result if result.success.HasField("result") else None
            completed = pb.EntityOperationCompletedEvent(requestId=called.requestId, output=output)
            self._state.post(changes, caller, events.timed(entityOperationCompleted=completed))

    def send(self, changes: Changes, signal: pb.SendSignalAction) -> None:
        """Queue a signal that an entity sent."""
        signaled = pb.EntityOperationSignaledEvent(
            requestId=uuid4().hex,
            operation=signal.name,
            input=signal.input if signal.HasField("input") else None,
            scheduledTime=signal.scheduledTime if signal.HasField("scheduledTime") else None,
        )
        signaled.targetInstanceId.value = signal.instanceId
        self.signal(changes, signal.instanceId, signaled)
