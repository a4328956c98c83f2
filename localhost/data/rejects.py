"""Lines that could not be loaded: all of them in a file, and a summary by reason."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

from localhost.data.tsv_rows import Reason, Reject

FIRST_LINES = 5


@dataclass(slots=True)
class Refused:
    """How many lines were refused for one reason, and where the first of them are."""

    count: int = 0
    first_lines: list[int] = field(default_factory=list[int])


class RejectLog:
    """The rejects of one table, as JSON lines in ``path``, which is made when there is something to write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.reasons: dict[Reason, Refused] = {}
        self._file: TextIO | None = None

    def add(self, rejects: Iterable[Reject]) -> None:
        """Write ``rejects`` down."""
        for reject in rejects:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("w", encoding="utf-8")
            self._file.write(f"{json.dumps(asdict(reject))}\n")
            self.count += 1
            refused = self.reasons.setdefault(reject.reason, Refused())
            refused.count += 1
            if len(refused.first_lines) < FIRST_LINES:
                refused.first_lines.append(reject.line)

    def close(self) -> None:
        """Finish the file."""
        if self._file:
            self._file.close()
