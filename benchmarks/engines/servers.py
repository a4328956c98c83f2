"""Task hubs in processes of their own, for as long as their standard input is open.

    python -m benchmarks.engines.servers memory|hub|embedded|normal FOLDER

``memory`` is Microsoft's in-memory backend; ``hub`` the durable hub alone; ``embedded`` the hub with the app run by the
SDK's own executor in its process; ``normal`` the same with ``synchronous=NORMAL``. Each prints its address; the durable
ones answer a line with the number of commits so far.
"""

import asyncio
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from durabletask import task

ROOT = Path(__file__).parents[2]


def act(_, number):
    return number + 1


def hello(ctx, number):
    for _ in range(3):
        number = yield ctx.call_activity(act, input=number)
    return number


def fan(ctx, width):
    return sum((yield task.when_all([ctx.call_activity(act, input=n) for n in range(width)])))


def counter(ctx, amount):
    ctx.set_state(ctx.get_state(int, 0) + amount)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def server(kind: str, folder: str | None) -> Iterator[tuple[str, Callable[[], int]]]:
    """Run a server and yield its address, and what returns the number of its commits."""
    command = [sys.executable, "-m", "benchmarks.engines.servers", kind]
    with (
        tempfile.TemporaryDirectory(dir=folder) as data,
        subprocess.Popen(
            [*command, data], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        asked, answers = process.stdin, process.stdout

        def commits() -> int:
            asked.write("\n")
            asked.flush()
            return int(answers.readline())

        try:
            yield answers.readline().strip(), commits
        finally:
            process.kill()


def serve_in_memory() -> None:
    from durabletask.testing import create_test_backend

    port = free_port()
    create_test_backend(port=port, max_history_size=10**7)
    print(f"127.0.0.1:{port}", flush=True)
    sys.stdin.read()


async def serve_durable(kind: str, folder: str) -> None:
    sys.path.append(str(ROOT / "tests"))
    from hub_harness.runner import Runner

    from localhost.hub.service import TaskHubServer
    from localhost.hub.sqlite import schema, writer
    from localhost.hub.sqlite.hub import SqliteHub

    commits = 0

    def count(failpoint: str) -> None:
        nonlocal commits
        commits += failpoint == "commit.after"

    writer.failpoint = count
    if kind == "normal":
        schema.open_writer = relaxed(schema.open_writer)
    hub = SqliteHub(Path(folder) / "hub.db")
    await hub.start()
    runner = Runner(hub, hello, fan, act, entities=(counter,))
    if kind != "hub":
        await runner.__aenter__()
    print(await TaskHubServer(hub).start(), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(commits, flush=True)


def relaxed(open_writer: Callable[[Path], sqlite3.Connection]) -> Callable[[Path], sqlite3.Connection]:
    """Return ``open_writer`` with commits that survive a kill, but not a power cut."""

    def opened(path: Path) -> sqlite3.Connection:
        connection = open_writer(path)
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    return opened


if __name__ == "__main__":
    chosen, data = sys.argv[1:]
    if chosen == "memory":
        serve_in_memory()
    else:
        asyncio.run(serve_durable(chosen, data))
    os._exit(0)
