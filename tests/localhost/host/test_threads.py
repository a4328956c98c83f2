"""The threads that functions run in."""

import asyncio
import contextvars
import threading
import time
from collections.abc import Iterator

import pytest

from localhost.host.threads import Threads

PATIENCE = 20.0
SIZE = 4

caller: contextvars.ContextVar[str] = contextvars.ContextVar("caller", default="nobody")


@pytest.fixture
def threads() -> Iterator[Threads]:
    pool = Threads(SIZE)
    yield pool
    pool.shutdown(wait=False, cancel_futures=True)


def test_as_many_calls_as_there_are_threads_block_at_once(threads):
    """Calls that wait for one another all get a thread, though only one is woken at a time."""
    together = threading.Barrier(SIZE)

    async def all_of_them():
        return await asyncio.gather(*(threads.run(together.wait, PATIENCE) for _ in range(SIZE)))

    assert sorted(asyncio.run(all_of_them())) == list(range(SIZE))


@pytest.mark.parametrize("size", [1, 2])
def test_what_is_done_is_told_while_the_next_call_blocks(size):
    """An answer reaches its caller while a call that was asked for after it is still blocked."""
    pool = Threads(size)
    told = threading.Event()

    async def both():
        quick = asyncio.create_task(pool.run(lambda: "quick"))
        blocked = asyncio.create_task(pool.run(told.wait, PATIENCE))
        assert await quick == "quick"
        told.set()
        return await blocked

    assert asyncio.run(both())
    pool.shutdown(wait=False)


def _until_asleep(threads):
    while not threads._asleep:
        time.sleep(0.001)


def test_an_event_loop_that_waits_for_a_thread_itself_gets_one(threads):
    """As an app's coroutine may that takes the pool for an executor, just after a call of the host."""

    async def both():
        loop = asyncio.get_running_loop()
        assert await threads.run(lambda: "a thread that falls asleep")
        await asyncio.to_thread(_until_asleep, threads)
        call = asyncio.Task(threads.run(lambda: "call"), loop=loop, eager_start=True)
        return threads.submit(lambda: "waited for").result(PATIENCE), await call

    assert asyncio.run(both()) == ("waited for", "call")


def test_a_thousand_calls_all_come_back_in_their_places(threads):
    """No answer is lost or mixed up, however few times the event loop is told."""

    async def many():
        return await asyncio.gather(*(threads.run(lambda n=n: n * n) for n in range(1000)))

    assert asyncio.run(many()) == [n * n for n in range(1000)]


def test_an_error_is_its_callers_and_the_thread_goes_on(threads):
    """What a call raises is raised where it was asked for; later calls are not touched."""

    async def after_an_error():
        with pytest.raises(ZeroDivisionError):
            await threads.run(lambda: 1 // 0)
        return await threads.run(lambda: "well")

    assert asyncio.run(after_an_error()) == "well"


def test_a_call_sees_its_callers_context_and_leaves_nothing_in_it(threads):
    """Context variables come along; what a call sets is gone with it."""

    async def in_a_context():
        caller.set("somebody")
        seen = await threads.run(caller.get)
        await threads.run(caller.set, "the call")
        return seen, await threads.run(caller.get), caller.get()

    assert asyncio.run(in_a_context()) == ("somebody", "somebody", "somebody")


def test_it_serves_those_who_know_only_executors(threads):
    """``submit`` gives a future as any executor does, with its result or its error."""
    assert threads.submit(pow, 2, 5).result(PATIENCE) == 32
    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 // 0).result(PATIENCE)


def test_nothing_begins_after_the_end(threads):
    """Threads that were let go take nothing more."""
    threads.shutdown(wait=False)
    with pytest.raises(RuntimeError, match="let go"):
        threads.submit(print)
