"""Steps of orchestrations on the event loop itself, where they have proven quick.

A step of an orchestrator takes a fraction of a millisecond and waits for nothing, and taking it to a thread and back
costs as much again. So it is made where it is needed, once its orchestrator has done one as far into its history in a
thread, quickly. One that then does not come back (it sleeps, asks another machine, never ends) is taken off by an
alarm and done again in a thread, and so are all of that orchestrator from then on. To break off a step is harmless: all
of it is a replay until its outcome is in the hub. A system without such alarms does everything in threads.
"""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType

from localhost.host.straight import set_running_loop

QUICK = 0.02
"""Seconds; what takes longer in a thread, waiting for its turn included, proves nothing."""
LONGEST = 0.5
"""Seconds after which a step is taken off the event loop."""


class _OverrunError(BaseException):
    """A step does not come back; no ``except Exception`` of an app is in its way."""


class QuickSteps:
    """Knows which steps are quick, and makes them."""

    def __init__(self) -> None:
        self._proven: dict[str, int] = {}
        self._refused: set[str] = set()
        self._stepping = False
        self._armed = self._take_alarm()

    def _take_alarm(self) -> bool:
        """Take the alarm for this, where there is one and the app does not use it."""
        if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
            return False
        if signal.getsignal(signal.SIGALRM) != signal.SIG_DFL:
            return False
        signal.signal(signal.SIGALRM, self._ring)
        return True

    def _ring(self, _number: int, _frame: FrameType | None) -> None:
        if self._stepping:
            raise _OverrunError

    def trusts(self, orchestrator: str, events: int) -> bool:
        """Whether a step that takes ``events`` into account may be made here."""
        return self._armed and events <= self._proven.get(orchestrator, -1)

    def learn(self, orchestrator: str, events: int, seconds: float) -> None:
        """Take note of what a step took elsewhere."""
        if seconds < QUICK and orchestrator not in self._refused:
            self._proven[orchestrator] = max(events, self._proven.get(orchestrator, -1))

    def make[T](self, orchestrator: str, step: Callable[[], T]) -> T | None:
        """Make a step here and return what it returns; nothing, if it had to be taken off."""
        loop = asyncio.get_running_loop()
        set_running_loop(None)  # the step sees no event loop, as in any thread
        try:
            self._stepping = True
            signal.setitimer(signal.ITIMER_REAL, LONGEST, LONGEST)  # again and again, if the step holds out
            result = step()
            self._stepping = False
        except _OverrunError:
            self._stepping = False
            self._refused.add(orchestrator)
            self._proven.pop(orchestrator, None)
            return None
        else:
            return result
        finally:
            self._stepping = False
            set_running_loop(loop)
            signal.setitimer(signal.ITIMER_REAL, 0)
