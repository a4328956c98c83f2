"""Work that runs on threads of its own, can be waited for without one, and can be cancelled."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import Event, Lock, Thread, Timer
from typing import Literal, NamedTuple

from localhost.services.databricks.engine import Cancellation, QueryCancelledError, QueryFailedError
from localhost.services.faults import Fault

logger = logging.getLogger(__name__)

WORKERS = 4
INTERRUPT_SECONDS = 0.2
CLOSE_SECONDS = 5.0

type WorkState = Literal["waiting", "running", "succeeded", "failed", "canceled"]


class Outcome[Result](NamedTuple):
    """How a piece of work ended, and when."""

    state: WorkState
    result: Result | None
    error: QueryFailedError | None
    at: int


class Work[Result]:
    """One piece of work: it waits, runs, and ends once in one of three ways. Times are milliseconds of the epoch.

    ``keep`` is told of its end before anybody else can see it.
    """

    def __init__(self, keep: Callable[[Outcome[Result]], None] | None = None) -> None:
        self._keep = keep
        self.state: WorkState = "waiting"
        self.result: Result | None = None
        self.error: QueryFailedError | None = None
        self.created_at = self.begun_at = _now()
        self.ended_at: int | None = None
        self.ended: Future[None] = Future()
        self.cancellation = Cancellation()
        self.left = Event()
        """Set once no thread is busy with it; a cancelled piece of work may take a moment to get there."""
        self._lock = Lock()

    def begin(self) -> bool:
        """Go from waiting to running; False if it has ended already."""
        with self._lock:
            if self.ended_at is not None:
                return False
            self.state, self.begun_at = "running", _now()
            return True

    def end(self, state: WorkState, result: Result | None = None, error: QueryFailedError | None = None) -> None:
        """End it, unless it has ended already."""
        with self._lock:
            if self.ended_at is not None:
                return
            outcome = Outcome(state, result, error, _now())
            if self._keep is not None:
                self._keep(outcome)
            self.state, self.result, self.error, self.ended_at = outcome
        self.ended.set_result(None)

    @classmethod
    def over(cls, outcome: Outcome[Result], *, created_at: int, begun_at: int) -> "Work[Result]":
        """Return work that ended in an earlier process."""
        work = cls()
        work.created_at, work.begun_at = created_at, begun_at
        work.state, work.result, work.error, work.ended_at = outcome
        work.left.set()
        work.ended.set_result(None)
        return work

    def cancel(self) -> None:
        """End it as cancelled, and interrupt the thread that is busy with it until it gives in."""
        self.end("canceled")
        if self.state == "canceled" and not self.left.is_set():
            Thread(target=self._interrupt, daemon=True).start()

    def _interrupt(self) -> None:
        # An engine forgets an interrupt that comes in the instant before its query starts: hence again and again.
        while True:
            self.cancellation.request()
            if self.left.wait(INTERRUPT_SECONDS):
                return


class Workers:
    """A bounded pool of threads."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="databricks")

    def start[Result](
        self,
        work: Work[Result],
        run: Callable[[Cancellation], Result],
        *,
        hang: Fault | None = None,
        failure: QueryFailedError | None = None,
    ) -> None:
        """Run ``run`` as ``work``. With ``failure`` it fails; with ``hang`` it first hangs for the fault's latency,
        or, where that is 0, until it is cancelled.
        """
        if hang is not None:
            work.begin()
            work.left.set()
            if hang.latency:
                timer = Timer(hang.latency, self._resume, (work, run, failure))
                timer.daemon = True
                timer.start()
        elif failure is not None:
            work.begin()
            work.end("failed", error=failure)
            work.left.set()
        else:
            self._pool.submit(_perform, work, run)

    def close(self) -> None:
        """Take no more work and wait a moment for what is running, which its owner has cancelled."""
        waiting = Thread(target=self._pool.shutdown, kwargs={"cancel_futures": True}, daemon=True)
        waiting.start()
        waiting.join(CLOSE_SECONDS)

    def _resume[Result](
        self, work: Work[Result], run: Callable[[Cancellation], Result], failure: QueryFailedError | None
    ) -> None:
        if work.ended_at is None:
            work.left.clear()
            with suppress(RuntimeError):  # the pool was closed in the meantime
                self.start(work, run, failure=failure)


def _perform[Result](work: Work[Result], run: Callable[[Cancellation], Result]) -> None:
    try:
        if work.begin():
            work.end("succeeded", run(work.cancellation))
    except QueryCancelledError:
        work.end("canceled")
    except QueryFailedError as error:
        work.end("failed", error=error)
    except Exception as error:
        logger.exception("The stand-in failed at a query")
        work.end("failed", error=QueryFailedError(f"{type(error).__name__}: {error}", error_code="INTERNAL_ERROR"))
    finally:
        work.left.set()


def _now() -> int:
    return time.time_ns() // 1_000_000
