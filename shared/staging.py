"""What an attempt at a job has made and nobody reads yet: tables in a folder of its own, and a note of what they are.

The note is written last, so a folder with a note is complete; both lanes leave the same note.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict, cast

from shared.errors import LostRowsError
from shared.lake import open_lake
from shared.lake_files import exists, read_bytes, replacing, url_of, write_bytes

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.dataset import Dataset

    from shared.etl.manifest import Field

NOTE = "staged.json"


class StagedTable(TypedDict):
    """One table; ``path`` is a Parquet file, or a folder of them."""

    path: str
    rows: int
    checksum: str
    fields: "list[Field]"


class Staged(TypedDict):
    """Silver, and Gold where it is made already; the rest is as in a manifest."""

    engine: str
    rules: str
    counts: dict[str, int]
    reasons: dict[str, int]
    notes: dict[str, int]
    tables: dict[str, StagedTable]


def stage_tables(folder: str, tables: "Mapping[str, pa.Table]", checksums: Mapping[str, str]) -> dict[str, StagedTable]:
    """Write ``tables`` into ``folder``; they count only once they are noted."""
    from shared.etl.manifest import fields_of
    from shared.etl.parquet_files import write_parquet

    staged: dict[str, StagedTable] = {}
    for name, table in tables.items():
        path = f"{folder}/{name}.parquet"
        with replacing(path) as (files, place):
            write_parquet(table, place, filesystem=files)
        fields = fields_of(table.schema)
        staged[name] = {"path": path, "rows": table.num_rows, "checksum": checksums[name], "fields": fields}
    return staged


def note_staged(folder: str, staged: Staged) -> None:
    """Say that what ``staged`` lists is complete.

    Raises:
        LostRowsError: rows were lost on the way; nothing is noted.
    """
    counts = staged["counts"]
    found = counts["cleaned"] + counts["rejected"] + counts["duplicates"]
    if counts["input"] != found:
        raise LostRowsError(folder, expected=counts["input"], found=found)
    write_bytes(f"{folder}/{NOTE}", json.dumps(staged, sort_keys=True).encode())


def note_manifest(folder: str, manifest: Mapping[str, Any]) -> Staged:
    """Note what a run on Databricks has left in ``folder``: each table is a folder of its name."""
    tables = {
        name: StagedTable(path=f"{folder}/{name}", rows=t["rows"], checksum=t["checksum"], fields=t["fields"])
        for name, t in manifest["tables"].items()
    }
    staged = Staged(
        engine=manifest["engine"],
        rules=manifest["rules"],
        counts=manifest["counts"],
        reasons=manifest["reasons"],
        notes=manifest["notes"],
        tables=tables,
    )
    note_staged(folder, staged)
    return staged


def is_staged(folder: str) -> bool:
    """Whether the folder is complete."""
    return exists(f"{folder}/{NOTE}")


def read_staged(folder: str) -> Staged:
    """Return what the folder holds.

    Raises:
        NotFoundError: it is not complete.
    """
    return cast(Staged, json.loads(read_bytes(f"{folder}/{NOTE}")))


def dataset_of(table: StagedTable) -> "Dataset":
    """Return a table, to be read batch by batch."""
    import pyarrow.dataset as ds

    files, place = open_lake(url_of(table["path"]))
    return ds.dataset(place, filesystem=files, format="parquet")  # pyright: ignore[reportUnknownMemberType]


def table_of(table: StagedTable) -> "pa.Table":
    """Return a table whole, in the order of its rows."""
    return dataset_of(table).to_table()
