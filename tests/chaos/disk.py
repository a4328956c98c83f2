"""R13: the disk is full, refuses, cannot be written, or somebody else holds the file; nothing acknowledged is lost."""

import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from chaos.life import REFUSED, Conditions, Life, strace_works, use_ledger

LOAD = 60
READER_HOLDS = 120.0
CALLS = "pwrite64,write,fdatasync,fsync,ftruncate"


def run(*, reader_holds: float = READER_HOLDS) -> dict[str, Any]:
    """Let every kind of trouble come and go under load."""
    kinds: dict[str, Callable[[Path], dict[str, Any]]] = {
        "file_size_limit": _with(_file_size_limit),
        "file_of_so_many_pages": _with(_page_limit),
        "foreign_writer": _with(_foreign_writer),
        "foreign_reader": lambda folder: foreign_reader(folder, reader_holds),
        "read_only_folder": read_only_folder,
    }
    if strace_works():
        kinds |= {error: lambda folder, error=error: failing_calls(folder, error) for error in ("EIO", "ENOSPC")}
    with small_disk() as disk:
        figures = {} if disk is None else {"full_disk": full_disk(disk)}
    for kind, trouble in kinds.items():
        with tempfile.TemporaryDirectory() as name:
            use_ledger(Path(name))
            figures[kind] = trouble(Path(name))
    violations = [f"{kind}: {wrong}" for kind, figure in figures.items() for wrong in figure.pop("violations")]
    return {**figures, "violations": violations}


# A load of starts: what was acknowledged must be there and end, what was refused must not be there


def _starts(word: str, count: int = LOAD) -> list[dict[str, Any]]:
    return [{"op": "start", "key": f"{word}-{n}", "value": {"name": "chain", "input": 1}} for n in range(count)]


def _load(life: Life, word: str, count: int = LOAD, seconds: float = 30) -> tuple[list[str], list[str]]:
    """Start some; return the acknowledged and the refused."""
    for number, request in enumerate(_starts(word, count)):
        life.ask(f"{word} {number}", request)
    done: dict[str, bool] = {}
    for answer in life.answers(seconds):
        if str(answer["id"]).startswith(f"{word} "):
            done[answer["id"]] = REFUSED not in answer
        if len(done) == count:
            break
    names = {f"{word} {n}": f"{word}-{n}" for n in range(count)}
    return [names[n] for n, ok in done.items() if ok], [names[n] for n, ok in done.items() if not ok]


def _judge(database: Path, acknowledged: list[str], refused: list[str]) -> list[str]:
    """Open the hub anew and see."""
    life = Life(database)
    wrong = [] if life.up(30) else ["the hub did not open afterwards"]
    results = life.all([{"op": "result", "key": key, "seconds": 30} for key in acknowledged])
    found = life.all([{"op": "read", "key": key} for key in refused])
    life.end(0)
    wrong += [
        f"{k} was acknowledged and ended as {r}"
        for k, r in zip(acknowledged, results, strict=True)
        if not r or r[0] != 1
    ]
    wrong += [f"{key} was refused and is there" for key, state in zip(refused, found, strict=True) if state is not None]
    with closing(sqlite3.connect(database)) as connection:
        [sound] = connection.execute("PRAGMA integrity_check").fetchone()
    return wrong if sound == "ok" else [*wrong, f"integrity_check: {sound}"]


def _with(trouble: Callable[[Life, Path, bool], None]) -> Callable[[Path], dict[str, Any]]:
    """Let trouble come and go while one hub runs."""

    def run(folder: Path) -> dict[str, Any]:
        database = folder / "hub.db"
        life = Life(database)
        life.up()
        before, _ = _load(life, "before")
        trouble(life, database, True)
        during: list[str] = []
        refused: list[str] = []
        for number in range(200):  # there may be room for a while
            more, no = _load(life, f"during{number}")
            during += more
            refused += no
            if refused:
                break
        trouble(life, database, False)
        began = time.monotonic()
        after, refused_after = _load(life, "after")
        back = time.monotonic() - began
        dead = life.end(0)
        violations = _judge(database, [*before, *during, *after], [*refused, *refused_after])
        if dead:
            violations.append("the hub died of it")
        if not refused:
            violations.append("nothing was refused: the trouble did not come")
        if len(after) < LOAD:
            violations.append(f"{LOAD - len(after)} of {LOAD} were refused when the trouble had gone")
        return {
            "accepted": len(during),
            "refused": len(refused),
            "seconds_back": round(back, 2),
            "violations": violations,
        }

    return run


def _file_size_limit(life: Life, _database: Path, on: bool) -> None:
    life.tell("file size", value=40_000 if on else resource.RLIM_INFINITY)


def _page_limit(life: Life, _database: Path, on: bool) -> None:
    life.tell("pages", value=1 if on else 1_000_000)  # as few as there are; not one more


_holding: dict[Path, sqlite3.Connection] = {}


