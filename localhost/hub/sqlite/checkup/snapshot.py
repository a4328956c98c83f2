"""Everything of a hub's live work as of one moment, by what it belongs to."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb

from localhost.hub.sqlite import events
from localhost.hub.sqlite.records import micros, now
from localhost.hub.sqlite.schema import Holder

SECOND = 1_000_000


@dataclass(slots=True, frozen=True)
class Live:
    """An instance that is not over."""

    id: str
    name: str
    status: int
    run: int
    parent: str | None
    parent_run: int | None
    created: int
    updated: int
    attempts: int


@dataclass(slots=True, frozen=True)
class Out:
    """An activity that has not answered."""

    instance: str
    run: int
    name: str
    task_id: int
    attempts: int


@dataclass(slots=True, frozen=True)
class Messages:
    """What waits for an instance or an entity: how many, and since when."""

    count: int
    oldest: int


class Snapshot:
    """One read transaction on a hub; what is asked for later is of the same moment."""

    def __init__(self, connection: sqlite3.Connection, host: Holder | None) -> None:
        self._connection = connection
        self.host = host
        self.time = now()
        connection.execute("BEGIN")
        columns = "id, name, status, run, parent_id, parent_run, created, updated, attempts"
        rows = self.rows(f"SELECT {columns} FROM instances WHERE completed IS NULL ORDER BY created, id")  # noqa: S608
        self.live = {row[0]: Live(*row) for row in rows}
        self.inbox = dict(self._messages("inbox", "instance"))
        self.operations = dict(self._messages("operations", "entity"))
        self.activities = [
            _out(*row) for row in self.rows("SELECT instance, run, request, attempts FROM activities ORDER BY id")
        ]
        # Of each run, whether it waits for its scheduled start, and its nearest timer.
        self.timers: dict[tuple[str, int], tuple[bool, int]] = {
            (target, run): (bool(start), due)
            for target, run, start, due in self.rows(
                "SELECT target, run, max(kind='start'), min(due) FROM timers WHERE kind != 'signal'"
                " GROUP BY target, run"
            )
        }
        self.busy: set[tuple[str | None, int | None]] = {(out.instance, out.run) for out in self.activities}
        self.busy |= {(live.parent, live.parent_run) for live in self.live.values()}
        self.asking = {owner for _, _, owner in self.requests()}

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self._connection.execute(sql, values).fetchall()

    def _messages(self, table: str, target: str) -> Iterator[tuple[str, Messages]]:
        # SQLite takes the other columns of the row that has the minimum.
        sql = f"SELECT {target}, count(*), min(id), event FROM {table} GROUP BY {target}"  # noqa: S608  # fixed names
        for subject, count, _id, event in self._connection.execute(sql):
            yield subject, Messages(count, micros(pb.HistoryEvent.FromString(event).timestamp))

    def requests(self) -> Iterator[tuple[str, pb.HistoryEvent, str]]:
        """Yield entity, event and caller of all operations that an orchestration waits for, lock requests included."""
        for entity, blob in self._connection.execute("SELECT entity, event FROM operations ORDER BY id"):
            event = pb.HistoryEvent.FromString(blob)
            if event.HasField("entityOperationCalled"):
                yield entity, event, event.entityOperationCalled.parentInstanceId.value
            elif event.HasField("entityLockRequested"):
                yield entity, event, event.entityLockRequested.parentInstanceId.value

    def history(self, instance_id: str) -> list[pb.HistoryEvent]:
        """Return the history of an instance."""
        rows = self.rows("SELECT events FROM history WHERE instance=? ORDER BY chunk", [instance_id])
        return events.unpacked(b"".join(row[0] for row in rows))

    def moves(self, live: Live) -> bool:
        """Whether something is on its way that will move an instance on, without anybody's help."""
        key = (live.id, live.run)
        return live.id in self.inbox or key in self.timers or key in self.busy or live.id in self.asking

    def host_for(self, since: int) -> float:
        """Return for how many seconds a host has had something since ``since``; none has, without a host."""
        return 0.0 if self.host is None else (self.time - max(since, self.host.since)) / SECOND


def _out(instance: str, run: int, request: bytes, attempts: int) -> Out:
    activity = pb.ActivityRequest.FromString(request)
    return Out(instance, run, activity.name, activity.taskId, attempts)
