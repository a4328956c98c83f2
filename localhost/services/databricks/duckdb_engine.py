"""The small engine: DuckDB over translated SQL. Quick and near, but not Spark."""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from localhost.services.databricks import results
from localhost.services.databricks.duckdb_errors import in_databricks_words
from localhost.services.databricks.duckdb_sql import translate
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
from localhost.tables import SchemaVersion, tables_root

GOLD = "gold"
"""The folder of the lake whose files a statement may name: what jobs have published."""
MEMORY_LIMIT = "1GB"
THREADS = 2
BATCH_ROWS = 10_000
TRANSLATIONS_KEPT = 500


class DuckDbEngine:
    """SQL over views on the lake's Parquet files, and over files of Gold. Nothing outside these folders is read."""

    def __init__(self, lake: Path) -> None:
        root = tables_root(lake).resolve()
        root.mkdir(parents=True, exist_ok=True)
        self._tables = LakeTables(lake.resolve())
        self._columns: dict[str, str] = {}
        self._translations: dict[str, str] = {}
        self._connection = duckdb.connect(":memory:", config={"threads": THREADS, "memory_limit": MEMORY_LIMIT})
        readable = [f"{folder.as_posix()}/" for folder in (root, lake.resolve() / GOLD)]
        self._connection.execute("SET allowed_directories = ?", [readable])
        for setting in ("temp_directory = ''", "enable_external_access = false", "lock_configuration = true"):
            self._connection.execute(f"SET {setting}")

    def start(self) -> None:
        """Read the tables that there are."""
        self._refresh()

    def execute(
        self,
        sql: str,
        parameters: Sequence[Parameter],
        row_limit: int | None,
        cancellation: Cancellation,
        *,
        schema: str | None = None,
    ) -> ResultSet:
        """Run ``sql``, translated, and return at most ``row_limit`` of its rows."""
        self._refresh()
        table = self._tables.describe(sql)
        if table is None:
            table = self._query(self._translated(sql, parameters), row_limit, cancellation, schema)
        truncated = row_limit is not None and table.num_rows > row_limit
        return ResultSet(table.slice(0, row_limit) if truncated else table, truncated, "duckdb")

    def run_query_job(
        self, sql: str, result_url: str, row_limit: int, cancellation: Cancellation
    ) -> tuple[dict[str, Any], str]:
        """Write the rows as Parquet into the folder ``result_url``, over what is there."""
        result = self.execute(sql, (), row_limit, cancellation)
        names = [name.lower() for name in result.table.column_names]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            message = f"[COLUMN_ALREADY_EXISTS] The column `{repeated[0]}` already exists. SQLSTATE: 42711"
            raise QueryFailedError(message, "42711")
        folder = local_folder(result_url)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        pq.write_table(result.table, folder / f"part-00000-{uuid4()}.parquet")
        (folder / "_SUCCESS").touch()
        columns = results.columns_of(result.table)
        return {"row_count": result.table.num_rows, "truncated": result.truncated, "columns": columns}, "duckdb"

    def run_python_job(self, job: PythonJob, cancellation: Cancellation) -> JobOutput:  # noqa: ARG002 - it has no use
        """Refuse it: there is no Spark here."""
        raise RunFailedError(f"{job.file.name} needs Spark, and this is DuckDB.", error_code="FEATURE_DISABLED")

    def about(self) -> dict[str, Any]:
        """Say that this is DuckDB."""
        return {"sql_engine": "duckdb", "sql_engine_version": duckdb.__version__, "approximate": True}

    def close(self) -> None:
        """End DuckDB."""
        self._connection.close()

    def _translated(self, sql: str, parameters: Sequence[Parameter]) -> str:
        if parameters:
            return translate(sql, parameters, self._columns)
        translations = self._translations
        if sql not in translations:
            if len(translations) >= TRANSLATIONS_KEPT:
                translations.clear()
            translations[sql] = translate(sql, (), self._columns)
        return translations[sql]

    def _query(self, sql: str, row_limit: int | None, cancellation: Cancellation, schema: str | None) -> pa.Table:
        cursor = self._connection.cursor()
        try:
            with cancellation.interrupting(cursor.interrupt):
                if schema:
                    cursor.execute(f"USE {_quoted(schema)}")
                relation = cursor.sql(sql)
                names, kinds = relation.columns, [str(kind) for kind in relation.types]
                if row_limit is not None:
                    relation = relation.limit(row_limit + 1)
                return _as_spark_has_it(_collect(relation), names, kinds)
        except duckdb.Error as error:
            raise in_databricks_words(error, sql) from error
        finally:
            cursor.close()

    def _refresh(self) -> None:
        if self._tables.refresh(self._publish):
            self._columns = self._tables.column_types()
            self._translations = {}

    def _publish(self, version: SchemaVersion, tables: Mapping[str, Path]) -> None:
        """Point the views of a schema at the files of its new version."""
        schema = _quoted(version.schema)
        self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for table, folder in tables.items():
            files = f"{folder.as_posix()}/*.parquet".replace("'", "''")
            self._connection.execute(
                f"CREATE OR REPLACE VIEW {schema}.{_quoted(table)} AS SELECT * FROM read_parquet('{files}')"  # noqa: S608 - quoted
            )


def local_folder(url: str) -> Path:
    """Return the folder of this machine that ``url`` names."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(re.sub(r"^/(?=[A-Za-z]:)", "", unquote(parts.path)))
    if len(parts.scheme) > 1:
        raise QueryFailedError(f"[UNSUPPORTED_FILESYSTEM] The stand-in writes to this machine only, not to {url!r}.")
    return Path(url)


def _collect(relation: duckdb.DuckDBPyRelation) -> pa.Table:
    reader = relation.to_arrow_reader(BATCH_ROWS)
    batches: list[pa.RecordBatch] = []
    size = 0
    for batch in reader:
        batches.append(batch)
        size += batch.nbytes
        if size > INLINE_BYTES:
            raise inline_limit_error()
    return pa.Table.from_batches(batches, reader.schema)


def _as_spark_has_it(table: pa.Table, names: Sequence[str], kinds: Sequence[str]) -> pa.Table:
    """Return ``table`` with its names as they are in SQL, and sums of integers as BIGINT."""
    columns: list[pa.ChunkedArray[Any]] = []
    for column, kind in zip(table.columns, kinds, strict=True):
        if kind != "HUGEINT":
            columns.append(column)
            continue
        try:
            columns.append(column.cast(pa.int64()))
        except pa.ArrowInvalid as error:
            raise QueryFailedError("[ARITHMETIC_OVERFLOW] long overflow. SQLSTATE: 22003", "22003") from error
    return pa.Table.from_arrays(columns, names=list(names))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
