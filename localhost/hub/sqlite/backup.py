"""A copy of a hub as of one moment, also while a host works on it.

The copy is written by SQLite from one read transaction on a connection that can neither write nor checkpoint, so it
is in nobody's way but in one: the host cannot shorten its log meanwhile. It holds what the log holds, and none of the
file's free pages.
"""

import os
import secrets
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from localhost.hub.interface import HubError
from localhost.hub.sqlite import schema


class BackupError(HubError):
    """There is no copy; what was at its place is as it was."""


def back_up(path: Path, target: Path) -> int:
    """Write the hub at ``path`` into the new file ``target`` and return its size; it is there whole or not at all.

    Raises:
        HubFileError: there is no hub, or it cannot be read.
        BackupError: the target exists or cannot be written, or the copy is not sound.
    """
    if not path.is_file():
        raise schema.HubFileError(f"There is no task hub {str(path)!r}.")
    if target.exists():
        raise BackupError(f"{str(target)!r} exists already; a backup replaces nothing.")
    staged = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # histories are nobody else's business
        _copy(path, staged)
        _examine(staged)
        _sync(staged)
        _name(staged, target)
    except OSError as error:
        raise BackupError(f"{str(target)!r} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            staged.unlink()
    schema.sync_folder(target.parent)
    return target.stat().st_size


def _copy(path: Path, staged: Path) -> None:
    try:
        with closing(schema.open_reader(path)) as source:
            schema.refuse_foreign(path, source)
            source.execute("VACUUM INTO ?", (str(staged),))
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "")
        if name == "SQLITE_FULL" or name.startswith("SQLITE_IOERR"):
            raise BackupError(f"The backup cannot be written: {error}. Free the disk and try again.") from error
        raise schema.unreadable(path, error) from error


def _examine(staged: Path) -> None:
    with closing(schema.open_reader(staged)) as copy:
        found = [row[0] for row in copy.execute("PRAGMA integrity_check(1)")]
    if found != ["ok"]:
        raise BackupError(f"The copy is not sound ({found[0]}); it was thrown away. Look with `doctor`.")


def _sync(staged: Path) -> None:
    with staged.open("r+b") as file:
        os.fsync(file.fileno())


def _name(staged: Path, target: Path) -> None:
    """Give the copy its name, unless somebody else took it meanwhile."""
    try:
        os.link(staged, target)
    except FileExistsError as error:
        raise BackupError(f"{str(target)!r} exists already; a backup replaces nothing.") from error
    except OSError:  # a file system without hard links
        staged.rename(target)
