"""A benchmark that does not run any more measures nothing."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_comparison_of_engines_runs():
    """Hub, host and floors do the work of every case, and each case comes out with a figure."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.engines",
        "--rounds",
        "1",
        "--scale",
        "0.02",
        "--arms",
        "embedded",
        "host",
    ]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True, timeout=300)

    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if line[:1] == "|"]
    figures = {row[0]: row[1:] for row in rows if len(row) == 4 and row[3] not in {"---", "floor"}}
    assert done.returncode in {0, 1}, done.stderr
    assert figures["hello ms"][:2] != ["-", "-"]
    assert figures["hello over HTTP ms"][1] != "-"
    assert len(figures) >= 8
