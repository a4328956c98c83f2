"""Threads for what may block, no more of them at work than it takes.

Waking a thread costs more than most functions do, and two that run Python at once only take turns. So work is not
spread over all threads: a thread that takes something wakes the next one when more is waiting, and that one begins as
soon as the interpreter lets it: at once where the first one blocks, after a few milliseconds where it computes. Quick
calls are all done by one thread, those that block are all under way within a moment, and none that is stuck holds up
another.
"""

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, override


class Threads(ThreadPoolExecutor):
    """A pool of at most ``size`` threads; they do not keep the process from ending.

    It is a ``ThreadPoolExecutor`` for those who look for one, with threads of its own.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._size = size
        self._guard = threading.Lock()
        self._jobs: deque[Callable[[], None]] = deque()
        self._asleep: list[threading.Lock] = []  # the last to fall asleep is the first to be woken
        self._count = 0
        self._waking = False  # a thread was woken and has not yet looked
        self._to_wake: threading.Lock | None = None  # where it is to sleep until the event loop has done all else
        self._closed = False
        self._answers: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._announced = False  # the event loop was told, and has not yet looked

    async def run[**P, T](self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``function`` in a thread that sees the context variables of the caller, and return what it returns."""
        self._loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = self._loop.create_future()
        context = contextvars.copy_context()

        def job() -> None:
            if future.done():
                return  # nobody waits any more
            try:
                result = context.run(function, *args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - it is the caller's
                self._answers.append((future, None, error))
            else:
                self._answers.append((future, result, None))

        if (woken := self._put(job)) is not None:
            # Once it has done all else: a thread that is woken earlier only waits for the interpreter.
            self._to_wake = woken
            self._loop.call_soon(self._wake_now)
        return await future

    @override
    def submit[**P, T](self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        context = contextvars.copy_context()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = context.run(fn, *args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - it is the caller's
                future.set_exception(error)
            else:
                future.set_result(result)

        if (woken := self._put(job)) is not None:
            woken.release()
        else:
            self._wake_now()  # the event loop may itself wait for this
        return future

    @override
    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Begin nothing more, and let the threads go; what runs is not waited for."""
        with self._guard:
            self._closed = True
            if cancel_futures:
                self._jobs.clear()
            asleep, self._asleep = self._asleep, []
        for lock in asleep:
            lock.release()

    def _put(self, job: Callable[[], None]) -> threading.Lock | None:
        """Add a job, and return what to release for a thread to look at it."""
        with self._guard:
            if self._closed:
                raise RuntimeError("The threads of this host were let go; nothing new can be begun.")
            self._jobs.append(job)
            return self._wake()

    def _wake(self) -> threading.Lock | None:
        """Return what to release so that one more thread looks; with the guard held."""
        if self._waking or not self._jobs:
            return None
        if self._asleep:
            self._waking = True
            return self._asleep.pop()
        if self._count < self._size:
            self._begin_thread()
        return None

    def _wake_now(self) -> None:
        with self._guard:
            woken, self._to_wake = self._to_wake, None
        if woken is not None:
            woken.release()

    def _begin_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"functions-{self._count + 1}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has no more; those that are there do what waits
            if not self._count:
                raise
            return
        self._waking = True
        self._count += 1

    def _work(self) -> None:
        bed = threading.Lock()
        bed.acquire()
        woken = True
        while True:
            other: threading.Lock | None = None
            with self._guard:
                if woken:
                    self._waking = woken = False
                if job := self._jobs.popleft() if self._jobs else None:
                    other = self._wake()
                elif self._closed:
                    return
                else:
                    self._asleep.append(bed)
                # What was answered may wait for the next thread to look, which it does even if this one is held up.
                announced = self._waking
            if not announced:
                self._announce()
            if job is None:
                bed.acquire()
                woken = True
                continue
            if other is not None:
                other.release()
            job()
            del job  # nothing of the call outlives it

    def _announce(self) -> None:
        """Have the event loop take the answers; those that come before it looks are taken together."""
        if self._answers and not self._announced and self._loop is not None:
            self._announced = True
            with suppress(RuntimeError):  # the loop is gone: nobody waits
                self._loop.call_soon_threadsafe(self._take_answers)

    def _take_answers(self) -> None:
        self._announced = False
        while self._answers:
            future, result, error = self._answers.popleft()
            if future.done():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
