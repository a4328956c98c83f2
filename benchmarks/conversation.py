"""What the product adds to the minute between question and answer, over HTTP on one machine.

    python benchmarks/conversation.py [--starts 200] [--engine duckdb]

Starts the local host on generated data and measures, against the bars of docs/performance.md:

- start: ``POST /api/chat/start``, one after another;
- status: ``GET /api/chat/{id}/status`` of a conversation that ended;
- a turn: from the start until ``?wait`` says completed, with the stand-ins for model and warehouse, which take a
  few milliseconds each: an upper bound of the overhead of a turn;
- 1, 10 and 50 conversations at once.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import hosting

QUESTION = "How many films are there?"
BARS_MS = {"start p95": 50, "status p95": 10, "turn p50": 250}


@contextmanager
def local_host(engine: str) -> Iterator[str]:
    """Run the product in a folder of its own and yield its URL."""
    with tempfile.TemporaryDirectory() as data:
        allowance = {"CHAT_BURST": "100000", "CHAT_STARTS_PER_SECOND": "100000"}
        host = hosting.start("--sql-engine", engine, data=Path(data), **allowance)
        try:
            yield host.url
        finally:
            host.stop()


def timed(call: Callable[[], object], times: int) -> list[float]:
    """Return the milliseconds of each of ``times`` calls."""
    spent: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        spent.append((time.perf_counter() - began) * 1e3)
    return spent


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of ``values`` do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def start(client: httpx2.Client) -> str:
    """Start a conversation and return its id."""
    reply = client.post("/api/chat/start", json={"question": QUESTION})
    assert reply.status_code == 202, reply.text
    return reply.json()["conversation_id"]


def finish(client: httpx2.Client, conversation_id: str) -> None:
    """Wait for the end of a conversation, on long polls."""
    while True:
        status = client.get(f"/api/chat/{conversation_id}/status", params={"wait": 20}).json()
        if status["status"] != "processing":
            assert status["status"] == "completed", status
            return


def turn(client: httpx2.Client) -> None:
    """Ask and wait for the answer."""
    finish(client, start(client))


def at_once(url: str, count: int) -> tuple[float, list[float]]:
    """Ask ``count`` questions at the same time; return the makespan and each one's milliseconds."""
    with ThreadPoolExecutor(count) as pool, httpx2.Client(base_url=url, timeout=120) as client:
        began = time.perf_counter()
        spent = list(pool.map(lambda _: timed(lambda: turn(client), 1)[0], range(count)))
        return (time.perf_counter() - began) * 1e3, spent


def main() -> int:
    """Print the table; exit 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=200)
    parser.add_argument("--engine", default="duckdb", choices=["duckdb", "spark"])
    options = parser.parse_args()
    figures: dict[str, float] = {}
    with local_host(options.engine) as url, httpx2.Client(base_url=url, timeout=60) as client:
        for _ in range(5):
            turn(client)
        turns = timed(lambda: turn(client), 30)
        figures["turn p50"], figures["turn p95"] = statistics.median(turns), percentile(turns, 0.95)
        done = start(client)
        finish(client, done)
        statuses = timed(lambda: client.get(f"/api/chat/{done}/status"), options.starts)
        figures["status p50"], figures["status p95"] = statistics.median(statuses), percentile(statuses, 0.95)
        for count in (1, 10, 50):
            makespan, spent = at_once(url, count)
            figures[f"{count} at once, all done"] = makespan
            figures[f"{count} at once, p50"] = statistics.median(spent)
        ids: list[str] = []
        starts: list[float] = []
        for _ in range(options.starts):
            # One at a time, each conversation ended before the next: the start alone is measured.
            starts += timed(lambda: ids.append(start(client)), 1)
            finish(client, ids[-1])
        figures["start p50"], figures["start p95"] = statistics.median(starts), percentile(starts, 0.95)
    print(f"| what ({options.engine}) | ms | bar |")
    print("| --- | --- | --- |")
    for name, milliseconds in figures.items():
        print(f"| {name} | {milliseconds:.1f} | {BARS_MS.get(name, '')} |")
    return int(any(figures[name] > bar for name, bar in BARS_MS.items()))


if __name__ == "__main__":
    sys.exit(main())
