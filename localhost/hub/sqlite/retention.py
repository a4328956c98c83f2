"""Forgetting instances some time after they ended.

There is one task, which sleeps until the next instance is due; when each ended stands in the table, so a restart
changes nothing. What is due goes a little with each commit, and in between whoever else has something to write has
the disk at least as long. A sub-orchestration stays as long as the run that started it is known: rewinding the
parent may come back to it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb

from localhost.hub.interface import HubError
from localhost.hub.sqlite.records import now

log = logging.getLogger(__name__)

BATCH = 20
BATCH_BYTES = 2 * 1024 * 1024
PAGE = 200
SHORTEST_SLEEP = 1.0
LONGEST_SLEEP = 3600.0
"""Seconds. The clock may be set, and a parent may end whose sub-orchestrations were due long ago."""

_DUE = (
    "SELECT completed, id, parent_id IS NULL OR NOT EXISTS"
    " (SELECT 1 FROM instances AS parent WHERE parent.id = child.parent_id AND parent.run = child.parent_run),"
    " (SELECT coalesce(sum(length(events)), 0) FROM history WHERE instance = child.id)"
    " FROM instances AS child WHERE completed <= ? AND (completed, id) > (?, ?) ORDER BY completed, id LIMIT ?"
)
_NEXT = "SELECT min(completed) FROM instances WHERE completed > ?"

type Rows = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]
type Purge = Callable[[pb.PurgeInstancesRequest], Awaitable[pb.PurgeInstancesResponse]]


class Retention:
    """Purges what ended longer ago than ``keep``."""

    def __init__(self, keep: timedelta, rows: Rows, purge: Purge) -> None:
        """``rows`` reads what is on disk; ``purge`` forgets those of some instances that are over."""
        self._keep = keep
        self._rows = rows
        self._purge = purge
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first look is at once."""
        self._task = asyncio.create_task(self._watch(), name="hub-retention")

    async def stop(self) -> None:
        """End; a batch that is under way ends first or has not happened."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _watch(self) -> None:
        while True:
            limit = now() - self._keep // timedelta(microseconds=1)
            pause = LONGEST_SLEEP
            try:
                if purged := await self.purge_until(limit):
                    log.info("%d instances that ended over %s ago were purged.", purged, self._keep)
                pause = self._until_next(limit)
            except HubError as error:
                log.warning("What is over could not be purged, and will be later: %s", error)
            await asyncio.sleep(min(max(pause, SHORTEST_SLEEP), LONGEST_SLEEP))

    async def purge_until(self, limit: int) -> int:
        """Purge what ended at ``limit`` or before, parents before their sub-orchestrations; return how many."""
        purged, before = 0, -1
        while purged > before:  # what a parent held goes with the next round
            before = purged
            purged += await self._round(limit)
        return purged

    async def _round(self, limit: int) -> int:
        purged, last = 0, (-1, "")
        while page := self._rows(_DUE, (limit, *last, PAGE)):
            last = page[-1][:2]
            batch: list[str] = []
            size = 0
            for _completed, instance_id, free, history in page:
                if not free:
                    continue
                batch.append(instance_id)
                size += history
                if len(batch) == BATCH or size >= BATCH_BYTES:
                    purged += await self._forget(batch)
                    batch, size = [], 0
            purged += await self._forget(batch)
            await asyncio.sleep(0)
        return purged

    async def _forget(self, batch: list[str]) -> int:
        if not batch:
            return 0
        loop = asyncio.get_running_loop()
        began = loop.time()
        response = await self._purge(
            pb.PurgeInstancesRequest(instanceBatch=pb.InstanceBatch(instanceIds=batch), recursive=False)
        )
        await asyncio.sleep(loop.time() - began)
        return response.deletedInstanceCount

    def _until_next(self, limit: int) -> float:
        """Return how long it is until another instance is due; what ends from now on is due no earlier."""
        [[completed]] = self._rows(_NEXT, (limit,))
        wait = self._keep.total_seconds()
        return wait if completed is None else min(wait, (completed - limit) / 1_000_000)
