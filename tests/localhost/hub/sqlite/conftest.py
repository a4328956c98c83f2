"""The durable hub that a test runs on."""

from pathlib import Path

import pytest
from hub_harness import by_hand

from localhost.hub.sqlite import timers
from localhost.hub.sqlite.hub import SqliteHub


@pytest.fixture
def hub(tmp_path: Path) -> SqliteHub:
    return SqliteHub(tmp_path / "hub.db")


@pytest.fixture
def crash(hub: SqliteHub, tmp_path: Path):
    return lambda of=None: by_hand.Crash(of or hub, tmp_path)


class Clock:
    """The clock by which timers fire; it is the real one until it is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self._real = timers.now
        # A hub asleep until a due time looks again this often.
        monkeypatch.setattr(timers, "LONGEST_SLEEP", 0.02)

    def forward(self, seconds: int) -> None:
        """Let it be so much later than it is."""
        self._patch.setattr(timers, "now", lambda: self._real() + seconds * 1_000_000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)
