"""The file of a hub: its tables, how it is opened, and who may open it.

Live work is held in memory and read from the tables only when the hub starts, so the tables need few indexes.
Times are microseconds since 1970, UTC.
"""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from localhost.hub.interface import HubError

VERSION = 1

TABLES = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE instances(
  id TEXT PRIMARY KEY, name TEXT NOT NULL, version TEXT, status INTEGER NOT NULL,
  run INTEGER NOT NULL, execution_id TEXT NOT NULL, parent_id TEXT, parent_run INTEGER, parent_task INTEGER,
  created INTEGER NOT NULL, updated INTEGER NOT NULL, completed INTEGER, scheduled INTEGER,
  tags TEXT, trace BLOB, custom_status TEXT, failure BLOB, attempts INTEGER NOT NULL DEFAULT 0);
CREATE INDEX instances_by_creation ON instances(created, id);
CREATE INDEX instances_by_completion ON instances(completed, id) WHERE completed IS NOT NULL;
CREATE INDEX instances_alive ON instances(id) WHERE completed IS NULL;
CREATE INDEX instances_by_parent ON instances(parent_id) WHERE parent_id IS NOT NULL;
CREATE TABLE payloads(
  instance TEXT NOT NULL REFERENCES instances(id) ON DELETE CASCADE,
  kind TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(instance, kind)) WITHOUT ROWID;
CREATE TABLE history(
  instance TEXT NOT NULL REFERENCES instances(id) ON DELETE CASCADE,
  chunk INTEGER NOT NULL, count INTEGER NOT NULL, events BLOB NOT NULL, PRIMARY KEY(instance, chunk)) WITHOUT ROWID;
CREATE TABLE inbox(id INTEGER PRIMARY KEY, instance TEXT NOT NULL, event BLOB NOT NULL);
CREATE TABLE activities(
  id INTEGER PRIMARY KEY, instance TEXT NOT NULL, run INTEGER NOT NULL, request BLOB NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0);
CREATE TABLE timers(
  id INTEGER PRIMARY KEY, due INTEGER NOT NULL, kind TEXT NOT NULL, target TEXT NOT NULL, run INTEGER NOT NULL,
  event BLOB);
CREATE TABLE entities(
  id TEXT PRIMARY KEY, state TEXT, modified INTEGER NOT NULL, lock_section TEXT, lock_owner TEXT,
  attempts INTEGER NOT NULL DEFAULT 0);
CREATE TABLE operations(id INTEGER PRIMARY KEY, entity TEXT NOT NULL, event BLOB NOT NULL);
"""


class HubFileError(HubError):
    """The hub's file cannot be used; the message says why."""


class FileLock:
    """One process per hub: SQLite allows several writers, this hub does not."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock; it goes with the process, however that ends.

        Raises:
            HubFileError: another process has it.
        """
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(handle)
        except OSError as error:
            owner = os.pread(handle, 32, 1).decode(errors="replace").strip() if hasattr(os, "pread") else ""
            os.close(handle)
            who = f" (process {owner})" if owner else ""
            raise HubFileError(
                f"Task hub {str(self._path.with_suffix(''))!r} is open in another host{who}; stop that one, or give "
                "this one another folder with --data."
            ) from error
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, f" {os.getpid()}".encode())
        self._file = handle

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


if os.name == "nt":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # this branch is Windows
else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def open_writer(path: Path) -> sqlite3.Connection:
    """Open the one connection that writes, and make the tables where there are none.

    Raises:
        HubFileError: the file is damaged, or of a later version.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        for pragma in (
            "busy_timeout=1000",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "wal_autocheckpoint=0",
            "mmap_size=0",
        ):
            connection.execute(f"PRAGMA {pragma}")
        _examine(path, connection)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise HubFileError(f"Task hub {str(path)!r} cannot be opened: {error}.") from error
    except HubFileError:
        connection.close()
        raise
    return connection


def _examine(path: Path, connection: sqlite3.Connection) -> None:
    [found] = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise HubFileError(f"Task hub {str(path)!r} is damaged: {found}. Restore it from a backup.")
    [version] = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise HubFileError(f"Task hub {str(path)!r} has format {version}; this host knows {VERSION}. Update it.")
    if version == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {TABLES} PRAGMA user_version={VERSION}; COMMIT;")


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a connection that can neither write nor checkpoint."""
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA busy_timeout=5000")
    return connection


def copy(path: Path, target: Path) -> None:
    """Copy a hub that may be in use, as of one moment, into a new file."""
    with closing(open_reader(path)) as source, closing(sqlite3.connect(target)) as destination:
        source.backup(destination)
