"""R8: many orchestrations lock several rooms each, are killed, terminated or throw inside; nobody meets anybody."""

import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from chaos import app
from chaos.client import on_disk
from chaos.life import Life, use_ledger

ROOMS = 20
COMPLETED, FAILED, TERMINATED = 1, 3, 5
LONGEST_WAIT = 30.0


def run(seed: int, orchestrations: int, kills: int) -> dict[str, Any]:
    """Start ``orchestrations``, terminate every seventh at some moment, and kill the hub ``kills`` times."""
    rng = random.Random(seed)
    names = [f"visit-{n}" for n in range(orchestrations)]
    orders = {name: app.visits(rng, number, ROOMS) for number, name in enumerate(names)}
    doomed = [name for number, name in enumerate(names) if number % 7 == 3]
    starts = [{"op": "start", "key": key, "value": {"name": "visit", "input": orders[key]}} for key in names]
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "hub.db"
        use_ledger(Path(folder))
        life = Life(database)
        life.up()
        life.all(starts[: len(starts) // 4])
        rest = starts[len(starts) // 4 :]
        began = time.monotonic()
        for number in range(kills):
            share = rest[number::kills]
            for index, request in enumerate(share):
                life.ask(index, request)
            life.ask("poke", {"op": "poke", "key": f"r{rng.randrange(ROOMS)}", "value": f"client-{number}"})
            life.ask("end", {"op": "terminate", "key": doomed[number % len(doomed)]})
            list(life.answers(rng.uniform(0.05, 0.5)))
            life.end()
            life = Life(database)
        life.up()
        life.all(starts)
        life.all([{"op": "terminate", "key": key} for key in doomed])
        results = dict(zip(names, life.all([{"op": "result", "key": key} for key in names], 90), strict=True))
        quiet = time.monotonic() - began
        waits = [w for some in life.all([{"op": "waits", "key": key} for key in names]) if some for w in some]
        rooms: dict[str, list[Any]] = life.tell("entities", "room") or {}
        life.end(0)
        disk = on_disk(database)
    violations = [
        f"{key} ended as {result}" for key, result in results.items() if not _right(key, result, orders, doomed)
    ]
    for entity, owner in disk["locks"]:
        violations.append(f"{entity} is locked by {owner}, which is over")
    violations += [f"{count} rows are left in {table}" for table, count in disk["left"].items() if count]
    for room, (state, locked_by, backlog) in rooms.items():
        violations += met(room, json.loads(state or "[]"), results)
        if locked_by or backlog:
            violations.append(f"{room} is locked by {locked_by!r} and has {backlog} waiting")
    # A wait goes on while the hub is down or has just been killed; what is left of it is the hub's own.
    longest = max(waits, default=0.0)
    late = [f"longest wait for locks {longest:.1f} s"] if longest > LONGEST_WAIT else []
    return {
        "orchestrations": orchestrations,
        "kills": kills,
        "terminated": sum(r is not None and r[0] == TERMINATED for r in results.values()),
        "threw": sum(r is not None and r[0] == FAILED for r in results.values()),
        "longest_wait": round(longest, 2),
        "seconds_to_quiet": round(quiet, 1),
        "slow": late,
        "violations": violations,
    }


def _right(key: str, result: Any, orders: dict[str, Any], doomed: list[str]) -> bool:
    if result is None:
        return False
    if result[0] == TERMINATED:
        return key in doomed
    if orders[key]["throws"]:
        return result[0] == FAILED
    return result[0] == COMPLETED and json.loads(result[1]) == "visited"


def met(room: str, entries: list[list[str]], results: dict[str, Any]) -> list[str]:
    """Return who came into a room while somebody was in it. Who was terminated or threw inside has left."""
    wrong: list[str] = []
    inside = ""
    for what, who in entries:
        present = inside if (results.get(inside) or [COMPLETED])[0] == COMPLETED else ""
        if what == "leave":
            if inside != who:
                wrong.append(f"{room}: {who} left, but {inside or 'nobody'} was in it")
            inside = ""
        elif present:
            wrong.append(f"{room}: {what} by {who} while {present} was in it")
        elif what == "enter":
            inside = who
    return wrong
