"""The tables of the lake as an engine needs them: which are current, and what has changed since it last looked."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock

import pyarrow as pa
import pyarrow.parquet as pq

from localhost.services.databricks.engine import QueryFailedError
from localhost.services.databricks.results import fields_of, type_text
from localhost.tables import SchemaVersion, current, table_folder, tables_root

type Publish = Callable[[SchemaVersion, Mapping[str, Path]], None]
"""Takes a version of a schema and the folders of its tables."""

_SHOW_TABLES = re.compile(r"\s*SHOW\s+TABLES(?:\s+(?:IN|FROM)\s+`?(\w+)`?)?\s*;?\s*", re.IGNORECASE)
_SHOW_SCHEMAS = re.compile(r"\s*SHOW\s+(?:SCHEMAS|DATABASES)\s*;?\s*", re.IGNORECASE)
_DESCRIBE = re.compile(r"\s*DESC(?:RIBE)?\s+(?:TABLE\s+)?`?(\w+)`?\.`?(\w+)`?\s*;?\s*", re.IGNORECASE)


class LakeTables:
    """The published schemas of a lake, read again only where ``_current.json`` has been replaced."""

    def __init__(self, lake: Path) -> None:
        self._lake = lake
        self._lock = Lock()
        self._seen: dict[str, tuple[int, int]] = {}
        self._schemas: dict[str, dict[str, pa.Schema]] = {}

    def refresh(self, publish: Publish) -> bool:
        """Give every schema that has a new version to ``publish``; return whether there was one.

        Where ``publish`` fails, the version counts as not seen, and is given again at the next call.
        """
        root = tables_root(self._lake)
        changed = False
        with self._lock:
            for folder in root.iterdir() if root.is_dir() else ():
                try:
                    stat = (folder / "_current.json").stat()
                except (FileNotFoundError, NotADirectoryError):
                    continue
                mark = (stat.st_mtime_ns, stat.st_ino)
                if self._seen.get(folder.name) == mark or (version := current(self._lake, folder.name)) is None:
                    continue
                folders = {table: table_folder(self._lake, version, table) for table in version.tables}
                # Neither engine can make a table of no files; the others should not be missing for it.
                tables = {table: path for table, path in folders.items() if any(path.glob("*.parquet"))}
                publish(version, tables)
                self._schemas[folder.name] = {table: _schema(path) for table, path in tables.items()}
                self._seen[folder.name] = mark
                changed = True
        return changed

    def column_types(self) -> dict[str, str]:
        """Return the SQL type of every column, by lower-case name; a name with two types is left out."""
        types: dict[str, set[str]] = {}
        for tables in self._schemas.values():
            for schema in tables.values():
                for name, kind in fields_of(schema):
                    types.setdefault(name.lower(), set()).add(type_text(kind))
        return {name: next(iter(kinds)) for name, kinds in types.items() if len(kinds) == 1}

    def describe(self, sql: str) -> pa.Table | None:
        """Answer SHOW SCHEMAS, SHOW TABLES and DESCRIBE as Spark does; None where ``sql`` is none of them."""
        if _SHOW_SCHEMAS.fullmatch(sql):
            return pa.table({"databaseName": pa.array(["default", *sorted(self._schemas)], pa.string())})
        if match := _SHOW_TABLES.fullmatch(sql):
            schema = (match[1] or "default").lower()
            if schema not in {"default", *self._schemas}:
                message = f"[SCHEMA_NOT_FOUND] The schema `{schema}` cannot be found. SQLSTATE: 42704"
                raise QueryFailedError(message, "42704")
            names = sorted(self._schemas.get(schema, ()))
            columns = [pa.array([schema] * len(names), pa.string()), pa.array(names, pa.string())]
            return pa.table([*columns, pa.array([False] * len(names))], names=["namespace", "tableName", "isTemporary"])
        if match := _DESCRIBE.fullmatch(sql):
            schema, table = match[1].lower(), match[2].lower()
            fields = self._schemas.get(schema, {}).get(table)
            if fields is None:
                message = (
                    f"[TABLE_OR_VIEW_NOT_FOUND] The table or view `{schema}`.`{table}` cannot be found. SQLSTATE: 42P01"
                )
                raise QueryFailedError(message, "42P01")
            rows = [{"col_name": name, "data_type": type_text(kind).lower()} for name, kind in fields_of(fields)]
            kinds = pa.schema([("col_name", pa.string()), ("data_type", pa.string()), ("comment", pa.string())])
            return pa.Table.from_pylist(rows, kinds)
        return None


def _schema(folder: Path) -> pa.Schema:
    first = next(iter(sorted(folder.glob("*.parquet"))), None)
    return pq.read_schema(first) if first else pa.schema([])
