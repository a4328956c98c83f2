"""SQL statements: what was sent, how far it is, and for how long its rows are kept."""

import re
import time
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from threading import Lock
from typing import Any
from uuid import uuid4

import pyarrow as pa

from localhost.services.databricks.engine import (
    INLINE_BYTES,
    Cancellation,
    Engine,
    Parameter,
    QueryFailedError,
    ResultSet,
    inline_limit_error,
)
from localhost.services.databricks.state import State
from localhost.services.databricks.work import Outcome, Work, Workers
from localhost.services.faults import Faults

# Databricks keeps rows for an hour after success and forgets a statement no sooner than 12 hours after its end.
RESULT_SECONDS = 3_600
STATEMENT_SECONDS = 12 * 3_600
# One machine has less room than a warehouse.
RESULTS_KEPT = 200
RESULT_BYTES_KEPT = 256 * 2**20
STATEMENTS_KEPT = 10_000
LOST = "The statement was lost: the stand-in ended while it was under way."

_STATES = {"waiting": "PENDING", "running": "RUNNING", "succeeded": "SUCCEEDED", "failed": "FAILED"}
_KIND = re.compile(r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(\w+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class StatementRequest:
    """What a client asks to be run."""

    sql: str
    warehouse_id: str
    parameters: Sequence[Parameter] = ()
    row_limit: int | None = None
    byte_limit: int | None = None
    schema: str | None = None
    query_tags: Sequence[dict[str, Any]] = ()


@dataclass(slots=True)
class Statement:
    """One statement and its work. ``closed``: it succeeded, and its rows are gone."""

    request: StatementRequest
    id: str = field(default_factory=lambda: str(uuid4()))
    work: Work[ResultSet] = field(default_factory=Work[ResultSet])
    closed: bool = False
    engine: str = ""
    rows: int = 0

    @property
    def state(self) -> str:
        """The word the API has for where the statement stands."""
        return "CLOSED" if self.closed else _STATES.get(self.work.state, "CANCELED")

    @property
    def kind(self) -> str:
        """What the statement does, by its first word: SELECT, SHOW, ..."""
        match = _KIND.match(self.request.sql)
        word = match[1].upper() if match else "OTHER"
        return "SELECT" if word in {"WITH", "VALUES", "FROM"} else word


class Statements:
    """The statements of one warehouse, newest last."""

    def __init__(self, engine: Engine, workers: Workers, faults: Faults, state: State) -> None:
        self._engine = engine
        self._workers = workers
        self._faults = faults
        self._state = state
        self._lock = Lock()
        self._statements: OrderedDict[str, Statement] = OrderedDict()
        self._with_rows: deque[Statement] = deque()
        for content, rows in state.all("statement"):
            statement = _restored(content, rows)
            self._statements[statement.id] = statement
            if statement.work.result is not None:
                self._with_rows.append(statement)

    def execute(self, request: StatementRequest) -> Statement:
        """Start a statement."""
        statement = Statement(request)
        statement.work = Work(lambda outcome: self._keep(statement, outcome))
        with self._lock:
            self._statements[statement.id] = statement
        self._keep(statement)
        self._tidy()
        failure = self._faults.take("fail_statement", request.sql)
        self._workers.start(
            statement.work,
            lambda cancellation: self._run(statement, cancellation),
            hang=self._faults.take("hang_statement", request.sql),
            failure=failure and _failure(failure.detail),
        )
        return statement

    def get(self, statement_id: str) -> Statement | None:
        """Return the statement, or None where it is unknown or forgotten."""
        self._tidy()
        with self._lock:
            return self._statements.get(statement_id)

    def newest_first(self) -> Iterator[Statement]:
        """Yield every statement that is remembered."""
        with self._lock:
            statements = list(self._statements.values())
        yield from reversed(statements)

    def cancel_all(self) -> None:
        """Cancel what has not ended."""
        for statement in self.newest_first():
            statement.work.cancel()

    def _run(self, statement: Statement, cancellation: Cancellation) -> ResultSet:
        request = statement.request
        result = self._engine.execute(
            request.sql, request.parameters, request.row_limit, cancellation, schema=request.schema
        )
        statement.engine = result.engine
        if request.byte_limit is not None and result.table.nbytes > request.byte_limit:
            rows = result.table.num_rows * request.byte_limit // result.table.nbytes
            result = ResultSet(result.table.slice(0, rows), truncated=True, engine=result.engine)
        if result.table.nbytes > INLINE_BYTES:
            raise inline_limit_error()
        statement.rows = result.table.num_rows
        with self._lock:
            self._with_rows.append(statement)
        return result

    def _keep(self, statement: Statement, outcome: Outcome[ResultSet] | None = None) -> None:
        work = statement.work
        content: dict[str, Any] = {"id": statement.id, "request": asdict(statement.request), "engine": statement.engine}
        content |= {"rows": statement.rows, "created_at": work.created_at, "begun_at": work.begun_at}
        rows: bytes | None = None
        if outcome is not None:
            error, result = outcome.error, outcome.result
            content |= {"state": outcome.state, "ended_at": outcome.at}
            content["error"] = error and {"message": str(error), "sql_state": error.sql_state, "code": error.error_code}
            content["truncated"] = result is not None and result.truncated
            rows = _as_bytes(result.table) if result else None
        self._state.put("statement", statement.id, content, rows)

    def _tidy(self) -> None:
        """Let go of rows and statements that are too old or too many."""
        now = time.time() * 1000
        with self._lock:
            size = sum(s.work.result.table.nbytes for s in self._with_rows if s.work.result is not None)
            while self._with_rows:
                oldest = self._with_rows[0]
                age = now - (oldest.work.ended_at or now)
                if age < RESULT_SECONDS * 1000 and len(self._with_rows) <= RESULTS_KEPT and size <= RESULT_BYTES_KEPT:
                    break
                self._with_rows.popleft()
                if oldest.work.result is not None:
                    size -= oldest.work.result.table.nbytes
                    closed = Outcome[ResultSet]("succeeded", None, None, oldest.work.ended_at or 0)
                    self._keep(oldest, closed)
                    oldest.closed, oldest.work.result = True, None
            while self._statements:
                statement = next(iter(self._statements.values()))
                ended = statement.work.ended_at
                old = ended is not None and now - ended > STATEMENT_SECONDS * 1000
                if not old and (ended is None or len(self._statements) <= STATEMENTS_KEPT):
                    break
                del self._statements[statement.id]
                self._state.drop("statement", statement.id)


def _failure(detail: dict[str, Any]) -> QueryFailedError:
    message = detail.get("message", "The statement failed: an injected fault.")
    return QueryFailedError(message, detail.get("sql_state"), detail.get("error_code", "INTERNAL_ERROR"))


def _restored(content: dict[str, Any], rows: bytes | None) -> Statement:
    """Return a statement of an earlier process; what had not ended then is lost."""
    request = content["request"]
    request["parameters"] = [Parameter(**parameter) for parameter in request["parameters"]]
    result = ResultSet(_from_bytes(rows), content["truncated"], content["engine"]) if rows else None
    if "state" not in content:
        error = QueryFailedError(LOST, error_code="INTERNAL_ERROR")
        outcome = Outcome[ResultSet]("failed", None, error, time.time_ns() // 1_000_000)
    else:
        known = content["error"]
        error = known and QueryFailedError(known["message"], known["sql_state"], known["code"])
        outcome = Outcome(content["state"], result, error, content["ended_at"])
    return Statement(
        StatementRequest(**request),
        content["id"],
        Work[ResultSet].over(outcome, created_at=content["created_at"], begun_at=content["begun_at"]),
        closed=outcome.state == "succeeded" and result is None,
        engine=content["engine"],
        rows=content["rows"],
    )


def _as_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _from_bytes(rows: bytes) -> pa.Table:
    return pa.ipc.open_stream(rows).read_all()
