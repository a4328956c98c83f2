"""Group commit: changes of many are written together, and each is acknowledged once it is on disk.

There is one writing connection and one change of hands: statements run on the event loop, where they are cheap and
wait for nobody; then a thread commits, and waits for the disk. While it does, further changes gather for the next
commit. The loop goes on once that thread is on its way to the disk: a loop that has Python to run does not let it begin
for milliseconds, and then has nothing left to do but wait for it.
Where there is little to commit and the disk is quick, the event loop commits itself: waking the thread and being woken
by it would take longer. A change that sets an orchestration going waits a moment for that step's outcome, and goes to
disk with it.
Checkpoints happen in that thread too, between commits: SQLite before 3.51.3 may damage a file whose log is
reset by one connection while another writes.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from localhost.hub.interface import StorageError
from localhost.hub.sqlite.changes import Changes, together
from localhost.hub.sqlite.failpoints import failpoint
from localhost.hub.sqlite.log_file import CHECKPOINT_BYTES, LogFile

log = logging.getLogger(__name__)

MAX_STATEMENTS = 2_000
LINGER = 0.002
# A commit of so few changes is done on the event loop, while the disk takes less than so many seconds.
FEW = 4
QUICK = 0.001
CHECKPOINT_PAUSE = 5.0


class Writer:
    """Commits changes in the order in which they are submitted."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        *,
        failed: Callable[[], None],
        more_soon: Callable[[], bool],
        busy: Callable[[], bool],
    ) -> None:
        self._connection = connection
        connection.execute("BEGIN IMMEDIATE")  # with its first transaction the log is there
        connection.execute("COMMIT")
        self._log = LogFile(path)
        self._log.prepare()
        self._failed = failed
        self._more_soon = more_soon
        self._busy = busy
        self._lingering: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[int, Changes]] = deque()
        self._committing: list[tuple[int, Changes]] = []
        self._scheduled = False
        self._submitted = 0
        self._futures: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._orders: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._begun = threading.Lock()  # released by the thread when it begins a commit
        self._begun.acquire()
        self._error: Exception | None = None  # of the last commit
        self._closed = False
        self._round = 0
        self._checkpoint_after = 0.0
        self._hurried = False
        self._pace = 0.0
        """Seconds that a commit takes, lately."""
        self._idle = threading.Event()
        self._idle.set()
        self._thread = threading.Thread(target=self._commits, name="hub-commits", daemon=True)
        self._thread.start()
        self.committed = 0

    def submit(self, changes: Changes) -> int:
        """Take a change for the next commit, and return its place in the order."""
        self._submitted += 1
        sequence = self._submitted
        for item in changes.touched:
            item.sequence = sequence
        self._waiting.append((sequence, changes))
        if not self._scheduled and not self._committing:
            self._scheduled = True
            self._loop.call_soon(self._begin_or_linger)
        failpoint("change.submitted")
        return sequence

    def written(self, sequence: int | None = None) -> asyncio.Future[None]:
        """Return what to await for ``durable``; nobody has to."""
        sequence = self._submitted if sequence is None else sequence
        future = self._loop.create_future()
        if sequence <= self.committed:
            future.set_result(None)
        else:
            self._futures.append((sequence, future))
        return future

    def silence(self) -> None:
        """Write what was submitted, but do nothing of what was to follow it."""
        for _sequence, changes in (*self._committing, *self._waiting):
            changes.then.clear()

    async def durable(self, sequence: int | None = None) -> None:
        """Return when the change at ``sequence`` is on disk; without one, when all so far are.

        Raises:
            StorageError: it could not be written, and has not happened.
        """
        if (self._submitted if sequence is None else sequence) > self.committed:
            await self.written(sequence)
            failpoint("ack")

    async def close(self) -> None:
        """Commit what was submitted, tidy the log and close."""
        with suppress(StorageError):
            await self.durable()
        self._closed = True
        self._orders.put(None)
        await asyncio.to_thread(self._thread.join)
        with suppress(sqlite3.OperationalError):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()
        self._log.close()

    def discard(self) -> None:
        """Close at once; nothing has been submitted."""
        self._orders.put(None)
        self._thread.join()
        self._connection.close()
        self._log.close()

    def _begin_or_linger(self) -> None:
        """Commit at once when nothing else is to be expected, else give it a moment to come along."""
        self._scheduled = False
        if self._committing:
            return
        if self._hurried or not self._more_soon():
            self._begin()
        elif self._lingering is None:
            self._lingering = self._loop.call_later(LINGER, self._begin)

    def hurry(self) -> None:
        """Let the next commit wait for nothing: work is held up until it is done."""
        self._hurried = True

    def _begin(self) -> None:
        self._hurried = False
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        if self._committing or not self._waiting:
            return
        failpoint("commit.begun")
        execute = self._connection.execute
        count = 0
        while self._waiting and count < MAX_STATEMENTS:
            self._committing.append(self._waiting.popleft())
            count += len(self._committing[-1][1].statements)
        try:
            execute("BEGIN IMMEDIATE")
            for sql, values in together([changes for _, changes in self._committing]):
                execute(sql, values)
            if self._worth_a_thread():
                self._idle.clear()
                self._orders.put(self._round)
                self._begun.acquire()
                return
            self._commit()
        except Exception as error:  # noqa: BLE001  # half a transaction must not stay, whatever is wrong with the rest
            self._refuse(error)
            return
        self._end(self._round, None)

    def _worth_a_thread(self) -> bool:
        """Whether others have something to do while the disk works, for longer than handing over takes."""
        if self._closed:
            return False  # the thread is gone, and would be waited for
        return self._busy() or len(self._committing) > FEW or self._pace > QUICK or self._log_is_long()

    def _commit(self) -> None:
        failpoint("commit.before")
        begun = time.perf_counter()
        self._connection.execute("COMMIT")
        self._pace += (time.perf_counter() - begun - self._pace) / 8
        failpoint("commit.after")

    def _commits(self) -> None:
        while (number := self._orders.get()) is not None:
            self._begun.release()
            self._error = None
            try:
                self._commit()
                self._checkpoint()
            except Exception as refused:  # noqa: BLE001  # without this thread nothing would ever be on disk
                self._error = refused
            self._idle.set()
            with suppress(RuntimeError):  # the loop is gone: nobody waits
                self._loop.call_soon_threadsafe(self._end, number, self._error)

    def abort(self) -> None:
        """Wait for the commit under way, take back what is not on disk, and begin again from there."""
        if self._committing:
            self._idle.wait()
            self.silence()  # memory is halfway through a change; all of it is read anew
            self._end(self._round, self._error)
        self._refuse(sqlite3.OperationalError("another change was taken back, and memory is read anew"))

    def _end(self, number: int, error: Exception | None) -> None:
        if number != self._round:
            return  # aborted meanwhile
        self._round += 1
        if error is not None:
            self._refuse(error)
            return
        done, self._committing = self._committing, []
        self.committed = done[-1][0]
        for _sequence, changes in done:
            for action in changes.then:
                action()
        while self._futures and self._futures[0][0] <= self.committed:
            _, future = self._futures.popleft()
            if not future.done():
                future.set_result(None)
        if self._waiting and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._begin_or_linger)

    def _refuse(self, error: Exception) -> None:
        """Take everything back that is not on disk, and say so to everyone who waits for it."""
        self._round += 1
        log.error("The disk refused a commit (%s); what was not yet acknowledged is taken back.", error)
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        self._committing.clear()
        self._waiting.clear()
        self.committed = self._submitted
        refusals, self._futures = self._futures, deque()
        for _, future in refusals:
            if not future.done():
                future.set_exception(StorageError(f"The task hub cannot write: {error}. Free the disk and try again."))
                future.exception()  # whoever left is not warned about
        self._failed()

    def _checkpoint(self) -> None:
        """Copy the log into the file when it has grown long."""
        try:
            if not self._log_is_long():
                return
            failpoint("checkpoint.before")
            _, length, folded = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if folded < length:  # somebody reads, a backup perhaps: commits must not wait for that each time
                self._checkpoint_after = time.monotonic() + CHECKPOINT_PAUSE
        except (sqlite3.Error, OSError) as error:
            # What was committed is in the log and stays there.
            self._checkpoint_after = time.monotonic() + CHECKPOINT_PAUSE
            log.warning("The log of the task hub could not be folded into its file: %s", error)
        failpoint("checkpoint.after")

    def _log_is_long(self) -> bool:
        """Whether it is time to copy the log into the file."""
        return time.monotonic() >= self._checkpoint_after and self._log.used() >= CHECKPOINT_BYTES
