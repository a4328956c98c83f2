"""The stand-in on a free port, and the real client in front of it."""

import base64
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from azure.cosmos import ContainerProxy, CosmosClient, PartitionKey

from localhost.services.cosmos.app import create_app
from localhost.services.faults import Faults

KEY = base64.b64encode(b"a key for tests, as long as real").decode()


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Account:
    """A running stand-in."""

    def __init__(self, url: str, faults: Faults, clock: Clock) -> None:
        self.url = url
        self.key = KEY
        self.faults = faults
        self.clock = clock

    def client(self, key: str = KEY) -> CosmosClient:
        return CosmosClient(self.url, key)

    def container(self, name: str = "conversations", path: str = "/tenant", ttl: int | None = None) -> ContainerProxy:
        """Open the container, making it and its database where they are missing."""
        database = self.client().create_database_if_not_exists("chat")
        return database.create_container_if_not_exists(name, PartitionKey(path), default_ttl=ttl)


@contextmanager
def running(database: Path) -> Iterator[Account]:
    """Serve ``database`` on a free port."""
    faults, clock = Faults(), Clock()
    # With the protocol named, or asyncio leaves Nagle's algorithm on and each call takes 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(256)
        config = uvicorn.Config(create_app(database, KEY, faults, clock=clock), log_level="warning")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Account(f"http://127.0.0.1:{listener.getsockname()[1]}", faults, clock)
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def serve() -> Callable[[Path], object]:
    """Serve a file of the test's choosing."""
    return running


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    with running(tmp_path / "cosmos.sqlite") as it:
        yield it


@pytest.fixture
def items(account: Account) -> ContainerProxy:
    return account.container()
