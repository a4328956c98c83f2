"""Compares what the client was told with what is there at the end. It looks at files alone.

python -m chaos.checker FOLDER    # the folder that a failing run has kept
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chaos import app, history, ledger
from chaos.client import ACCOUNTS
from chaos.history import Operation

COMPLETED, FAILED, TERMINATED = 1, 3, 5
OVER = (COMPLETED, FAILED, TERMINATED)


def check(folder: Path) -> list[str]:
    """Return everything that is wrong with a run."""
    operations = history.read(folder / "history.jsonl")
    final = json.loads((folder / "final.json").read_text())
    runs = ledger.runs(folder / "ledger")
    return list(Checker(operations, final, runs).violations())


def extra_runs(folder: Path) -> int:
    """Return how often activities ran more than once."""
    runs = ledger.runs(folder / "ledger")
    return sum(runs.values()) - len(runs)


class Checker:
    """The rules."""

    def __init__(self, operations: list[Operation], final: dict[str, Any], runs: Counter[tuple[str, int]]) -> None:
        self._operations = operations
        self._final = final
        self._runs = runs
        self._asked: dict[tuple[str, str], list[Operation]] = {}
        for operation in operations:
            self._asked.setdefault((operation.op, operation.key), []).append(operation)

    def violations(self) -> Iterator[str]:
        """Yield what is wrong."""
        yield from self._storage()
        yield from self._starts()
        yield from self._results()
        yield from self._reads()
        yield from self._accounts()
        yield from self._activities()

    def _of(self, op: str, key: str, *outcomes: str) -> list[Operation]:
        return [o for o in self._asked.get((op, key), []) if not outcomes or o.outcome in outcomes]

    def _storage(self) -> Iterator[str]:
        final = self._final
        if not final["opened"]:
            yield "the hub did not open"
        if final["integrity"] != "ok":
            yield f"integrity_check: {final['integrity']}"
        for table, count in final["left"].items():
            if count:
                yield f"{count} rows are left in {table}"
        for entity, owner in final["locks"]:
            yield f"{entity} is still locked by {owner}"

    def _starts(self) -> Iterator[str]:
        """What was acknowledged is there; what was not asked, refused or purged is not."""
        there = set(self._final["on_disk"])
        for op, key in self._asked:
            if op != "start":
                continue
            purged = self._of("purge", key)
            if self._of("start", key, "ok") and not purged and key not in there:
                yield f"{key} was acknowledged and is lost"
            if any(o.outcome == "ok" for o in purged) and key in there:
                yield f"{key} was purged and is there again"
            if not self._of("start", key, "ok", "unknown") and key in there:
                yield f"{key} was refused and is there"
        for key in there:
            if ("start", key) not in self._asked:
                yield f"{key} was never started and is there"

    def _results(self) -> Iterator[str]:
        for key, result in self._final["instances"].items():
            [start, *_] = self._of("start", key)
            name, payload = start.value["name"], start.value["input"]
            if result is None or result[0] not in OVER:
                yield f"{key} is not over: {result}"
                continue
            if self._final["completions"][key] != 1:
                yield f"{key} was completed {self._final['completions'][key]} times"
            if name == "sleeper":
                if result[0] != TERMINATED:
                    yield f"{key} ended as {result}, not terminated"
            elif result[0] != COMPLETED:
                yield f"{key} ended as {result}"
            elif name == "collect":
                yield from self._collected(key, json.loads(result[1]))
            elif json.loads(result[1]) != app.expected(name, payload):
                yield f"{key} returned {result[1]}, not {app.expected(name, payload)}"
            elif name == "remember" and json.loads(result[3]) != {"number": payload}:
                yield f"{key} has the custom status {result[3]}"

    def _collected(self, key: str, got: list[int]) -> Iterator[str]:
        """Every acknowledged event arrived, in order; and twice only where it was sent twice."""
        sent = Counter(o.value for o in self._of("event", key) if o.value >= 0)
        acknowledged = {o.value for o in self._of("event", key, "ok") if o.value >= 0}
        first = list(dict.fromkeys(got))
        if first != sorted(first):
            yield f"{key} got {got}: out of order"
        if lost := acknowledged - set(first):
            yield f"{key} lost {sorted(lost)}"
        for number, times in Counter(got).items():
            if times > sent[number]:
                yield f"{key} got {number} {times} times; it was sent {sent[number]} times"

    def _reads(self) -> Iterator[str]:
        """What a client has seen stays so: instances do not vanish, nothing that is over changes."""
        for op, key in self._asked:
            if op == "read":
                yield from self._seen(key)
                yield from self._terminated(key)

    def _seen(self, key: str) -> Iterator[str]:
        begun = min((o.ended for o in self._of("start", key, "ok")), default=float("inf"))
        gone = min((o.began for o in self._of("purge", key)), default=float("inf"))
        purged = min((o.ended for o in self._of("purge", key, "ok")), default=float("inf"))
        last: tuple[float, Any] | None = None
        for read in sorted(self._of("read", key, "ok"), key=lambda r: r.ended):
            if read.answer is None:
                if read.began >= begun and read.ended <= gone:
                    yield f"{key} was acknowledged and then not found"
                continue
            if read.began >= purged:
                yield f"{key} was purged and then found"
            if last is not None and read.began >= last[0] and read.answer != last[1]:
                yield f"{key} was {last[1]} and then {read.answer}"
            if read.answer[0] in OVER:
                last = (read.ended, read.answer)
        final = self._final["instances"].get(key)
        if last is not None and final is not None and final != last[1]:
            yield f"{key} was {last[1]} and is {final}"

    def _terminated(self, key: str) -> Iterator[str]:
        for ended in self._of("terminate", key, "ok"):
            for read in self._of("read", key, "ok"):
                if read.began >= ended.ended and read.answer[0] != TERMINATED:
                    yield f"{key} was terminated and then {read.answer}"

    def _accounts(self) -> Iterator[str]:
        """An account is what it was and the sum of what was done to it, and nobody's."""
        starts = {key: ops[0].value for (op, key), ops in self._asked.items() if op == "start"}
        for account in ACCOUNTS:
            moved = self._final["opening"].get(f"@account@{account}", 0)
            for key, start in starts.items():
                if (
                    start["name"] == "transfer"
                    and account in start["input"]["accounts"]
                    and key in self._final["on_disk"]
                ):
                    amount = start["input"]["amount"]
                    moved += amount * (1 if start["input"]["accounts"][1] == account else -1)
            acknowledged = len(self._of("signal", account, "ok"))
            unknown = len(self._of("signal", account, "unknown"))
            state, locked_by, backlog = (self._final["accounts"] or {}).get(f"@account@{account}", ["0", "", 0])
            value = int(state or 0) - moved
            if not acknowledged <= value <= acknowledged + unknown:
                yield f"account {account} has {value}: {acknowledged} acknowledged, {unknown} unknown"
            if locked_by or backlog:
                yield f"account {account} is locked by {locked_by!r} and has {backlog} waiting"

    def _activities(self) -> Iterator[str]:
        """Every activity of an orchestration that completed ran at least once, and no other did."""
        tasks = Counter(instance for instance, _ in self._runs)
        for key, result in self._final["instances"].items():
            [start, *_] = self._of("start", key)
            wanted = app.activities(start.value["name"], start.value["input"])
            if wanted is not None and result is not None and tasks[key] != wanted:
                yield f"{key} ran {tasks[key]} activities, not {wanted}"


if __name__ == "__main__":
    print(json.dumps(check(Path(sys.argv[1])), indent=2))
