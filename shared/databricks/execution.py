"""What both lanes say of a query they run."""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from shared.conversations import ColumnType

type LaneName = Literal["statement", "job"]
type Failure = Literal["sql", "permission", "infrastructure"]
"""sql: another statement may do better. permission: this identity may not. infrastructure: worth repeating."""

_ERROR_CLASS = re.compile(r"\[([A-Z][A-Z0-9_]{2,})(\.[A-Z0-9_]+)*\]")
_PERMISSION = re.compile(r"INSUFFICIENT_PERMISSIONS|PERMISSION_DENIED|INSUFFICIENT_PRIVILEGES", re.IGNORECASE)


class QueryKey(NamedTuple):
    """One attempt at one query of one conversation: what must never run twice."""

    instance_id: str
    query_id: str
    attempt: int

    @property
    def token(self) -> str:
        """The same 64 characters for the same attempt, for Databricks to recognise it by."""
        return hashlib.sha256("/".join(map(str, self)).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """Where one execution stands. ``handle`` finds it again; ``run_id`` is the number users are shown."""

    handle: str
    run_id: int
    state: Literal["running", "succeeded", "failed", "canceled", "timeout"]
    statement_id: str | None = None
    columns: list[ColumnType] = field(default_factory=list[ColumnType])
    row_count: int = 0
    truncated: bool = False
    error: str = ""
    failure: Failure | None = None


def failure_of(message: str) -> Failure:
    """Tell what kind of failure ``message`` speaks of, by the error classes that Spark puts in brackets.

    Source: https://spark.apache.org/docs/latest/sql-error-conditions.html
    """
    if _PERMISSION.search(message):
        return "permission"
    return "sql" if _ERROR_CLASS.search(message) else "infrastructure"


def first_line(message: str) -> str:
    """Return the part of an engine's message that a person or a model can use: no stack trace, bounded."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[0][:1_000] if lines else "Databricks gave no reason."


def gone(handle: str, run_id: int) -> Execution:
    """Return the end of an execution that Databricks has lost: broken, and worth running again."""
    error = "Databricks lost the execution."
    return Execution(handle=handle, run_id=run_id, state="failed", error=error, failure="infrastructure")
