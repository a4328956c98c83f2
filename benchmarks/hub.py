"""The durable hub beside Microsoft's in-memory backend, in the same run.

    python benchmarks/hub.py [--rounds 3] [--scale 1.0]

Three arms, taken in turn: the in-memory backend in a process of its own with its worker and client here; the durable
hub with the app in its process and only the client here; the durable hub with an ordinary gRPC worker and the client
here. Every client speaks gRPC and waits for the result; the durable hub commits with ``synchronous=FULL``.

Bars, as ratios to the in-memory backend: hello (3 activities, idle) at most 0.5 of its time, fan-out of 100 at most
0.25, burst at least 3 times its throughput, signals at least 1.0 to one entity and 1.3 to 100; with a gRPC worker at
most 1.2 of its times and at least 0.9 of its throughputs. The app runs on the SDK's own executors; the Functions
worker's bindings are not part of this.
"""

import argparse
import asyncio
import json
import logging
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from durabletask import task
from durabletask.client import TaskHubGrpcClient
from durabletask.entities import EntityInstanceId
from durabletask.worker import TaskHubGrpcWorker

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]


QUIET = logging.getLogger("benchmark.quiet")
QUIET.setLevel(logging.CRITICAL + 1)

BARS = {  # (arm, case): (ratio to the in-memory backend, whether more is better)
    ("embedded", "hello"): (0.5, False),
    ("embedded", "fan-out 100"): (0.25, False),
    ("embedded", "burst"): (3.0, True),
    ("embedded", "signals to 1"): (1.0, True),
    ("embedded", "signals to 100"): (1.3, True),
    ("worker", "hello"): (1.2, False),
    ("worker", "fan-out 100"): (1.2, False),
    ("worker", "burst"): (0.9, True),
    ("worker", "signals to 1"): (0.9, True),
    ("worker", "signals to 100"): (0.9, True),
}


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


# Servers


def serve_in_memory() -> None:
    """Run Microsoft's in-memory backend until standard input closes."""
    from durabletask.testing import create_test_backend

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    create_test_backend(port=port, max_history_size=10**7)
    print(f"127.0.0.1:{port}", flush=True)
    sys.stdin.read()
    os._exit(0)


async def serve_durable(*, embedded: bool) -> None:
    """Run the durable hub until standard input closes, with the app in this process if ``embedded``."""
    from hub_harness.runner import Runner

    from localhost.hub.service import TaskHubServer
    from localhost.hub.sqlite.hub import SqliteHub

    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_DIR")) as folder:
        hub = SqliteHub(Path(folder) / "hub.db")
        await hub.start()
        server = TaskHubServer(hub)
        address = await server.start()
        runner = Runner(hub, hello, fan, act, entities=(counter,))
        if embedded:
            await runner.__aenter__()
        print(address, flush=True)
        await asyncio.to_thread(sys.stdin.read)
        os._exit(0)


@contextmanager
def server(arm: str) -> Iterator[str]:
    """Run an arm's server in a process of its own and yield its address."""
    command = [sys.executable, __file__, "--serve", arm]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


# Cases


def timed(times: int, action: Callable[[], None]) -> float:
    """Return the median milliseconds of an action."""
    action()
    seconds = []
    for _ in range(times):
        begin = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds) * 1000


def measure(address: str, scale: float) -> dict[str, float]:
    """Run every case against a server."""
    client = TaskHubGrpcClient(host_address=address, logger=QUIET)

    def run(orchestrator: Callable[..., object], payload: int, output: int) -> None:
        instance_id = client.schedule_new_orchestration(orchestrator, input=payload)
        state = client.wait_for_orchestration_completion(instance_id, timeout=60)
        assert state is not None
        assert state.serialized_output == str(output), state

    def burst(count: int) -> float:
        begin = time.perf_counter()
        with ThreadPoolExecutor(4) as pool:
            ids = list(pool.map(lambda _: client.schedule_new_orchestration(hello, input=1), range(count)))
        for instance_id in ids:
            state = client.wait_for_orchestration_completion(instance_id, timeout=600)
            assert state is not None
            assert state.serialized_output == "4"
        return count / (time.perf_counter() - begin)

    def signals(count: int, spread: int) -> float:
        ids = [EntityInstanceId("counter", uuid.uuid4().hex) for _ in range(spread)]
        begin = time.perf_counter()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: client.signal_entity(ids[n % spread], "add", input=1), range(count)))
        for position, entity_id in enumerate(ids):
            wanted = str(len(range(position, count, spread)))
            while (found := client.get_entity(entity_id)) is None or found.get_state() != wanted:
                time.sleep(0.005)
        return count / (time.perf_counter() - begin)

    burst(20)
    signals(20, 1)
    count = int(1000 * scale)
    return {
        "hello": timed(int(100 * scale), lambda: run(hello, 1, 4)),
        "fan-out 100": timed(int(8 * scale), lambda: run(fan, 100, 5050)),
        "burst": burst(count),
        "signals to 1": signals(count, 1),
        "signals to 100": signals(count, 100),
    }


def run_arm(arm: str, scale: float) -> dict[str, float]:
    """Measure one arm once."""
    with server(arm) as address:
        if arm == "embedded":
            return measure(address, scale)
        worker = TaskHubGrpcWorker(host_address=address, logger=QUIET)
        worker.add_orchestrator(hello)
        worker.add_orchestrator(fan)
        worker.add_activity(act)
        worker.add_entity(counter)
        worker.start()
        return measure(address, scale)  # the worker ends with this process: stopping it takes a second


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the durable hub beside the in-memory backend.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of the counts; the bars are for 1.0")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--arm", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve == "memory":
        serve_in_memory()
    elif options.serve:
        asyncio.run(serve_durable(embedded=options.serve == "embedded"))
    elif options.arm:
        print(json.dumps(run_arm(options.arm, options.scale)), flush=True)
        os._exit(0)
    else:
        compare(options.rounds, options.scale)


def compare(rounds: int, scale: float) -> None:
    """Take the arms in turn, and print medians and ratios."""
    figures: dict[str, list[dict[str, float]]] = {"memory": [], "embedded": [], "worker": []}
    for _ in range(rounds):
        for arm, results in figures.items():
            command = [sys.executable, __file__, "--arm", arm, "--scale", str(scale)]
            output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            results.append(json.loads(output))
    print(f"{'case':16}{'in memory':>12}{'embedded':>12}{'ratio':>8}{'worker':>12}{'ratio':>8}")
    missed = 0
    for case in figures["memory"][0]:
        medians = {arm: statistics.median(r[case] for r in results) for arm, results in figures.items()}
        line = f"{case:16}{medians['memory']:12.1f}"
        for arm in ("embedded", "worker"):
            ratio = medians[arm] / medians["memory"]
            bar, more = BARS[arm, case]
            met = ratio >= bar if more else ratio <= bar
            missed += not met
            line += f"{medians[arm]:12.1f}{ratio:7.2f}{' ' if met else '!'}"
        print(line)
    print("hello and fan-out in milliseconds, the others per second; ! misses its bar")
    print(f"{missed} of {len(BARS)} bars missed")


if __name__ == "__main__":
    main()
