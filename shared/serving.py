"""The serving stores: a MySQL database loaded by job, and the views of Synapse serverless as SQL.

A row is keyed by its job and by what it is about, so a load may be repeated, and a job can be taken back whole.
"""

import hashlib
import re
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.errors import ServingError, ServingUnavailableError
from shared.settings import settings

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset
    from sqlalchemy import Connection, Engine, Table

KEYS: Mapping[str, tuple[str, ...]] = {
    "dim_users": ("user_key",),
    "dim_location": ("location_key",),
    "dim_time": ("time_key",),
    "fact_orders": ("order_id",),
    "agg_user_metrics": ("user_id",),
    "agg_product_metrics": ("product",),
}
"""What a row of each table is about, within its job."""
BATCH = 1_000
SQLITE_PATIENCE = 30
"""Seconds that one job waits for another one's transaction."""
TEXT_LENGTH = 255
"""As long as the longest text of Gold may be: an email has at most 254 characters."""
_TRANSIENT = frozenset({1040, 1205, 1213, 2002, 2003, 2006, 2013})
"""MySQL's codes for: too many connections, lock wait, deadlock, and four ways of not being reached."""


class ServingStore:
    """A SQL database with one table for each Gold table. Safe to use from several threads."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine

    def load(self, tables: "Mapping[str, Dataset]") -> int:
        """Put the rows of a job's Gold ``tables`` in, over those that are there already; return how many they are.

        Everything happens in one transaction: readers see all of the job, or nothing.

        Raises:
            ServingUnavailableError: nothing was loaded; worth repeating.
            ServingError: the database refused.
        """
        with _serving_errors():
            known = {name: _table(name, dataset.schema) for name, dataset in tables.items()}
            self._create(known.values())
            with self._engine.begin() as connection:
                return sum(self._load(connection, table, tables[name]) for name, table in known.items())

    def unload(self, job_id: str) -> None:
        """Take every row of the job out of the store.

        Raises:
            ServingUnavailableError: nothing happened; worth repeating.
        """
        from sqlalchemy import column, delete, inspect, table

        with _serving_errors():
            present = inspect(self._engine).get_table_names()
            with self._engine.begin() as connection:
                for name in sorted(KEYS.keys() & present):
                    rows = delete(table(name, column("_job_id"))).where(column("_job_id") == job_id)
                    connection.execute(rows)

    def _create(self, tables: "Iterable[Table]") -> None:
        """Create the tables that are missing; of several who do so at once, none is in the way of another."""
        from sqlalchemy import inspect
        from sqlalchemy.schema import CreateTable

        present = inspect(self._engine).get_table_names()
        for table in tables:
            if table.name not in present:
                with self._engine.begin() as connection:
                    connection.execute(CreateTable(table, if_not_exists=True))

    def _load(self, connection: "Connection", table: "Table", dataset: "Dataset") -> int:
        # Straight to the driver: the types of a Gold table need no conversion value by value.
        compiled = _upsert(self._engine.dialect.name, table).compile(dialect=self._engine.dialect)
        count = 0
        for batch in dataset.to_batches(batch_size=BATCH):
            if batch.num_rows:
                connection.exec_driver_sql(str(compiled), _rows(batch, compiled.positiontup))
            count += batch.num_rows
        return count


def synapse_views(manifest: Mapping[str, Any]) -> str:
    """Return the SQL that makes a job's Gold views of Synapse serverless, from its manifest alone.

    The views are named by the job, read through the external data source ``lakehouse`` and declare every column, so
    nothing is inferred from data.
    """
    suffix = hashlib.sha256(str(manifest["job_id"]).encode()).hexdigest()[:12]
    header = f"-- Gold of job {manifest['job_id']}, version {manifest['gold_version']}. Safe to run again.\n"
    return header + "\n".join(_view(name, suffix, manifest["tables"][name]) for name in KEYS)


def _view(name: str, suffix: str, table: Mapping[str, Any]) -> str:
    columns = ",\n".join(f"    {_quoted(field['name'])} {_synapse_type(field['type'])}" for field in table["fields"])
    path = str(table["path"]).replace("'", "''")
    return (
        f"CREATE OR ALTER VIEW {_quoted(f'gold_{name}_{suffix}')} AS\nSELECT * FROM OPENROWSET(\n"
        f"    BULK '{path}', DATA_SOURCE = 'lakehouse', FORMAT = 'PARQUET'\n) WITH (\n{columns}\n) AS rows;\nGO\n"
    )


def _quoted(name: str) -> str:
    return f"[{name.replace(']', ']]')}]"


def _synapse_type(kind: str) -> str:
    plain = {"text": "NVARCHAR(4000)", "integer": "BIGINT", "date": "DATE"}
    return plain.get(kind, kind.upper().replace(" ", ""))


@cache
def serving_store() -> ServingStore | None:
    """Return the serving store, or None where there is none: nothing is set, and the lake is not on a disk.

    Raises:
        ServingError: MYSQL_URL cannot be read.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.exc import ArgumentError

    url = settings().mysql_url
    if not url:
        lake = urlsplit(settings().lake_url)
        if lake.scheme != "file":
            return None
        return ServingStore(create_engine(_sqlite_beside(lake.path), connect_args={"timeout": SQLITE_PATIENCE}))
    try:
        return ServingStore(create_engine(url, pool_pre_ping=True))
    except ArgumentError as error:
        raise ServingError(
            "MYSQL_URL is not a URL of SQLAlchemy: use mysql+pymysql://user:password@host/db."
        ) from error


