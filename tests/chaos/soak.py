"""R14: mixed load for hours, a kill every minute; nothing is lost, and what was purged leaves nothing behind.

In each life the hub comes to rest once, at some moment. What its clients were told since the last time is checked then,
everything that is over is purged, and the log of the clients begins anew. So this process needs no more memory for
hours than for minutes, which matters: a life is a fork of it, and has its memory, too.
"""

import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaos import checker
from chaos.client import ACCOUNTS, Client, on_disk, rows
from chaos.life import AT_ONCE, Conditions, Life
from localhost.hub.sqlite.writer import CHECKPOINT_BYTES

RATE = 60.0
"""Requests a second; about half of them start an orchestration."""
PATIENCE = 120.0
CONDITIONS = Conditions(checkpoint_bytes=CHECKPOINT_BYTES)
MIB = 1024 * 1024
PAGE_BYTES = 4096
# By how much the end may be above the settled beginning: a share of it, or if that is more, so many MiB or handles.
# A checkpoint that meets a reader is put off for some seconds, while the log grows; it is cut when the hub stops.
ALLOWED = {"memory_mib": (0.1, 16.0), "handles": (0.0, 2.0), "file_mib": (0.25, 4.0), "log_mib": (0.25, 48.0)}

type Sample = dict[str, float]


def run(seed: int, seconds: float, every: float, *, kills: bool = True) -> dict[str, Any]:
    """Make load for ``seconds``, and kill the hub each time it was up for ``every``.

    Without ``kills`` one hub lives through it all, which shows what the others are too young for: memory and handles
    that it does not give back.
    """
    soak = Soak(seed)
    soak.run(seconds, every, kills=kills)
    if not soak.violations:
        soak.violations += [wrong for moment, samples in soak.samples.items() for wrong in grown(moment, samples)]
    return soak.verdict()


class Soak:
    """The load, and what was seen of the hub under it."""

    def __init__(self, seed: int) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="chaos-"))
        self._client = Client(seed, self._folder)
        # The moments have a seed of their own: how much load there is depends on the machine.
        self._rng = random.Random(seed)
        self._began = time.monotonic()
        self._killed = self._purged = self._extra = 0
        self.samples: dict[str, list[Sample]] = {"at_rest": [], "under_load": []}
        self.violations: list[str] = []

    def run(self, seconds: float, every: float, *, kills: bool) -> None:
        """Make load, to the end or until something is wrong: what there is to look at then is kept."""
        client = self._client
        life = self._begin()
        while not self.violations and time.monotonic() - self._began < seconds:
            before = every * self._rng.uniform(0.3, 0.7)
            client.keep_asking(life, before, RATE)
            self._round(life)
            if self.violations:
                break
            self._sample("at_rest", life)
            client.keep_asking(life, every - before, RATE)
            self._sample("under_load", life)
            if kills and not life.dead:
                client.kill(life)
                self._killed += 1
                life = self._begin()
        if not self.violations:
            self._round(life)
        if life.end(0):
            self.violations.append("the hub ended by itself; hub.out says why")

    def _begin(self) -> Life:
        life = self._client.begin(CONDITIONS)
        if not self._client.up(life):
            self.violations.append("the hub did not open")
        return life

    def _round(self, life: Life) -> None:
        """Check everything since the last round, and purge it."""
        client = self._client
        found: dict[str, Any] = {"opened": True, **client.rest(life, PATIENCE), **on_disk(client.database)}
        (self._folder / "final.json").write_text(json.dumps(found))
        self.violations += checker.check(self._folder)
        extra = checker.extra_runs(self._folder)
        if extra > AT_ONCE:
            self.violations.append(f"{extra} activities ran again, more than the {AT_ONCE} that were out at one kill")
        self._extra += extra
        if self.violations:
            return
        self._purged += life.tell("tidy", seconds=PATIENCE) or 0
        for table, count in rows(client.database, "instances", "payloads", "history", "entities").items():
            if count > (len(ACCOUNTS) if table == "entities" else 0):
                self.violations.append(f"{count} rows are left in {table} after everything was purged")
        client.turn_over(found["accounts"])

    def _sample(self, moment: str, life: Life) -> None:
        if life.dead:
            return
        sample = {"seconds": time.monotonic() - self._began}
        for measure, name in (("file_mib", "hub.db"), ("log_mib", "hub.db-wal")):
            sample[measure] = (self._folder / name).stat().st_size / MIB
        if sys.platform == "linux":
            process = Path(f"/proc/{life.pid}")
            sample["memory_mib"] = int((process / "statm").read_text().split()[1]) * PAGE_BYTES / MIB
            sample["handles"] = len(list((process / "fd").iterdir()))
        self.samples[moment].append(sample)

    def verdict(self) -> dict[str, Any]:
        """Return the figures, and keep the files if anything is wrong."""
        if self.violations:
            print(f"kept: {self._folder}", file=sys.stderr)
        else:
            shutil.rmtree(self._folder)
        return {
            "kills": self._killed,
            "orchestrations": self._client.started,
            "purged": self._purged,
            "extra_runs": self._extra,
            "samples": len(self.samples["at_rest"]),
            **{moment: series(samples) for moment, samples in self.samples.items()},
            "violations": self.violations,
        }


def series(samples: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """Return of each measure the first, middle and last reading, and by how much it rises in an hour."""
    if len(samples) < 2:
        return {}
    hours = [sample["seconds"] / 3600 for sample in samples]
    found: dict[str, dict[str, float]] = {}
    for measure in samples[0].keys() & ALLOWED.keys():
        values = [sample[measure] for sample in samples]
        slope = statistics.linear_regression(hours, values).slope
        shown = {"first": values[0], "middle": values[len(values) // 2], "last": values[-1], "per_hour": slope}
        found[measure] = {name: round(value, 2) for name, value in shown.items()}
    return dict(sorted(found.items()))


def grown(moment: str, samples: Sequence[Sample]) -> list[str]:
    """Return which measures are higher in the last fifth than after a tenth, when caches and files have settled."""
    count = len(samples)
    if count < 2:
        return []
    settled = samples[count // 10 : max(count // 10 + 1, count * 3 // 10)]
    last = samples[-max(1, count // 5) :]
    wrong: list[str] = []
    for measure in samples[0].keys() & ALLOWED.keys():
        share, least = ALLOWED[measure]
        begin, end = (statistics.median(sample[measure] for sample in part) for part in (settled, last))
        if end > begin + max(begin * share, least):
            wrong.append(f"{measure} {moment.replace('_', ' ')} grew from {begin:.1f} to {end:.1f}")
    return sorted(wrong)
