"""The stand-in services, in a process of their own."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from localhost.host.stand_ins import StandIns

STOP_PATIENCE = 8.0
"""Seconds that a JVM may take to go."""


class ServicesFailedError(Exception):
    """The stand-in services did not start, or ended."""


class ServiceProcess:
    """``python -m localhost.services``, which ends when this process does: its standard input closes."""

    def __init__(
        self, stand_ins: StandIns, *, lake: Path, cosmos: Path, cosmos_key: str, sql_engine: str,
        relay: Callable[[str], None],
    ) -> None:  # fmt: skip
        ports = [f"--{service}={url.rsplit(':', maxsplit=1)[1]}" for service, url in stand_ins.urls.items()]
        root = Path(__file__).parents[2]
        # A group of its own: Ctrl-C in the terminal is for the host, which then stops the services in order.
        own_group: dict[str, Any] = (
            {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if sys.platform == "win32" else {"process_group": 0}
        )
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [
                sys.executable, "-m", "localhost.services",
                f"--lake={lake}", f"--cosmos-file={cosmos}", f"--sql-engine={sql_engine}", *ports,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=root,
            env={**os.environ, "STAND_IN_COSMOS_KEY": cosmos_key},
            **own_group,
        )  # fmt: skip
        self._announced = threading.Event()
        self._announcement: Mapping[str, Any] | None = None
        for stream, read in (
            (self._process.stdout, self._read_announcement),
            (self._process.stderr, self._relay(relay)),
        ):
            threading.Thread(target=read, args=(stream,), daemon=True).start()

    async def ready(self) -> Mapping[str, Any]:
        """Wait until all services listen, and return what they announce.

        Raises:
            ServicesFailedError: the process ended before.
        """
        await asyncio.to_thread(self._announced.wait)
        if self._announcement is None:
            raise ServicesFailedError("The stand-in services did not start; their output above says why.")
        return self._announcement

    async def ended(self) -> None:
        """Return when the process has ended."""
        await asyncio.to_thread(self._process.wait)

    def stop(self) -> None:
        """End the process, and what it started."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read_announcement(self, stream: IO[bytes]) -> None:
        line = stream.readline()
        if line:
            self._announcement = json.loads(line)
        self._announced.set()

    def _relay(self, relay: Callable[[str], None]) -> Callable[[IO[bytes]], None]:
        def read(stream: IO[bytes]) -> None:
            for line in stream:
                relay(line.decode(errors="replace").rstrip())

        return read
