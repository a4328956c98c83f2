"""The durable task hub."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from localhost.hub.sqlite.backup import back_up
from localhost.hub.sqlite.entities import Entities
from localhost.hub.sqlite.entity_store import EntityViews
from localhost.hub.sqlite.failpoints import failpoint
from localhost.hub.sqlite.instances import Instances
from localhost.hub.sqlite.lifecycle import Lifecycle
from localhost.hub.sqlite.retention import Retention
from localhost.hub.sqlite.rewind import Rewind
from localhost.hub.sqlite.state import State
from localhost.hub.sqlite.steps import Steps
from localhost.hub.sqlite.timers import Timer
from localhost.hub.sqlite.work import Work


class SqliteHub(Work, Instances, EntityViews):
    """A ``TaskHub`` in one SQLite file. All of it runs on the event loop that called ``start``; one thread commits."""

    def __init__(self, path: Path, default_version: str = "", *, retention: timedelta | None = None) -> None:
        """Keep the hub in ``path``; instances that name no version get ``default_version``.

        Instances are purged when they have been over for ``retention``, if one is given.
        """
        self.kind = f"SQLite at {path}"
        path = path.resolve()  # by whatever name it is opened, it has one lock
        self._state = State(path, fire=self._fire, loaded=self._wake_entities)
        self._entities = Entities(self._state)
        self._lifecycle = Lifecycle(self._state, self._entities, default_version)
        self._rewind = Rewind(self._state, lambda: self._steps)
        self._steps = Steps(self._state, self._lifecycle, self._entities, self._rewind)
        Work.__init__(self, self._state, self._lifecycle, self._entities, self._steps)
        Instances.__init__(self, self._state, self._lifecycle, self._rewind)
        EntityViews.__init__(self, self._state, self._entities)
        self._retention = Retention(retention, self._rows, self.purge) if retention is not None else None

    async def start(self) -> None:
        """Open the hub and take up what was under way.

        Raises:
            HubFileError: the file is open in another process, damaged, or of a later version.
        """
        self._state.open()
        await self._state.writer.durable()
        if self._retention:
            self._retention.start()

    async def stop(self) -> None:
        """Close the hub; what is out comes out again at the next start."""
        if self._retention:
            await self._retention.stop()
        await self._state.close()

    async def clear(self) -> None:
        """Forget everything; the hub goes on, empty."""
        await self._state.clear()

    async def backup(self, target: Path) -> None:
        """Write everything that is on disk now into a new file, which is a hub of its own; work goes on meanwhile."""
        await self._state.writer.durable()
        await asyncio.to_thread(back_up, self._state.path, target)

    def _rows(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        return self._state.reader.rows(sql, values)

    def _wake_entities(self) -> None:
        for entity in list(self._state.entities.values()):
            self._entities.wake(entity)

    def _fire(self, due: list[Timer]) -> None:
        """Deliver what is due, all of it with one commit."""
        with self._state.change() as changes:
            for timer in due:
                changes.delete_timer(timer.id)
                if timer.kind == "signal":
                    if timer.event is not None:
                        self._entities.queue(changes, timer.target, timer.event)
                    continue
                instance = self._state.instances.get(timer.target)
                if instance is None or instance.run != timer.run:
                    continue
                instance.timers.discard(timer.id)
                if timer.kind == "start":
                    instance.held = False
                    self._state.wake(instance)
                elif timer.event is not None:
                    timer.event.timestamp.GetCurrentTime()
                    self._state.post(changes, instance, timer.event)
        failpoint("timers.fired")
