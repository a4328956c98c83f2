"""Allowances, through the real Cosmos DB client against the stand-in."""

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from azure.cosmos import CosmosClient, PartitionKey
from serving import serving

from localhost.services.cosmos.app import create_app
from localhost.services.faults import Faults
from shared.errors import RateLimitedError, RecordUnavailableError
from shared.rate_limit import Allowance, RateLimits

KEY = base64.b64encode(b"a key for tests, as long as real").decode()
SECOND = 1_000_000
ALLOWANCE = Allowance(burst=60, per_second=5)


class Store:
    """The door over a stand-in whose calls are counted, at a time that the test sets."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.now = 1_800_000_000 * SECOND
        database = CosmosClient(url, KEY).create_database_if_not_exists("chat")
        container = database.create_container_if_not_exists("limits", PartitionKey("/id"), default_ttl=3_600)
        self.limits = RateLimits(container, clock=lambda: self.now)

    def accepted(self, times: int, subject: str = "ana", threads: int = 1) -> int:
        def take(_: int) -> bool:
            try:
                self.limits.take(subject, ALLOWANCE)
            except RateLimitedError:
                return False
            return True

        with ThreadPoolExecutor(threads) as pool:
            return sum(pool.map(take, range(times)))

    @contextmanager
    def counting(self) -> Iterator[list[str]]:
        httpx2.delete(f"{self.url}/_calls", trust_env=False)
        calls: list[str] = []
        yield calls
        journal = httpx2.get(f"{self.url}/_calls", trust_env=False).json()
        calls += [call["method"] for call in journal if "/docs" in call["path"]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    faults = Faults()
    with serving(create_app(tmp_path / "cosmos.sqlite", KEY, faults)) as url:
        yield Store(url)


def test_a_hundred_at_once_take_exactly_the_allowance(store):
    """However the requests fall together, as many pass as there are tokens."""
    assert store.accepted(100, threads=16) == 60
    assert store.accepted(10) == 0


def test_tokens_come_back_at_their_rate(store):
    """A second brings five, an age brings no more than the bucket holds."""
    store.accepted(60)
    store.now += SECOND
    assert store.accepted(20) == 5
    store.now += 10_000 * SECOND
    assert store.accepted(80, threads=8) == 60


def test_callers_do_not_share(store):
    """One caller's greed is not another's wait, whatever characters their names have."""
    store.accepted(61)

    assert store.accepted(1, subject="bob/../?#\\é") == 1


def test_a_refusal_says_when_to_come_again(store):
    """A refusal takes no token, so one step later there is one."""
    store.accepted(60)
    with pytest.raises(RateLimitedError) as refusal:
        store.limits.take("ana", ALLOWANCE)
    assert refusal.value.retry_after == 1
    store.now += refusal.value.retry_after * SECOND

    assert store.accepted(1) == 1
    assert Allowance(10, 1 / 30).retry_after == 30


def test_what_is_left_is_told(store):
    """Each token taken leaves one fewer."""
    assert [store.limits.take("ana", ALLOWANCE) for _ in range(3)] == [59, 58, 57]


def test_a_token_given_back_can_be_taken_again(store):
    """What did not count does not count; a full bucket does not overflow."""
    store.accepted(60)
    store.limits.give_back("ana", ALLOWANCE)
    assert store.accepted(2) == 1
    store.limits.give_back("nobody", ALLOWANCE)
    store.now += 1_000 * SECOND
    store.limits.give_back("ana", ALLOWANCE)

    assert store.accepted(70) == 60


def test_it_costs_at_most_two_calls(store):
    """An idle caller costs one call, a busy one two, a new or refused one two."""
    with store.counting() as new:
        store.accepted(1)
    with store.counting() as busy:
        store.accepted(1)
    store.now += 1_000 * SECOND
    with store.counting() as idle:
        store.accepted(1)
    store.accepted(59)
    with store.counting() as refused:
        store.accepted(1)

    assert [len(calls) for calls in (new, busy, idle, refused)] == [2, 2, 1, 2]


def test_a_store_that_is_down_is_no_refusal(store):
    """Without Cosmos DB nothing is known about the caller, so nothing is said about them."""
    httpx2.post(f"{store.url}/_faults", json=[{"match": "PATCH", "status": 503, "times": 0}], trust_env=False)
    with pytest.raises(RecordUnavailableError):
        store.limits.take("ana", ALLOWANCE)
