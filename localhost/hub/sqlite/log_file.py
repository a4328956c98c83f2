"""The write-ahead log as a file: long before it is needed, and how much of it is in use.

A commit that makes the log longer has the file system write down its new length as well, which doubles the time that
the disk takes. So the log is made long when a hub is opened, and is not cut when it has been folded into the database:
commits then overwrite it from its beginning.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

CHECKPOINT_BYTES = 8 * 1024 * 1024
"""When the log has grown so long, it is folded into the database."""
PREPARED_BYTES = CHECKPOINT_BYTES + 1024 * 1024
_FRAME = 4096 + 24
_HEADER = 32


class LogFile:
    """The log of an open database."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + "-wal")
        # Closing it would let go of the locks that SQLite has on it in this process, so it stays open.
        self._index: BinaryIO = database.with_name(database.name + "-shm").open("rb", buffering=0)

    def prepare(self) -> None:
        """Make the file as long as it will be; zeros after the last commit mean nothing to SQLite."""
        missing = PREPARED_BYTES - self._path.stat().st_size
        if missing > 0:
            # A disk that is full says so at the first commit.
            with suppress(OSError), self._path.open("r+b") as log:
                log.seek(0, os.SEEK_END)
                log.write(bytes(missing))
                log.flush()
                os.fsync(log.fileno())

    def used(self) -> int:
        """Return the bytes that hold commits, folded or not, from the index of the log (sqlite.org/walformat.html)."""
        self._index.seek(16)
        return int.from_bytes(self._index.read(4), sys.byteorder) * _FRAME + _HEADER

    def close(self) -> None:
        """Let go of the files; the database is closed."""
        self._index.close()
