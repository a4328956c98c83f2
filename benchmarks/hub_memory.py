"""Memory of the durable hub over many finished orchestrations: it must not grow with them.

    python benchmarks/hub_memory.py [--count 100000] [--dir FOLDER]

Runs orchestrations of three activities through the hub and the SDK's executor in this process, ``AT_ONCE`` at a time,
and prints after each tenth what the process holds. Nothing is purged: the file grows, the process must not. Exits 1
when the last reading is above the one after two tenths, when caches are warm, by more than ``ALLOWED``.
"""

import argparse
import asyncio
import gc
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import durabletask.internal.orchestrator_service_pb2 as pb
from google.protobuf import wrappers_pb2

if TYPE_CHECKING:
    from localhost.hub.interface import TaskHub

ROOT = Path(__file__).parent.parent

AT_ONCE = 200
ALLOWED = 1.05
MIB = 1024 * 1024


def act(_, number):
    return number + 1


def hello(ctx, number):
    for _ in range(3):
        number = yield ctx.call_activity(act, input=number)
    return number


def held(folder: Path) -> tuple[float, int, int, float, float]:
    """Return what the process holds: MiB of memory, objects, open files; and the MiB of the hub's file and its log."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    files = len(list(Path("/proc/self/fd").iterdir()))
    file, log = ((folder / name).stat().st_size / MIB for name in ("hub.db", "hub.db-wal"))
    return pages * 4096 / MIB, len(gc.get_objects()), files, file, log


async def run(hub: "TaskHub", count: int) -> None:
    """Run ``count`` orchestrations and wait until all are over."""
    request = pb.CreateInstanceRequest(name="hello", input=wrappers_pb2.StringValue(value="1"))
    ids = await asyncio.gather(*(hub.start_instance(request) for _ in range(count)))
    for instance_id in ids:
        state = await hub.wait_for_instance(instance_id, "completed", payloads=True)
        assert state is not None
        assert state.output.value == "4", state


async def measure(folder: Path, count: int) -> list[float]:
    """Return the memory held after each tenth, having printed it and more."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from hub_harness.runner import Runner

    from localhost.hub.sqlite.hub import SqliteHub

    hub = SqliteHub(folder / "hub.db")
    await hub.start()
    readings: list[float] = []
    print("| orchestrations | memory MiB | objects | open files | file MiB | log MiB | a second |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    async with Runner(hub, hello, act):
        for tenth in range(1, 11):
            began = time.perf_counter()
            for _ in range(0, count // 10, AT_ONCE):
                await run(hub, AT_ONCE)
            speed = count // 10 / (time.perf_counter() - began)
            memory, objects, files, file, log = held(folder)
            readings.append(memory)
            done = (
                f"{count // 10 * tenth:,} | {memory:.1f} | {objects:,} | {files} | {file:.0f} | {log:.0f} | {speed:.0f}"
            )
            print(f"| {done} |", flush=True)
    await hub.stop()
    return readings


def main() -> int:
    """Print the table and the verdict."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000, help="a multiple of 2,000")
    parser.add_argument("--dir", help="where the hub's file is kept meanwhile")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.dir) as folder:
        readings = asyncio.run(measure(Path(folder), chosen.count))
    growth = readings[-1] / readings[1]
    print(f"{growth:.3f} x the memory after two tenths; at most {ALLOWED}")
    return int(growth > ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
