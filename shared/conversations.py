"""The record of each conversation, in the shape that its readers have always had.

One item a conversation, in the container ``conversations``; its id is its partition key and the instance id of
its orchestration. Every change reads the item, changes it and replaces it only if nobody else did in between
(ETag), so a change must be safe to apply twice and to apply to a newer item.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict, cast

from shared.cosmos import change_item, container, cosmos_errors
from shared.errors import ConflictError, NotFoundError
from shared.payloads import State
from shared.settings import settings

if TYPE_CHECKING:
    from azure.cosmos import ContainerProxy

type WhenRebuilding = Literal["answer", "wait"]
"""What a question does while its data is made anew: answer from the last version, or wait for the new one."""


class Message(TypedDict):
    """One message of a conversation. ``turn`` tells which question it belongs to."""

    role: Literal["user", "assistant"]
    content: str
    timestamp: str
    turn: int
    tool_calls: NotRequired[list[dict[str, Any]]]


class DatabricksJob(TypedDict):
    """One execution of one query. ``run_id`` is null until Databricks has taken it."""

    query_id: str
    attempt: int
    run_id: int | None
    statement_id: NotRequired[str]
    sql_query: str
    status: Literal["running", "completed", "failed", "canceled", "timeout"]
    started_at: str
    finished_at: NotRequired[str]
    error: NotRequired[str]


class ColumnType(TypedDict):
    """A column of a result and its Databricks type."""

    name: str
    type: str


class Result(TypedDict):
    """Rows of a query, kept in the lake at ``path`` (a folder of Parquet files)."""

    path: str
    columns: list[ColumnType]
    row_count: int
    truncated: bool


class FailedAttempt(TypedDict):
    """A statement that did not bring rows, and why."""

    attempt: int
    sql: str
    error: str


class Query(TypedDict):
    """One query that answers a question, or a part of one. ``sql`` is what the model wrote last."""

    sql: str
    purpose: str
    assumptions: list[str]
    failed: list[FailedAttempt]
    result: Result | None


class DataVersion(TypedDict):
    """One published Gold; ``path`` is its folder below ``LAKE_URL``."""

    job_id: str
    name: str
    version: str
    published_at: str
    path: str


class ComingData(TypedDict):
    """A job that makes a newer version, or waits for its owner to decide about its rejects."""

    job_id: str
    state: Literal["making", "awaiting_review"]


class Record(TypedDict):
    """A conversation. Times are ISO 8601 in UTC."""

    id: str
    partition_key: str
    owner: str
    user_id: str
    fingerprint: str
    status: Literal["processing", "completed", "error"]
    state: State
    turn: int
    dataset: str
    catalog_digest: str
    language: str
    question: str
    sql: str | None
    messages: list[Message]
    queries: dict[str, Query]
    databricks_jobs: list[DatabricksJob]
    draft_answer: str | None
    final_answer: str | None
    error: str | None
    error_code: str | None
    suggestions: list[str]
    created_at: str
    updated_at: str
    ttl: int
    when_rebuilding: NotRequired[WhenRebuilding]
    data: NotRequired[DataVersion]
    """Of a dataset that each user has alone: the version that the question is answered from."""
    coming: NotRequired[ComingData | None]
    """What was being made of it when the question was begun."""


def now() -> str:
    """Return the present as ISO 8601 in UTC, to the millisecond."""
    return f"{datetime.now(UTC).isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"


class Conversations:
    """The door to the records. Safe to use from several threads."""

    def __init__(self, items: "ContainerProxy", *, ttl: int) -> None:
        self._items = items
        self._ttl = ttl

    def create(
        self,
        *,
        conversation_id: str,
        owner: str,
        user_id: str,
        question: str,
        dataset: str,
        fingerprint: str,
        sql: str | None = None,
        when_rebuilding: WhenRebuilding = "answer",
    ) -> Record:
        """Create the record of a new conversation, or return it if the same request made it before.

        Args:
            conversation_id: a UUID; the instance id of the orchestration to come.
            owner: who may read it.
            user_id: what the caller calls its user; shown, never trusted.
            question: the first question.
            dataset: which dataset of the catalogue it is about.
            fingerprint: equal for equal requests; another one under the same id is a conflict.
            sql: a query of the caller's own, in place of one from the model.
            when_rebuilding: what to do while the data of the question is made anew.

        Raises:
            ConflictError: another request has this id.
            RecordUnavailableError: nothing was created; worth repeating.
        """
        from azure.cosmos.exceptions import CosmosResourceExistsError

        created = now()
        record: Record = {
            "id": conversation_id,
            "partition_key": conversation_id,
            "owner": owner,
            "user_id": user_id,
            "fingerprint": fingerprint,
            "status": "processing",
            "state": "analyzing",
            "turn": 1,
            "dataset": dataset,
            "catalog_digest": "",
            "language": "",
            "question": question,
            "sql": sql,
            "messages": [{"role": "user", "content": question, "timestamp": created, "turn": 1}],
            "queries": {},
            "databricks_jobs": [],
            "draft_answer": None,
            "final_answer": None,
            "error": None,
            "error_code": None,
            "suggestions": [],
            "created_at": created,
            "updated_at": created,
            "ttl": self._ttl,
            "when_rebuilding": when_rebuilding,
        }
        try:
            with cosmos_errors(f"conversation {conversation_id}"):
                self._items.create_item(dict(record))
        except CosmosResourceExistsError:
            known = self.get(conversation_id)
            if known is None or known["fingerprint"] != fingerprint or known["owner"] != owner:
                raise ConflictError(
                    "This Idempotency-Key was used for another question; use a new key for a new question."
                ) from None
            return known
        return record

    def get(self, conversation_id: str) -> Record | None:
        """Return the record, or None where there is none (any more).

        Raises:
            RecordUnavailableError: Cosmos DB cannot be reached now.
        """
        from azure.cosmos.exceptions import CosmosResourceNotFoundError

        try:
            with cosmos_errors(f"conversation {conversation_id}"):
                return cast(Record, self._items.read_item(conversation_id, partition_key=conversation_id))
        except CosmosResourceNotFoundError:
            return None

    def require(self, conversation_id: str) -> Record:
        """Return the record.

        Raises:
            NotFoundError: the conversation is not there (any more).
            RecordUnavailableError: Cosmos DB cannot be reached now.
        """
        record = self.get(conversation_id)
        if record is None:
            raise _gone(conversation_id)
        return record

    def update(self, conversation_id: str, change: Callable[[Record], None]) -> Record:
        """Apply ``change`` to the record and return what is stored now.

        ``change`` may be applied several times, each time to a fresh record.

        Raises:
            NotFoundError: the conversation is not there (any more).
            RecordUnavailableError: Cosmos DB cannot be reached, or other writers were always first.
        """
        from azure.cosmos.exceptions import CosmosResourceNotFoundError

        def changed(record: Record) -> Record:
            change(record)
            record["updated_at"] = now()
            return record

        subject = f"conversation {conversation_id}"
        try:
            stored = change_item(self._items, subject, lambda _met: self.require(conversation_id), changed)
        except CosmosResourceNotFoundError:
            raise _gone(conversation_id) from None
        return cast("Record", dict(stored))


@cache
def conversations() -> Conversations:
    """Return the door to the records of this app's Cosmos DB."""
    return Conversations(container("conversations"), ttl=settings().conversation_ttl_seconds)


def _gone(conversation_id: str) -> NotFoundError:
    return NotFoundError(f"Conversation {conversation_id} is gone: it expired or was deleted.")
