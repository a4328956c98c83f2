"""Everything that is due later, with one wake-up for the nearest."""

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import durabletask.internal.orchestrator_service_pb2 as pb

from localhost.hub.sqlite.records import now

type TimerKind = Literal["timer", "start", "signal"]

# A sleep is measured by a clock that nobody sets; due times are wall-clock. Looking again this often, while
# something is due later, bounds how late a timer fires after the clock was set forward.
LONGEST_SLEEP = 15.0


@dataclass(slots=True)
class Timer:
    """Something due later: a durable timer, a scheduled start or a delayed signal."""

    id: int
    due: int
    kind: TimerKind
    target: str
    run: int
    event: pb.HistoryEvent | None


class Timers:
    """The timers of a hub; ``fire`` gets all that are due, earliest first."""

    def __init__(self, fire: Callable[[list[Timer]], None]) -> None:
        self._fire = fire
        self._timers: dict[int, Timer] = {}
        self._heap: list[tuple[int, int]] = []
        self._wake_up: asyncio.TimerHandle | None = None
        self._armed_for = 0

    def __len__(self) -> int:
        return len(self._timers)

    def add(self, timer: Timer) -> None:
        """Wait for a timer."""
        self._timers[timer.id] = timer
        heapq.heappush(self._heap, (timer.due, timer.id))
        if self._wake_up is None or timer.due < self._armed_for:
            self._arm()

    def cancel(self, timer_id: int) -> None:
        """Forget a timer."""
        self._timers.pop(timer_id, None)
        if len(self._heap) > 64 and len(self._heap) > 2 * len(self._timers):
            self._heap = [(timer.due, timer.id) for timer in self._timers.values()]
            heapq.heapify(self._heap)

    def clear(self) -> None:
        """Forget all timers."""
        self._timers.clear()
        self._heap.clear()
        self._disarm()

    def _disarm(self) -> None:
        if self._wake_up is not None:
            self._wake_up.cancel()
            self._wake_up = None

    def _arm(self) -> None:
        self._disarm()
        while self._heap and self._heap[0][1] not in self._timers:
            heapq.heappop(self._heap)
        if self._heap:
            self._armed_for = self._heap[0][0]
            delay = min(max((self._armed_for - now()) / 1_000_000, 0.0), LONGEST_SLEEP)
            self._wake_up = asyncio.get_running_loop().call_later(delay, self._look)

    def _look(self) -> None:
        self._wake_up = None
        time = now()
        due: list[Timer] = []
        while self._heap and self._heap[0][0] <= time:
            timer = self._timers.pop(heapq.heappop(self._heap)[1], None)
            if timer is not None:
                due.append(timer)
        if due:
            self._fire(due)
        if self._wake_up is None:
            self._arm()
