"""The durable hub beside other engines, in the same run: the same work in each, taken in turn.

    python -m benchmarks.engines [--rounds 3] [--scale 1.0] [--peers] [--arms memory embedded] [--dir FOLDER]

| arm      | processes                                                              | on disk                |
| -------- | ---------------------------------------------------------------------- | ---------------------- |
| memory   | Microsoft's in-memory backend; gRPC worker and client                   | nothing                |
| worker   | durable hub; gRPC worker and client                                     | ``synchronous=FULL``   |
| embedded | durable hub with the app in its process; gRPC client                    | ``synchronous=FULL``   |
| normal   | as embedded                                                             | ``synchronous=NORMAL`` |
| host     | ``python -m localhost start`` with a Functions app; gRPC or HTTP client | ``synchronous=FULL``   |
| dbos     | engine, app and client in one                                           | SQLite, WAL, FULL      |
| restate  | server; service; HTTP client                                            | its default, fsync     |

``--peers`` adds the last two and installs them on first use, with pip and npm. Figures are medians of the rounds and
ratios medians of each round's ratio, because the machine's speed may change between rounds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engines import floors
from benchmarks.engines.peers.install import install

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".cache" / "peers"
CASES = {
    "hello": "ms",
    "hello over HTTP": "ms",
    "fan-out": "ms",
    "burst": "a second",
    "burst CPU": "ms each",
    "burst p50 / makespan": "",
    "commits": "each",
    "signals to 1": "a second",
    "signals to 100": "a second",
}
MORE_IS_BETTER = {"burst", "signals to 1", "signals to 100"}

type Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Bar:
    """How one arm should stand to another in a case; without another, the figure itself."""

    arm: str
    case: str
    bar: float
    other: str = ""
    other_case: str = ""

    def ratio(self, rounds: Sequence[Mapping[str, Figures]]) -> float:
        """Return the median of the rounds' ratios."""
        case = self.other_case or self.case
        return statistics.median(r[self.arm][self.case] / (r[self.other][case] if self.other else 1) for r in rounds)

    @property
    def at_least(self) -> bool:
        return self.case in MORE_IS_BETTER


BARS = [
    *(
        bar
        for arm in ("embedded", "host")
        for bar in (
            Bar(arm, "hello", 0.5, "memory"),
            Bar(arm, "hello", 0.8, "dbos"),
            Bar(arm, "fan-out", 0.25, "memory"),
            Bar(arm, "burst", 3.0, "memory"),
            Bar(arm, "burst", 1.0, "restate"),
            Bar(arm, "signals to 1", 1.0, "memory"),
            Bar(arm, "signals to 100", 1.3, "memory"),
        )
    ),
    Bar("host", "hello over HTTP", 0.75, "memory", "hello"),
    Bar("worker", "hello", 1.2, "memory"),
    Bar("worker", "fan-out", 1.2, "memory"),
    Bar("worker", "burst", 0.9, "memory"),
    Bar("worker", "signals to 1", 0.9, "memory"),
    Bar("worker", "signals to 100", 0.9, "memory"),
    Bar("embedded", "burst", 0.7, "normal"),
    Bar("embedded", "burst p50 / makespan", 0.55),
    Bar("embedded", "commits", 2.0),
]


def commands(*, peers: bool) -> Mapping[str, Sequence[str | Path]]:
    """Return what runs each arm."""
    ours = {
        arm: [sys.executable, "-m", "benchmarks.engines.grpc_arms", arm]
        for arm in ("memory", "worker", "embedded", "normal", "host")
    }
    floor = {"floor": [sys.executable, "-m", "benchmarks.engines.floors"]}
    if not peers:
        return {**floor, **ours}
    python, server = install(PEERS)
    os.environ["RESTATE_SERVER"] = str(server)
    theirs = {arm: [python, "-m", f"benchmarks.engines.peers.{arm}_arm"] for arm in ("dbos", "restate")}
    return {**floor, **ours, **theirs}


