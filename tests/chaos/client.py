"""Load on a hub that keeps dying, and the notes on it. One seed chooses both the load and the faults."""

import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.history import History
from chaos.life import DISPATCHED, REFUSED, UP, Conditions, Life, use_ledger

ACCOUNTS = [f"a{n}" for n in range(6)]
STARTS = ("chain", "fan", "family", "nap", "collect", "transfer", "sleeper", "remember")
MIX = (*STARTS, "event", "event", "event", "signal", "signal", "read", "read", "terminate", "purge")
# Repeating these changes nothing, so a client that got no answer asks again.
REPEATED = ("start", "event", "terminate", "purge")
STOPPED_FOR = 0.2
START_PATIENCE = 30.0
UNDER_WAY = ("inbox", "activities", "timers", "operations")
# So many requests may wait for their answers; a pipe to a hub that stands still holds some more.
UNANSWERED = 100


@dataclass
class Known:
    """What the client remembers, to choose what to do next."""

    started: dict[str, str] = field(default_factory=dict[str, str])  # acknowledged: the orchestrator's name
    sleepers: list[str] = field(default_factory=list[str])
    seen_ended: list[str] = field(default_factory=list[str])
    sent: dict[str, int] = field(default_factory=dict[str, int])  # events by receiver
    number: int = 0


