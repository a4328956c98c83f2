"""How much of a stranger's input is read before it is refused."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one input may weigh; everything is read in blocks, so memory does not follow the input."""

    max_bytes: int = 2 << 30
    """Of the input as it lies there. Uploads over HTTP have a lower limit of their own."""
    max_rows: int = 5_000_000
    block: int = 1 << 20
    """Bytes of text that are parsed at once; three of them can be a record, so this bounds memory."""
    rows: int = 20_000
    """Rows that CSV and Parquet hand over at once."""
    max_unpacked: int = 8 << 30
    """Of Parquet, as its footer counts the bytes of its pages."""
    max_cell: int = 1 << 20
    """Bytes of one value of Parquet; a longer one is rejected before it is repeated by its dictionary."""
