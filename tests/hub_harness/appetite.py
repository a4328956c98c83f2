"""How much memory large orchestrations take, and how much of it they give back.

    PYTHONPATH=.:tests python -m hub_harness.appetite [--activities 5000] [--runs 1000]

In a process of its own, with the app in it: one orchestration of many activities at once, one that continues as new
many times, and one whose history grows over the limit while others go on. Prints one JSON object.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import durabletask.internal.orchestrator_service_pb2 as pb
from durabletask import task

from hub_harness.runner import Runner
from localhost.hub.sqlite import limits
from localhost.hub.sqlite.hub import SqliteHub

PAGE = 4096
MEGABYTE = 1024 * 1024


def add(_: Any, number: int) -> int:
    return number + 1


def wide(ctx: task.OrchestrationContext, width: int) -> Any:
    return sum((yield task.when_all([ctx.call_activity(add, input=n) for n in range(width)])))


def again(ctx: task.OrchestrationContext, left: int) -> Any:
    yield ctx.call_activity(add, input=left)
    if left:
        ctx.continue_as_new(left - 1)
        return None
    return "done"


def endless(ctx: task.OrchestrationContext, _: Any) -> Any:
    for _ in range(10**6):
        yield task.when_all([ctx.call_activity(add, input=0) for _ in range(100)])


def modest(ctx: task.OrchestrationContext, number: int) -> Any:
    return (yield ctx.call_activity(add, input=number))


def resident() -> float:
    """Return the megabytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / MEGABYTE


class Peak:
    """Looks at the memory often enough to see its height."""

    async def __aenter__(self) -> Self:
        self.height = resident()
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _watch(self) -> None:
        while True:
            self.height = max(self.height, resident())
            await asyncio.sleep(0.01)


async def measure(activities: int, runs: int) -> dict[str, Any]:
    """Run everything, and return what was seen."""
    seen: dict[str, Any] = {}
    limits.MAX_EVENTS = min(limits.MAX_EVENTS, 3 * activities)
    with tempfile.TemporaryDirectory() as folder:
        hub = SqliteHub(Path(folder) / "hub.db")
        await hub.start()
        async with Runner(hub, wide, again, endless, modest, add) as runner:
            # What is loaded once, and memory that is kept to be used again, is not what grows.
            seen["first_mb"] = round(resident(), 1)
            await _run(runner, "modest", 1)
            await _run(runner, "wide", activities)
            for name, given in (("wide", activities), ("again", runs)):
                before = resident()
                begun = time.monotonic()
                async with Peak() as peak:
                    state = await _run(runner, name, given)
                seconds = time.monotonic() - begun
                assert state.orchestrationStatus == pb.ORCHESTRATION_STATUS_COMPLETED, state.failureDetails
                await _run(runner, "modest", 1)
                seen[name] = {
                    "seconds": round(seconds, 2),
                    "before_mb": round(before, 1),
                    "grown_mb": round(peak.height - before, 1),
                    "after_mb": round(resident(), 1),
                }
            seen["endless"] = await _over_the_limit(runner)
        await hub.stop()
    return seen


async def _over_the_limit(runner: Runner) -> dict[str, Any]:
    """Let one orchestration grow over the limit while others run."""
    too_long = await runner.start("endless")
    others = [await runner.start("modest", str(n)) for n in range(50)]
    results = [await runner.result(instance_id) for instance_id in others]
    failed = await runner.result(too_long)
    return {
        "error": failed.failureDetails.errorType,
        "message": failed.failureDetails.errorMessage,
        "events": len(await runner.hub.history(too_long)),
        "others": sum(state.output.value == str(n + 1) for n, state in enumerate(results)),
    }


async def _run(runner: Runner, name: str, given: int) -> pb.OrchestrationState:
    return await runner.result(await runner.start(name, str(given)))


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--activities", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=1000)
    options = parser.parse_args(argv)
    print(json.dumps(asyncio.run(measure(options.activities, options.runs)), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
