"""What the large lane of the ETL costs: the medallion job on the stand-in's real Spark, beside the small lane.

    python benchmarks/etl_large.py [--records 10001 100000 1000000]
    python benchmarks/etl_large.py --datasets [--records-each 150]

For each size, generated records are read, and laid out as Parquet as the app does it; one run of the job is submitted
to the stand-in (``jobs/runs/submit``) and waited for; and the small lane's engine makes the same tables of the same
records in pandas. The start of Spark stands apart, and so does the first, small job, for which the JVM is cold. CPU is
that of the JVM, its Python workers and the process of the job. The manifests of both must be equal: counts, reasons,
notes, checksums and columns of all nine tables; and the rows must add up to the records.

``--datasets`` runs the twenty generated datasets and the hostile one of the parity test one by one, each as a run of
its own, and compares every table row by row. It takes as long as 21 small Spark jobs do: some minutes.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import requests
from databricks.sdk.service.jobs import JobsAPI
from etl_lanes import RULES, assert_same_manifests, assert_same_tables, in_pandas, lay_out, on_spark
from etl_samples import generated_datasets, hostile_records
from serving import serving
from small_workspace import connect

from localhost.services.databricks.app import create_app
from localhost.services.faults import Faults
from shared.etl.generate import generate_json_lines
from shared.etl.reading import joined, read_raw, read_records

TICKS = os.sysconf("SC_CLK_TCK")


class Clock:
    """Wall time, and the CPU of every process that this one started, and of those that these started."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), _cpu_of_children()

    def __str__(self) -> str:
        wall, cpu = time.perf_counter() - self._wall, _cpu_of_children() - self._cpu
        return f"{wall:7.1f} s, {cpu:7.1f} s of CPU"


def _cpu_of_children() -> float:
    parents: dict[int, int] = {}
    spent: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        parents[int(folder.name)] = int(fields[1])
        spent[int(folder.name)] = sum(map(int, fields[11:15])) / TICKS
    ours: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in ours | {os.getpid()}} - ours:
        ours |= more
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(spent[process] for process in ours) + ended.ru_utime + ended.ru_stime


@contextmanager
def stand_in(folder: Path) -> Iterator[JobsAPI]:
    """Serve the stand-in on Spark, which is ready."""
    clock = Clock()
    (folder / "lake").mkdir()
    with serving(create_app(folder / "lake", "spark", Faults())) as url:
        while (state := requests.get(f"{url}/_about", timeout=10).json()["spark"]) == "starting":
            time.sleep(0.1)
        if state != "ready":
            raise SystemExit(f"Spark {state}.")
        print(f"start of Spark               {clock}", flush=True)
        yield connect(url).jobs


def compare(jobs: JobsAPI, records: int, folder: Path) -> None:
    """Run one size through both lanes, which must leave the same."""
    source = folder.with_suffix(".jsonl")
    with source.open("wb") as file:
        file.writelines(generate_json_lines(records, seed=7, dirty=0.1))
    clock = time.perf_counter()
    with source.open("rb") as stream:
        lay_out(read_raw(stream, "jsonl", RULES), folder)
    laid = time.perf_counter() - clock
    clock = Clock()
    made = on_spark(jobs, folder)
    ran = str(clock)
    clock, cpu = time.perf_counter(), time.process_time()
    with source.open("rb") as stream:
        manifest, _ = in_pandas(joined(read_raw(stream, "jsonl", RULES)))
    pandas = f"{time.perf_counter() - clock:7.1f} s, {time.process_time() - cpu:7.1f} s of CPU"
    assert_same_manifests(made, manifest)
    counts = ", ".join(f"{count} {name}" for name, count in made["counts"].items())
    print(f"{records:9} records: the job    {ran}; laid out before in {laid:.1f} s")
    print(f"{'':9} pandas, from the file   {pandas}")
    print(f"{'':9} {counts}; checksums of all tables equal", flush=True)


def compare_datasets(jobs: JobsAPI, each: int, folder: Path) -> None:
    """Run every dataset of the parity test as a job of its own; every table must be equal, row by row."""
    datasets: Iterable[list[object]] = [*generated_datasets(each), hostile_records()]
    for number, records in enumerate(datasets):
        name = f"generated, seed {number}, {4 * number} % dirty" if number < 20 else "hostile"
        raw, here, clock = read_records(records, RULES), folder / str(number), Clock()
        lay_out([raw], here)
        made = on_spark(jobs, here)
        ran = str(clock)
        manifest, tables = in_pandas(raw)
        assert_same_manifests(made, manifest)
        assert_same_tables(here, tables)
        counts = ", ".join(f"{count} {what}" for what, count in made["counts"].items())
        print(f"{name:29} {ran}: {counts}; nine tables equal, row by row", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, nargs="+", default=[10_001, 100_000, 1_000_000])
    parser.add_argument("--datasets", action="store_true", help="one by one, instead of the sizes")
    parser.add_argument("--records-each", type=int, default=150, help="of a generated dataset")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, stand_in(Path(name)) as jobs:
        folder = Path(name)
        if given.datasets:
            compare_datasets(jobs, given.records_each, folder)
            return
        clock = Clock()
        lay_out([read_records(hostile_records(), RULES)], folder / "warm-up")
        on_spark(jobs, folder / "warm-up")
        print(f"first job, while all is cold {clock}")
        for records in given.records:
            compare(jobs, records, folder / str(records))


if __name__ == "__main__":
    main()
