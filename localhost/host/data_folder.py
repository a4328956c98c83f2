"""The folder that one host keeps its data in, and that two must not share."""

import os
import sys
from pathlib import Path

HUB = "hub.sqlite"
"""The file of the task hub."""


class DataFolderInUseError(Exception):
    """Another host uses the folder."""


class DataFolder:
    """A folder held until the process ends, however it ends: the lock is the operating system's."""

    def __init__(self, path: Path) -> None:
        """Take ``path``, making it where it is missing.

        Raises:
            DataFolderInUseError: another host has it.
        """
        self.path = path.absolute()
        self.path.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.path / "host.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(self._file)
        except OSError as error:
            os.close(self._file)
            raise DataFolderInUseError(
                f"Another host{_owner(self.path / 'host.lock')} uses the data folder {self.path}.\n"
                "Stop it, or choose another folder with --data."
            ) from error
        os.ftruncate(self._file, 0)
        os.write(self._file, f" {os.getpid()}".encode())

    @property
    def lake(self) -> Path:
        """The folder of the lake."""
        return self.path / "lake"

    @property
    def cosmos(self) -> Path:
        """The file of the Cosmos DB stand-in."""
        return self.path / "cosmos.sqlite"

    @property
    def hub(self) -> Path:
        """The file of the task hub."""
        return self.path / HUB

    @property
    def timers(self) -> Path:
        """The file with the times that timers last ran."""
        return self.path / "timers.json"

    def release(self) -> None:
        """Let another host have it."""
        os.close(self._file)


def _owner(lock: Path) -> str:
    """Return who wrote a lock file, for a message; its first byte is the one that is locked."""
    try:
        with lock.open("rb") as file:
            file.seek(1)
            return f" (process {int(file.read(32))})"
    except (OSError, ValueError):
        return ""


def _lock(file: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
