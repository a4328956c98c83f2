"""The same work for every engine. Only the standard library: the peers run this in environments of their own."""

import argparse
import http.client
import json
import os
import socket
import statistics
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

WIDTH = 100
SPREAD = 100


class Engine(Protocol):
    """An engine that is up, seen from its client. Every method returns once the work is done, its result checked."""

    def hello(self) -> None:
        """Run one orchestration of three activities, one after another."""

    def fan_out(self, width: int) -> None:
        """Run one orchestration of ``width`` activities at the same time."""

    def burst(self, count: int) -> Sequence[float]:
        """Start ``count`` of ``hello`` at once; return how many seconds each took."""


class SignalledEngine(Engine, Protocol):
    """An engine that has entities, too."""

    def signals(self, count: int, spread: int) -> None:
        """Send ``count`` signals to ``spread`` entities and wait until all are applied."""


def p50_ms(times: int, action: Callable[[], object]) -> float:
    """Return the median milliseconds of an action."""
    for _ in range(max(3, times // 20)):
        action()
    seconds: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds) * 1000


def cpu_seconds() -> float:
    """Return the CPU that the processes of this session have used: on a machine that others use, it varies least."""
    ticks = 0
    for process in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = process.read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(fields[3]) == os.getsid(0):
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def measure(engine: Engine | SignalledEngine, scale: float) -> dict[str, float]:
    """Run every case that the engine has."""
    count = int(1000 * scale)
    engine.burst(20)
    figures = {
        "hello": p50_ms(int(100 * scale), engine.hello),
        "fan-out": p50_ms(max(3, int(8 * scale)), lambda: engine.fan_out(WIDTH)),
    }
    began, spent = time.perf_counter(), cpu_seconds()
    latencies = engine.burst(count)
    makespan = time.perf_counter() - began
    figures["burst"] = count / makespan
    figures["burst CPU"] = (cpu_seconds() - spent) / count * 1000
    figures["burst p50 / makespan"] = statistics.median(latencies) / makespan
    if not hasattr(engine, "signals"):
        return figures
    engine.signals(20, 1)
    for spread in (1, SPREAD):
        began = time.perf_counter()
        engine.signals(count, min(spread, count))
        figures[f"signals to {spread}"] = count / (time.perf_counter() - began)
    return figures


def keep_alive(url: str, method: str, path: str, body: bytes, expected: bytes) -> Callable[[], None]:
    """Return what makes one HTTP request and checks its answer, each time on the same connection."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def request() -> None:
        connection.request(method, path, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        assert (answer.status, content) == (200, expected), (answer.status, content)

    return request


def options(description: str | None, *arms: str) -> argparse.Namespace:
    """Return what an arm was asked for."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--dir", default=None, help="where durable engines keep their files")
    if arms:
        parser.add_argument("arm", choices=arms)
    return parser.parse_args()


def finish(work: Callable[[], dict[str, float]]) -> None:
    """Print the figures for whoever started this arm, and end at once: an engine may take its time to stop."""
    try:
        print(json.dumps(work()), flush=True)
    except BaseException:  # noqa: BLE001 - threads of the engine would keep the process
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
