"""What a job's tables show over HTTP: rejects with masked values, Gold as rows, Parquet or CSV. Always a part."""

import io
import json
import re
from typing import TYPE_CHECKING, Any, cast

from shared.errors import NotFoundError
from shared.etl_paths import manifest_path
from shared.jobs import JobRecord

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.dataset import Dataset

PERSONAL = frozenset({"name", "email", "phone"})
_NUMBERED = frozenset({"signup_date", "order_date", "order_id", "user_id"})
_LONG_NUMBER = re.compile(r"[0-9][0-9 ()./-]{8,}[0-9]")
"""Perhaps a telephone's, except in the columns above."""
MAX_SHOWN = 100
"""Characters of one value of a rejected record."""
_FORMULA = r"^(?:[\t\r\n]|\s*[=+\-@\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}])"


def read_manifest(record: JobRecord) -> dict[str, Any] | None:
    """Return the manifest of the job's published Gold; None where there is none."""
    from shared.lake_files import read_bytes

    if record["gold"] is None:
        return None
    path = manifest_path(record["owner"], record["parent_job_id"], record["id"])
    return cast("dict[str, Any]", json.loads(read_bytes(path)))


def read_rejects(record: JobRecord, *, after: int, limit: int) -> list[dict[str, Any]]:
    """Return the rejected rows behind row ``after``: of the published ones, or of those that wait for a review.

    Raises:
        NotFoundError: nothing is cleaned yet.
    """
    import pyarrow.compute as pc

    rejects, place = _rejects(record), pc.field("_row")
    # Nothing promises the order of rows over files, so the end of the page is found first, among the numbers alone.
    numbers = rejects.to_table(columns=["_row"], filter=place > after).sort_by("_row").column("_row")
    if not limit or not len(numbers):
        return []
    last = numbers[min(limit, len(numbers)) - 1].as_py()
    columns = ["_row", "reasons", "record"]
    table = rejects.to_table(columns=columns, filter=(place > after) & (place <= last)).sort_by("_row")
    return [
        {"_row": row["_row"], "reasons": row["reasons"].split(","), "record": masked_record(row["record"])}
        for row in table.to_pylist()
    ]


def masked_record(text: str) -> dict[str, Any] | None:
    """Return what may be shown of a record: its known fields, masked where they are about a person.

    Fields that the rules do not know are left out: nobody has said what they hold.
    """
    from shared.etl.rules import load_rules

    try:
        record: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    fields = cast("dict[str, Any]", record)
    return {name: _shown(name, fields[name]) for name in load_rules().names if name in fields}


def gold_dataset(record: JobRecord, table: str) -> "Dataset":
    """Return a table of the job's published Gold.

    Raises:
        NotFoundError: the job has not published it.
    """
    from shared.staging import dataset_of

    manifest = read_manifest(record)
    if manifest is None or table not in manifest["tables"]:
        raise NotFoundError("This job has not published its Gold yet.")
    return dataset_of(manifest["tables"][table])


def part(dataset: "Dataset", *, offset: int, limit: int) -> "pa.Table":
    """Return ``limit`` rows from ``offset`` on; no more than these are held at once."""
    import pyarrow as pa

    batches: list[pa.RecordBatch] = []
    left, skip = limit, offset
    for batch in dataset.to_batches(batch_size=16_384, batch_readahead=1, fragment_readahead=1):
        if skip >= batch.num_rows:
            skip -= batch.num_rows
            continue
        taken = batch.slice(skip, left)
        batches.append(taken)
        skip, left = 0, left - taken.num_rows
        if not left:
            break
    return pa.Table.from_batches(batches, dataset.schema)


def as_parquet(table: "pa.Table") -> bytes:
    """Return ``table`` as a file of Parquet."""
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def as_csv(table: "pa.Table") -> bytes:
    """Return ``table`` as CSV that a spreadsheet only reads: no text begins as a formula does."""
    import pyarrow as pa
    from pyarrow import csv

    buffer = io.BytesIO()
    columns = [_harmless(column) if pa.types.is_string(column.type) else column for column in table.columns]
    csv.write_csv(pa.table(columns, names=table.column_names), buffer)
    return buffer.getvalue()


def _harmless(column: Any) -> Any:
    import pyarrow.compute as pc

    quoted = pc.binary_join_element_wise("'", column, "")  # pyright: ignore[reportArgumentType, reportCallIssue]
    return pc.if_else(pc.match_substring_regex(column, _FORMULA), quoted, column)


def _rejects(record: JobRecord) -> "Dataset":
    from shared.staging import StagedTable, dataset_of, read_staged

    published, staged = record["rejects_path"], record.get("staged_path")
    if published is not None:
        return dataset_of(StagedTable(path=published, rows=0, checksum="", fields=[]))
    if staged is None:
        raise NotFoundError("The records of this job are not cleaned yet.")
    return dataset_of(read_staged(staged)["tables"]["rejects"])


def _shown(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if not isinstance(value, str):
        if name in PERSONAL or not isinstance(value, int | float):
            return "***"
        return value if abs(value) < 10**15 else "***"
    value = value.encode(errors="replace").decode()  # half a surrogate pair may be what it was rejected for
    if name in PERSONAL or "@" in value or (name not in _NUMBERED and _LONG_NUMBER.search(value)):
        return mask(value)
    return value[:MAX_SHOWN]


def mask(text: str) -> str:
    """Return a text of which only the first character is left, and of an address that of its domain, too."""
    local, at, domain = text.strip().partition("@")
    return f"{local[:1]}***" + (f"@{domain[:1]}***" if at else "")
