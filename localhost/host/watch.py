"""Hot reload: a process that stays, and starts a fresh host whenever a file of the app changes.

The socket belongs to the process that stays, so the port does too, and requests that arrive meanwhile wait in it. The
host ends as it would on Ctrl+C, only sooner: the hub hands out again what did not end in time.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from localhost.exit_codes import ExitCode

INTERVAL = 0.3
"""Seconds between two looks at the files; an edit is a burst until one passes in quiet."""
PATIENCE = 20.0
"""Seconds that a host gets to end before it is killed."""

_WATCHED_NAMES = {"host.json", "local.settings.json"}
_OTHERS_FOLDERS = {"__pycache__", "node_modules"}

type Look = Mapping[str, tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class AppFiles:
    """The files that an app is made of: its Python code and the two files that configure it."""

    script_root: Path
    data: Path

    def look(self) -> Look:
        """Return what tells one state of the files from another."""
        return dict(self._files(str(self.script_root), self._not_deployed()))

    def _files(self, folder: str, ignored: Sequence[str]) -> Iterator[tuple[str, tuple[int, int, int]]]:
        try:
            entries = list(os.scandir(folder))
        except OSError:  # it went away meanwhile
            return
        if any(entry.name == "pyvenv.cfg" for entry in entries):
            return
        top = folder == str(self.script_root)
        names = [pattern.removeprefix("/") for pattern in ignored if top or not pattern.startswith("/")]
        for entry in entries:
            configures = top and entry.name in _WATCHED_NAMES
            if not configures and any(fnmatchcase(entry.name, name) for name in names):
                continue
            if entry.is_dir(follow_symlinks=False):
                if not self._others(entry):
                    yield from self._files(entry.path, ignored)
            elif configures or entry.name.endswith(".py"):
                try:
                    state = entry.stat()
                except OSError:
                    continue
                yield entry.path, (state.st_mtime_ns, state.st_size, state.st_ino)

    def _others(self, entry: os.DirEntry[str]) -> bool:
        return entry.name.startswith(".") or entry.name in _OTHERS_FOLDERS or Path(entry.path) == self.data

    def _not_deployed(self) -> Sequence[str]:
        """Return the names in ``.funcignore``: what does not go to Azure is not the app."""
        try:
            lines = (self.script_root / ".funcignore").read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            return ()
        names = (line.strip().removesuffix("/") for line in lines)
        return [name for name in names if name and name[0] not in "#!" and "/" not in name[1:]]


class Watch:
    """Runs one host after the other until it is told to stop, or one of them ends by itself."""

    def __init__(self, files: AppFiles, begin: Callable[[], BaseProcess], say: Callable[[str], None]) -> None:
        """Keep what is needed; ``begin`` starts a host in a process of its own."""
        self._files = files
        self._begin = begin
        self._say = say
        self._host: BaseProcess | None = None
        self._told: int | None = None

    def run(self) -> int:
        """Return the exit code of the last host."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._pass_on)
        while True:
            seen = self._files.look()
            self._host = host = self._begin()
            changed = self._until_change(host, seen)
            if changed is None:
                return self._exit_code(host)
            self._say(f"{_listed(changed, self._files.script_root)} changed; the app starts again.")
            self._stop(host)
            if self._told is not None:
                return self._exit_code(host)

    def _pass_on(self, number: int, _frame: object) -> None:
        self._told = number
        host = self._host
        if host is None or host.pid is None:
            sys.exit(ExitCode.INTERRUPTED)
        elif sys.platform == "win32":
            host.terminate()
        elif host.is_alive():
            os.kill(host.pid, number)

    def _until_change(self, host: BaseProcess, seen: Look) -> Sequence[str] | None:
        """Wait for an edit and the quiet after it; return what changed, or none when the host ended."""
        latest, since = seen, 0.0
        while not connection.wait([host.sentinel], INTERVAL):
            if self._told is not None:
                continue
            now = self._files.look()
            if now != latest:
                latest, since = now, time.monotonic()
            elif latest != seen and time.monotonic() - since >= INTERVAL:
                return sorted(path for path in latest.keys() | seen.keys() if latest.get(path) != seen.get(path))
        host.join()
        return None

    def _stop(self, host: BaseProcess) -> None:
        host.terminate()
        host.join(PATIENCE)
        if host.is_alive():
            host.kill()
            host.join()

    def _exit_code(self, host: BaseProcess) -> int:
        code = host.exitcode or 0
        match self._told:
            case _ if code >= 0:
                return code
            case signal.SIGTERM:  # it came before the host listened for it
                return ExitCode.OK
            case signal.SIGINT:
                return ExitCode.INTERRUPTED
            case _:
                return ExitCode.FAILED


def _listed(paths: Sequence[str], root: Path) -> str:
    names = [str(Path(path).relative_to(root)) for path in paths[:3]]
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(names) + more
