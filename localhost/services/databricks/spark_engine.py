"""The real engine: one long-lived PySpark session in a JVM of its own, as Databricks would run the SQL."""

import importlib.util
import logging
import re
import shutil
import subprocess
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version as version_of
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa

from localhost.services.databricks.duckdb_engine import local_folder
from localhost.services.databricks.engine import (
    INLINE_BYTES,
    Cancellation,
    JobOutput,
    Parameter,
    PythonJob,
    QueryFailedError,
    ResultSet,
    RunFailedError,
    inline_limit_error,
)
from localhost.services.databricks.lake_tables import LakeTables
from localhost.services.databricks.python_jobs import run_python_job
from localhost.services.databricks.spark_session import cancel, jvm_process, new_home, open_session, stop
from localhost.tables import SchemaVersion

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

logger = logging.getLogger(__name__)

READY_POLL_SECONDS = 0.2
FIRST_ROWS = 50_000
QUERY_JOB = Path(__file__).parents[3] / "databricks" / "sql_query_job.py"

_WARM_UP = "SELECT a.id % 2 AS k, count(*) AS n FROM range(10) a JOIN range(10) b ON a.id = b.id GROUP BY 1 ORDER BY 2"
_CONDITION = re.compile(r"\[[A-Z][A-Z0-9_.]{3,}\].*?SQLSTATE: (\w{5})", re.DOTALL)


class SparkEngine:
    """SQL on Spark over the lake's tables. It is usable once it is ``ready``; until then, queries wait."""

    def __init__(self, lake: Path) -> None:
        self._tables = LakeTables(lake.resolve())
        self._home: Path | None = None
        self._started = Event()
        self._closing = Event()
        self._session: SparkSession | None = None
        self._databases: dict[str, str] = {}
        self._jvm: subprocess.Popen[bytes] | None = None
        self._failure: str | None = None

    @property
    def ready(self) -> bool:
        """Whether a query would run at once."""
        return self._started.is_set() and self.failure is None

    @property
    def failure(self) -> str | None:
        """Why Spark does not answer, if it never will."""
        if self._jvm is not None and self._jvm.poll() is not None:
            return f"its JVM ended with code {self._jvm.returncode}"
        return self._failure

    def start(self) -> None:
        """Start the JVM in the background."""
        self._home = new_home()
        Thread(target=self._start, args=(self._home,), name="spark-start", daemon=True).start()

    def execute(
        self,
        sql: str,
        parameters: Sequence[Parameter],
        row_limit: int | None,
        cancellation: Cancellation,
        *,
        schema: str | None = None,
    ) -> ResultSet:
        """Run ``sql`` and return at most ``row_limit`` of its rows."""

        def query(spark: "SparkSession") -> pa.Table:
            session = spark
            if schema:
                session = spark.newSession()
                session.sql(f"USE {_quoted(schema)}")
            rows = session.sql(sql, args={p.name: p.typed_value() for p in parameters} or None)
            return _collect(rows, row_limit)

        table = self._run(query, cancellation)
        truncated = row_limit is not None and table.num_rows > row_limit
        return ResultSet(table.slice(0, row_limit) if truncated else table, truncated, "spark")

    def run_query_job(
        self, sql: str, result_url: str, row_limit: int, cancellation: Cancellation
    ) -> tuple[dict[str, Any], str]:
        """Run the job's own code."""
        job, folder = _query_job(), local_folder(result_url).as_posix()
        report = self._run(lambda spark: job(spark, sql, folder, row_limit), cancellation)
        return report, "spark"

    def run_python_job(self, job: PythonJob, cancellation: Cancellation) -> JobOutput:
        """Run the job's file in a process of its own."""
        while not self._started.wait(READY_POLL_SECONDS):
            cancellation.check()
        session = self._session
        if session is None or self.failure is not None:
            raise RunFailedError(f"Spark does not answer: {self.failure}", error_code="CLUSTER_ERROR")
        return run_python_job(session, job, cancellation)

    def about(self) -> dict[str, Any]:
        """Say that this is Spark, and how far it is."""
        state = "ready" if self.ready else f"failed: {self.failure}" if self.failure else "starting"
        return {
            "sql_engine": "spark",
            "sql_engine_version": version_of("pyspark"),
            "approximate": False,
            "spark": state,
        }

    def close(self) -> None:
        """End Spark and its JVM."""
        self._closing.set()
        if self._home is None:
            return
        while not self._started.wait(READY_POLL_SECONDS):
            if jvm := jvm_process():
                jvm.kill()
        stop(self._session)
        shutil.rmtree(self._home, ignore_errors=True)

    def _start(self, home: Path) -> None:
        try:
            session = open_session(home)
            self._session, self._jvm = session, jvm_process()
            self._tables.refresh(lambda version, tables: self._publish(session, version, tables))
            session.sql(_WARM_UP).toArrow()
        except Exception as error:
            self._failure = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            if not self._closing.is_set():
                logger.exception("Spark did not start")
        finally:
            self._started.set()

    def _run[Result](self, work: "Callable[[SparkSession], Result]", cancellation: Cancellation) -> Result:
        while not self._started.wait(READY_POLL_SECONDS):
            cancellation.check()
        session = self._session
        if session is None or self.failure is not None:
            raise QueryFailedError(f"Spark does not answer: {self.failure}", error_code="TEMPORARILY_UNAVAILABLE")
        group = uuid4().hex
        context = session.sparkContext
        with cancellation.interrupting(lambda: cancel(context, group)), _in_databricks_words():
            self._tables.refresh(lambda version, tables: self._publish(session, version, tables))
            context.setJobGroup(group, "query", interruptOnCancel=True)
            result = work(session)
            cancellation.check()
            return result

    def _publish(self, session: "SparkSession", version: SchemaVersion, tables: Mapping[str, Path]) -> None:
        """Make tables over the files of a new version, then point the views of the schema at them.

        A view is replaced at one stroke; a table would be missing for a moment.
        """
        database = re.sub(r"\W", "_", f"{version.schema}_{version.version}")
        session.sql(f"CREATE DATABASE IF NOT EXISTS {_quoted(database)}")
        session.sql(f"CREATE DATABASE IF NOT EXISTS {_quoted(version.schema)}")
        for table, folder in tables.items():
            source, view = f"{_quoted(database)}.{_quoted(table)}", f"{_quoted(version.schema)}.{_quoted(table)}"
            location = folder.as_posix().replace("\\", "\\\\").replace("'", "\\'")
            session.sql(f"CREATE TABLE IF NOT EXISTS {source} USING parquet LOCATION '{location}'")
            session.sql(f"CREATE OR REPLACE VIEW {view} AS SELECT * FROM {source}")  # noqa: S608 - quoted
        if previous := self._databases.get(version.schema):
            session.sql(f"DROP DATABASE IF EXISTS {_quoted(previous)} CASCADE")
        self._databases[version.schema] = database


