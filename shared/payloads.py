"""What travels through orchestration history, as plain JSON.

Payloads live as long as their instance: add ``NotRequired`` fields, rename none, and keep them small (an id, a
verdict, a path in the lake; never rows, prompts or message lists).
"""

from typing import Literal, NotRequired, TypedDict

type State = Literal["analyzing", "generating_sql", "executing", "answering", "finishing", "completed", "failed"]
type QueryState = Literal["running", "succeeded", "failed", "canceled", "timeout", "refused", "busy"]


class Turn(TypedDict):
    """One question of one conversation: the input of the ``conversation`` orchestrator and of its activities."""

    conversation_id: str
    turn: int
    owner: str
    attempt: NotRequired[int]


class Begun(TypedDict):
    """What ``begin_turn`` found out."""

    deadline_seconds: int
    max_sql_retries: int


class Plan(TypedDict):
    """What ``plan_answer`` decided; the SQL itself is in the record."""

    kind: Literal["queries", "answer", "refused", "busy"]
    query_ids: NotRequired[list[str]]
    retry_after: NotRequired[float]
    code: NotRequired[str]
    message: NotRequired[str]


class QueryRequest(TypedDict):
    """One query of a turn, to be run once: the input of ``databricks_query`` and its activities."""

    conversation_id: str
    query_id: str
    attempt: int
    deadline_seconds: int


class QueryStatus(TypedDict):
    """Where a query stands."""

    state: QueryState
    lane: NotRequired[Literal["statement", "job"]]
    handle: NotRequired[str]
    row_count: NotRequired[int]
    code: NotRequired[str]
    message: NotRequired[str]
    correctable: NotRequired[bool]
    retry_after: NotRequired[float]


class Progress(TypedDict):
    """The custom status of a conversation: below 2 KB, monotone."""

    state: State
    current_step: str
    percentage: int
    queries: dict[Literal["done", "total"], int]
    attempt: int
    version: int
