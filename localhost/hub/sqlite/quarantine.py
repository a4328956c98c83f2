"""Items that may have killed their process again and again go out one at a time.

Whatever is out when a process dies is suspected and counted, the innocent with the guilty. From half of the attempts
that an item has, it is handed out only while no other such item is: the guilty then dies alone, and what only was
beside it gets its turn to come to an end.
"""

from collections import deque
from collections.abc import Callable

from localhost.hub.sqlite import limits
from localhost.hub.sqlite.records import Activity, Entity, Instance

ALONE_FROM = limits.MAX_ATTEMPTS // 2


class Quarantine:
    """Who is out alone, and who waits for that."""

    def __init__(self) -> None:
        self._out: Instance | Activity | Entity | None = None
        self._waiting: deque[Callable[[], None]] = deque()

    def admits(self, item: Instance | Activity | Entity, later: Callable[[], None]) -> bool:
        """Whether an item may go out now. If not, ``later`` is called when it may be tried again."""
        if not item.suspect or item.attempts < ALONE_FROM:
            return True
        if self._out is not None and self._out is not item:
            self._waiting.append(later)
            return False
        self._out = item
        return True

    def leave(self, item: object) -> None:
        """Note that an item is not out any more, whatever became of it."""
        if self._out is not None and self._out is item:
            self._out = None
            if self._waiting:
                self._waiting.popleft()()

    def clear(self) -> None:
        """Forget everything."""
        self._out = None
        self._waiting.clear()
