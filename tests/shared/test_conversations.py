"""The record of a conversation, through the real Cosmos DB client against the stand-in."""

import base64
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from azure.cosmos import CosmosClient, PartitionKey
from serving import serving

from localhost.services.cosmos.app import create_app
from localhost.services.faults import Fault, Faults
from shared import cosmos
from shared.conversations import Conversations, Record
from shared.errors import ConflictError, NotFoundError, RecordUnavailableError

KEY = base64.b64encode(b"a key for tests, as long as real").decode()


class Store:
    """The door over a stand-in, and the faults of that stand-in."""

    def __init__(self, conversations: Conversations, faults: Faults) -> None:
        self.conversations = conversations
        self.faults = faults

    def create(self, fingerprint: str = "f", owner: str = "ana", conversation_id: str | None = None) -> Record:
        return self.conversations.create(
            conversation_id=conversation_id or str(uuid4()),
            owner=owner,
            user_id="u",
            question="How many films?",
            dataset="imdb",
            fingerprint=fingerprint,
        )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    faults = Faults()
    with serving(create_app(tmp_path / "cosmos.sqlite", KEY, faults)) as url:
        client = CosmosClient(url, KEY, retry_total=0)
        database = client.create_database_if_not_exists("imdb_chat")
        items = database.create_container_if_not_exists("conversations", PartitionKey("/partition_key"))
        yield Store(Conversations(items, ttl=86_400), faults)


def test_a_new_record_has_the_published_shape(store: Store) -> None:
    record = store.create()
    stored = store.conversations.require(record["id"])
    assert stored["partition_key"] == stored["id"]
    assert stored["status"] == "processing"
    assert stored["final_answer"] is None
    assert stored["error"] is None
    assert stored["databricks_jobs"] == []
    assert stored["ttl"] == 86_400
    assert [(m["role"], m["content"]) for m in stored["messages"]] == [("user", "How many films?")]
    assert stored["created_at"].endswith("Z")


def test_the_same_request_finds_its_conversation_again(store: Store) -> None:
    first = store.create()
    again = store.create(conversation_id=first["id"])
    assert again["created_at"] == first["created_at"]


@pytest.mark.parametrize("change", [{"fingerprint": "g"}, {"owner": "ben"}])
def test_another_request_under_the_same_id_is_a_conflict(store: Store, change: dict[str, str]) -> None:
    """And the first conversation is left as it was."""
    first = store.create()
    with pytest.raises(ConflictError):
        store.create(conversation_id=first["id"], **change)
    assert store.conversations.require(first["id"])["owner"] == "ana"


def test_writers_that_meet_lose_nothing(store: Store) -> None:
    conversation_id = store.create()["id"]

    def append(name: str) -> None:
        store.conversations.update(conversation_id, lambda record: record["suggestions"].append(name))

    writers = [threading.Thread(target=append, args=(str(number),)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(store.conversations.require(conversation_id)["suggestions"]) == [str(n) for n in range(8)]


def test_a_refused_etag_is_met_by_reading_again(store: Store) -> None:
    conversation_id = store.create()["id"]
    store.faults.add(Fault(effect="refuse_etag", times=3))
    store.conversations.update(conversation_id, lambda record: record.update(state="answering"))
    assert store.conversations.require(conversation_id)["state"] == "answering"


def test_an_etag_refused_for_ever_is_a_typed_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosmos.time, "sleep", lambda _seconds: None)
    conversation_id = store.create()["id"]
    store.faults.add(Fault(effect="refuse_etag", times=0))
    with pytest.raises(RecordUnavailableError, match="Others changed conversation"):
        store.conversations.update(conversation_id, lambda record: record.update(state="answering"))


def test_a_server_error_is_worth_repeating(store: Store) -> None:
    conversation_id = store.create()["id"]
    store.faults.add(Fault(match="GET .*/docs/", status=500, times=0))
    with pytest.raises(RecordUnavailableError):
        store.conversations.get(conversation_id)


def test_a_conversation_that_is_gone_is_not_found(store: Store) -> None:
    unknown = str(uuid4())
    assert store.conversations.get(unknown) is None
    with pytest.raises(NotFoundError):
        store.conversations.update(unknown, lambda record: None)