def _foreign_writer(_life: Life, database: Path, on: bool) -> None:
    if on:
        _holding[database] = sqlite3.connect(database, isolation_level=None, timeout=30)
        _holding[database].execute("BEGIN IMMEDIATE")
    else:
        _holding[database].execute("ROLLBACK")
        _holding.pop(database).close()


def foreign_reader(folder: Path, seconds: float) -> dict[str, Any]:
    """Have somebody read for minutes: commits go on, and the log is folded in when they have gone."""
    database = folder / "hub.db"
    life = Life(database, Conditions(checkpoint_bytes=100_000))
    life.up()
    before, _ = _load(life, "before")
    done: list[str] = []
    refused: list[str] = []
    log = database.with_name("hub.db-wal")
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM instances").fetchone()
        began = time.monotonic()
        number = 0
        while time.monotonic() - began < seconds:
            number += 1
            more, no = _load(life, f"during{number}", 20)
            done += more
            refused += no
            time.sleep(min(1.0, seconds / 10))
        longest = log.stat().st_size
    time.sleep(5.5)  # after a reader in the way, the hub tries again every five seconds
    after, _ = _load(life, "after")
    time.sleep(0.5)
    rows = _frames(database)
    life.end(0)
    violations = _judge(database, [*before, *done, *after], refused)
    if refused:
        violations.append(f"{len(refused)} were refused while somebody read")
    return {
        "held": seconds,
        "accepted": len(done),
        "log_bytes": longest,
        "unfolded_after": rows,
        "violations": violations,
    }


def _frames(database: Path) -> int:
    """Return how many pages of the log are not in the file yet."""
    with closing(sqlite3.connect(database)) as connection:
        _, length, folded = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return length - folded


def read_only_folder(folder: Path) -> dict[str, Any]:
    """A folder in which nothing can be made: the hub says so and does not start."""
    if os.geteuid() == 0:
        command = [
            "unshare",
            "-m",
            "sh",
            "-c",
            'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$2" -c "$3" "$1"',
            "sh",
        ]
    else:
        command = ["sh", "-c", 'chmod 500 "$1" && exec "$2" -c "$3" "$1"', "sh"]
    done = subprocess.run(
        [*command, str(folder), sys.executable, _OPEN], capture_output=True, text=True, check=False, timeout=60
    )
    with suppress(OSError):
        folder.chmod(0o700)
    if "mount" in done.stderr or "unshare" in done.stderr:
        return {"skipped": done.stderr.strip(), "violations": []}
    said = done.stdout.strip()
    return {
        "said": said.replace(str(folder), "FOLDER"),
        "violations": [] if said.startswith("refused") else [f"it said {said!r} {done.stderr[-500:]}"],
    }


_OPEN = """
import asyncio, sys
from pathlib import Path
from localhost.hub.interface import HubError
from localhost.hub.sqlite.hub import SqliteHub
async def main():
    hub = SqliteHub(Path(sys.argv[1]) / "hub.db")
    try:
        await hub.start()
    except HubError as error:
        print("refused:", error)
asyncio.run(main())
"""


def failing_calls(folder: Path, error: str) -> dict[str, Any]:
    """Have some of the hub's system calls fail, a few at a time, for as long as it runs."""
    database = folder / "hub.db"
    acknowledged: list[str] = []
    refused: list[str] = []
    deaths = 0
    for number in range(12):
        first = 3 + number * 7
        arguments = ("-P", str(database), "-P", f"{database}-wal", "-e", f"trace={CALLS}")
        arguments += ("-e", f"inject={CALLS}:error={error}:when={first}..{first + 4}")
        life = Life(database, Conditions(strace=arguments, checkpoint_bytes=60_000))
        if life.up(20):
            for batch in range(3):
                more, no = _load(life, f"{error}{number}x{batch}", 15, 20)
                acknowledged += more
                refused += no
        deaths += life.end()
    violations = _judge(database, acknowledged, refused)
    return {"accepted": len(acknowledged), "refused": len(refused), "deaths": deaths, "violations": violations}


@contextmanager
def small_disk() -> Iterator[Path | None]:
    """Yield a disk of a few megabytes, where one may be mounted."""
    with tempfile.TemporaryDirectory() as name:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", name], capture_output=True, check=False
        ).returncode
        try:
            yield Path(name) if mounted == 0 else None
        finally:
            if mounted == 0:
                subprocess.run(["umount", "-l", name], check=True)


def full_disk(disk: Path) -> dict[str, Any]:
    """Fill the disk beside a running hub, and make room again."""
    with tempfile.TemporaryDirectory() as elsewhere:
        use_ledger(Path(elsewhere))

        def trouble(_life: Life, _database: Path, on: bool) -> None:
            rest = disk / "rest"
            if not on:
                rest.unlink()
                return
            with rest.open("wb", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(bytes(4096))

        return _with(trouble)(disk)
