"""The tables of the local lake: where they lie, and how a new version is published.

    <lake>/tables/<schema>/_current.json                 which version is current, and what it holds
    <lake>/tables/<schema>/<version>/<table>/*.parquet   the rows

A writer makes a new version folder and then replaces ``_current.json``, so a reader sees the old tables or the
new ones, never half of either. Rename of a single file is atomic; rename of a folder in the cloud is not.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from uuid import uuid4

type Source = Literal["generated", "loaded"]


@dataclass(frozen=True, slots=True)
class TableVersion:
    """One table of a published schema. ``rejected`` counts input rows that could not be read."""

    rows: int
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """What ``_current.json`` says. ``published_at`` is ISO 8601 in UTC."""

    schema: str
    version: str
    source: Source
    published_at: str
    tables: Mapping[str, TableVersion] = field(default_factory=dict[str, TableVersion])


def tables_root(lake: Path) -> Path:
    """Return the folder of all schemas of ``lake``."""
    return lake / "tables"


def new_version_folder(lake: Path, schema: str) -> Path:
    """Create and return an empty folder for the next version of ``schema``."""
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:8]}"
    folder = tables_root(lake) / schema / name
    folder.mkdir(parents=True)
    return folder


def publish(folder: Path, source: Source, tables: Mapping[str, TableVersion]) -> SchemaVersion:
    """Make ``folder`` (from ``new_version_folder``, filled) the current version; older ones but one are removed."""
    root = folder.parent
    version = SchemaVersion(root.name, folder.name, source, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", dict(tables))
    staged = root / f"_current.json.{uuid4().hex[:8]}"
    with staged.open("w", encoding="utf-8") as file:
        json.dump(asdict(version), file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    previous = current(root.parent.parent, root.name)
    staged.replace(root / "_current.json")
    keep = {folder.name, previous.version if previous else folder.name}
    for old in root.iterdir():
        if old.is_dir() and old.name not in keep:
            shutil.rmtree(old, ignore_errors=True)  # a reader may still hold a file of it open
    return version


def current(lake: Path, schema: str) -> SchemaVersion | None:
    """Return the published version of ``schema``, or None where there is none."""
    try:
        content = json.loads((tables_root(lake) / schema / "_current.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    content["tables"] = {name: TableVersion(**table) for name, table in content["tables"].items()}
    return SchemaVersion(**content)


def current_schemas(lake: Path) -> dict[str, SchemaVersion]:
    """Return every published schema by name."""
    root = tables_root(lake)
    names = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    return {name: version for name in names if (version := current(lake, name)) is not None}


def table_folder(lake: Path, version: SchemaVersion, table: str) -> Path:
    """Return the folder with the Parquet files of ``table``."""
    return tables_root(lake) / version.schema / version.version / table
