"""Many results in one step: an orchestration whose activities end one after another is not stepped for each.

Each step replays the history, so a fan-out whose results come one by one would cost its square. While results of a run
keep coming and more of its activities are out, its next step waits for them: as long as none has come for the time that
its last step took, and a few times that in all. What is done in a chain has nothing else out and never waits, and
neither does any other kind of event.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from localhost.hub.sqlite.records import Instance

_RESULTS = ("taskCompleted", "taskFailed")
# The next result is waited for as long as so many of its last steps took, within these seconds; and in all, so often.
PACES = 3
SHORTEST, LONGEST = 0.002, 0.02
GAPS = 8


@dataclass(slots=True)
class _Pause:
    instance: Instance
    began: float
    latest: float
    timer: asyncio.TimerHandle | None = None


class Gathering:
    """Knows which activities are out, and which orchestrations wait for more of their results."""

    def __init__(self, ready: Callable[[Instance], None]) -> None:
        """``ready`` is called with an orchestration that has waited long enough."""
        self._ready = ready
        self._out = Counter[int]()
        self._pauses: dict[int, _Pause] = {}

    def scheduled(self, run: int) -> None:
        """Note that an activity of a run is to be done."""
        self._out[run] += 1

    def answered(self, run: int) -> None:
        """Note that one of them has answered."""
        self._out[run] -= 1
        if not self._out[run]:
            del self._out[run]

    def clear(self) -> None:
        """Forget everything."""
        self._out.clear()
        for pause in self._pauses.values():
            if pause.timer is not None:
                pause.timer.cancel()
        self._pauses.clear()

    def waits(self, instance: Instance) -> bool:
        """Whether an orchestration that has something to do waits for more."""
        pause = self._pauses.get(instance.run)
        if instance.run not in self._out:
            self._end(pause)
            return False
        loop = asyncio.get_running_loop()
        if pause is not None:
            if not _is_result(instance, -1):
                self._end(pause)
                return False
            pause.latest = loop.time()
            return True
        if not all(_is_result(instance, place) for place in range(len(instance.inbox))):
            return False
        now = loop.time()
        pause = self._pauses[instance.run] = _Pause(instance, now, now)
        pause.timer = loop.call_later(_gap(instance), self._look, instance.run)
        return True

    def _look(self, run: int) -> None:
        pause = self._pauses[run]
        loop = asyncio.get_running_loop()
        gap = _gap(pause.instance)
        until = min(pause.latest + gap, pause.began + GAPS * gap)
        if loop.time() < until:
            pause.timer = loop.call_at(until, self._look, run)
            return
        self._end(pause)
        self._ready(pause.instance)

    def _end(self, pause: _Pause | None) -> None:
        if pause is not None:
            if pause.timer is not None:
                pause.timer.cancel()
            del self._pauses[pause.instance.run]


def _gap(instance: Instance) -> float:
    return min(max(PACES * instance.pace, SHORTEST), LONGEST)


def _is_result(instance: Instance, place: int) -> bool:
    return instance.inbox[place][1].WhichOneof("eventType") in _RESULTS
