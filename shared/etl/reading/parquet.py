"""Parquet of a stranger: the footer is believed about nothing that costs memory."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, BinaryIO

from shared.errors import InvalidFieldError, RequestError, TooLargeError
from shared.etl.arrow import Array, Numbers, arrow, compute, numpy
from shared.etl.raw import TYPES
from shared.etl.reading.limits import Limits
from shared.etl.reading.raw_rows import Raw, number_text, raw_table
from shared.etl.rules import Rules

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from shared.etl.kinds.faults import Mask

_FOOTER_LIMIT = 16 << 20  # of Thrift strings and containers in the footer
_MAX_COLUMNS = 1000
_BATCH_ROWS, _BATCH_CELLS, _BATCH_BYTES = 4096, 1 << 18, 16 << 20
_KEPT_CELL = 1 << 10  # bytes of a cell that a record which is too long keeps
_TOO_LONG = "record.too_long"


def read_parquet(stream: BinaryIO, rules: Rules, limits: Limits) -> Iterator[Raw]:
    """Return the raw rows of a Parquet file; ``stream`` must be seekable.

    Raises:
        RequestError: it is not a whole Parquet file.
        InvalidFieldError: it has a column twice, or none that a record has.
        TooLargeError: it would unpack to more than ``limits`` allow.
    """
    pa = arrow()
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(
            stream,
            thrift_string_size_limit=_FOOTER_LIMIT,
            thrift_container_size_limit=_FOOTER_LIMIT // 16,
            memory_map=False,
            # A short page can stand for a long text many times over: it stays a dictionary until it is checked.
            read_dictionary=_unfolding(pq.ParquetFile(stream).schema_arrow),
        )
        _check(file, rules, limits)
        # One row of a list can be all of the memory: what is inside of it has no place in a record anyway.
        unread = _nested(file.schema_arrow)
        read = [name for name in file.schema_arrow.names if name not in set(unread)]
        _check_paths(read, unread)
        first = unfolded = 0
        for batch in file.iter_batches(batch_size=_rows_at_once(file, limits), columns=read, use_threads=False):
            sizes = _text_sizes(batch)
            too_long = sizes > limits.max_record
            sizes[too_long] = 0  # they are not unfolded
            unfolded += int(sizes.sum())
            if unfolded > limits.max_unpacked:
                raise TooLargeError(f"The Parquet file unfolds to more than {limits.max_unpacked} bytes of text.")
            for start, end in _parts(sizes):
                yield _raw(batch.slice(start, end - start), unread, too_long[start:end], rules, first + start)
            first += batch.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, RequestError):
            raise
        line = str(error).splitlines()[0][:200] if str(error) else "it is damaged"
        raise RequestError(f"The Parquet file cannot be read: {line}") from error


def _unfolding(schema: Any) -> list[str]:
    return [field.name for field in schema if _is_text(field.type) or _is_bytes(field.type)]


def _nested(schema: Any) -> list[str]:
    from pyarrow import types

    return [field.name for field in schema if types.is_nested(field.type)]


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _is_bytes(kind: Any) -> bool:
    from pyarrow import types

    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)


def _rows_at_once(file: "pq.ParquetFile", limits: Limits) -> int:
    """Return how many rows a batch may have: few, where they are wide or long."""
    groups = [file.metadata.row_group(group) for group in range(file.metadata.num_row_groups)]
    longest = max((group.total_byte_size // max(1, group.num_rows) for group in groups), default=0)
    few = min(_BATCH_CELLS // len(file.schema_arrow.names), _BATCH_BYTES // max(1, longest))
    return max(1, min(limits.rows, _BATCH_ROWS, few))


def _text_sizes(batch: Any) -> Numbers:
    """Return how many bytes of text each row has once its dictionaries are unfolded."""
    np = numpy()
    pc = compute()
    pa = arrow()

    sizes = np.zeros(batch.num_rows, dtype=np.int64)
    for column in batch.columns:
        if isinstance(column, pa.DictionaryArray) and not _is_bytes(column.type.value_type):
            sizes += pc.fill_null(_lengths(column), 0).to_numpy(zero_copy_only=False)
    return sizes


def _lengths(column: Array) -> Array:
    pc = compute()

    return pc.take(pc.binary_length(column.dictionary), column.indices)


def _parts(sizes: Numbers) -> Iterator[tuple[int, int]]:
    """Return from where to where a batch is cut, because its texts would become too much to hold at once."""
    np = numpy()

    part = np.cumsum(sizes) // _BATCH_BYTES
    starts = [0, *(np.flatnonzero(part[1:] != part[:-1]) + 1).tolist(), len(sizes)]
    return pairwise(starts)


def _check(file: "pq.ParquetFile", rules: Rules, limits: Limits) -> None:
    names = file.schema_arrow.names
    if len(names) > _MAX_COLUMNS:
        raise InvalidFieldError(f"The Parquet file has {len(names)} columns: at most {_MAX_COLUMNS} are read.")
    if len(set(names)) != len(names):
        raise InvalidFieldError("The Parquet file has a column twice: name each column once.")
    if not set(names) & set(rules.names):
        raise InvalidFieldError(f"The Parquet file has no column of a record: expected {', '.join(rules.names)}.")
    metadata = file.metadata
    if metadata.num_rows > limits.max_rows:
        raise TooLargeError(f"The Parquet file has {metadata.num_rows} rows: at most {limits.max_rows} are read.")
    groups = [metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups)]
    if max(groups, default=0) > limits.max_row_group:
        raise TooLargeError(f"A row group of the Parquet file unpacks to {max(groups)} bytes: write smaller ones.")
    unpacked = sum(groups)
    if unpacked > limits.max_unpacked:
        raise TooLargeError(f"The Parquet file unpacks to {unpacked} bytes: at most {limits.max_unpacked} are read.")


def _check_paths(read: Sequence[str], unread: Sequence[str]) -> None:
    # What is asked for by the name `a.b` would come with what is inside of `a`.
    if any(name.startswith(f"{outer}.") for name in read for outer in unread):
        raise InvalidFieldError("The Parquet file has a column that is named as a part of another: rename it.")


def _raw(batch: "pa.RecordBatch", unread: Sequence[str], too_long: "Mask", rules: Rules, first: int) -> Raw:
    np = numpy()
    pa = arrow()

    size = batch.num_rows
    wrong: dict[int, list[str]] = {position: list(unread) for position in range(size)} if unread else {}
    errors: dict[int, str] = dict.fromkeys(np.flatnonzero(too_long).tolist(), _TOO_LONG)
    columns: dict[str, Array] = dict.fromkeys(unread, pa.nulls(size, pa.string()))
    for name in [*rules.names, *(name for name in batch.schema.names if name not in rules.names)]:
        if name in batch.schema.names:
            columns[name] = _text_column(name, batch.column(name), wrong, too_long)
    nothing = pa.nulls(size, pa.string())
    cells = [columns.get(name, nothing) for name in rules.names]
    order = {name: at for at, name in enumerate(rules.names)}
    types = {
        position: sorted(known, key=order.__getitem__)
        for position, names in wrong.items()
        if (known := [name for name in names if name in order]) and position not in errors
    }
    extra = _extra(columns, rules)

    def records(positions: Sequence[int]) -> list[str]:
        import orjson

        rows = pa.table(columns).take(pa.array(positions, pa.int64())).to_pylist()
        return [
            orjson.dumps({**row, TYPES: wrong[position]} if position in wrong else row).decode()
            for position, row in zip(positions, rows, strict=True)
        ]

    return Raw(raw_table(rules, cells, first=first, types=types, extra=extra, errors=errors), records)


def _text_column(name: str, column: Array, wrong: dict[int, list[str]], too_long: "Mask") -> Array:
    """Return ``column`` as text; what cannot be is null, and said in ``wrong``. Of a record that is too long, only the
    short texts are left.
    """
    pa = arrow()
    pc = compute()
    from pyarrow import types

    kind = column.type
    if isinstance(column, pa.DictionaryArray) and not _is_bytes(kind.value_type):
        indices = column.indices
        if too_long.any():
            gone = pc.and_(pa.array(too_long), pc.greater(_lengths(column), _KEPT_CELL))
            indices = pc.if_else(gone, None, indices)
        return _utf8(column.dictionary.cast(pa.string()).take(indices))
    if _is_text(kind):
        return _utf8(column.cast(pa.string()))
    if types.is_integer(kind) or types.is_date(kind):
        return column.cast(pa.string())
    if types.is_floating(kind) or types.is_decimal(kind):
        texts = [None if value is None else number_text(value) for value in column.to_pylist()]
        finite = pa.array(texts, pa.string())
        _mark(name, pc.and_(column.is_valid(), finite.is_null()), wrong)
        return finite
    if types.is_timestamp(kind):
        return pc.strftime(column.cast(pa.timestamp("s", kind.tz), safe=False), format="%Y-%m-%dT%H:%M:%S")
    _mark(name, column.is_valid(), wrong)
    return pa.nulls(len(column), pa.string())


def _utf8(texts: Array) -> Array:
    # A file may say text and hold any bytes.
    texts.validate(full=True)
    return texts


def _mark(name: str, mask: Any, wrong: dict[int, list[str]]) -> None:
    pc = compute()

    for position in pc.indices_nonzero(mask).to_pylist():
        wrong.setdefault(position, []).append(name)


def _extra(columns: dict[str, Array], rules: Rules) -> dict[int, str]:
    import orjson

    pa = arrow()

    unknown = {name: column for name, column in columns.items() if name not in rules.names}
    extra: dict[int, str] = {}
    if not unknown:
        return extra
    for position, row in enumerate(pa.table(unknown).to_pylist()):
        if aside := {name: value for name, value in row.items() if value is not None}:
            extra[position] = orjson.dumps(aside, option=orjson.OPT_SORT_KEYS).decode()
    return extra
