"""R12: the wall clock jumps, the process is stopped; no timer is lost, none is early."""

import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from chaos.life import Conditions, Life, use_ledger

HOUR = 3600.0
EARLY = -1.0


def run(seed: int, *, timers: int = 40, stopped: float = 30.0, near: float = 3.0) -> dict[str, Any]:
    """Set the clock an hour on and back, stop the process for ``stopped`` seconds, kill it with another clock."""
    rng = random.Random(seed)
    violations: list[str] = []
    late: dict[str, float] = {}
    for what in ("forward", "back", "killed_and_forward", "stopped"):
        with tempfile.TemporaryDirectory() as name:
            database = Path(name) / "hub.db"
            use_ledger(Path(name))
            life = Life(database)
            life.up()
            soon = [rng.uniform(near / 4, near) for _ in range(timers)]
            far = [HOUR / 2 + rng.uniform(0, 60) for _ in range(timers)] if "forward" in what else []
            keys = [f"alarm-{n}" for n in range(len(soon) + len(far))]
            life.all(
                [
                    {"op": "start", "key": key, "value": {"name": "alarm", "input": seconds}}
                    for key, seconds in zip(keys, soon + far, strict=True)
                ]
            )
            time.sleep(near / 10)
            if what == "forward":
                life.tell("clock", value=HOUR)
            elif what == "back":
                life.tell("clock", value=-HOUR)
                before = _over(life, keys)
                time.sleep(near + 0.5)
                if early := _over(life, keys) - before:
                    violations.append(f"{len(early)} timers fired an hour early when the clock was set back")
                life.tell("clock", value=0)
            elif what == "killed_and_forward":
                life.end()
                life = Life(database, Conditions(clock=HOUR))
                life.up()
            else:
                life.stop()
                time.sleep(stopped)
                life.go_on()
            results = life.all([{"op": "result", "key": key, "seconds": 30} for key in keys])
            life.end(0)
        for key, result in zip(keys, results, strict=True):
            if result is None or result[0] != 1:
                violations.append(f"{what}: {key} is lost: {result}")
            elif json.loads(result[1]) < EARLY:
                violations.append(f"{what}: {key} was early by {-json.loads(result[1])} s")
        good = [json.loads(result[1]) for result in results if result and result[0] == 1]
        late[what] = round(min(good, default=0.0), 3)
    return {"timers": timers, "earliest": late, "violations": violations}


def _over(life: Life, keys: list[str]) -> set[str]:
    return {key for key in keys if (life.tell("read", key) or [0])[0] == 1}
