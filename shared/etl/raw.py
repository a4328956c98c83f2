"""The shapes that both lanes share: what a reader hands over, and what Silver hands on.

Every cell of a raw row is text: the reader writes numbers in plain decimal digits, and puts a value that is neither
text nor a number (true, a list, an object) into no cell at all but its column's name into ``_types``.
"""

import re
from typing import TYPE_CHECKING, Any

from shared.etl.arrow import arrow
from shared.etl.rules import Rules

if TYPE_CHECKING:
    import pyarrow as pa

ROW = "_row"
"""Position of the record in Bronze, from 0; a correction keeps the position of the record that it corrects."""
TYPES = "_types"
"""Columns whose value was neither text nor a number, joined by commas in the order of the rules; mostly null."""
EXTRA = "_extra"
"""Fields that the rules do not know, as a JSON object with sorted keys; null where there are none."""
ERROR = "_error"
"""Why the record as a whole is unusable (``record.schema`` and its like); null where it is not."""
RECORD = "_record"
"""The record as JSON text."""
NOTES = "_notes"
"""In Silver: values that broke a rule and became null, as ``column.kind``, joined by commas; mostly null."""
JOB_ID = "_job_id"
ROW_HASH = "_row_hash"

RECORD_ERRORS = {
    "record.type": "is not an object",
    "record.schema": "has a field twice, or not the fields that the header names",
    "record.encoding": "has text that is not Unicode (half of a surrogate pair)",
    "record.depth": "is nested too deeply",
    "record.range": "has a number that is too large to be one",
    "record.too_long": "is longer than a record may be",
}
VALUE_ERRORS = {
    "type": "is neither text nor a number",
    "missing": "is missing",
    "too_long": "is too long",
    "format": "is not written as its kind requires",
    "range": "is outside the range that the rules allow",
}


def raw_schema(rules: Rules) -> "pa.Schema":
    """Return the schema of raw rows: what a reader makes, and what the Spark job reads."""
    pa = arrow()

    cells = [pa.field(name, pa.string()) for name in rules.names]
    aside = [pa.field(name, pa.string()) for name in (TYPES, EXTRA, ERROR, RECORD)]
    return pa.schema([pa.field(ROW, pa.int64(), nullable=False), *cells, *aside])


def silver_schema(rules: Rules) -> "pa.Schema":
    """Return the schema of clean rows."""
    pa = arrow()

    fields = [
        pa.field(column.name, _silver_type(column.kind, column.scale), nullable=column.missing == "null")
        for column in rules.columns
    ]
    aside = [pa.field(name, pa.string()) for name in (EXTRA, NOTES)]
    return pa.schema([*fields, *aside, pa.field(ROW, pa.int64(), nullable=False), *_lineage()])


def rejects_schema() -> "pa.Schema":
    """Return the schema of rejected records: every reason, and the record as it came."""
    pa = arrow()

    return pa.schema(
        [
            pa.field(ROW, pa.int64(), nullable=False),
            pa.field("reasons", pa.string(), nullable=False),
            pa.field("record", pa.string(), nullable=False),
            pa.field(JOB_ID, pa.string(), nullable=False),
        ]
    )


def duplicates_schema() -> "pa.Schema":
    """Return the schema of merged duplicates: which row went, and into which."""
    pa = arrow()

    return pa.schema(
        [
            pa.field(ROW, pa.int64(), nullable=False),
            pa.field("kept_row", pa.int64(), nullable=False),
            pa.field(JOB_ID, pa.string(), nullable=False),
        ]
    )


def gold_schema(rules: Rules, table: str) -> "pa.Schema":
    """Return the schema of one Gold table."""
    pa = arrow()

    columns = rules.gold[table].columns
    fields = [pa.field(column.name, arrow_type(column.type), nullable=column.nullable) for column in columns]
    return pa.schema([*fields, *_lineage()])


def arrow_type(name: str) -> "pa.DataType":
    """Return the Arrow type of a type named in the rules."""
    pa = arrow()

    if decimal := re.fullmatch(r"decimal\((\d+), (\d+)\)", name):
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    return {"text": pa.string(), "integer": pa.int64(), "date": pa.date32()}[name]


def _silver_type(kind: str, scale: int) -> "pa.DataType":
    pa = arrow()

    types = {"integer": pa.int64(), "date": pa.date32(), "money": pa.decimal128(12, scale)}
    return types.get(kind, pa.string())


def _lineage() -> list[Any]:
    pa = arrow()

    return [pa.field(JOB_ID, pa.string(), nullable=False), pa.field(ROW_HASH, pa.string(), nullable=False)]
