"""R1b: the power fails. What the disk had confirmed is there, whole commits only, whatever was under way.

A killed process leaves the system's cache behind, so kills say nothing about the disk. Here the files are changed as
a power failure would leave them. What is right is known exactly: at every commit the whole database is summed up.
"""

import asyncio
import hashlib
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub_harness.runner import Runner

from chaos import app
from chaos.life import Conditions, Life, strace_works, use_ledger
from localhost.hub.sqlite import writer
from localhost.hub.sqlite.hub import SqliteHub

PAGE = 4096
HEADER = 32
FRAME = 24 + PAGE
SECTOR = 512
# Thousands of hubs are opened, and what a power failure leaves is made up: no real disk has to confirm anything.
MEMORY = Path("/dev/shm")
NEVER = 2**40
OFTEN = 200_000


@dataclass(frozen=True)
class Moment:
    """The files right after the disk had confirmed a commit, and a digest of all rows."""

    file: bytes
    log: bytes
    digest: str

    @property
    def used(self) -> int:
        """The bytes of the log that hold frames; behind them are zeros, or frames of an earlier round."""
        return used(self.log)


@dataclass
class Recording:
    """What a hub left on the disk under load."""

    last: Moment
    commits: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])  # the log's used bytes, and a digest
    pairs: list[tuple[Moment, Moment]] = field(default_factory=list[tuple[Moment, Moment]])  # a commit and the next

    def expected(self, size: int) -> str | None:
        """Return the digest of what the disk had confirmed when the log had this size; None before all that."""
        confirmed = [digest for end, digest in self.commits if end <= size]
        return confirmed[-1] if confirmed else None


class _Watched:
    """A connection that looks at the files after each commit, when the disk has confirmed it."""

    def __init__(self, connection: sqlite3.Connection, path: Path, recording: Recording, rng: random.Random) -> None:
        self._connection = connection
        self._path = path
        self._recording = recording
        self._rng = rng

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        cursor = self._connection.execute(sql, *values)
        if sql == "COMMIT":
            recording, now = self._recording, moment(self._path)
            recording.commits.append((now.used, now.digest))
            # All of those where the log was folded in or begins anew: little is as delicate.
            anew = now.used < recording.last.used or now.file != recording.last.file
            if anew or self._rng.random() < 0.1:
                recording.pairs.append((recording.last, now))
            recording.last = now
        return cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def moment(path: Path) -> Moment:
    """Return the files as they are."""
    log = _log(path).read_bytes().rstrip(b"\0")
    return Moment(path.read_bytes(), log.ljust(used(log), b"\0"), digest(path))


def used(log: bytes) -> int:
    """Return the bytes that hold frames of the log's present round."""
    end = HEADER
    while log[end + 8 : end + 16] == log[16:24]:
        end += FRAME
    return end


def digest(path: Path) -> str:
    """Return a digest of every row of a database."""
    total = hashlib.sha256()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint=0")
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type='table' ORDER BY 1")]
        for table in tables:
            for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2"):
                total.update(repr(row).encode())
    return total.hexdigest()


def _log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


