"""Steps on the event loop: which are trusted, and what becomes of one that does not come back."""

import asyncio
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from localhost.host import quick_steps
from localhost.host.quick_steps import QUICK, QuickSteps

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread(),
    reason="needs an alarm, which only the main thread of a POSIX system hears",
)


@pytest.fixture
def quick(monkeypatch) -> Iterator[QuickSteps]:
    monkeypatch.setattr(quick_steps, "LONGEST", 0.05)
    yield QuickSteps()
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def stuck_in_python() -> None:
    while True:
        pass


def stuck_in_a_call() -> None:
    time.sleep(60)


def holding_out() -> None:
    try:
        time.sleep(60)
    except BaseException:  # noqa: BLE001 - what an app may do
        time.sleep(60)


def test_only_what_was_quick_as_far_into_its_history_is_trusted(quick):
    """An orchestrator that was never seen, one seen with a shorter history, or a slow one is not."""
    quick.learn("a", 5, QUICK / 10)
    quick.learn("slow", 5, QUICK * 10)
    assert [quick.trusts("a", n) for n in (4, 5, 6)] == [True, True, False]
    assert not quick.trusts("slow", 1)
    assert not quick.trusts("b", 1)


def test_a_step_is_made_where_no_event_loop_is_seen(quick):
    """What an orchestrator calls may run an event loop of its own, as in a thread; the one outside goes on."""

    async def nested():
        made = quick.make("a", lambda: asyncio.run(asyncio.sleep(0, "inner")))
        return made, await asyncio.sleep(0, "outer")

    assert asyncio.run(nested()) == ("inner", "outer")


@pytest.mark.parametrize("step", [stuck_in_python, stuck_in_a_call, holding_out])
def test_a_step_that_does_not_come_back_is_taken_off_and_never_trusted_again(quick, step):
    """The event loop goes on, and nothing that is learned later makes it try again."""
    quick.learn("a", 5, 0.0)

    async def taken_off():
        made = quick.make("a", step)
        return made, await asyncio.sleep(0, "goes on")

    assert asyncio.run(taken_off()) == (None, "goes on")
    quick.learn("a", 5, 0.0)
    assert not quick.trusts("a", 1)


def test_an_alarm_after_the_step_is_nothing(quick):
    """An alarm that rings when no step is under way disturbs nobody."""
    signal.raise_signal(signal.SIGALRM)
    assert asyncio.run(made(quick)) == "made"


async def made(quick: QuickSteps) -> str | None:
    return quick.make("a", lambda: "made")


def test_an_alarm_of_the_app_is_left_to_it(quick):
    """Where the app has taken the alarm for itself, nothing is done on the event loop."""
    own = signal.signal(signal.SIGALRM, lambda *_: None)
    try:
        steps = QuickSteps()
        steps.learn("a", 5, 0.0)
        assert not steps.trusts("a", 1)
    finally:
        signal.signal(signal.SIGALRM, own)
