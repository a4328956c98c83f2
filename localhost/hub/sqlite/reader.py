"""Reading what is on disk, on connections that cannot write."""

import json
import logging
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb

from localhost.hub.interface import StorageError
from localhost.hub.sqlite import schema
from localhost.hub.sqlite.records import Activity, Entity, Instance, Parent
from localhost.hub.sqlite.timers import Timer

log = logging.getLogger(__name__)

_INSTANCE = (
    "id, name, version, status, run, execution_id, parent_id, parent_run, parent_task, created, updated, completed,"
    " scheduled, tags, trace, custom_status, failure, attempts"
)
_ENTITY = "id, state, modified, lock_section, lock_owner, attempts"


class Reader:
    """One reading connection; each call sees the last commit."""

    def __init__(self, path: Path) -> None:
        self._connection = schema.open_reader(path)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query.

        Raises:
            StorageError: the disk does not give them.
        """
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise StorageError(f"The task hub cannot read: {error}. Look after the disk and try again.") from error

    def instance(self, instance_id: str) -> Instance | None:
        """Return an instance without its history."""
        found = self.instances("WHERE id=?", [instance_id])
        return found[0] if found else None

    def instances(self, rest: str, values: Sequence[object] = ()) -> list[Instance]:
        """Return the instances that ``rest`` of a query selects."""
        return [_instance(row) for row in self.rows(f"SELECT {_INSTANCE} FROM instances {rest}", values)]  # noqa: S608  # fixed texts

    def payloads(self, instance_id: str) -> dict[str, str]:
        """Return an instance's input and output, where it has them."""
        return dict(self.rows("SELECT kind, value FROM payloads WHERE instance=?", [instance_id]))

    def history(self, instance_id: str) -> tuple[bytes, int, int]:
        """Return an instance's history, its number of events and the number of its next chunk."""
        rows = self.rows("SELECT events, count, chunk FROM history WHERE instance=? ORDER BY chunk", [instance_id])
        return b"".join(row[0] for row in rows), sum(row[1] for row in rows), rows[-1][2] + 1 if rows else 0

    def history_sizes(self) -> dict[str, tuple[int, int, int]]:
        """Return events, bytes and next chunk of every live instance."""
        sql = (
            "SELECT instance, sum(count), sum(length(events)), max(chunk) + 1 FROM history"
            " WHERE instance IN (SELECT id FROM instances WHERE completed IS NULL) GROUP BY instance"
        )
        return {row[0]: (row[1], row[2], row[3]) for row in self.rows(sql)}

    def entity(self, entity_id: str) -> Entity | None:
        """Return an entity without what waits for it."""
        found = self.entities("WHERE id=?", [entity_id])
        return found[0] if found else None

    def entities(self, rest: str, values: Sequence[object] = ()) -> list[Entity]:
        """Return the entities that ``rest`` of a query selects."""
        rows = self.rows(f"SELECT {_ENTITY} FROM entities {rest}", values)  # noqa: S608  # fixed texts
        return [Entity(*row, known=True) for row in rows]

    def messages(self, table: str) -> Iterator[tuple[int, str, pb.HistoryEvent]]:
        """Return everything in ``inbox`` or ``operations``, in order; what is of an unknown kind stays where it is."""
        for row in self.rows(f"SELECT * FROM {table} ORDER BY id"):  # noqa: S608  # one of two names
            event = pb.HistoryEvent.FromString(row[2])
            if event.WhichOneof("eventType") is None:
                # A worker answers fewer operations than it got then, and the others would be done twice.
                log.error("Message %d to %r is of a kind that this version does not know; it is left out.", *row[:2])
                continue
            yield row[0], row[1], event

    def activities(self) -> list[Activity]:
        """Return the activities that have not answered, in order."""
        rows = self.rows("SELECT id, instance, run, request, attempts FROM activities ORDER BY id")
        return [Activity(row[0], row[1], row[2], pb.ActivityRequest.FromString(row[3]), row[4]) for row in rows]

    def timers(self) -> list[Timer]:
        """Return every timer."""
        rows = self.rows("SELECT id, due, kind, target, run, event FROM timers ORDER BY id")
        return [_timer(*row) for row in rows]

    def next_numbers(self) -> tuple[int, int]:
        """Return an id above every message's, and a number above every run's."""
        [[ids]] = self.rows(
            "SELECT max(coalesce((SELECT max(id) FROM inbox), 0), coalesce((SELECT max(id) FROM activities), 0),"
            " coalesce((SELECT max(id) FROM timers), 0), coalesce((SELECT max(id) FROM operations), 0))"
        )
        [[runs]] = self.rows(
            "SELECT max(coalesce((SELECT max(run) FROM instances), 0), coalesce((SELECT max(run) FROM activities), 0),"
            " coalesce((SELECT max(run) FROM timers), 0))"
        )
        return ids + 1, runs + 1

    def clean_stop(self) -> bool:
        """Whether the last host that had the hub closed it in good order."""
        return self.rows("SELECT value FROM meta WHERE key='stopped'") == [(1,)]


def _timer(key: int, due: int, kind: str, target: str, run: int, event: bytes | None) -> Timer:
    if kind not in ("timer", "start", "signal"):
        raise ValueError(f"a timer of the unknown kind {kind!r}")
    if not isinstance(due, int):  # pyright: ignore[reportUnnecessaryIsInstance]  # a column may hold anything
        raise TypeError(f"a timer that is due at {due!r}")
    return Timer(key, due, kind, target, run, None if event is None else pb.HistoryEvent.FromString(event))


def _instance(row: tuple[Any, ...]) -> Instance:
    (key, name, version, status, run, execution, parent, parent_run, parent_task, created, updated, completed) = row[
        :12
    ]
    scheduled, tags, trace, custom_status, failure, attempts = row[12:]
    if not isinstance(key, str):
        raise TypeError(f"instance id {key!r} is no text")
    return Instance(
        id=key,
        name=name,
        version=version,
        status=status,
        run=run,
        execution_id=execution,
        parent=Parent(parent, parent_run, parent_task) if parent is not None else None,
        created=created,
        updated=updated,
        completed=completed,
        scheduled=scheduled,
        tags=json.loads(tags) if tags else {},
        trace=trace,
        custom_status=custom_status,
        failure=failure,
        attempts=attempts,
        history=None,
    )
