"""What travels through orchestration history, as plain JSON.

Payloads live as long as their instance: add ``NotRequired`` fields, rename none, and keep them small (an id, a
verdict, a path in the lake; never rows, prompts or message lists).
"""

from typing import Literal, NotRequired, TypedDict

type State = Literal["analyzing", "generating_sql", "executing", "answering", "finishing", "completed", "failed"]


class Failure(TypedDict):
    """Why a step did not do its work. ``again``: the same step may succeed, ``retry_after`` seconds later."""

    code: str
    message: str
    again: bool
    retry_after: NotRequired[float]


class Verdict(TypedDict):
    """What every activity returns, with more where there is more to say. Without ``failure``, its work is done."""

    failure: NotRequired[Failure]


class Turn(TypedDict):
    """One question of one conversation: the input of ``conversation`` and of its activities."""

    conversation_id: str
    turn: int
    owner: str


class Begun(Verdict):
    """The limits that hold for this turn."""

    query_deadline_seconds: NotRequired[int]
    max_sql_retries: NotRequired[int]


class Plan(Verdict):
    """Which queries answer the question. The SQL itself is in the record; none means it is answered already."""

    query_ids: NotRequired[list[str]]


class QueryRequest(TypedDict):
    """One query of a turn: the input of ``databricks_query``."""

    conversation_id: str
    query_id: str
    deadline_seconds: int
    max_sql_retries: int


class QueryAttempt(TypedDict):
    """One attempt at one query: the input of its activities. ``lane`` and ``handle`` once it is submitted."""

    conversation_id: str
    query_id: str
    attempt: int
    lane: NotRequired[Literal["statement", "job"]]
    handle: NotRequired[str]


class QueryStatus(Verdict):
    """Where one attempt at a query stands.

    ``cause`` of a failed one: ``sql`` (another statement may do better), ``infrastructure`` (the same may do
    better later), or ``final``.
    """

    state: NotRequired[Literal["running", "succeeded", "failed"]]
    lane: NotRequired[Literal["statement", "job"]]
    handle: NotRequired[str]
    cause: NotRequired[Literal["sql", "infrastructure", "final"]]
    code: NotRequired[str]
    message: NotRequired[str]


class QueryOutcome(TypedDict):
    """How a query ended, and after how many attempts; ``code`` and ``message`` where it failed."""

    succeeded: bool
    attempts: int
    code: NotRequired[str]
    message: NotRequired[str]


class TurnFailure(TypedDict):
    """Why a turn ends without an answer: the input of ``fail_turn``."""

    conversation_id: str
    turn: int
    code: str
    message: str


class TurnOutcome(TypedDict):
    """The output of ``conversation``."""

    conversation_id: str
    status: Literal["completed"]
    sql_attempts: int


class Progress(TypedDict):
    """The custom status of a conversation: below 2 KB; ``percentage`` and ``version`` never fall."""

    state: State
    current_step: str
    percentage: int
    queries: dict[Literal["done", "total"], int]
    version: int


class ProgressItem(TypedDict):
    """One piece of work of a user, as ``user_progress`` remembers it. ``at`` is ISO 8601 in UTC."""

    id: str
    kind: Literal["chat"]
    state: State
    percentage: int
    at: str
