"""How a host is told to stop."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from localhost.exit_codes import ExitCode


class StopSignal:
    """SIGINT or SIGTERM: the first asks the host to end, the second ends it at once."""

    def __init__(self) -> None:
        """Watch for both from here on, in the running event loop."""
        self.exit_code = ExitCode.OK
        self._told = asyncio.Event()
        loop = asyncio.get_running_loop()

        def caught(code: ExitCode) -> Callable[[int, Any], object]:
            return lambda _signal, _frame: loop.call_soon_threadsafe(self._stop, code)

        for number, code in ((signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.OK)):
            if sys.platform == "win32":
                signal.signal(number, caught(code))
            else:
                loop.add_signal_handler(number, self._stop, code)

    def _stop(self, code: ExitCode) -> None:
        if self._told.is_set():
            os._exit(ExitCode.INTERRUPTED)
        self.exit_code = code
        self._told.set()

    @property
    def given(self) -> bool:
        """Whether the host was told to stop."""
        return self._told.is_set()

    async def wait(self) -> None:
        """Return once the host is told to stop."""
        await self._told.wait()
