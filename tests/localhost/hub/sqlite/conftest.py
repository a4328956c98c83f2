"""The durable hub that a test runs on."""

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
