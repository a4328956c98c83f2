"""The durable task hub."""

import asyncio
from pathlib import Path

from localhost.hub.sqlite import schema
from localhost.hub.sqlite.entities import Entities
from localhost.hub.sqlite.entity_store import EntityViews
from localhost.hub.sqlite.failpoints import failpoint
from localhost.hub.sqlite.instances import Instances
from localhost.hub.sqlite.lifecycle import Lifecycle
from localhost.hub.sqlite.rewind import Rewind
from localhost.hub.sqlite.state import State
from localhost.hub.sqlite.steps import Steps
from localhost.hub.sqlite.timers import Timer
from localhost.hub.sqlite.work import Work


class SqliteHub(Work, Instances, EntityViews):
    """A ``TaskHub`` in one SQLite file. All of it runs on the event loop that called ``start``; one thread commits."""

    def __init__(self, path: Path, default_version: str = "") -> None:
        """Keep the hub in ``path``; instances that name no version get ``default_version``."""
        self.kind = f"SQLite at {path}"
        self._state = State(path, fire=self._fire, loaded=self._wake_entities)
        self._entities = Entities(self._state)
        self._lifecycle = Lifecycle(self._state, self._entities, default_version)
        self._rewind = Rewind(self._state, lambda: self._steps)
        self._steps = Steps(self._state, self._lifecycle, self._entities, self._rewind)
        Work.__init__(self, self._state, self._lifecycle, self._entities, self._steps)
        Instances.__init__(self, self._state, self._lifecycle, self._rewind)
        EntityViews.__init__(self, self._state, self._entities)

    async def start(self) -> None:
        """Open the hub and take up what was under way.

        Raises:
            HubFileError: the file is open in another process, damaged, or of a later version.
        """
        self._state.open()
        await self._state.writer.durable()

    async def stop(self) -> None:
        """Close the hub; what is out comes out again at the next start."""
        await self._state.close()

    async def backup(self, target: Path) -> None:
        """Write everything that is on disk now into a new file, which is a hub of its own; work goes on meanwhile."""
        await self._state.writer.durable()
        await asyncio.to_thread(schema.copy, self._state.path, target)

    def _wake_entities(self) -> None:
        for entity in list(self._state.entities.values()):
            self._entities.wake(entity)

    def _fire(self, due: list[Timer]) -> None:
        """Deliver what is due, all of it with one commit."""
        with self._state.change() as changes:
            for timer in due:
    async def clear(self) -> None:
        """Forget everything; the hub goes on, empty."""
        await self._state.clear()

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
