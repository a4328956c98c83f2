"""What the parts cost on this machine, and the least that each case can cost when it is made of them.

    python -m benchmarks.engines.floors [--dir FOLDER]

A sum of measured parts, not itself measured. ``hello`` over gRPC: two calls, its replays, and the four commits that it
takes when no activity starts before its orchestration's step is on disk. Fan-out: two calls, its replays, two commits
of a hundred rows. Burst: replay alone, one core busy with nothing else. Signals: gRPC calls alone, as many callers.
"""

import base64
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import azure.durable_functions as df
import durabletask.internal.orchestrator_service_pb2 as pb
import grpc
from durabletask import task
from durabletask.internal import helpers

from benchmarks.engines import cases, servers

CALLERS = 4
PAYLOAD = b"x" * 500


def hello(ctx: task.OrchestrationContext, number: int):
    for _ in range(3):
        number = yield ctx.call_activity("act", input=number)
    return number


def fan(ctx: task.OrchestrationContext, width: int):
    return sum((yield task.when_all([ctx.call_activity("act", input=n) for n in range(width)])))


def replay_ms(orchestrator: Callable[..., object], payload: int, times: int) -> float:
    """Return what all steps of an orchestration cost through the SDK's own ``Orchestrator.handle``, nothing stored."""
    handle = df.Orchestrator.create(orchestrator)

    def run() -> None:
        past: list[pb.HistoryEvent] = []
        new = [helpers.new_execution_started_event("it", "floor", str(payload))]
        while new:
            events = [helpers.new_orchestrator_started_event(datetime.now(UTC)), *new]
            request = pb.OrchestratorRequest(instanceId="floor", pastEvents=past, newEvents=events)
            answer = handle(base64.b64encode(request.SerializeToString()).decode())
            asked = [
                a for a in pb.OrchestratorResponse.FromString(base64.b64decode(answer)).actions if a.scheduleTask.name
            ]
            past += [*events, *(helpers.new_task_scheduled_event(a.id, a.scheduleTask.name) for a in asked)]
            new = [helpers.new_task_completed_event(a.id, str(int(a.scheduleTask.input.value) + 1)) for a in asked]

    return cases.p50_ms(times, run)


def fdatasync_ms(folder: str) -> float:
    """Return what it costs to have one page on disk."""
    file = os.open(Path(folder) / "page", os.O_CREAT | os.O_RDWR)

    def write() -> None:
        os.pwrite(file, os.urandom(4096), 0)
        os.fdatasync(file)

    return cases.p50_ms(200, write)


def commit_ms(folder: str, rows: int) -> float:
    """Return what a commit of rows of 500 bytes costs with ``synchronous=FULL``."""
    database = sqlite3.connect(Path(folder) / f"{rows}.db", isolation_level=None)
    database.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (id INTEGER PRIMARY KEY, b)"
    )

    def commit() -> None:
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO t (b) VALUES (?)", [(PAYLOAD,)] * rows)
        database.execute("COMMIT")

    return cases.p50_ms(200, commit)


@contextmanager
def listening(what: str) -> Iterator[str]:
    """Run a server of this module in a process of its own and yield its address."""
    command = [sys.executable, "-m", "benchmarks.engines.floors", "--serve", what]
    with subprocess.Popen(command, cwd=servers.ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def serve_grpc() -> None:
    """Answer every call with its request."""

    class Echo(grpc.GenericRpcHandler):
        def service(self, handler_call_details):  # noqa: ARG002 - every call is answered alike
            return grpc.unary_unary_rpc_method_handler(lambda request, _: request)

    server = grpc.server(futures.ThreadPoolExecutor(10))
    server.add_generic_rpc_handlers((Echo(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


def serve_http() -> None:
    """Answer every request with a digit."""
    import uvicorn
    from starlette.responses import Response

    port = servers.free_port()
    print(f"http://127.0.0.1:{port}", flush=True)
    uvicorn.run(Response("4"), host="127.0.0.1", port=port, log_level="error", access_log=False, lifespan="off")


def grpc_parts() -> dict[str, float]:
    """Return what a call costs, and how many a second several callers make."""
    with listening("grpc") as address, grpc.insecure_channel(address) as channel:
        call = channel.unary_unary("/x/Echo")
        alone = cases.p50_ms(300, lambda: call(PAYLOAD))
        began = time.perf_counter()
        with futures.ThreadPoolExecutor(CALLERS) as pool:
            list(pool.map(lambda _: call(PAYLOAD), range(2000)))
        return {"gRPC call": alone, "gRPC calls a second": 2000 / (time.perf_counter() - began)}


def http_ms() -> float:
    """Return what a request costs with uvicorn and Starlette, the connection kept."""
    with listening("http") as url:
        for _ in range(200):
            try:
                request = cases.keep_alive(url, "POST", "/", b"1", b"4")
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        else:
            raise TimeoutError("uvicorn did not start.")
        return cases.p50_ms(300, request)


def parts(folder: str | None) -> dict[str, float]:
    """Measure every part."""
    with tempfile.TemporaryDirectory(dir=folder) as data:
        return {
            "fdatasync": fdatasync_ms(data),
            "commit of 1 row": commit_ms(data, 1),
            "commit of 100 rows": commit_ms(data, 100),
            "replay of hello": replay_ms(hello, 1, 100),
            "replay of fan-out": replay_ms(fan, cases.WIDTH, 10),
            "HTTP request": http_ms(),
            **grpc_parts(),
        }


def floors(part: dict[str, float]) -> dict[str, float]:
    """Return the floor of each case."""
    calls = 2 * part["gRPC call"]
    commits = 4 * part["commit of 1 row"]
    signals = part["gRPC calls a second"]
    return {
        "hello": calls + part["replay of hello"] + commits,
        "hello over HTTP": part["HTTP request"] + part["replay of hello"] + commits,
        "fan-out": calls + part["replay of fan-out"] + 2 * part["commit of 100 rows"],
        "burst": 1000 / part["replay of hello"],
        "signals to 1": signals,
        f"signals to {cases.SPREAD}": signals,
    }


def main(arguments: Sequence[str]) -> None:
    match arguments:
        case ["--serve", "grpc"]:
            serve_grpc()
        case ["--serve", "http"]:
            serve_http()
        case _:
            chosen = cases.options(__doc__)
            cases.finish(lambda: parts(chosen.dir))


if __name__ == "__main__":
    main(sys.argv[1:])