def _sqlite_beside(lake: str) -> str:
    from pathlib import Path
    from urllib.parse import unquote

    folder = Path(unquote(lake)).parent
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'serving.sqlite'}"


def _table(name: str, schema: Any) -> "Table":
    from sqlalchemy import Column, MetaData, PrimaryKeyConstraint, Table

    columns: list[Any] = [Column(field.name, _sql_type(str(field.type)), nullable=field.nullable) for field in schema]
    # The binary collation, or MySQL would take 'a' and 'A' for one key.
    options: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mariadb_charset": "utf8mb4"}
    options |= {"mariadb_collate": "utf8mb4_bin"}
    return Table(name, MetaData(), *columns, PrimaryKeyConstraint("_job_id", *KEYS[name]), **options)


def _sql_type(kind: str) -> Any:
    from sqlalchemy import BigInteger, Date, Numeric, String

    if decimal := re.fullmatch(r"decimal128\((\d+), (\d+)\)", kind):
        # SQLite has no decimals; as text they keep every digit.
        return Numeric(int(decimal[1]), int(decimal[2])).with_variant(String(), "sqlite")
    return {"int64": BigInteger(), "date32[day]": Date()}.get(kind, String(TEXT_LENGTH))


def _upsert(dialect: str, table: "Table") -> Any:
    names = [column.name for column in table.columns if not column.primary_key]
    if dialect == "sqlite":
        from sqlalchemy.dialects import sqlite

        lite = sqlite.insert(table)
        return lite.on_conflict_do_update(
            index_elements=list(table.primary_key), set_={n: lite.excluded[n] for n in names}
        )
    from sqlalchemy.dialects import mysql

    insert = mysql.insert(table)
    return insert.on_duplicate_key_update({name: insert.inserted[name] for name in names})


def _rows(batch: Any, order: list[str] | None) -> Any:
    """Return the rows of ``batch`` for a driver: tuples in ``order``, or, for one that goes by name, mappings.

    Decimals and dates are text, which every database reads exactly.
    """
    import pyarrow as pa

    names = order or batch.schema.names
    columns = [batch.column(name) for name in names]
    plain = [c.cast(pa.string()) if pa.types.is_decimal(c.type) or pa.types.is_date(c.type) else c for c in columns]
    rows = zip(*(column.to_pylist() for column in plain), strict=True)
    return list(rows) if order else [dict(zip(names, row, strict=True)) for row in rows]


@contextmanager
def _serving_errors() -> Generator[None]:
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    try:
        yield
    except DBAPIError as error:
        code = error.orig.args[0] if error.orig is not None and error.orig.args else None
        if error.connection_invalidated or code in _TRANSIENT or "database is locked" in str(error.orig):
            raise ServingUnavailableError("The serving database did not take the job; try again.") from error
        name = type(error.orig).__name__
        raise ServingError(f"The serving database refused the job ({name}); check MYSQL_URL and its rights.") from error
    except SQLAlchemyError as error:
        raise ServingError(f"The serving database could not be used ({type(error).__name__}).") from error
