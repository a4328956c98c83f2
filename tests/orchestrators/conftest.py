from collections.abc import Iterator
from datetime import timedelta
from itertools import repeat

import pytest
from durabletask import task
from replaying import Hub, in_memory_hub


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub whose orchestrators are in a hurry: what they do between two looks is the same."""
    for module in ("large_lane", "own_data"):
        monkeypatch.setattr(f"orchestrators.{module}._pauses", lambda: repeat(timedelta(milliseconds=50)))
    monkeypatch.setattr("orchestrators.large_lane.REST", timedelta(milliseconds=50))
    retry = task.RetryPolicy(first_retry_interval=timedelta(milliseconds=20), max_number_of_attempts=3)
    monkeypatch.setattr("orchestrators.steps.RETRY", retry)
    with in_memory_hub() as hub:
        yield hub
