"""Tests of hubs are coroutines; ``hub`` is open while one runs."""

import asyncio
import inspect

import pytest
from hub_harness.by_hand import PATIENCE

LIMIT = 1.5 * PATIENCE  # what hangs in one place is told by that place


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}

    async def run() -> None:
        hub = arguments.get("hub")
        if hub is not None:
            await hub.start()
        try:
            async with asyncio.timeout(LIMIT):
                await pyfuncitem.obj(**arguments)
        finally:
            if hub is not None:
                await hub.stop()

    asyncio.run(run())
    return True
