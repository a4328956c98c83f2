"""What stands behind the Databricks stand-in: something that runs SQL over the tables of the local lake."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from threading import Event, Lock
from typing import Any, Literal, Protocol

import pyarrow as pa


class QueryFailedError(Exception):
    """The SQL ran, or was looked at, and failed. The message reads as Databricks' would, error class first.

    ``error_code`` is the word the statement API says it with: BAD_REQUEST means that the SQL is to blame.
    """

    def __init__(self, message: str, sql_state: str | None = None, error_code: str = "BAD_REQUEST") -> None:
        super().__init__(message)
        self.sql_state = sql_state
        self.error_code = error_code


class RunFailedError(QueryFailedError):
    """A run failed around its work, not in it: no cluster, no driver. ``error_code`` is a termination code."""


class JobFailedError(QueryFailedError):
    """The code of a job failed; ``trace`` says where."""

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace


class QueryCancelledError(Exception):
    """The work ended because somebody asked for it."""


class Cancellation:
    """Asks running work to end. The work says how it can be interrupted while it is inside an engine."""

    def __init__(self) -> None:
        self._requested = Event()
        self._lock = Lock()
        self._interrupt: Callable[[], None] | None = None

    @property
    def requested(self) -> bool:
        """Whether somebody asked for the end."""
        return self._requested.is_set()

    def request(self) -> None:
        """Ask for the end, and interrupt what is running. May be repeated."""
        with self._lock:
            self._requested.set()
            if self._interrupt is not None:
                self._interrupt()

    def check(self) -> None:
        """Raise QueryCancelledError if the end was asked for."""
        if self.requested:
            raise QueryCancelledError

    @contextmanager
    def interrupting(self, interrupt: Callable[[], None]) -> Generator[None]:
        """Inside, ``interrupt`` is called when the end is asked for; an error that comes of it is a cancellation."""
        with self._lock:
            self._interrupt = interrupt
        try:
            self.check()
            yield
        except Exception:
            self.check()
            raise
        finally:
            with self._lock:
                self._interrupt = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """A named parameter of a statement, as it is sent: ``value`` is a text, whatever the type, or None for NULL."""

    name: str
    value: str | None
    type: str = "STRING"

    def typed_value(self) -> Any:
        """Return the value as Python has it.

        Raises:
            QueryFailedError: the text does not read as the type.
        """
        reader = _READERS.get(self.type.upper().partition("(")[0].strip())
        if reader is None:
            raise QueryFailedError(
                f"[UNSUPPORTED_DATATYPE] Unsupported data type {self.type!r}. SQLSTATE: 0A000", "0A000"
            )
        try:
            return None if self.value is None else reader(self.value)
        except (ValueError, ArithmeticError) as error:
            message = (
                f"[CAST_INVALID_INPUT] The value '{self.value}' of the type \"STRING\" cannot be cast to "
                f'"{self.type.upper()}" because it is malformed. SQLSTATE: 22018'
            )
            raise QueryFailedError(message, "22018") from error


def _boolean(text: str) -> bool:
    return {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}[text.strip().lower()]


_READERS: dict[str, Callable[[str], Any]] = {
    "STRING": str,
    "INT": int,
    "INTEGER": int,
    "BIGINT": int,
    "LONG": int,
    "SMALLINT": int,
    "TINYINT": int,
    "DOUBLE": float,
    "FLOAT": float,
    "DECIMAL": Decimal,
    "BOOLEAN": _boolean,
    "DATE": date.fromisoformat,
    "TIMESTAMP": datetime.fromisoformat,
}


@dataclass(frozen=True, slots=True)
class ResultSet:
    """The rows of a query. ``truncated``: there were more than the row limit. Column names may repeat."""

    table: pa.Table
    truncated: bool
    engine: str


@dataclass(frozen=True, slots=True)
class PythonJob:
    """A file to be run: as a notebook, with named parameters, or as a script, with the words of its command line."""

    kind: Literal["notebook", "script"]
    file: Path
    named: dict[str, str] = field(default_factory=dict[str, str])
    words: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class JobOutput:
    """What a job leaves behind: what a notebook exited with, and what was printed. ``truncated``: it was too long."""

    result: str | None = None
    logs: str = ""
    truncated: bool = False


class Engine(Protocol):
    """Runs SQL over the lake. Safe to use from several threads at once."""

    def start(self) -> None:
        """Begin to get ready, in the background."""
        ...

    def execute(
        self,
        sql: str,
        parameters: Sequence[Parameter],
        row_limit: int | None,
        cancellation: Cancellation,
        *,
        schema: str | None = None,
    ) -> ResultSet:
        """Run ``sql`` and return at most ``row_limit`` of its rows.

        Raises:
            QueryFailedError: the SQL failed.
            QueryCancelledError: ``cancellation`` was requested.
        """
        ...

    def run_query_job(
        self, sql: str, result_url: str, row_limit: int, cancellation: Cancellation
    ) -> tuple[dict[str, Any], str]:
        """Do what ``databricks/sql_query_job.py`` does; return what it exits with, and the engine that did it."""
        ...

    def run_python_job(self, job: PythonJob, cancellation: Cancellation) -> JobOutput:
        """Run a Python file on Spark.

        Raises:
            JobFailedError: its code failed.
            RunFailedError: it could not run, or its process died.
            QueryCancelledError: ``cancellation`` was requested.
        """
        ...

    def about(self) -> dict[str, Any]:
        """Say which engine answers now, and how exactly."""
        ...

    def close(self) -> None:
        """End everything that was started."""
        ...


# A warehouse refuses to send more than this inside its answer.
INLINE_BYTES = 25 * 2**20


def inline_limit_error() -> QueryFailedError:
    """Return what a result that is too large for an answer fails with."""
    message = (
        "Inline byte limit exceeded. Statements executed with disposition=INLINE can have a result size of at most "
        f"{INLINE_BYTES} bytes. Please execute the statement with disposition=EXTERNAL_LINKS if you want to download "
        "the full result."
    )
    return QueryFailedError(message)
