"""Raw rows that were parsed a moment ago, for the step that reads the same bytes next in this process.

A small upload is read at the door, and again where it is cleaned: what the door has made of it is kept for that, under
the checksum of the bytes. Whoever takes it has compared the checksum with Bronze, so it is the same as reading anew,
and where it is not there (another worker, a restart, many at once) that is what happens.
"""

import time
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from shared.etl.reading import Format, Raw

MAX_ROWS = 20_000
"""All rows that are kept; they weigh about 1.5 KB each."""
MAX_BYTES = 16 << 20
"""All bytes that they were read from: few rows may be long ones."""
KEPT_SECONDS = 120


class _Kept(NamedTuple):
    blocks: "tuple[Raw, ...]"
    rows: int
    bytes: int
    until: float


class ParsedRows:
    """What was parsed last, within bounds. Safe to use from several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, Format], _Kept] = OrderedDict()
        self._lock = Lock()

    def keep(self, checksum: str, kind: "Format", blocks: "tuple[Raw, ...]", size: int) -> None:
        """Keep what ``size`` bytes with this ``checksum`` were parsed to; the oldest make room."""
        rows = sum(raw.table.num_rows for raw in blocks)
        with self._lock:
            self._kept[checksum, kind] = _Kept(blocks, rows, size, time.monotonic() + KEPT_SECONDS)
            while self._kept and self._is_too_much():
                self._kept.popitem(last=False)

    def take(self, checksum: str, kind: "Format") -> "tuple[Raw, ...] | None":
        """Return what is kept, once."""
        with self._lock:
            kept = self._kept.pop((checksum, kind), None)
        return kept.blocks if kept is not None and time.monotonic() < kept.until else None

    def _is_too_much(self) -> bool:
        oldest = next(iter(self._kept.values()))
        rows = sum(kept.rows for kept in self._kept.values())
        size = sum(kept.bytes for kept in self._kept.values())
        return rows > MAX_ROWS or size > MAX_BYTES or oldest.until < time.monotonic()


parsed_rows = ParsedRows()
"""Those of this process."""