async def record(seed: int, instances: int, folder: Path, checkpoint_bytes: int) -> Recording:
    """Run a load to its end, and keep the files as they are then."""
    rng = random.Random(seed)
    use_ledger(folder)
    before, writer.CHECKPOINT_BYTES = writer.CHECKPOINT_BYTES, checkpoint_bytes
    path = folder / "hub.db"
    hub = SqliteHub(path)
    await hub.start()
    try:
        recording = Recording(moment(path))
        hub._state.writer._connection = _Watched(hub._state.writer._connection, path, recording, rng)
        functions = (*app.ORCHESTRATORS, *app.ACTIVITIES)
        async with Runner(hub, *functions, entities=app.ENTITIES) as runner:
            for _ in range(4):
                waiting: list[asyncio.Task[Any]] = []
                for _number in range(instances // 4):
                    name = rng.choice(["chain", "fan", "family", "nap", "remember"])
                    instance = await runner.start(name, str(rng.randint(1, 6)))
                    waiting.append(asyncio.create_task(runner.result(instance)))
                await asyncio.gather(*waiting)
        await hub._state.writer.durable()
    finally:
        await hub.stop()
        writer.CHECKPOINT_BYTES = before
    return recording


@dataclass(frozen=True)
class Wreck:
    """Files as they are found after a power failure, and what must be in them."""

    what: str
    file: bytes
    log: bytes
    expected: str | None


def cuts(recording: Recording, sizes: list[int]) -> Iterator[Wreck]:
    """Yield the log cut at ``sizes``."""
    last = recording.last
    for size in sizes:
        yield Wreck(f"cut at {size}", last.file, last.log[:size], recording.expected(size))


def damaged(recording: Recording, every: int) -> Iterator[Wreck]:
    """Yield logs with one byte of the last frame changed: the commit that it belongs to is not there."""
    last = recording.last
    for offset in range(last.used - FRAME, last.used, every):
        log = bytearray(last.log)
        log[offset] ^= 0x41
        yield Wreck(f"byte {offset} damaged", last.file, bytes(log), recording.expected(last.used - FRAME))


def unordered(recording: Recording, rng: random.Random, count: int) -> Iterator[Wreck]:
    """Yield logs of which the last, unconfirmed commit reached the disk in part: any of its sectors, in any order."""
    for _ in range(count):
        before, after = rng.choice(recording.pairs)
        size = max(len(before.log), len(after.log))
        old, new = before.log.ljust(size, b"\0"), after.log.ljust(size, b"\0")
        anew = after.used < before.used
        if anew:  # SQLite has the disk confirm the log's new header before it writes a frame
            old = new[:HEADER] + old[HEADER:]
        sectors = [
            start for start in range(0, size, SECTOR) if old[start : start + SECTOR] != new[start : start + SECTOR]
        ]
        arrived = set(rng.sample(sectors, rng.randrange(len(sectors)))) if sectors else set[int]()
        log = b"".join((new if n in arrived else old)[n : n + SECTOR] for n in range(0, size, SECTOR))
        # The log is begun anew only when all of it has been folded into the file.
        file = after.file if anew else before.file
        what = f"{len(arrived)} of {len(sectors)} sectors of a commit arrived"
        yield Wreck(what, file, log, before.digest)


def folding(recording: Recording, rng: random.Random, count: int) -> Iterator[Wreck]:
    """Yield files of which some pages were folded in, and others not, with the log still whole."""
    folded = [(a, b) for a, b in recording.pairs if a.file != b.file]
    for _ in range(count if folded else 0):
        before, after = rng.choice(folded)
        size = rng.randrange(len(before.file), len(after.file) + 1, PAGE)
        file = bytearray(before.file.ljust(size, b"\0"))
        for start in range(0, size, PAGE):
            if rng.random() < 0.5:
                file[start : start + PAGE] = after.file[start : start + PAGE]
        yield Wreck(f"{size} bytes folded in part", bytes(file), before.log, before.digest)


def examine(wreck: Wreck, folder: Path, *, carry_on: bool) -> str:
    """Open what was found. Returns what is wrong with it, if anything is."""
    path = folder / "found" / "hub.db"
    shutil.rmtree(path.parent, ignore_errors=True)
    path.parent.mkdir()
    path.write_bytes(wreck.file)
    _log(path).write_bytes(wreck.log)
    if wreck.expected is not None:
        try:
            with closing(sqlite3.connect(path)) as connection:
                [found] = connection.execute("PRAGMA integrity_check").fetchone()
        except sqlite3.DatabaseError as error:
            found = error
        if found != "ok":
            return f"{wreck.what}: integrity_check says {found}"
        # Closing the connection has folded the log in; what is looked at is what was recovered.
        if digest(path) != wreck.expected:
            return f"{wreck.what}: not what the disk had confirmed"
    if carry_on:
        left = asyncio.run(_carry_on(path))
        if left:
            return f"{wreck.what}: {left} did not come to an end"
    return ""


async def _carry_on(path: Path) -> list[str]:
    """Open the hub and run what is in it. Returns the instances that did not complete."""
    hub = SqliteHub(path)
    await hub.start()
    functions = (*app.ORCHESTRATORS, *app.ACTIVITIES)
    try:
        alive = list(hub._state.instances)
        async with Runner(hub, *functions, entities=app.ENTITIES) as runner:
            async with asyncio.timeout(60):
                ends = await asyncio.gather(*[runner.result(instance) for instance in alive])
        return [end.instanceId for end in ends if end.orchestrationStatus != 1]
    except TimeoutError:
        return list(hub._state.instances)
    finally:
        await hub.stop()


def confirmations(folder: Path, starts: int = 50) -> tuple[int, int]:
    """Start one thing after the other. Returns the acknowledged ones, and how often the disk was asked to confirm."""
    trace = folder / "trace"
    life = Life(folder / "hub.db", Conditions(strace=("-e", "trace=fdatasync,fsync", "-o", str(trace))))
    life.up()
    value = {"name": "sleeper", "input": None}
    before = trace.read_text().count("sync(")
    acknowledged = [life.tell("start", f"sleeper-{n}", value) for n in range(starts)].count(True)
    asked = trace.read_text().count("sync(") - before
    life.end()
    return acknowledged, asked


def run(seed: int, *, instances: int = 80, step: int = PAGE, count: int = 1000, every: int = 1) -> dict[str, Any]:
    """Cut every ``step`` bytes and at ``count`` random ones, and so on; carry on from one in twenty."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        folder = Path(name)
        for part in ("long", "short"):
            (folder / part).mkdir()
        long = asyncio.run(record(seed, instances, folder / "long", NEVER))
        short = asyncio.run(record(seed + 1, instances, folder / "short", OFTEN))
        size = long.last.used
        wrecks = {
            "cuts": cuts(long, list(range(0, size, step))),
            "random_cuts": cuts(long, [rng.randrange(size) for _ in range(count)]),
            "damaged": damaged(long, every),
            "unordered": unordered(short, rng, count),
            "folded_in_part": folding(short, rng, count),
        }
        violations: list[str] = []
        figures: dict[str, int] = dict.fromkeys(wrecks, 0)
        for kind, some in wrecks.items():
            for number, wreck in enumerate(some):
                figures[kind] += 1
                wrong = examine(wreck, folder, carry_on=number % 20 == 0)
                if wrong:
                    violations.append(f"{kind}: {wrong}")
        if strace_works():
            (folder / "confirmed").mkdir()
            acknowledged, asked = confirmations(folder / "confirmed")
            figures |= {"acknowledged": acknowledged, "confirmed_by_disk": asked}
            if asked < acknowledged:
                violations.append(f"{acknowledged} were acknowledged, and the disk was asked {asked} times")
        violations += [f"nothing of the kind {kind!r} came about" for kind, number in figures.items() if not number]
    commits = len(long.commits) + len(short.commits)
    return {"commits": commits, "log_bytes": size, **figures, "violations": violations[:20]}
