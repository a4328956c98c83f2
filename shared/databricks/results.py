"""From the cells of the SQL statement API, which are texts or null, to a typed Arrow table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from shared.conversations import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa


def to_table(columns: Sequence[ColumnType], rows: Sequence[Sequence[str | None]]) -> "pa.Table":
    """Return ``rows`` as Arrow, each column in the Arrow type of its Databricks type.

    A type that Arrow has no plain counterpart of (arrays, maps, structs, intervals) stays text, as does a column
    with a cell that does not read as its type says.
    """
    import pyarrow as pa

    arrays: list[pa.Array[Any]] = []
    for position, column in enumerate(columns):
        cells = pa.array([row[position] for row in rows], type=pa.string())
        try:
            arrays.append(cells.cast(arrow_type(column["type"])))
        except pa.ArrowInvalid:
            arrays.append(cells)
    # Names may repeat in SQL; in Parquet they may not.
    return pa.Table.from_arrays(arrays, names=distinct_names([column["name"] for column in columns]))


def arrow_type(databricks_type: str) -> "pa.DataType":
    """Return the Arrow type for a Databricks type such as ``INT`` or ``DECIMAL(10,2)``."""
    import pyarrow as pa

    name, _, arguments = databricks_type.upper().partition("(")
    if name in {"DECIMAL", "DEC", "NUMERIC"}:
        numbers = [int(number) for number in arguments.rstrip(")").split(",") if number.strip()] or [10]
        return pa.decimal128(numbers[0], numbers[1] if len(numbers) > 1 else 0)
    plain = {
        "BYTE": pa.int8(),
        "TINYINT": pa.int8(),
        "SHORT": pa.int16(),
        "SMALLINT": pa.int16(),
        "INT": pa.int32(),
        "INTEGER": pa.int32(),
        "LONG": pa.int64(),
        "BIGINT": pa.int64(),
        "FLOAT": pa.float32(),
        "DOUBLE": pa.float64(),
        "BOOLEAN": pa.bool_(),
        "DATE": pa.date32(),
        "TIMESTAMP": pa.timestamp("us", tz="UTC"),
        "TIMESTAMP_NTZ": pa.timestamp("us"),
    }
    return plain.get(name, pa.string())


def distinct_names(names: Sequence[str]) -> list[str]:
    """Return ``names`` with a number behind each one that was there before."""
    distinct: list[str] = []
    for name in names:
        candidate, number = name, 2
        while candidate in distinct:
            candidate, number = f"{name}_{number}", number + 1
        distinct.append(candidate)
    return distinct
