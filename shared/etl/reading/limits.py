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
    """Of Parquet: of its pages, as its footer counts them, and of its texts, as its dictionaries unfold."""
    max_row_group: int = 1 << 30
    """Of one row group of Parquet: the different texts of its columns are held at once."""
    max_record: int = 1 << 20
    """Bytes of the texts of one record of Parquet; a longer one is rejected, and its long texts are not unfolded."""
