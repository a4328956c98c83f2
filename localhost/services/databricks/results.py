"""Rows as the statement API sends them: JSON arrays whose cells are texts or null, described by a manifest."""

import base64
import json
import math
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

import pyarrow as pa
import pyarrow.types as kinds

from localhost.services.databricks.engine import ResultSet

CHUNK_BYTES = 2**21

_TYPES: dict[pa.DataType, str] = {
    pa.null(): "VOID",
    pa.bool_(): "BOOLEAN",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INT",
    pa.int64(): "BIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.date32(): "DATE",
    pa.binary(): "BINARY",
    pa.large_binary(): "BINARY",
    pa.month_day_nano_interval(): "INTERVAL",
    pa.duration("us"): "INTERVAL",
}
# The API has two words for a type: `type_text` is SQL, `type_name` is Spark's own where the two differ.
_NAMES = {"BIGINT": "LONG", "SMALLINT": "SHORT", "TINYINT": "BYTE", "VOID": "NULL", "TIMESTAMP_NTZ": "TIMESTAMP"}


def type_text(kind: pa.DataType) -> str:
    """Return the SQL type that Databricks has for an Arrow type, e.g. ``ARRAY<STRING>``."""
    match kind:
        case pa.Decimal128Type():
            return f"DECIMAL({kind.precision},{kind.scale})"
        case pa.TimestampType():
            return "TIMESTAMP_NTZ" if kind.tz is None else "TIMESTAMP"
        case pa.MapType():
            return f"MAP<{type_text(kind.key_type)}, {type_text(kind.item_type)}>"
        case pa.ListType() | pa.LargeListType():
            return f"ARRAY<{type_text(kind.value_type)}>"
        case pa.StructType():
            return f"STRUCT<{', '.join(f'{name}: {type_text(part)}' for name, part in fields_of(kind))}>"
        case _:
            return _TYPES.get(kind, "STRING")


def columns_of(table: pa.Table) -> list[dict[str, str]]:
    """Return name and SQL type of every column, as the SQL job reports them."""
    return [{"name": name, "type": type_text(kind)} for name, kind in fields_of(table.schema)]


def fields_of(owner: pa.Schema | pa.StructType) -> list[tuple[str, pa.DataType]]:
    """Return name and type of every field."""
    fields = cast("Iterable[Any]", owner)
    return [(field.name, field.type) for field in fields]


def manifest(result: ResultSet) -> dict[str, Any]:
    """Return the description of ``result`` that goes with its first chunk."""
    columns = [_column(name, kind, position) for position, (name, kind) in enumerate(fields_of(result.table.schema))]
    chunks = [
        {"chunk_index": index, "row_offset": offset, "row_count": part.num_rows, "byte_count": part.nbytes}
        for index, (offset, part) in enumerate(_slices(result.table))
    ]
    return {
        "format": "JSON_ARRAY",
        "schema": {"column_count": len(columns), "columns": columns},
        "total_chunk_count": len(chunks),
        "chunks": chunks,
        "total_row_count": result.table.num_rows,
        "total_byte_count": sum(chunk["byte_count"] for chunk in chunks),
        "truncated": result.truncated,
    }


def chunk(result: ResultSet, index: int, statement_id: str) -> dict[str, Any] | None:
    """Return one chunk of the rows, pointing at the next; None where there is no chunk ``index``."""
    slices = _slices(result.table)
    if not slices and index == 0:
        return {"row_count": 0, "row_offset": 0, "data_array": []}
    if not 0 <= index < len(slices):
        return None
    offset, part = slices[index]
    content: dict[str, Any] = {"chunk_index": index, "row_offset": offset, "row_count": part.num_rows}
    if index + 1 < len(slices):
        content["next_chunk_index"] = index + 1
        content["next_chunk_internal_link"] = f"/api/2.0/sql/statements/{statement_id}/result/chunks/{index + 1}"
    columns = [
        [_cell(value, kind) for value in part.column(position).to_pylist()]
        for position, (_, kind) in enumerate(fields_of(part.schema))
    ]
    content["data_array"] = [list(row) for row in zip(*columns, strict=True)]
    return content


def _slices(table: pa.Table) -> list[tuple[int, pa.Table]]:
    rows_each = max(1, CHUNK_BYTES * table.num_rows // max(table.nbytes, 1))
    return [(offset, table.slice(offset, rows_each)) for offset in range(0, table.num_rows, rows_each)]


def _column(name: str, kind: pa.DataType, position: int) -> dict[str, Any]:
    text = type_text(kind)
    base = text.partition("<")[0].partition("(")[0]
    column: dict[str, Any] = {
        "name": name,
        "type_text": text,
        "type_name": _NAMES.get(base, base),
        "position": position,
    }
    if kinds.is_decimal(kind):
        column |= {"type_precision": kind.precision, "type_scale": kind.scale}
    return column


def _cell(value: Any, kind: pa.DataType) -> str | None:
    if value is None:
        return None
    if kinds.is_nested(kind):
        return json.dumps(_nested(value, kind), ensure_ascii=False, separators=(",", ":"))
    return _text_of(kind)(value)


def _nested(value: Any, kind: pa.DataType) -> Any:
    """Return an array, map or struct as JSON has it; Databricks sends texts for all that lies inside."""
    if value is None:
        return None
    if kinds.is_map(kind):
        return {_cell(key, kind.key_type): _nested(item, kind.item_type) for key, item in value}
    if kinds.is_struct(kind):
        return {name: _nested(value[name], part) for name, part in fields_of(kind)}
    if kinds.is_list(kind) or kinds.is_large_list(kind):
        return [_nested(item, kind.value_type) for item in value]
    return _cell(value, kind)


def _text_of(kind: pa.DataType) -> Callable[[Any], str]:
    if kinds.is_boolean(kind):
        return lambda value: "true" if value else "false"
    if kinds.is_floating(kind):
        return _double
    if kinds.is_timestamp(kind):
        return _timestamp
    if kinds.is_binary(kind) or kinds.is_large_binary(kind):
        return lambda value: base64.b64encode(value).decode()
    return str


def _timestamp(value: datetime) -> str:
    text = f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03}"
    return text if value.tzinfo is None else f"{text}Z"


def _double(value: float) -> str:
    """Return ``value`` as Java writes it: 7.0, 1.0E10, NaN."""
    if not math.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    first, *rest = map(str, digits)
    return f"{'-' if sign else ''}{first}.{''.join(rest) or '0'}E{int(exponent) + len(rest)}"
