"""Tests of the durable hub are coroutines; ``hub`` is open while one runs."""

import asyncio
import inspect
from pathlib import Path

import pytest
from hub_harness import by_hand

from localhost.hub.sqlite.hub import SqliteHub


@pytest.fixture
def hub(tmp_path: Path) -> SqliteHub:
    return SqliteHub(tmp_path / "hub.db")


@pytest.fixture
def crash(hub: SqliteHub, tmp_path: Path):
    return lambda of=None: by_hand.Crash(of or hub, tmp_path)


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
            async with asyncio.timeout(30):
                await pyfuncitem.obj(**arguments)
        finally:
            if hub is not None:
                await hub.stop()

    asyncio.run(run())
    return True
