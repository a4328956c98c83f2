"""What a whole ETL job of the small lane takes over HTTP on one machine, from the request to ``completed``.

    python benchmarks/etl_job.py [--runs 15] [--rows 10000]

Starts the local host on DuckDB and sends the same jobs in two ways, in turns: the records as the body of the request,
and the path of a file that lies in Bronze already. The first job of a host is reported apart: what it imports and
opens, the next ones have. Beside the time stands the CPU of host and stand-ins, which other load on the machine does
not change, and how often a job asks Cosmos DB.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
import hosting  # noqa: E402  the line above finds it

from shared.etl.generate import generate_json  # noqa: E402

BAR_SECONDS = 1.5
JSON = {"Content-Type": "application/json"}
TICKS = os.sysconf("SC_CLK_TCK")

type Start = Callable[[httpx2.Client], httpx2.Response]


def processes(parent: int) -> list[int]:
    """Return a process and its children."""
    children = Path(f"/proc/{parent}/task/{parent}/children")
    return [parent, *map(int, children.read_text().split())]


def cpu_seconds(pids: list[int]) -> float:
    """Return the CPU time that the processes have taken so far, all their threads together."""
    spent = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        spent += int(fields[11]) + int(fields[12])
    return spent / TICKS


def finish(client: httpx2.Client, started: httpx2.Response) -> None:
    """Wait for the end of a job, on long polls."""
    assert started.status_code == 202, started.text
    while True:
        job = client.get(started.json()["poll_url"], params={"wait": 20}).json()
        if job["status"] != "processing":
            assert job["state"] == "completed", job
            return


def one(client: httpx2.Client, start: Start, host: hosting.Host) -> dict[str, float]:
    """Run one job and return what it took."""
    pids = processes(host.process.pid)
    host.forget_calls("cosmos")
    began, cpu = time.perf_counter(), cpu_seconds(pids)
    started = start(client)
    answered = time.perf_counter() - began
    finish(client, started)
    took = time.perf_counter() - began
    return {
        "start": answered,
        "whole": took,
        "cpu": cpu_seconds(pids) - cpu,
        "asked": len(host.calls("cosmos")),
    }


def row(name: str, runs: list[dict[str, float]]) -> str:
    """Return the medians of ``runs`` as a row."""
    middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    return f"| {name} | {middle['whole']:.2f} | {middle['start']:.2f} | {middle['cpu']:.2f} | {middle['asked']:.0f} |"


def main() -> int:
    """Print the table; exit 1 when the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--rows", type=int, default=10_000)
    options = parser.parse_args()
    body = b"".join(generate_json(options.rows, seed=1))
    figures: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as data:
        host = hosting.start("--sql-engine", "duckdb", data=Path(data))
        headers = {"Authorization": f"Bearer {host.token()}"}
        with closing(host.client(headers=headers)) as client:
            generated: Any = client.post("/api/generate_data", json={"dataCount": options.rows, "seed": 1}).json()
            path = {"path": generated["path"], "dataCount": options.rows}
            ways: dict[str, Start] = {
                "records in the request": lambda client: client.post("/clean_data", content=body, headers=JSON),
                "a path in Bronze": lambda client: client.post("/clean_data", json=path),
            }
            first = one(client, ways["records in the request"], host)
            for _ in range(options.runs):
                for name, start in ways.items():
                    figures.setdefault(name, []).append(one(client, start, host))
        host.stop()
    print(f"| {options.rows:,} records | Whole job, s | Until the 202, s | CPU, s | Requests to Cosmos DB |")
    print("| --- | --- | --- | --- | --- |")
    print(row("the first job of a host", [first]))
    for name, runs in figures.items():
        print(row(name, runs))
    slowest = max(statistics.median(run["whole"] for run in runs) for runs in figures.values())
    return int(slowest > BAR_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