class Client:
    """Makes load on one life after the other."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.rng = random.Random(seed)
        self.folder = folder
        self.database = folder / "hub.db"
        self.history = History(folder / "history.jsonl")
        self.lives = self.ups = self.ended_by_fault = self.started = 0
        self.first_dispatch: list[float] = []
        self._known = Known()
        self._again: list[dict[str, Any]] = []
        self._pending: dict[int, dict[str, Any]] = {}
        self._opening: dict[str, int] = {}
        use_ledger(folder)

    # Load

    def _next(self) -> dict[str, Any]:
        rng, known = self.rng, self._known
        known.number += 1
        kind = rng.choice(MIX)
        busy = {request["key"] for request in (*self._again, *self._pending.values())}
        receivers = [key for key in known.sent if key not in busy]
        if kind == "event" and receivers:
            key = rng.choice(receivers)
            # In order: one is sent when the one before is acknowledged.
            known.sent[key] += 1
            return {"op": "event", "key": key, "value": known.sent[key] - 1}
        if kind == "terminate" and known.sleepers:
            return {"op": "terminate", "key": known.sleepers.pop(rng.randrange(len(known.sleepers)))}
        if kind == "purge" and known.seen_ended:
            return {"op": "purge", "key": known.seen_ended.pop(rng.randrange(len(known.seen_ended)))}
        if kind == "read" and known.started:
            return {"op": "read", "key": rng.choice(list(known.started)[-200:])}
        if kind == "signal":
            return {"op": "signal", "key": rng.choice(ACCOUNTS)}
        name = kind if kind in STARTS else "chain"
        payload: Any = {
            "fan": rng.randint(1, 12),
            "collect": [],
            "transfer": {"accounts": rng.sample(ACCOUNTS, 2), "amount": rng.randint(1, 9)},
        }.get(name, known.number)
        return {"op": "start", "key": f"{name}-{known.number}", "value": {"name": name, "input": payload}}

    def _requests(self, count: int) -> list[dict[str, Any]]:
        """Return what was not answered last time, and ``count`` new things, at most one event to a receiver."""
        requests = list(self._again)
        for _ in range(count):
            request = self._next()
            requests.append(request)
            if request["op"] in REPEATED:
                self._again.append(request)
        return requests

    def life(
        self, operations: int, conditions: Conditions, kill_after: float, *, early: bool = False, stopped: bool = False
    ) -> None:
        """Make load on a hub until it is dead: killed by its conditions, or by us ``kill_after`` it is up.

        With ``early`` the time counts from its start, so that it may die while it opens; with ``stopped`` it is held
        for a moment first, in the middle of whatever it does.
        """
        life = self.begin(conditions)
        self._ask(life, operations)
        if not early:
            self.up(life)
        deadline = (life.began if early else time.monotonic()) + kill_after
        if stopped:
            self._listen(life, max(0.0, deadline - time.monotonic()))
            if not life.dead:
                life.stop()
                time.sleep(STOPPED_FOR)
                life.go_on()
            deadline += STOPPED_FOR + 0.1
        self._listen(life, max(0.0, deadline - time.monotonic()))
        self.kill(life)

    def begin(self, conditions: Conditions) -> Life:
        """Begin a life."""
        self.lives += 1
        return Life(self.database, conditions)

    def up(self, life: Life) -> bool:
        """Wait until the hub is open. Returns whether it got there."""
        before = self.ups
        self._listen(life, START_PATIENCE, lambda: self.ups > before)
        return self.ups > before

    def keep_asking(self, life: Life, seconds: float, rate: float) -> None:
        """Make ``rate`` requests a second, fewer where the hub does not answer as quickly."""
        due = time.monotonic()
        deadline = due + seconds
        while (now := time.monotonic()) < deadline and not life.dead:
            if len(self._pending) < UNANSWERED:
                self._ask(life, 1)
            due = max(due + 1 / rate, now)
            self._listen(life, max(0.001, min(due, deadline) - time.monotonic()))

    def kill(self, life: Life) -> None:
        """End a life. What it has not answered may or may not have happened."""
        self.ended_by_fault += life.end()
        for number, request in self._pending.items():
            self.history.end(number, "unknown")
            if request["op"] in REPEATED:
                self._again.append(request)
        self._pending.clear()

    def _ask(self, life: Life, count: int) -> None:
        requests = self._requests(count)
        self._again = []
        for request in requests:
            number = self.history.invoke(request["op"], request["key"], request.get("value"))
            self._pending[number] = request
            life.ask(number, request)

    def _listen(self, life: Life, seconds: float, enough: Callable[[], bool] = lambda: False) -> None:
        for answer in life.answers(seconds):
            if answer["id"] == UP:
                self.ups += 1
            elif answer["id"] == DISPATCHED:
                self.first_dispatch.append(time.monotonic() - life.began)
            elif answer["id"] in self._pending:
                self._settle(answer, self._pending.pop(answer["id"]))
            if enough():
                return

    def _settle(self, answer: dict[str, Any], request: dict[str, Any]) -> None:
        key, known = request["key"], self._known
        if REFUSED in answer:
            self.history.end(answer["id"], "fail", answer["result"])
            if request["op"] in REPEATED:
                self._again.append(request)
            return
        self.history.end(answer["id"], "ok", answer["result"])
        if request["op"] == "start":
            self.started += key not in known.started
            name = known.started[key] = request["value"]["name"]
            if name == "collect":
                known.sent[key] = 0
            elif name == "sleeper":
                known.sleepers.append(key)
        elif request["op"] == "read" and answer["result"] and answer["result"][0] == 1:
            if key.startswith(("chain", "nap", "family")) and key not in known.seen_ended:
                known.seen_ended.append(key)
        elif request["op"] == "purge":
            known.started.pop(key, None)

    # The end

    def final(self, seconds: float = 60) -> dict[str, Any]:
        """Let a last hub come to rest, and return what it holds when it has stopped."""
        life = Life(self.database)
        opened = life.up()
        found = self.rest(life, seconds)
        life.end(0)
        self.history.close()
        return {"opened": opened, **found, **on_disk(self.database)}

    def rest(self, life: Life, seconds: float) -> dict[str, Any]:
        """Let the hub come to rest, and return what it holds then."""
        if self._pending:
            self._listen(life, seconds, lambda: not self._pending)
        again, self._again = self._again, []
        self._finish(life, again)
        receivers = [{"op": "event", "key": key, "value": -1} for key in self._known.sent]
        self._finish(life, receivers)
        self._finish(life, [{"op": "terminate", "key": key} for key in self._known.sleepers])
        keys = list(self._known.started)
        instances = self._results(life, keys, seconds)
        histories = life.all([{"op": "history", "key": key} for key in keys])
        deadline = time.monotonic() + seconds
        while any(rows(self.database, *UNDER_WAY).values()) and time.monotonic() < deadline and not life.dead:
            self._listen(life, 0.05)
        return {
            "opening": self._opening,
            "instances": instances,
            "completions": {
                key: events.count("executionCompleted") if events else 0
                for key, events in zip(keys, histories, strict=True)
            },
            "accounts": life.tell("entities", "account"),
        }

    def turn_over(self, accounts: dict[str, list[Any]]) -> None:
        """Begin a new log and a new ledger: nothing is left of what the old ones tell of but the ``accounts``."""
        self.history.close()
        for name in ("history.jsonl", "ledger"):
            (self.folder / name).unlink(missing_ok=True)
        self.history = History(self.folder / "history.jsonl")
        self._known = Known(number=self._known.number)
        self._opening = {entity: int(state or 0) for entity, (state, *_) in accounts.items()}

    def _results(self, life: Life, keys: list[str], seconds: float) -> dict[str, Any]:
        """Return each result, for which the hub gets ``seconds``, and again as long as others come meanwhile."""
        results: dict[str, Any] = {}
        missing = keys
        while True:
            asked = [{"op": "result", "key": key, "seconds": seconds} for key in missing]
            results |= dict(zip(missing, life.all(asked, seconds + 10), strict=True))
            still = [key for key in keys if results[key] is None]
            if not still or still == missing:
                return results
            missing = still

    def _finish(self, life: Life, requests: list[dict[str, Any]]) -> None:
        numbers = [self.history.invoke(r["op"], r["key"], r.get("value")) for r in requests]
        for number, request, answer in zip(numbers, requests, life.all(requests), strict=True):
            if answer is None:
                self.history.end(number, "unknown")
            else:
                self._settle({"id": number, "result": answer}, request)


def on_disk(database: Path) -> dict[str, Any]:
    """Return what is left in the tables of a hub that is closed, and whether its file is sound."""
    with closing(sqlite3.connect(database)) as connection:
        [found] = connection.execute("PRAGMA integrity_check").fetchone()
        locks = connection.execute("SELECT id, lock_owner FROM entities WHERE lock_owner IS NOT NULL").fetchall()
        own = "SELECT id FROM instances WHERE parent_id IS NULL"
        return {
            "integrity": found,
            "left": rows(database, *UNDER_WAY),
            "locks": locks,
            "on_disk": [row[0] for row in connection.execute(own)],
        }


def rows(database: Path, *tables: str) -> dict[str, int]:
    """Return how many rows there are on disk in each of some tables."""
    with closing(sqlite3.connect(database)) as connection:
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}
