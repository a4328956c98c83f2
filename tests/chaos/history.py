"""What the client asked, and what it was told: a file of JSON lines, written by the process that is never killed."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

type Outcome = Literal["ok", "fail", "unknown"]


@dataclass(frozen=True)
class Operation:
    """One request, and what became of it. ``unknown``: nobody answered, it may or may not have happened."""

    op: str
    key: str
    value: Any
    began: float
    outcome: Outcome
    ended: float
    answer: Any


class History:
    """Writes operations as they happen."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("a", buffering=1)
        self._began = time.monotonic()
        self._number = 0

    def invoke(self, op: str, key: str, value: Any = None) -> int:
        """Write that something is about to be asked, and return its number."""
        self._number += 1
        self._write(self._number, "invoke", {"op": op, "key": key, "value": value})
        return self._number

    def end(self, number: int, outcome: Outcome, answer: Any = None) -> None:
        """Write what became of it. A closed connection or a timeout is ``unknown``, never ``fail``."""
        self._write(number, outcome, {"answer": answer})

    def _write(self, number: int, what: str, fields: dict[str, Any]) -> None:
        line = {"id": number, "type": what, "t": round(time.monotonic() - self._began, 4), **fields}
        self._file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read(path: Path) -> list[Operation]:
    """Return every operation, in the order in which they were asked. One without an end is ``unknown``."""
    asked: dict[int, dict[str, Any]] = {}
    ended: dict[int, dict[str, Any]] = {}
    for line in _lines(path):
        (asked if line["type"] == "invoke" else ended)[line["id"]] = line
    operations: list[Operation] = []
    for number, line in asked.items():
        end = ended.get(number, {"type": "unknown", "t": float("inf"), "answer": None})
        operations.append(
            Operation(line["op"], line["key"], line["value"], line["t"], end["type"], end["t"], end["answer"])
        )
    return operations


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text().splitlines():
        yield json.loads(line)
