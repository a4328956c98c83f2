"""What the small lane of the ETL costs: beside row-wise pandas, polars and DuckDB doing the same work, and its floor.

    python benchmarks/etl.py [--rounds 3] [--records 10000] [--scale 100000]

Every engine runs in a process of its own, the rounds interleaved, so that the ratios hold on a busy machine and the
seconds do not. Warm is the median of the runs after the first. The checksums of all tables are compared: an engine
that did other work is an error here, not a fast engine. The floor is orjson -> Arrow -> Parquet, without a rule.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import etl_engines

ENGINES = {
    "small lane": etl_engines.small_lane,
    "floor": etl_engines.floor,
    "polars": etl_engines.polars,
    "duckdb": etl_engines.duckdb,
    "row-wise pandas": etl_engines.pandas_by_row,
}
IMPORTS = {
    "small lane": ["pandas", "pyarrow.parquet", "orjson"],
    "floor": ["pyarrow.parquet", "orjson"],
    "polars": ["polars"],
    "duckdb": ["duckdb"],
    "row-wise pandas": ["pandas", "pyarrow.parquet"],
}


def measure(engine: str, source: Path, out: Path, repeats: int) -> dict[str, object]:
    """Run ``engine`` in this process."""
    begun = time.perf_counter()
    for module in IMPORTS[engine]:
        __import__(module)
    imported = time.perf_counter() - begun
    walls: list[float] = []
    checksums: dict[str, str] = {}
    for _ in range(repeats):
        begun = time.perf_counter()
        checksums = ENGINES[engine](source, out)
        walls.append(time.perf_counter() - begun)
    return {
        "import": imported,
        "first": walls[0],
        "warm": statistics.median(walls[1:] or walls),
        "peak_mb": peak_mb(),
        "checksums": checksums,
    }


def peak_mb() -> float:
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def child(engine: str, source: Path, out: Path, repeats: int) -> dict[str, object]:
    """Run ``engine`` in a process of its own."""
    command = [sys.executable, __file__, "--engine", engine, "--source", str(source), "--out", str(out)]
    ended = subprocess.run([*command, "--repeats", str(repeats)], capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"{engine} failed:\n{ended.stderr}")
    return json.loads(ended.stdout)


def generate(folder: Path, records: int) -> Path:
    """Write the records as an array, and beside it as lines."""
    from shared.etl.generate import generate_json, generate_json_lines

    source = folder / f"{records}.json"
    with source.open("wb") as file:
        file.writelines(generate_json(records, seed=7, dirty=0.1))
    with source.with_suffix(".jsonl").open("wb") as file:
        file.writelines(generate_json_lines(records, seed=7, dirty=0.1))
    return source


def compare(source: Path, out: Path, rounds: int, engines: list[str]) -> dict[str, dict[str, float]]:
    """Run the engines in turns and return the medians; all must agree."""
    runs: dict[str, list[dict[str, object]]] = {engine: [] for engine in engines}
    for _ in range(rounds):
        for engine in engines:
            runs[engine].append(child(engine, source, out, 2 if engine == "row-wise pandas" else 7))
    ours = runs["small lane"][0]["checksums"]
    for engine in engines:
        theirs = runs[engine][0]["checksums"]
        differ = {name for name, checksum in theirs.items() if ours[name] != checksum}
        if differ:
            raise SystemExit(f"{engine} and the small lane do not agree on {', '.join(sorted(differ))}.")
    return {
        engine: {
            figure: statistics.median(run[figure] for run in runs[engine])
            for figure in ("import", "first", "warm", "peak_mb")
        }
        for engine in engines
    }


def report(records: int, figures: dict[str, dict[str, float]]) -> None:
    print(f"\n{records} records, medians; the same tables and checksums from all")
    print(f"{'':16} {'import s':>9} {'first s':>9} {'warm s':>9} {'peak MB':>9} {'x small lane':>13}")
    for engine, figure in figures.items():
        ratio = figure["warm"] / figures["small lane"]["warm"]
        seconds = " ".join(f"{figure[name]:9.3f}" for name in ("import", "first", "warm"))
        print(f"{engine:16} {seconds} {figure['peak_mb']:9.0f} {ratio:13.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="of every engine in turn")
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--scale", type=int, default=100_000, help="records for the second size; 0 leaves it out")
    parser.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--repeats", type=int, default=7, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.engine:
        print(json.dumps(measure(given.engine, given.source, given.out, given.repeats)))
        return

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = compare(generate(folder, given.records), folder, given.rounds, list(ENGINES))
        report(given.records, small)
        ours, floor, naive = (small[engine]["warm"] for engine in ("small lane", "floor", "row-wise pandas"))
        print(f"\nrow-wise pandas / small lane  {naive / ours:6.1f}  (at least 15)")
        print(f"small lane / floor            {ours / floor:6.2f}  (at most 5)")
        print(f"peak of the small lane        {small['small lane']['peak_mb']:6.0f}  MB (below 220)")
        if given.scale:
            engines = [engine for engine in ENGINES if engine != "row-wise pandas"]
            large = compare(generate(folder, given.scale), folder, 1, engines)
            report(given.scale, large)
            times = large["small lane"]["warm"] / ours
            print(f"\n{given.scale} / {given.records} records       {times:6.1f}  (at most 12 for ten times as many)")


if __name__ == "__main__":
    main()
