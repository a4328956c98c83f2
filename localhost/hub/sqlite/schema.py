"""The file of a hub: its tables, how it is opened, and who may open it.

Live work is held in memory and read from the tables only when the hub starts, so the tables need few indexes.
Times are microseconds since 1970, UTC.
"""

import os
import re
import sqlite3
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from localhost.hub.interface import HubError, StorageError

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
# Nobody who had it open was killed.
_UNUSED = "INSERT INTO meta VALUES ('stopped', 1);"
_NAMES = frozenset(re.findall(r"CREATE TABLE (\w+)", TABLES))


NO_SENSE = (DecodeError, ValueError, TypeError)
"""What is raised where a row is not what a host writes."""


class HubFileError(HubError):
    """The hub's file cannot be used; the message says why."""


class HubInUseError(HubFileError):
    """Another process has the hub open."""


class FileLock:
    """One process per hub: SQLite allows several writers, this hub does not."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock; it goes with the process, however that ends.

        Raises:
            HubInUseError: another process has it.
            HubFileError: nothing can be written there.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise HubFileError(f"Task hub {str(self._path.with_suffix(''))!r} cannot be opened: {error}.") from error
        try:
            _lock(handle)
        except OSError as error:
            os.close(handle)
            owner = _written(self._path)
            who = f" (process {owner})" if owner else ""
            raise HubInUseError(
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


@dataclass(slots=True, frozen=True)
class Holder:
    """The process that has a hub open, and since when, in microseconds."""

    process: int
    since: int


def holder(database: Path) -> Holder | None:
    """Return who has the hub open, without touching its lock: whoever tried it might be in a host's way."""
    lock = database.with_name(database.name + ".lock")
    process = _written(lock)
    if not process or not _alive(process):
        return None
    return Holder(process, lock.stat().st_mtime_ns // 1000)


def _written(lock: Path) -> int:
    """Return the process that a lock file names; the first byte is the one that is locked."""
    try:
        with lock.open("rb") as file:
            file.seek(1)
            return int(file.read(32))
    except (OSError, ValueError):
        return 0


def _alive(process: int) -> bool:
    if sys.platform == "win32":
        return True  # signal 0 would end it
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def open_writer(path: Path) -> sqlite3.Connection:
    """Open the one connection that writes, and make the file where there is none.

    Raises:
        HubFileError: the file is damaged, is no hub, or is of a later version; it is left as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _make(path)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)  # noqa: FBT003  # its only form
        connection.execute("PRAGMA busy_timeout=1000")
        refuse_foreign(path, connection)
        refuse_damaged(path, connection)
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "wal_autocheckpoint=0",
            "mmap_size=0",
        ):
            connection.execute(f"PRAGMA {pragma}")
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, False)  # noqa: FBT003  # its only form
    except sqlite3.DatabaseError as error:
        connection.close()
        raise unreadable(path, error) from error
    except HubFileError:
        connection.close()
        raise
    return connection


def _make(path: Path) -> None:
    """Make an empty hub, all at once: a file under the hub's name is a hub, or was one."""
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size:
        raise HubFileError(
            f"Task hub {str(path)!r} is gone, and its log {log.name!r} is still there. Put the file back beside it, or "
            "move the log away to begin anew."
        )
    staged = path.with_name(path.name + ".new")
    staged.unlink(missing_ok=True)
    connection = sqlite3.connect(staged, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(f"BEGIN IMMEDIATE; {TABLES} {_UNUSED} PRAGMA user_version={VERSION}; COMMIT;")
    except sqlite3.DatabaseError as error:
        raise unreadable(path, error) from error
    finally:
        connection.close()
    staged.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk; Windows does not know that, and does it by itself."""
    if sys.platform != "win32":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def unreadable(path: Path, error: sqlite3.Error | StorageError) -> HubFileError:
    """Say that SQLite could not read a file."""
    if isinstance(error, StorageError) and isinstance(error.__cause__, sqlite3.Error):
        error = error.__cause__
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_NOTADB":
        return HubFileError(f"{str(path)!r} is no SQLite file. Move it away, or restore the task hub from a backup.")
    if name.startswith("SQLITE_CORRUPT"):
        return HubFileError(f"Task hub {str(path)!r} is damaged: {error}. Restore it from a backup.")
    hint = " Look who owns it, and who may write to its folder." if name.startswith("SQLITE_CANTOPEN") else ""
    return HubFileError(f"Task hub {str(path)!r} cannot be opened: {error}.{hint}")


def unreadable_row(path: Path, error: Exception) -> HubFileError:
    """Say that a row of a sound file makes no sense."""
    return HubFileError(
        f"Task hub {str(path)!r} is damaged: it holds a row that no host wrote ({error}). Restore it from a backup."
    )


def refuse_foreign(path: Path, connection: sqlite3.Connection) -> None:
    """Look whether a file holds a hub that this version knows.

    Raises:
        HubFileError: it does not.
    """
    [version] = connection.execute("PRAGMA user_version").fetchone()
    found = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    if not found and version == 0:
        raise HubFileError(
            f"Task hub {str(path)!r} is empty: what it held is gone, or its -wal file was left behind when it was "
            "copied. Restore it from a backup, or move it away to begin anew."
        )
    if version > VERSION and found >= {"meta", "instances"}:
        raise HubFileError(f"Task hub {str(path)!r} has format {version}; this host knows {VERSION}. Update it.")
    if version == 0 or not found >= _NAMES:
        raise HubFileError(f"{str(path)!r} is a SQLite file, but no task hub. Give another folder with --data.")


def refuse_damaged(path: Path, connection: sqlite3.Connection) -> None:
    """Look at the structure of every page.

    Raises:
        HubFileError: something is wrong with one.
    """
    [found] = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        first, *_ = [line for line in found.splitlines() if not line.startswith("***")] or [found]
        raise HubFileError(f"Task hub {str(path)!r} is damaged: {first}. Restore it from a backup.")


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a connection that can neither write nor checkpoint."""
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )
    connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)  # noqa: FBT003  # its only form
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA busy_timeout=5000")
    return connection
