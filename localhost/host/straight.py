"""A call through the worker library without leaving the thread it is made in.

The library and the SDK are coroutines that hand the function itself, or a batch of an entity, to a thread and wait for
it. In a thread already, there is nothing to hand over: the coroutine is run to its end there, and all that it does
(bindings, contexts, names for the log, errors) is done as ever.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Executor
from typing import Any, override

set_running_loop = asyncio._set_running_loop  # noqa: SLF001 - it is there for those who write event loops


class _Done[T]:
    """Something to wait for that is there."""

    def __init__(self, result: T) -> None:
        self._result = result

    def __await__(self) -> Generator[None, None, T]:
        return self._result
        yield


class _Here(asyncio.AbstractEventLoop):
    """What the coroutine takes for the event loop: it calls at once what would go to a thread, and can do no more."""

    @override
    def run_in_executor[*Ts, T](self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> Any:
        set_running_loop(None)  # the function sees no event loop, as in any thread
        try:
            return _Done(func(*args))
        finally:
            set_running_loop(self)


_HERE = _Here()


def straight[T](coroutine: Coroutine[Any, Any, T]) -> T:
    """Run ``coroutine``, which waits for nothing but what it gives to threads, and return what it returns."""
    set_running_loop(_HERE)
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    finally:
        set_running_loop(None)
    coroutine.close()
    raise RuntimeError("The call waits for an event loop, and there is none in its thread.")
