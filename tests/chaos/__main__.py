"""Torment the task hub and the host, and print one JSON object of figures and of everything that was wrong.

    make chaos                                  # all of it, 35 to 45 minutes on two cores
    make chaos ARGS="--quick"                   # the same in small, about three minutes
    make chaos ARGS="--only random --seed 7"    # one campaign again, with the seed that a run has printed
    make chaos ARGS="--only soak --minutes 480" # a soak of eight hours, killed each minute

Exits with 1 when anything was lost, doubled or out of order. What was only slower than its goal is listed as
``slow``: the goals in seconds are for a machine that does nothing else.
"""

import argparse
import json
import platform
import random
import sqlite3
import sys
import time
from collections.abc import Callable
from typing import Any

from chaos import clock, disk, events, host, kills, locks, poison, power, soak, volume, workers
from chaos.life import strace_works


def campaigns(
    seed: int, *, quick: bool, scale: float, minutes: float | None
) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return what there is to run, by name."""

    def of(full: int, small: int) -> int:
        return small if quick else max(1, round(full * scale))

    def soaked(full: int) -> float:
        return minutes * 60 if minutes else of(full, 15)

    every = 5 if quick else 60

    return {
        "random": lambda: kills.at_random(seed, of(1000, 60)),
        "failpoints": lambda: kills.at_failpoints(seed, of(10, 1)),
        "system_calls": lambda: kills.at_system_calls(seed, of(400, 20)),
        "host": lambda: host.run(seed, of(40, 3)),
        "workers": lambda: workers.run(seed, of(100, 8)),
        "power": lambda: power.run(seed, count=of(1000, 40), every=1 if not quick else 200),
        "volume": lambda: volume.run(
            seed, 0.03 if quick else scale, kill_every=(0.3, 1.5) if quick else (5, 40), down=0.2 if quick else 2.0
        ),
        "events": lambda: events.run(seed, of(10_000, 500)),
        "events_killed": lambda: events.run(seed, of(2000, 200), kills=True),
        "locks": lambda: locks.run(seed, of(500, 60), of(60, 6)),
        "poison": lambda: poison.run(of(3000, 100)),
        "clock": lambda: clock.run(seed, timers=of(40, 5), stopped=of(30, 3)),
        "disk": lambda: disk.run(reader_holds=of(120, 3)),
        "soak": lambda: soak.run(seed, soaked(600), every),
        "soak_alive": lambda: soak.run(seed, soaked(300), every, kills=False),
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="dev.py chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="random unless given")
    parser.add_argument("--quick", action="store_true", help="everything, in small")
    parser.add_argument("--scale", type=float, default=1.0, help="how much of the full numbers")
    parser.add_argument("--minutes", type=float, help="how long each soak goes on; ten and five unless given")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="some of the campaigns")
    options = parser.parse_args()
    chosen = campaigns(options.seed, quick=options.quick, scale=options.scale, minutes=options.minutes)
    if unknown := set(options.only) - set(chosen):
        parser.error(f"there is no campaign {sorted(unknown)}; there is: {', '.join(chosen)}")
    if options.only:
        chosen = {name: chosen[name] for name in options.only}
    if not strace_works():
        print("strace is missing or not allowed: no kills at system calls, no failing ones.", file=sys.stderr)
        chosen.pop("system_calls", None)
    print(f"seed {options.seed}", file=sys.stderr, flush=True)
    figures: dict[str, Any] = {}
    began = time.monotonic()
    for name, run in chosen.items():
        begun = time.monotonic()
        figures[name] = run()
        figures[name]["seconds"] = round(time.monotonic() - begun, 1)
        wrong, slow = len(figures[name]["violations"]), figures[name].get("slow", [])
        print(
            f"{name:14} {figures[name]['seconds']:7.1f} s  {wrong} wrong  {' '.join(slow)}", file=sys.stderr, flush=True
        )
    violations = [f"{name}: {one}" for name, figure in figures.items() for one in figure.pop("violations")]
    verdict = {
        "seed": options.seed,
        "quick": options.quick,
        "scale": options.scale,
        "seconds": round(time.monotonic() - began, 1),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "campaigns": figures,
        "slow": [f"{name}: {one}" for name, figure in figures.items() for one in figure.pop("slow", [])],
        "violations": violations,
    }
    print(json.dumps(verdict, indent=1))
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
