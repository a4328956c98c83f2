"""Lines of a tab-separated file to typed rows, a batch at a time; what is no row is set aside with a reason."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from localhost.data.imdb_format import NULL, ImdbFile

if TYPE_CHECKING:
    import pyarrow as pa

type Reason = Literal[
    "wrong_field_count",
    "invalid_utf8",
    "control_character",
    "line_too_long",
    "missing_key",
    "unreadable_value",
    "duplicate_key",
]

BLOCK_BYTES = 16 * 1024 * 1024
MAX_LINE_BYTES = 1024 * 1024
TEXT_KEPT = 2_000

# Digits few enough for the next wider type, so that the cast itself never fails; the range is checked after it.
_READABLE = {
    "INT": r"^-?[0-9]{1,18}$",
    "BIGINT": r"^-?[0-9]{1,18}$",
    "DOUBLE": r"^-?[0-9]{1,15}(\.[0-9]{1,15})?$",
    "BOOLEAN": r"^[01]$",
}
_INT_LIMIT = 2**31


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that is no row. ``line`` counts from 1, the header included."""

    line: int
    reason: Reason
    detail: str
    text: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that follow each other in the file; ``lines`` were taken from it, the first at ``first_line``."""

    rows: "pa.Table"
    first_line: int
    lines: int
    rejects: list[Reject]


def read_batches(content: BinaryIO, file: ImdbFile, types: Mapping[str, str]) -> Iterator[Batch]:
    """Yield the rows of ``content``, in order, in memory that does not grow with the file.

    Args:
        content: the unpacked file, from its beginning.
        file: what it should hold.
        types: the type of each column, as the catalogue names it.
    """
    for first_line, lines in _line_blocks(content):
        yield _batch(first_line, lines, file, types)


def arrow_type(name: str) -> "pa.DataType":
    """Return the Arrow type for a type of the catalogue."""
    import pyarrow as pa

    types = {"STRING": pa.string(), "INT": pa.int32(), "BIGINT": pa.int64(), "DOUBLE": pa.float64()}
    return types.get(name, pa.bool_())


def shown(line: bytes) -> str:
    """Return ``line`` as text that can be written anywhere; bytes that are no text stay visible."""
    return line[:TEXT_KEPT].decode("utf-8", "backslashreplace")


def _line_blocks(content: BinaryIO) -> Iterator[tuple[int, list[bytes]]]:
    """Yield lines without their ends, many at a time, each time with the number of the first."""
    number, rest, is_header = 1, b"", True
    while True:
        block = content.read(BLOCK_BYTES)
        *lines, rest = (rest + block).split(b"\n") if block else ([rest, b""] if rest else [b""])
        # A line without end must not fill the memory: of one that is too long, what shows that is kept.
        rest = rest[: MAX_LINE_BYTES + 1]
        if is_header and lines:
            lines, number, is_header = lines[1:], 2, False
        if lines:
            yield number, lines
            number += len(lines)
        if not block:
            return


def _batch(first_line: int, lines: list[bytes], file: ImdbFile, types: Mapping[str, str]) -> Batch:
    import pyarrow as pa
    from pyarrow import csv

    lines = [line.removesuffix(b"\r") for line in lines]
    broken = _broken_lines(lines, len(file.columns))
    rejects = [Reject(first_line + at, *why, shown(lines[at])) for at, why in broken.items()]
    good = [at for at in range(len(lines)) if at not in broken] if broken else range(len(lines))
    kept = [lines[at] for at in good] if broken else lines
    table = csv.read_csv(
        BytesIO(b"\n".join([file.header, *kept, b""])),
        read_options=csv.ReadOptions(block_size=4 * MAX_LINE_BYTES),
        parse_options=csv.ParseOptions(delimiter="\t", quote_char=False, escape_char=False, ignore_empty_lines=False),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(file.columns, pa.string()),
            null_values=[NULL],
            strings_can_be_null=True,
            check_utf8=False,  # it was checked
        ),
    )
    if table.num_rows != len(kept):
        raise AssertionError(f"{len(kept)} lines of {file.name} were read as {table.num_rows} rows")
    rows, unreadable = _typed(table, file, types)
    rejects += [Reject(first_line + good[at], *why, shown(kept[at])) for at, why in unreadable.items()]
    return Batch(rows, first_line, len(lines), sorted(rejects, key=lambda reject: reject.line))


def _broken_lines(lines: list[bytes], fields: int) -> dict[int, tuple[Reason, str]]:
    """Return which of ``lines`` cannot be split into ``fields`` texts, and why not."""
    broken: dict[int, tuple[Reason, str]] = {}
    tabs = fields - 1
    for at, line in enumerate(lines):
        if line.count(b"\t") != tabs:
            broken[at] = ("wrong_field_count", f"{line.count(b'\t') + 1} fields instead of {fields}")
    whole = b"\n".join(lines)
    if b"\0" in whole or b"\r" in whole or not _is_text(whole) or max(map(len, lines)) > MAX_LINE_BYTES:
        for at, line in enumerate(lines):
            if len(line) > MAX_LINE_BYTES:
                broken[at] = ("line_too_long", f"more than {MAX_LINE_BYTES} bytes")
            elif at not in broken and not _is_text(line):
                broken[at] = ("invalid_utf8", "the bytes are not UTF-8 text")
            elif at not in broken and (b"\0" in line or b"\r" in line):
                broken[at] = ("control_character", "a NUL or a carriage return inside the line")
    return dict(sorted(broken.items()))


def _is_text(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _typed(
    table: "pa.Table", file: ImdbFile, types: Mapping[str, str]
) -> tuple["pa.Table", dict[int, tuple[Reason, str]]]:
    """Return the readable rows in their types, and why each of the others (by its place) is not readable."""
    import pyarrow as pa

    compute = _compute()
    unreadable: dict[int, tuple[Reason, str]] = {}
    columns: dict[str, Any] = {}
    for name in file.columns:
        columns[name], bad = _read(table[name], types[name])
        for at in _places(bad):
            unreadable.setdefault(at, ("unreadable_value", f"{name} is {str(table[name][at])[:100]!r}"))
    for name in file.key:
        empty = compute.equal(compute.fill_null(compute.cast(table[name], pa.string()), ""), "")
        for at in _places(empty):
            unreadable[at] = ("missing_key", f"{name} has no value")
    typed = pa.table({name: columns[name] for name in types}, pa.schema([(n, arrow_type(t)) for n, t in types.items()]))
    if unreadable:
        typed = typed.filter(pa.array([at not in unreadable for at in range(table.num_rows)], pa.bool_()))
    return typed, unreadable


def _read(text: Any, type_name: str) -> tuple[Any, Any]:
    """Return the values of a column of texts, and which of them are not of that type (None: all of them are)."""
    import pyarrow as pa

    compute = _compute()
    if type_name not in _READABLE:
        return text, None
    readable = compute.match_substring_regex(text, _READABLE[type_name])
    bad = compute.equal(compute.fill_null(readable, fill_value=True), pa.scalar(value=False))
    values = compute.if_else(bad, pa.scalar(None, pa.string()), text)
    if type_name == "BOOLEAN":
        return compute.equal(values, "1"), bad
    wide = compute.cast(values, pa.float64() if type_name == "DOUBLE" else pa.int64())
    if type_name != "INT":
        return wide, bad
    outside = compute.fill_null(compute.greater_equal(compute.abs(wide), _INT_LIMIT), fill_value=False)
    narrow = compute.if_else(outside, pa.scalar(None, pa.int64()), wide)
    return compute.cast(narrow, pa.int32()), compute.or_(bad, outside)


def _places(mask: Any) -> list[int]:
    """Return where ``mask`` is true."""
    if mask is None or not _compute().any(mask).as_py():
        return []
    return _compute().indices_nonzero(mask.combine_chunks()).to_pylist()


def _compute() -> Any:
    """Return pyarrow's compute functions, of which its types know too little."""
    return import_module("pyarrow.compute")
