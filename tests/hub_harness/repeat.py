"""The hub's contract tests, again and again, several at a time: what passes alone must pass in a crowd.

    PYTHONPATH=.:tests python -m hub_harness.repeat [--threads 8] [--repeats 50] [pytest arguments]

Each repeat is the whole suite in a process of its own, and ``--threads`` of them run at any time. Prints a line a
repeat on standard error and one JSON object at the end, and ends with 1 if anything failed.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUITE = "tests/localhost/hub/sqlite"
# Loops of processes themselves, and what takes much memory: those have commands of their own.
NOT_REPEATED = ("test_chaos.py", "test_appetite.py", "test_sizes.py")


@dataclass(frozen=True)
class Repeat:
    """One run of the suite."""

    passed: int
    failed: Sequence[str]
    output: str


def run(threads: int, repeats: int, arguments: Sequence[str] = ()) -> dict[str, object]:
    """Run the suite ``repeats`` times, ``threads`` at a time, and say what came of it."""
    begun = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        done = list(pool.map(lambda _number: _once(arguments), range(repeats)))
    failures = [name for repeat in done for name in repeat.failed]
    return {
        "threads": threads,
        "repeats": repeats,
        "tests": max(repeat.passed + len(repeat.failed) for repeat in done),
        "passed": sum(repeat.passed for repeat in done),
        "failures": sorted(failures),
        "seconds": round(time.monotonic() - begun, 1),
        "output": next((repeat.output[-8000:] for repeat in done if repeat.failed), ""),
    }


def _once(arguments: Sequence[str]) -> Repeat:
    ignored = [f"--ignore={SUITE}/{name}" for name in NOT_REPEATED]
    with tempfile.TemporaryDirectory() as folder:
        options = ["-q", "-p", "no:cacheprovider", f"--basetemp={folder}/tests", *ignored]
        command = [sys.executable, "-m", "pytest", SUITE, *options, *arguments]
        path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
        finished = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
        )
    print(finished.stdout.rstrip().rpartition("\n")[2], file=sys.stderr, flush=True)
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", finished.stdout, re.MULTILINE)
    passed = sum(int(count) for count in re.findall(r"\b(\d+) passed", finished.stdout))
    if finished.returncode and not failed:
        failed = [f"pytest ended with {finished.returncode}"]
    return Repeat(passed, failed, finished.stdout + finished.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=50)
    options, arguments = parser.parse_known_args(argv)
    verdict = run(options.threads, options.repeats, arguments)
    print(json.dumps(verdict, indent=2))
    return 1 if verdict["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
