"""A uvicorn server as part of a process that has its own idea of when to end."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, override

import uvicorn


class ListeningServer(uvicorn.Server):
    """A server that leaves signals to its process, and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @override
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


def server_of(app: Any, *, drain: float) -> ListeningServer:
    """Return a server of an ASGI app that gives requests ``drain`` seconds to end when it stops."""
    return ListeningServer(
        uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(drain)),
        )
    )
