"""One SQLite file: a thread that writes, a few that read, and a write is over when it is on the disk.

Writers queue up for the one connection that writes (and so is the only one that checkpoints: SQLite before 3.51.3
can corrupt a file where two do). What waits is committed together, each piece in its own savepoint, so that a
crowd pays for one flush instead of one each.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from localhost.services.cosmos.errors import CosmosError

SCHEMA = """
CREATE TABLE IF NOT EXISTS databases (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, rid TEXT UNIQUE, body TEXT);
CREATE TABLE IF NOT EXISTS containers (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, database INTEGER NOT NULL, id TEXT NOT NULL, rid TEXT UNIQUE,
    partition_path TEXT NOT NULL, default_ttl INTEGER, body TEXT, UNIQUE (database, id));
CREATE TABLE IF NOT EXISTS items (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, container INTEGER NOT NULL, partition TEXT NOT NULL,
    id TEXT NOT NULL, etag TEXT NOT NULL, modified REAL NOT NULL, ttl INTEGER, expires REAL, body TEXT NOT NULL,
    UNIQUE (container, partition, id));
CREATE INDEX IF NOT EXISTS items_expiring ON items (expires) WHERE expires IS NOT NULL;
"""
WRITES_PER_COMMIT = 64
READERS = 2
SECONDS_TO_WAIT_FOR_THE_FILE = 2.0

type Work[T] = Callable[[sqlite3.Connection], T]
type _Queued = tuple[Work[Any], Future[Any]]


class StoreInUseError(Exception):
    """Another process serves this file."""


class Store:
    """The file at ``path``, made where it is missing. Use it from one event loop.

    Raises:
        StoreInUseError: another process has it open.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = _locked(path)
        self._writes: queue.SimpleQueue[_Queued | None] = queue.SimpleQueue()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(SCHEMA)
        self._local = threading.local()
        self._reading: list[sqlite3.Connection] = []
        self._readers = ThreadPoolExecutor(READERS, "cosmos-read")
        self._writer = threading.Thread(target=self._write_all, name="cosmos-write", daemon=True)
        self._writer.start()

    async def read[T](self, work: Work[T]) -> T:
        """Return what ``work`` reads from the last committed state."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def write[T](self, work: Work[T]) -> T:
        """Return what ``work`` returned, once its changes are on the disk; if it raises, none of them is.

        Raises:
            CosmosError: 503, when the disk did not take it.
        """
        future: Future[T] = Future()
        self._writes.put((work, future))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Finish what was begun and let go of the file."""
        self._writes.put(None)
        self._writer.join()
        self._readers.shutdown()
        for connection in self._reading:
            connection.close()
        self._connection.close()
        self._lock.close()

    def _read[T](self, work: Work[T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            uri = f"{self._path.resolve().as_uri()}?mode=ro"
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
            self._local.connection = connection
            self._reading.append(connection)
        return work(connection)

    def _write_all(self) -> None:
        while (first := self._writes.get()) is not None:
            batch = [first]
            while len(batch) < WRITES_PER_COMMIT:
                try:
                    following = self._writes.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    self._writes.put(None)
                    break
                batch.append(following)
            self._commit(batch)

    def _commit(self, batch: list[_Queued]) -> None:
        """Run ``batch`` in one transaction and answer each writer after it is committed."""
        done: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for work, future in batch:
                done.append((future, *self._attempt(work)))
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            failure = CosmosError(503, f"The local Cosmos DB stand-in could not write: {error}.")
            done = [(future, None, failure) for _, future in batch]
        for future, result, error in done:
            if not future.set_running_or_notify_cancel():
                continue  # the caller went away; the write stands, as it would in the cloud
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

    def _attempt(self, work: Work[Any]) -> tuple[Any, BaseException | None]:
        self._connection.execute("SAVEPOINT piece")
        try:
            result = work(self._connection)
        except sqlite3.OperationalError:
            raise  # the disk or the file: true for the whole batch
        except Exception as error:  # noqa: BLE001  whatever it is, it is the one writer's and nobody else's
            self._connection.execute("ROLLBACK TO piece")
            self._connection.execute("RELEASE piece")
            return None, error
        self._connection.execute("RELEASE piece")
        return result, None


def _locked(path: Path) -> sqlite3.Connection:
    """Hold a lock beside ``path`` that goes away with this process, however it ends."""
    lock = sqlite3.connect(
        f"{path}.lock", timeout=SECONDS_TO_WAIT_FOR_THE_FILE, isolation_level=None, check_same_thread=False
    )
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        raise StoreInUseError(f"{path} is in use by another process; stop it, or choose another --data.") from error
    return lock
