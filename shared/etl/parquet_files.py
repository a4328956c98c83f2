"""Tables to Parquet and back: one way to write them, so that files of both lanes are read alike."""

from typing import TYPE_CHECKING, Any

from shared.etl.arrow import parquet
from shared.etl.raw import ROW_HASH

if TYPE_CHECKING:
    import pyarrow as pa


def write_parquet(table: "pa.Table", sink: Any, **where: Any) -> None:
    """Write ``table`` to a path or a stream; ``where`` may name a ``filesystem``."""
    # A dictionary of hashes, which are all different, would only cost.
    plain = [name for name in table.column_names if name != ROW_HASH]
    parquet().write_table(table, sink, compression="snappy", use_dictionary=plain, **where)


def parquet_bytes(table: "pa.Table") -> bytes:
    """Return ``table`` as the bytes of a Parquet file."""
    import io

    sink = io.BytesIO()
    write_parquet(table, sink)
    return sink.getvalue()
