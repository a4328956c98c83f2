"""What travels through orchestration history, as plain JSON.

Payloads live as long as their instance: add ``NotRequired`` fields, rename none, and keep them small (an id, a
verdict, a path in the lake; never rows, prompts or message lists).
"""

from typing import Literal, NotRequired, TypedDict

type State = Literal[
    "analyzing", "awaiting_data", "generating_sql", "executing", "answering", "finishing", "completed", "failed"
]
type JobLane = Literal["small", "large"]
type JobState = Literal[
    "queued",
    "measuring",
    "routing",
    "cleaning",
    "awaiting_review",
    "modelling",
    "publishing",
    "serving",
    "reporting",
    "completed",
    "failed",
    "cancelled",
]
type DeadlineState = Literal["on_track", "at_risk", "breached"]


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
    """The limits that hold for this turn. ``wait_seconds``: so long it may wait for data that is being made."""

    query_deadline_seconds: NotRequired[int]
    max_sql_retries: NotRequired[int]
    wait_seconds: NotRequired[int]


class DataWait(Turn):
    """A turn that waits for its data: the input of ``await_data``. ``last``: what there is has to do."""

    last: bool


class DataAwaited(Verdict):
    """Whether the turn is to wait on."""

    waiting: NotRequired[bool]


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
    kind: Literal["chat", "etl"]
    state: State | JobState
    percentage: int
    at: str
    name: NotRequired[str]
    lane: NotRequired[JobLane | None]


class ProgressEnd(TypedDict):
    """A piece of work that ended without saying so itself."""

    id: str
    state: State | JobState
    at: str


class Job(TypedDict):
    """One ETL job: the input of ``etl_job`` and of the activities that need no more."""

    job_id: str
    owner: str


class LaneTerms(TypedDict):
    """What a lane promises and allows."""

    slots: int
    deadline_seconds: int
    window_seconds: int


class JobTerms(TypedDict):
    """What holds for one run of a job, and what earlier runs have done already. ``run`` counts them from 1."""

    name: str
    priority: int
    declared_count: int
    window: Literal["now", "window"]
    small_limit: int
    lanes: dict[JobLane, LaneTerms]
    lease_seconds: int
    review_seconds: int
    quota: "QuotaLimits"
    run: int
    measured_count: int | None
    silver_done: bool
    review_due: bool
    gold_done: bool
    published: bool


class JobBegun(Verdict):
    """What ``begin_job`` says."""

    terms: JobTerms


class JobStep(TypedDict):
    """One step of one attempt at a job: the input of its activities. ``handle`` finds a run on Databricks again."""

    job_id: str
    owner: str
    lane: JobLane
    attempt: str
    handle: NotRequired[str]
    run_id: NotRequired[int]
    review: NotRequired["ReviewDecision"]


class Measured(Verdict):
    """How many rows the source really has."""

    count: NotRequired[int]


class Refined(Verdict):
    """What Silver came to. ``review``: too many rows were rejected to go on unasked."""

    review: NotRequired[bool]
    rejected: NotRequired[int]


class LargeStatus(Refined):
    """Where one run of the large lane stands, and what it came to; ``cause`` as in ``QueryStatus``."""

    state: NotRequired[Literal["running", "succeeded", "failed"]]
    handle: NotRequired[str]
    run_id: NotRequired[int]
    cause: NotRequired[Literal["infrastructure", "final"]]
    code: NotRequired[str]
    message: NotRequired[str]
    seconds: NotRequired[float]


class JobNote(TypedDict):
    """News of a job for its record. Only what is given changes."""

    job_id: str
    owner: str
    state: NotRequired[JobState]
    lane: NotRequired[JobLane]
    percentage: NotRequired[int]
    queue_position: NotRequired[int | None]
    expected_seconds: NotRequired[int]
    due_at: NotRequired[str]
    deadline: NotRequired[DeadlineState]
    ended_attempt: NotRequired[str]
    outcome: NotRequired[Literal["failed", "cancelled", "escalated"]]
    code: NotRequired[str]
    message: NotRequired[str]


class ReviewDecision(TypedDict):
    """The event ``review``: what to do with the rejects. ``path``: corrections of them, for a replay."""

    decision: Literal["accept", "replay"]
    path: NotRequired[str]
    by: NotRequired[str]


class JobProgress(TypedDict):
    """The custom status of a job: below 2 KB; ``percentage`` and ``version`` never fall."""

    state: JobState
    lane: JobLane | None
    percentage: int
    version: int


class JobOutcome(TypedDict):
    """The output of ``etl_job``."""

    job_id: str
    state: Literal["completed", "cancelled"]


class SlotRequest(TypedDict):
    """A job asks ``admission`` for a slot. ``ticket`` tells one run of it from the next.

    ``at`` is ISO 8601 in UTC; entities tell the time by it.
    """

    job_id: str
    owner: str
    ticket: str
    priority: int
    at: str
    slots: int
    lease_seconds: int
    window_seconds: NotRequired[int]


class SlotAnswer(TypedDict):
    """Whether the job may run now; if not, its place in the queue, from 1."""

    admitted: bool
    position: int


class Admitted(TypedDict):
    """A waiting job that may run now: the input of ``announce_admission``."""

    job_id: str
    lane: str


class Leaving(TypedDict):
    """A run of a job that needs no slot any more; what it took, where it did all of its work at one go."""

    job_id: str
    ticket: str
    at: str
    rows: NotRequired[int]
    seconds: NotRequired[float]


class SlotHolder(TypedDict):
    """A run of a job that holds a slot."""

    job_id: str
    owner: str
    ticket: str


class SlotCheck(TypedDict):
    """Jobs whose lease is over: the input of ``check_slots``."""

    lane: str
    jobs: list[SlotHolder]


class LostJobs(Verdict):
    """Those of the jobs that do not run any more."""

    jobs: NotRequired[list[SlotHolder]]


class QuotaLimits(TypedDict):
    """What one user may use."""

    concurrent_jobs: int
    rows: int
    databricks_seconds: int


class QuotaRequest(TypedDict):
    """A job asks ``user_quota`` for a share of the day. ``at`` is ISO 8601 in UTC."""

    job_id: str
    at: str
    rows: int
    databricks_seconds: int
    limits: QuotaLimits


class QuotaAnswer(TypedDict):
    """Whether there was enough left; if not, of what there was not, and when there is again."""

    granted: bool
    lacking: NotRequired[str]
    retry_after: NotRequired[int]
    remaining: QuotaLimits


class QuotaUse(TypedDict):
    """What a job really used: the input of ``settle``."""

    job_id: str
    at: str
    rows: int
    databricks_seconds: int
