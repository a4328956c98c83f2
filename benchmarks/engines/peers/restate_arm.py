"""Restate: its server, the service and this client are three processes; the server keeps its default of fsync.

``RESTATE_SERVER`` names the server's program.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import aiohttp

from benchmarks.engines import cases

ROOT = Path(__file__).parents[3]
CONNECTIONS = 64


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def restate(folder: str) -> Iterator[str]:
    """Run server and service and yield the address for callers."""
    ingress, admin, node, service = (free_port() for _ in range(4))
    settings = {
        "RESTATE_INGRESS__BIND_PORT": str(ingress),
        "RESTATE_ADMIN__BIND_PORT": str(admin),
        "RESTATE_BIND_PORT": str(node),
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_LOG_FILTER": "error",
        "RESTATE_DISABLE_TELEMETRY": "true",
    }
    commands = [
        [os.environ["RESTATE_SERVER"], "--base-dir", folder, "--no-logo"],
        [sys.executable, "-m", "benchmarks.engines.peers.restate_service", str(service)],
    ]
    with ExitStack() as stack:
        for command in commands:
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            process = subprocess.Popen(command, cwd=ROOT, env=os.environ | settings, **quiet)
            stack.callback(process.wait)
            stack.callback(process.kill)
        register(f"http://127.0.0.1:{admin}", f"http://127.0.0.1:{service}")
        yield f"http://127.0.0.1:{ingress}"


def register(admin: str, service: str) -> None:
    """Tell the server where the service is, once both listen."""
    body = json.dumps({"uri": service}).encode()
    request = urllib.request.Request(f"{admin}/deployments", body, {"content-type": "application/json"})
    until = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(request, timeout=60).close()
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


class Restate:
    def __init__(self, url: str) -> None:
        self._url = url
        self._hello = cases.keep_alive(url, "POST", "/jobs/hello", b"1", b"4")
        self._loop = asyncio.new_event_loop()
        self._session = self._loop.run_until_complete(self._open())

    async def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(self._url, connector=aiohttp.TCPConnector(limit=CONNECTIONS))

    async def _call(self, method: str, path: str, body: object = None) -> object:
        async with self._session.request(method, path, json=body) as answer:
            text = await answer.text()
            assert answer.status < 300, text
            return json.loads(text) if text else None

    def hello(self) -> None:
        self._hello()

    def fan_out(self, width: int) -> None:
        result = self._loop.run_until_complete(self._call("POST", "/jobs/fan", width))
        assert result == width * (width + 1) // 2

    def burst(self, count: int) -> Sequence[float]:
        async def one() -> float:
            began = time.perf_counter()
            sent = await self._call("POST", "/jobs/hello/send", 1)
            assert await self._call("GET", f"/restate/invocation/{sent['invocationId']}/attach") == 4
            return time.perf_counter() - began

        async def all_at_once() -> Sequence[float]:
            return await asyncio.gather(*(one() for _ in range(count)))

        return self._loop.run_until_complete(all_at_once())

    def signals(self, count: int, spread: int) -> None:
        keys = [uuid.uuid4().hex for _ in range(spread)]

        async def send_and_wait() -> None:
            await asyncio.gather(
                *(self._call("POST", f"/counter/{keys[n % spread]}/add/send", 1) for n in range(count))
            )
            for position, key in enumerate(keys):  # nothing tells when a signal is applied
                while await self._call("GET", f"/counter/{key}/read") != len(range(position, count, spread)):  # noqa: ASYNC110
                    await asyncio.sleep(0.005)

        self._loop.run_until_complete(send_and_wait())

    def close(self) -> None:
        self._loop.run_until_complete(self._session.close())


def measure(folder: str | None, scale: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as data, restate(data) as url:
        engine = Restate(url)
        figures = cases.measure(engine, scale)
        engine.close()
        return figures


if __name__ == "__main__":
    chosen = cases.options(__doc__)
    cases.finish(lambda: measure(chosen.dir, chosen.scale))