def run(command: Sequence[str | Path], options: Sequence[str]) -> Figures:
    """Run an arm in a process of its own and return its figures."""
    # A session of its own: what it starts is counted together.
    done = subprocess.run(
        [*command, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, start_new_session=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def median(rounds: Sequence[Mapping[str, Figures]], arm: str) -> Figures:
    """Return the median of each figure of an arm."""
    return {case: statistics.median(r[arm][case] for r in rounds) for case in rounds[0][arm]}


def table(rounds: Sequence[Mapping[str, Figures]], arms: Sequence[str]) -> None:
    """Print every figure, and the floor of each case."""
    floor = floors.floors(median(rounds, "floor"))
    print(f"| case | {' | '.join(arms)} | floor |\n|{' --- |' * (len(arms) + 2)}")
    for case, unit in CASES.items():
        found = [median(rounds, arm).get(case) for arm in arms]
        cells = [
            f"{figure:.{2 if figure < 10 else 0}f}" if figure is not None else "-"
            for figure in (*found, floor.get(case))
        ]
        print(f"| {case} {unit} | {' | '.join(cells)} |")


def ratios(rounds: Sequence[Mapping[str, Figures]]) -> int:
    """Print how the bars are met, and return how many are missed."""
    print("\n| what | is | bar | |\n| --- | --- | --- | --- |")
    missed = 0
    for bar in BARS:
        if not {bar.arm, bar.other or bar.arm} <= rounds[0].keys():
            continue
        ratio = bar.ratio(rounds)
        met = ratio >= bar.bar if bar.at_least else ratio <= bar.bar
        missed += not met
        words = f"{bar.arm}, {bar.case}" + (f" / {bar.other}" if bar.other else "")
        sign = ">=" if bar.at_least else "<="
        print(f"| {words} | {ratio:.2f} | {sign} {bar.bar} | {'' if met else 'missed'} |")
    return missed


def distances(rounds: Sequence[Mapping[str, Figures]]) -> None:
    """Print how far the hub is from the floors."""
    arms = [arm for arm in ("embedded", "host") if arm in rounds[0]]
    print(f"\n| x of the floor | {' | '.join(arms)} |\n|{' --- |' * (len(arms) + 1)}")
    for case in floors.floors(rounds[0]["floor"]):
        cells: list[str] = []
        for arm in arms:
            pairs = [(r[arm].get(case), floors.floors(r["floor"])[case]) for r in rounds]
            found = [floor / figure if case in MORE_IS_BETTER else figure / floor for figure, floor in pairs if figure]
            cells.append(f"{statistics.median(found):.1f}" if found else "-")
        print(f"| {case} | {' | '.join(cells)} |")


def main() -> int:
    """Print the tables; exit 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of the counts; the bars are for 1.0")
    parser.add_argument("--peers", action="store_true", help="DBOS and Restate as well")
    parser.add_argument("--arms", nargs="+", help="only these; figures and bars of others are left out")
    parser.add_argument("--dir", help="where durable engines keep their files")
    chosen = parser.parse_args()
    known = commands(peers=chosen.peers)
    arms = {arm: command for arm, command in known.items() if not chosen.arms or arm in {"floor", *chosen.arms}}
    options = ["--scale", str(chosen.scale), *(["--dir", chosen.dir] if chosen.dir else [])]
    rounds: list[Mapping[str, Figures]] = []
    for number in range(chosen.rounds):
        rounds.append({})
        for arm, command in arms.items():
            print(f"round {number + 1}: {arm}", file=sys.stderr)
            rounds[-1] = {**rounds[-1], arm: run(command, options)}
    table(rounds, [arm for arm in arms if arm != "floor"])
    print("\nparts, ms: " + ", ".join(f"{name} {figure:.2f}" for name, figure in median(rounds, "floor").items()))
    distances(rounds)
    return int(ratios(rounds) > 0)


if __name__ == "__main__":
    sys.exit(main())