def _collect(rows: "DataFrame", row_limit: int | None) -> pa.Table:
    """Return the rows, and one more than ``row_limit`` where there are as many.

    They are taken in growing portions: all at once, a result of gigabytes would end the JVM before Spark sees its size.
    """
    portion = FIRST_ROWS
    while row_limit is None or portion < row_limit:
        table = rows.limit(portion + 1).toArrow()
        if table.num_rows <= portion:
            return table
        if table.nbytes > INLINE_BYTES:
            raise inline_limit_error()
        portion *= 4
    return rows.limit(row_limit + 1).toArrow()


@cache
def _query_job() -> Callable[["SparkSession", str, str, int], dict[str, Any]]:
    """Return ``run_query`` of the job's file; it is loaded by its path, because the SDK has the name ``databricks``."""
    spec = importlib.util.spec_from_file_location("sql_query_job", QUERY_JOB)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(QUERY_JOB)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.run_query


@contextmanager
def _in_databricks_words() -> Generator[None]:
    """Raise Spark's errors as QueryFailedError: the message without the plan and the stack trace."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except PySparkException as error:
        message = re.split(r"\n== SQL|\n'|\n\+-|\nJVM stacktrace", str(error))[0].strip().rstrip(";")
        raise QueryFailedError(message, error.getSqlState()) from error
    except Py4JError as error:
        text = str(error)
        if "spark.driver.maxResultSize" in text:
            raise inline_limit_error() from error
        if match := _CONDITION.search(text):
            raise QueryFailedError(match[0], match[1]) from error
        causes = [line for line in text.splitlines() if line.startswith(("Caused by: ", ": "))]
        raise QueryFailedError(causes[-1] if causes else text[:500], error_code="INTERNAL_ERROR") from error


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
