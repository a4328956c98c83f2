"""Parquet of a stranger: the footer is believed about nothing that costs memory."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from shared.errors import InvalidFieldError, RequestError, TooLargeError
from shared.etl.arrow import Array, arrow, compute
from shared.etl.raw import TYPES
from shared.etl.reading.limits import Limits
from shared.etl.reading.raw_rows import Raw, number_text, raw_table
from shared.etl.rules import Rules

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_FOOTER_LIMIT = 16 << 20  # of Thrift strings and containers in the footer
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
            read_dictionary=_texts(pq.ParquetFile(stream).schema_arrow),
        )
        _check(file, rules, limits)
        first = 0
        for batch in file.iter_batches(batch_size=min(limits.rows, 4096), use_threads=False):
            yield _raw(batch, rules, limits, first)
            first += batch.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, RequestError):
            raise
        line = str(error).splitlines()[0][:200] if str(error) else "it is damaged"
        raise RequestError(f"The Parquet file cannot be read: {line}") from error


def _texts(schema: Any) -> list[str]:
    from pyarrow import types

    return [field.name for field in schema if types.is_string(field.type) or types.is_large_string(field.type)]


def _check(file: "pq.ParquetFile", rules: Rules, limits: Limits) -> None:
    names = file.schema_arrow.names
    if len(set(names)) != len(names):
        raise InvalidFieldError("The Parquet file has a column twice: name each column once.")
    if not set(names) & set(rules.names):
        raise InvalidFieldError(f"The Parquet file has no column of a record: expected {', '.join(rules.names)}.")
    metadata = file.metadata
    if metadata.num_rows > limits.max_rows:
        raise TooLargeError(f"The Parquet file has {metadata.num_rows} rows: at most {limits.max_rows} are read.")
    unpacked = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    if unpacked > limits.max_unpacked:
        raise TooLargeError(f"The Parquet file unpacks to {unpacked} bytes: at most {limits.max_unpacked} are read.")


def _raw(batch: "pa.RecordBatch", rules: Rules, limits: Limits, first: int) -> Raw:
    pa = arrow()

    size = batch.num_rows
    wrong: dict[int, list[str]] = {}
    errors: dict[int, str] = {}
    columns: dict[str, Array] = {}
    for name in [*rules.names, *(name for name in batch.schema.names if name not in rules.names)]:
        if name in batch.schema.names:
            columns[name] = _text_column(name, batch.column(name), wrong, errors, limits)
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


def _text_column(
    name: str, column: Array, wrong: dict[int, list[str]], errors: dict[int, str], limits: Limits
) -> Array:
    """Return ``column`` as text; what cannot be is null, and said in ``wrong`` or ``errors``."""
    pa = arrow()
    pc = compute()
    from pyarrow import types

    if isinstance(column, pa.DictionaryArray):
        values = column.dictionary.cast(pa.string())
        long = pc.greater(pc.binary_length(values), limits.max_cell)
        if pc.any(long).as_py():
            values = pc.if_else(long, None, values)
            for position in pc.indices_nonzero(
                pc.fill_null(pc.take(long, column.indices), fill_value=False)
            ).to_pylist():
                errors[position] = _TOO_LONG
        return _utf8(values.take(column.indices))
    kind = column.type
    if types.is_string(kind) or types.is_large_string(kind):
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
