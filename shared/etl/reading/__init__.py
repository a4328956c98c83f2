"""The reader of untrusted input: bytes of JSON, JSON Lines, CSV or Parquet become raw rows, or a 4xx.

Memory does not follow the input: text is parsed in blocks, Parquet in batches, and what would unpack to more than
the limits is refused. A record that is unusable on its own becomes a raw row with its reason.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO, Literal, cast, get_args

from shared.errors import InvalidFieldError, MediaTypeError, TooLargeError
from shared.etl.arrow import arrow
from shared.etl.reading import careful
from shared.etl.reading.limits import Limits
from shared.etl.reading.raw_rows import NotFlatError, Raw, from_flat
from shared.etl.rules import Rules

__all__ = ["Format", "Limits", "Raw", "format_of", "joined", "read_raw", "read_records"]

Format = Literal["json", "jsonl", "csv", "parquet"]

_BY_MEDIA_TYPE: dict[str, Format] = {
    "application/json": "json",
    "text/json": "json",
    "application/jsonl": "jsonl",
    "application/x-ndjson": "jsonl",
    "application/ndjson": "jsonl",
    "application/json-lines": "jsonl",
    "text/csv": "csv",
    "application/csv": "csv",
    "application/vnd.apache.parquet": "parquet",
    "application/parquet": "parquet",
    "application/x-parquet": "parquet",
}
_BY_SUFFIX: dict[str, Format] = {
    "json": "json",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "csv": "csv",
    "parquet": "parquet",
}
_PACKED = {
    b"PK": "a ZIP archive (or a workbook)",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
}


def format_of(*, media_type: str = "", name: str = "") -> Format:
    """Return the format that a media type or the end of a file's name stands for; the name decides.

    Raises:
        MediaTypeError: it is none that is read.
    """
    suffix = name.rpartition(".")[2].lower() if "." in name else ""
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    if not suffix and (found := _BY_MEDIA_TYPE.get(media_type.partition(";")[0].strip().lower())):
        return found
    what = f"A file {name!r}" if suffix else f"The media type {media_type!r}"
    raise MediaTypeError(f"{what} is not read: send {', '.join(get_args(Format))}.")


def read_raw(stream: BinaryIO, kind: Format, rules: Rules, limits: Limits | None = None) -> Iterator[Raw]:
    """Return the raw rows of ``stream``, block by block; at least one block, though it may have no rows.

    ``stream`` must be seekable for Parquet; it stays the caller's to close.

    Raises:
        RequestError: it is not what ``kind`` says; or another error of that branch of the tree.
        TooLargeError: it is larger than ``limits`` allow.
    """
    limits = limits or Limits()
    start = stream.read(8)
    for magic, what in _PACKED.items():
        if start.startswith(magic):
            raise MediaTypeError(f"The records are {what}: send them unpacked.")
    if kind == "parquet":
        from shared.etl.reading.parquet import read_parquet

        stream.seek(-len(start), 1)
        blocks = read_parquet(stream, rules, limits)
    else:
        text = cast("BinaryIO", _Counted(start, stream, limits.max_bytes))
        if kind == "csv":
            from shared.etl.reading.csv_text import read_csv

            blocks = read_csv(text, rules, limits)
        else:
            from shared.etl.reading.json_text import read_json, read_json_lines

            blocks = (read_json if kind == "json" else read_json_lines)(text, rules, limits)
    rows = 0
    for raw in blocks:
        rows += raw.table.num_rows
        if rows > limits.max_rows:
            raise TooLargeError(f"The input has more than {limits.max_rows} records: send it in parts.")
        yield raw
    if not rows:
        yield from_flat([], rules, first=0)


def read_records(records: Any, rules: Rules) -> Raw:
    """Return the raw rows of ``records`` that came parsed, in a request.

    Raises:
        InvalidFieldError: they are not a list.
    """
    if not isinstance(records, list):
        raise InvalidFieldError("`records` is not a list: send a list of records.", problems={"records": "not a list"})
    rows = cast("list[Any]", records)
    try:
        return from_flat(rows, rules, first=0)
    except (NotFlatError, UnicodeEncodeError, TypeError):
        return careful.from_records(careful.parsed(rows), rules, first=0)


def joined(blocks: Iterator[Raw]) -> Raw:
    """Return all blocks as one: for input that is known to be small."""
    pa = arrow()

    parts = list(blocks)
    if len(parts) == 1:
        return parts[0]
    starts: list[int] = []
    total = 0
    for part in parts:
        starts.append(total)
        total += part.table.num_rows

    def records(positions: Any) -> list[str]:
        wanted: list[list[int]] = [[] for _ in parts]
        found: dict[int, str] = {}
        import bisect

        for position in positions:
            wanted[bisect.bisect_right(starts, position) - 1].append(position)
        for part, start, of_part in zip(parts, starts, wanted, strict=True):
            found |= zip(of_part, part.records([position - start for position in of_part]), strict=True)
        return [found[position] for position in positions]

    return Raw(pa.concat_tables([part.table for part in parts]).combine_chunks(), records)


class _Counted:
    """A stream that is read from its first bytes on, and stops where it becomes too long."""

    closed = False

    def __init__(self, start: bytes, stream: BinaryIO, limit: int) -> None:
        self._start = start
        self._stream = stream
        self._left = limit - len(start)

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def flush(self) -> None:
        """Do nothing: a text wrapper asks for it."""

    def read(self, size: int) -> bytes:
        start, self._start = self._start, b""
        pieces = [start]
        wanted = size - len(start)
        while wanted > 0 and (piece := self._stream.read(wanted)):
            pieces.append(piece)
            wanted -= len(piece)
            self._left -= len(piece)
            if self._left < 0:
                raise TooLargeError("The input is larger than one job may be: send it in parts.")
        return b"".join(pieces)

    read1 = read
