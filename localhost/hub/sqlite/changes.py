"""One change to the hub: everything that must reach the disk together, and what happens once it has."""

import json
from collections.abc import Callable, Iterator, Sequence

import durabletask.internal.orchestrator_service_pb2 as pb

from localhost.hub.sqlite.records import Activity, Entity, Instance

type Statement = tuple[str, tuple[object, ...]]

_INSERT_INSTANCE = (
    "INSERT INTO instances(id, name, version, status, run, execution_id, parent_id, parent_run, parent_task,"
    " created, updated, scheduled, tags, trace) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
_UPDATE_INSTANCE = (
    "UPDATE instances SET version=?, status=?, run=?, execution_id=?, parent_id=?, parent_run=?, parent_task=?,"
    " updated=?, completed=?, custom_status=?, failure=?, attempts=? WHERE id=?"
)
_UPDATE_PROGRESS = "UPDATE instances SET status=?, updated=?, custom_status=?, attempts=? WHERE id=?"
_SAVE_ENTITY = (
    "INSERT INTO entities(id, state, modified, lock_section, lock_owner, attempts) VALUES (?,?,?,?,?,?)"
    " ON CONFLICT(id) DO UPDATE SET state=excluded.state, modified=excluded.modified,"
    " lock_section=excluded.lock_section, lock_owner=excluded.lock_owner, attempts=excluded.attempts"
)
INSERT_INBOX = "INSERT INTO inbox VALUES (?,?,?)"
DELETE_INBOX = "DELETE FROM inbox WHERE id=?"


class Changes:
    """The statements of one transaction, in order. The writer may commit several together, never a part of one."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self.arrived: set[int] = set()
        """Events that this adds to inboxes, by id."""
        self.seen: set[int] = set()
        """Events that this removes from inboxes."""
        self.then: list[Callable[[], None]] = []
        self.touched: list[Instance | Entity] = []

    def after_commit(self, action: Callable[[], None]) -> None:
        """Do ``action`` on the event loop once this change is on disk."""
        self.then.append(action)

    def _do(self, sql: str, *values: object) -> None:
        self.statements.append((sql, values))

    def delete_everything(self) -> None:
        """Leave nothing but the empty tables."""
        for table in ("payloads", "history", "inbox", "activities", "timers", "operations", "entities", "instances"):
            self._do(f"DELETE FROM {table}")  # noqa: S608  # one of these names

    # Instances

    def insert_instance(self, instance: Instance, encoded_input: str | None) -> None:
        """Add an instance with its input."""
        parent = instance.parent
        self._do(
            _INSERT_INSTANCE,
            instance.id,
            instance.name,
            instance.version,
            instance.status,
            instance.run,
            instance.execution_id,
            parent.instance_id if parent else None,
            parent.run if parent else None,
            parent.task_id if parent else None,
            instance.created,
            instance.updated,
            instance.scheduled,
            json.dumps(instance.tags) if instance.tags else None,
            instance.trace,
        )
        if encoded_input is not None:
            self._do("INSERT INTO payloads VALUES (?,?,?)", instance.id, "input", encoded_input)
        self.touched.append(instance)

    def update_instance(self, instance: Instance) -> None:
        """Write everything about an instance that can change, but its payloads."""
        parent = instance.parent
        self._do(
            _UPDATE_INSTANCE,
            instance.version,
            instance.status,
            instance.run,
            instance.execution_id,
            parent.instance_id if parent else None,
            parent.run if parent else None,
            parent.task_id if parent else None,
            instance.updated,
            instance.completed,
            instance.custom_status,
            instance.failure,
            instance.attempts,
            instance.id,
        )
        self.touched.append(instance)

    def update_progress(self, instance: Instance) -> None:
        """Write what a step changes that neither ends its run nor begins another: no index is touched."""
        self._do(
            _UPDATE_PROGRESS, instance.status, instance.updated, instance.custom_status, instance.attempts, instance.id
        )
        self.touched.append(instance)

    def set_payload(self, instance_id: str, kind: str, value: str | None) -> None:
        """Set or remove the input or output of an instance."""
        if value is None:
            self._do("DELETE FROM payloads WHERE instance=? AND kind=?", instance_id, kind)
        else:
            self._do("INSERT OR REPLACE INTO payloads VALUES (?,?,?)", instance_id, kind, value)

    def delete_instance(self, instance_id: str) -> None:
        """Remove an instance, its payloads and history."""
        self._do("DELETE FROM instances WHERE id=?", instance_id)

    def append_history(self, instance_id: str, chunk: int, count: int, events: bytes) -> None:
        """Add the events of one step."""
        self._do("INSERT INTO history VALUES (?,?,?,?)", instance_id, chunk, count, events)

    def clear_history(self, instance_id: str) -> None:
        """Remove all events of an instance."""
        self._do("DELETE FROM history WHERE instance=?", instance_id)

    # Messages

    def insert_inbox(self, message_id: int, instance_id: str, event: pb.HistoryEvent) -> None:
        """Add an event that an instance has yet to see."""
        self._do(INSERT_INBOX, message_id, instance_id, event.SerializeToString())
        self.arrived.add(message_id)

    def delete_inbox(self, messages: Sequence[tuple[int, pb.HistoryEvent]]) -> None:
        """Remove events that an instance has seen, or never will."""
        for message_id, _event in messages:
            self._do(DELETE_INBOX, message_id)
            self.seen.add(message_id)

    def insert_activity(self, activity: Activity) -> None:
        """Add an activity to be run."""
        request = activity.request.SerializeToString()
        self._do("INSERT INTO activities VALUES (?,?,?,?,0)", activity.id, activity.instance_id, activity.run, request)

    def delete_activity(self, activity_id: int) -> None:
        """Remove an activity that has answered."""
        self._do("DELETE FROM activities WHERE id=?", activity_id)

    def insert_timer(
        self, timer_id: int, due: int, kind: str, target: str, run: int, event: pb.HistoryEvent | None
    ) -> None:
        """Add something that is due later."""
        body = None if event is None else event.SerializeToString()
        self._do("INSERT INTO timers VALUES (?,?,?,?,?,?)", timer_id, due, kind, target, run, body)

    def delete_timer(self, timer_id: int) -> None:
        """Remove a timer."""
        self._do("DELETE FROM timers WHERE id=?", timer_id)

    # Entities

    def save_entity(self, entity: Entity) -> None:
        """Write an entity's state and lock."""
        entity.known = True
        self._do(
            _SAVE_ENTITY,
            entity.id,
            entity.state,
            entity.modified,
            entity.lock_section,
            entity.lock_owner,
            entity.attempts,
        )
        self.touched.append(entity)

    def delete_entity(self, entity_id: str) -> None:
        """Remove an entity."""
        self._do("DELETE FROM entities WHERE id=?", entity_id)

    def insert_operation(self, message_id: int, entity_id: str, event: pb.HistoryEvent) -> None:
        """Add an operation or lock request to what waits for an entity."""
        self._do("INSERT INTO operations VALUES (?,?,?)", message_id, entity_id, event.SerializeToString())

    def delete_operations(self, messages: Sequence[tuple[int, pb.HistoryEvent]]) -> None:
        """Remove operations that were done, or never will be."""
        for message_id, _event in messages:
            self._do("DELETE FROM operations WHERE id=?", message_id)

    # Attempts

    def count_attempt(self, item: Instance | Entity | Activity) -> None:
        """Write how often an item was handed out."""
        table = {Instance: "instances", Entity: "entities", Activity: "activities"}[type(item)]
        self._do(f"UPDATE {table} SET attempts=? WHERE id=?", item.attempts, item.id)  # noqa: S608  # one of three names
        if not isinstance(item, Activity):
            self.touched.append(item)

    def set_meta(self, key: str, value: object) -> None:
        """Write a fact about the hub itself."""
        self._do("INSERT OR REPLACE INTO meta VALUES (?,?)", key, value)


def together(batch: Sequence[Changes]) -> Iterator[Statement]:
    """Yield the statements of changes that go to disk together; an event that comes and goes with them never does."""
    passing = set[int]().union(*(c.arrived for c in batch)) & set[int]().union(*(c.seen for c in batch))
    for changes in batch:
        for statement in changes.statements:
            if not (passing and statement[0] in (INSERT_INBOX, DELETE_INBOX) and statement[1][0] in passing):
                yield statement
