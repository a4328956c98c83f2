"""How long the app takes to import, as a ratio to what any Durable Functions app must import.

    python benchmarks/imports.py [--passes 9]

Passes are interleaved, each in a process of its own; the median counts.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FLOOR = "import azure.functions, azure.durable_functions"
APP = "import function_app"
MUST_NOT_LOAD = ("pandas", "pyarrow", "databricks.sdk", "openai", "azure.cosmos", "sqlglot", "jwt", "argon2", "ruamel")

_PROBE = """
import json, resource, sys, time
began = time.perf_counter()
{statement}
seconds = time.perf_counter() - began
loaded = [name for name in {names!r} if name in sys.modules]
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, loaded]))
"""


def measure(statement: str) -> tuple[float, float, list[str]]:
    """Return the seconds, the peak MB and what was loaded of ``MUST_NOT_LOAD``."""
    code = _PROBE.format(statement=statement, names=MUST_NOT_LOAD)
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, megabytes, loaded = json.loads(run.stdout.splitlines()[-1])
    return seconds, megabytes, loaded


def main() -> int:
    """Print the table; exit 1 when the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passes", type=int, default=9)
    passes = parser.parse_args().passes
    measure(FLOOR), measure(APP)  # byte code compiled, files in the page cache
    floors, apps = zip(*((measure(FLOOR), measure(APP)) for _ in range(passes)), strict=True)
    floor = statistics.median(seconds for seconds, _, _ in floors)
    app = statistics.median(seconds for seconds, _, _ in apps)
    print("| import | median ms | peak MB |")
    print("| --- | --- | --- |")
    print(f"| azure.functions + azure.durable_functions | {floor * 1e3:.0f} | {floors[0][1]:.0f} |")
    print(f"| function_app | {app * 1e3:.0f} | {apps[0][1]:.0f} |")
    print(f"| ratio (bar 1.5) | {app / floor:.2f} | {apps[0][1] / floors[0][1]:.2f} |")
    print(f"\nLoaded though it should not be: {apps[0][2] or 'nothing'}")
    return int(app / floor > 1.5 or bool(apps[0][2]))


if __name__ == "__main__":
    sys.exit(main())
