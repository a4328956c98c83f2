"""R2: thousands of workflows, messages and values, the hub killed every few seconds, and every result right."""

import json
import random
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any

from chaos import app
from chaos.client import on_disk
from chaos.life import DISPATCHED, REFUSED, UP, Conditions, Life, use_ledger

IN_FLIGHT = 100
PATIENCE = 1200.0
NESTED = 30


class Volume:
    """Everything that is to be run, and how far it is."""

    def __init__(self, rng: random.Random, scale: float) -> None:
        self.starts: dict[str, tuple[str, Any]] = {f"chain-{n}": ("chain", n) for n in range(int(5000 * scale))}
        for n in range(int(10_000 * scale)):
            self.starts[f"receive-{n}"] = ("receive", None)
            self.starts[f"send-{n}"] = ("send", {"number": n, "to": f"receive-{n}"})
        self.starts |= {f"remember-{n}": ("remember", n) for n in range(int(5000 * scale))}
        self.starts["nested"] = ("nested", NESTED)
        self.results: dict[str, Any] = {}
        self._asked: dict[str, str] = {}  # under way: what was asked of it last
        self._order = deque(key for key in self.starts if not key.startswith("send"))
        rng.shuffle(self._order)

    @property
    def over(self) -> bool:
        """Whether there is a result of everything."""
        return len(self.results) == len(self.starts)

    def live(self, life: Life, seconds: float) -> None:
        """Get on with it for as long as this hub lives."""
        for key, op in self._asked.items():
            self._ask(life, op, key)
        for answer in life.answers(seconds):
            if answer["id"] not in (UP, DISPATCHED) and not answer.get(REFUSED):
                self._take(life, *answer["id"].split(), answer["result"])
            while self._order and len(self._asked) < IN_FLIGHT:
                self._ask(life, "start", self._order.popleft())
            if self.over:
                return

    def _ask(self, life: Life, op: str, key: str) -> None:
        self._asked[key] = op
        name, payload = self.starts[key]
        request = {"value": {"name": name, "input": payload}} if op == "start" else {"seconds": 300}
        life.ask(f"{op} {key}", {"op": op, "key": key, **request})

    def _take(self, life: Life, op: str, key: str, result: Any) -> None:
        if op == "start":
            if key.startswith("receive"):  # its message may be sent now
                self._order.appendleft(key.replace("receive", "send"))
            self._ask(life, "result", key)
        elif result is None:
            self._ask(life, "result", key)
        else:
            self.results[key] = result
            del self._asked[key]

    def wrong(self) -> list[str]:
        """Return every result that is missing or is not a function of its input."""
        violations = [f"{key} has no result" for key in self.starts if key not in self.results]
        for key, result in self.results.items():
            name, payload = self.starts[key]
            right = int(key.split("-")[1]) + 1 if name == "receive" else app.expected(name, payload)
            if result[0] != 1 or json.loads(result[1]) != right:
                violations.append(f"{key} ended as {result}, not {right}")
            elif name == "remember" and json.loads(result[3]) != {"number": payload}:
                violations.append(f"{key} has the custom status {result[3]}")
        return violations


def run(
    seed: int, scale: float = 1.0, *, kill_every: tuple[float, float] = (5, 40), down: float = 2.0
) -> dict[str, Any]:
    """Run 5,000 chains, 10,000 messages and 5,000 values times ``scale``, and 30 levels of sub-orchestrations."""
    rng = random.Random(seed)
    volume = Volume(rng, scale)
    kills = 0
    with tempfile.TemporaryDirectory() as name:
        database = Path(name) / "hub.db"
        use_ledger(Path(name))
        began = time.monotonic()
        while not volume.over and time.monotonic() - began < PATIENCE:
            life = Life(database, Conditions(at_once=100, checkpoint_bytes=2**23))
            volume.live(life, rng.uniform(*kill_every))
            life.end(0 if volume.over else 9)
            if not volume.over:
                kills += 1
                time.sleep(rng.uniform(0, down))
        seconds = time.monotonic() - began
        disk = on_disk(database)
    violations = volume.wrong()
    if disk["integrity"] != "ok" or any(disk["left"].values()):
        violations.append(f"on disk: {disk['integrity']}, {disk['left']}")
    figures = {"orchestrations": len(volume.starts) + NESTED, "kills": kills}
    return {**figures, "a_second": round(len(volume.starts) / seconds), "violations": violations[:20]}
