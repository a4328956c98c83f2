"""The hub under a steady crowd: 20 orchestrations at any time, each of 5 activities of 10 ms, on a file with FULL.

    python benchmarks/hub_stress.py [--seconds 10] [--waiting 200] [--worker]

The shape is that of duroxide's stress test. The hub and the app are in a process of their own, with ``--worker`` the
app behind gRPC there; the clients are here, over gRPC, and wait for each result. A second round has ``--waiting``
more clients that only wait, for orchestrations that end when the round does: none of them may hold anything up.

Bars: 100.00 % success, at least 25 orchestrations and 125 activities a second, p99 at most 2 s, nobody left waiting.
"""

import argparse
import asyncio
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationStatus

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

QUIET = logging.getLogger("benchmark.quiet")
QUIET.setLevel(logging.CRITICAL + 1)

CONCURRENT = 20
ACTIVITIES = 5
SECONDS_EACH = 0.010
CLIENTS = 10
PATIENCE = 60


def work(_: Any, number: int) -> int:
    time.sleep(SECONDS_EACH)
    return number + 1


def chain(ctx: Any, number: int) -> Any:
    for _ in range(ACTIVITIES):
        number = yield ctx.call_activity("work", input=number)
    return number


def wait(ctx: Any, _: Any) -> Any:
    return (yield ctx.wait_for_external_event("end"))


async def serve(*, worker: bool) -> None:
    """Run the hub, with the app in this process or in a gRPC worker's threads, until standard input closes."""
    from hub_harness.runner import Runner
    from hub_harness.served import served, working

    from localhost.hub.sqlite.hub import SqliteHub

    class Threaded(Runner):
        """Runs activities in threads, as they block."""

        async def run(self, kind: Any, item: Any) -> None:
            if kind != "activity":
                await super().run(kind, item)
                return
            answer = await asyncio.to_thread(self.activity, item)
            await self.hub.complete_activity(answer)

    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_DIR")) as folder:
        hub = SqliteHub(Path(folder) / "hub.db")
        await hub.start()
        async with served(hub) as address:
            app = working(address, chain, wait, work) if worker else Threaded(hub, chain, wait, work, bound=100)
            async with app:
                print(address, flush=True)
                await asyncio.to_thread(sys.stdin.read)
                os._exit(0)


@contextmanager
def server(*, worker: bool) -> Iterator[str]:
    """Run the server and yield its address."""
    command = [sys.executable, __file__, "--serve", "worker" if worker else "embedded"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(PATIENCE)
        process.stdout.close()


@dataclass
class Round:
    """What one round saw."""

    seconds: float
    took: list[float] = field(default_factory=list[float])
    failed: int = 0
    stalled: int = 0

    def report(self, waiting: int) -> dict[str, float]:
        done = len(self.took)
        percentiles = statistics.quantiles(self.took, n=100) if done > 1 else [0.0] * 99
        return {
            "waiting clients": waiting,
            "completed": done,
            "success %": round(100 * done / max(done + self.failed, 1), 2),
            "orchestrations/s": round(done / self.seconds, 2),
            "activities/s": round(done * ACTIVITIES / self.seconds, 2),
            "p50 s": round(percentiles[49], 3),
            "p99 s": round(percentiles[98], 3),
            "left waiting": self.stalled,
        }


async def crowd(clients: list[AsyncTaskHubGrpcClient], seconds: float) -> Round:
    """Keep ``CONCURRENT`` orchestrations going."""
    begun = time.monotonic()
    seen = Round(seconds)

    async def one_after_the_other(number: int) -> None:
        client = clients[number % len(clients)]
        while time.monotonic() - begun < seconds:
            started = time.monotonic()
            instance_id = await client.schedule_new_orchestration("chain", input=0)
            state = await client.wait_for_orchestration_completion(instance_id, timeout=PATIENCE)
            if state is not None and state.runtime_status == OrchestrationStatus.COMPLETED:
                seen.took.append(time.monotonic() - started)
            else:
                seen.failed += 1

    await asyncio.gather(*(one_after_the_other(number) for number in range(CONCURRENT)))
    seen.seconds = time.monotonic() - begun
    return seen


async def stress(address: str, seconds: float, waiting: int) -> dict[str, float]:
    """Run one round, with ``waiting`` more clients that wait for its end."""
    clients = [AsyncTaskHubGrpcClient(host_address=address, logger=QUIET) for _ in range(CLIENTS)]
    try:
        ids = [await clients[n % CLIENTS].schedule_new_orchestration("wait") for n in range(waiting)]
        patience = seconds + PATIENCE
        waiters = [
            asyncio.ensure_future(clients[n % CLIENTS].wait_for_orchestration_completion(instance_id, timeout=patience))
            for n, instance_id in enumerate(ids)
        ]
        seen = await crowd(clients, seconds)
        await asyncio.gather(*(clients[0].raise_orchestration_event(i, "end", data=1) for i in ids))
        ended = await asyncio.gather(*waiters, return_exceptions=True)
        seen.stalled = sum(isinstance(state, BaseException) or state is None for state in ended)
    finally:
        for client in clients:
            await client.close()
    return seen.report(waiting)


async def main() -> int:
    """Run both rounds and print what they saw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--waiting", type=int, default=200)
    parser.add_argument("--worker", action="store_true", help="the app behind gRPC")
    parser.add_argument("--serve", choices=["embedded", "worker"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        await serve(worker=options.serve == "worker")
        return 0
    met = True
    for waiting in dict.fromkeys((0, options.waiting)):
        with server(worker=options.worker) as address:
            report = await stress(address, options.seconds, waiting)
        print(json.dumps(report))
        met &= report["success %"] == 100 and report["left waiting"] == 0
        met &= report["orchestrations/s"] >= 25 and report["activities/s"] >= 125 and report["p99 s"] <= 2
    print("All bars met." if met else "Below the bars.")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
