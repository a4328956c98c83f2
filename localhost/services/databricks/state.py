"""What the stand-in remembers beyond its process: statements and runs, in one SQLite file."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any, Literal

type Kind = Literal["statement", "run"]


class State:
    """Records by kind and id, oldest first. Safe to use from several threads.

    What is written survives the end of the process, however it ends. Without a path, nothing does.
    """

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = Lock()
        self._frozen = False
        self._file = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        # One connection, so that nobody else can be at a checkpoint. A lost power supply may cost the last records.
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = NORMAL")
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS records (kind TEXT, id TEXT, content TEXT NOT NULL, rows BLOB, "
            "PRIMARY KEY (kind, id))"
        )

    def put(self, kind: Kind, record_id: str, content: dict[str, Any], rows: bytes | None = None) -> None:
        """Write a record; one that is there keeps its place among the others."""
        with self._lock:
            if not self._frozen:
                self._file.execute(
                    "INSERT INTO records VALUES (?, ?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET content = excluded.content, rows = excluded.rows",
                    (kind, record_id, json.dumps(content), rows),
                )

    def drop(self, kind: Kind, record_id: str) -> None:
        """Forget a record."""
        with self._lock:
            if not self._frozen:
                self._file.execute("DELETE FROM records WHERE kind = ? AND id = ?", (kind, record_id))

    def all(self, kind: Kind) -> Iterator[tuple[dict[str, Any], bytes | None]]:
        """Yield every record of ``kind``, oldest first."""
        with self._lock:
            found = self._file.execute("SELECT content, rows FROM records WHERE kind = ? ORDER BY rowid", (kind,))
            records = found.fetchall()
        for content, rows in records:
            yield json.loads(content), rows

    def freeze(self) -> None:
        """Keep everything as it is from now on, and let the file go: what ends now ends because the process does."""
        with self._lock:
            self._frozen = True
            self._file.close()
