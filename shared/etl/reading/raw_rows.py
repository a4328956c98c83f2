"""From parsed values to raw rows: thirteen cells of text, and what could not be one."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from shared.etl.arrow import Array, arrow, compute, numpy
from shared.etl.raw import ERROR, EXTRA, RECORD, ROW, TYPES
from shared.etl.rules import Rules

if TYPE_CHECKING:
    import pyarrow as pa

MAX_RECORD = 1 << 20
"""Bytes of one record; what is longer is rejected and its text cut."""
LONG_CELL = MAX_RECORD // 32
"""A cell above which the length of the whole record is worth counting."""


class NotFlatError(Exception):
    """A record holds a list, an object or very long text: it has to be read with care."""


@dataclass(frozen=True)
class Raw:
    """Raw rows, and the text of each record on demand: only rejects need theirs."""

    table: "pa.Table"
    """``raw_schema`` without ``_record``."""
    records: Callable[[Sequence[int]], list[str]]
    """The JSON text of the records at these positions of the table."""

    def with_records(self) -> "pa.Table":
        """Return the rows with ``_record``: what the Spark job reads."""
        pa = arrow()

        texts = self.records(range(self.table.num_rows))
        return self.table.append_column(RECORD, pa.array(texts, pa.string()))


def from_flat(rows: list[Any], rules: Rules, *, first: int) -> Raw:
    """Return raw rows of records that are objects of text, numbers, booleans and nulls.

    Raises:
        NotFlatError: one is not.
    """
    import orjson

    if set(map(type, rows)) - {dict}:
        raise NotFlatError
    names = rules.names
    complete = True
    try:
        columns: list[Sequence[Any]] = list(zip(*map(itemgetter(*names), rows), strict=True)) or [() for _ in names]
    except KeyError:  # a record without some field
        complete = False
        columns = [[row.get(name) for row in rows] for name in names]
    wrong: dict[int, list[str]] = {}
    cells = [_cells(name, column, wrong) for name, column in zip(names, columns, strict=True)]
    only_known = complete and sum(map(len, rows)) == len(names) * len(rows)
    extra = {} if only_known else _extras(rows, frozenset(names))

    def records(positions: Sequence[int]) -> list[str]:
        return [orjson.dumps(rows[position]).decode() for position in positions]

    return Raw(raw_table(rules, cells, first=first, types=wrong, extra=extra, errors={}), records)


def raw_table(
    rules: Rules,
    cells: Sequence[Array],
    *,
    first: int,
    types: dict[int, list[str]],
    extra: dict[int, str],
    errors: dict[int, str],
) -> "pa.Table":
    """Put cells and what stands beside them together; the dictionaries are by position."""
    pa = arrow()

    size = len(cells[0])
    rows = pa.array(numpy().arange(first, first + size, dtype="int64"))
    aside = [
        _sparse({position: ",".join(names) for position, names in types.items()}, size),
        _sparse(extra, size),
        _sparse(errors, size),
    ]
    return pa.table([rows, *cells, *aside], names=[ROW, *rules.names, TYPES, EXTRA, ERROR])


def number_text(value: float | Decimal) -> str | None:
    """Return a number in plain decimal digits, a whole one without a point; None where it is not finite."""
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return None
    if value == int(value):
        return str(int(value))
    text = repr(value) if isinstance(value, float) else str(value)
    return text if "e" not in text.lower() else format(Decimal(text), "f")


def _cells(name: str, values: Sequence[Any], wrong: dict[int, list[str]]) -> Array:
    pa = arrow()
    pc = compute()

    kinds = set(map(type, values)) - {type(None)}
    if kinds <= {str}:
        cells = pa.array(values, pa.string())
    elif kinds == {int}:
        try:
            cells = pa.array(values, pa.int64()).cast(pa.string())
        except (OverflowError, pa.ArrowInvalid) as error:
            raise NotFlatError from error
    elif float in kinds and kinds <= {str, float} and (texts := _float_texts(values)) is not None:
        cells = pa.array([next(texts) if value.__class__ is float else value for value in values], pa.string())
    else:
        cells = pa.array(
            [
                value if value is None or value.__class__ is str else _text(name, value, position, wrong)
                for position, value in enumerate(values)
            ],
            pa.string(),
        )
    longest: int | None = pc.max(pc.binary_length(cells)).as_py()
    if longest is not None and longest > LONG_CELL:
        raise NotFlatError
    return cells


def _float_texts(values: Sequence[Any]) -> Iterator[str] | None:
    """Return the texts of the floats among ``values`` in their order, or nothing where one is not plain digits.

    All at once is several times as quick as one by one.
    """
    import orjson

    texts = orjson.dumps([value for value in values if value.__class__ is float])[1:-1] + b","
    if b"e" in texts or b"null" in texts or b"-0.0," in texts:
        return None
    return iter(texts.replace(b".0,", b",").decode().split(","))


def _text(name: str, value: Any, position: int, wrong: dict[int, list[str]]) -> str | None:
    kind = value.__class__
    if kind is float:
        if abs(value) >= 2**63:  # perhaps an integer whose digits the parser rounded
            raise NotFlatError
        text = repr(value)
        return number_text(value) if "e" in text or text.endswith(".0") else text
    if kind is int:
        if not -(2**63) <= value < 2**63:  # more than the fast writer takes
            raise NotFlatError
        return str(value)
    if kind is bool:
        wrong.setdefault(position, []).append(name)
        return None
    raise NotFlatError


def _extras(rows: list[dict[str, Any]], known: frozenset[str]) -> dict[int, str]:
    import orjson

    extras: dict[int, str] = {}
    for position, row in enumerate(rows):
        if row.keys() <= known:
            continue
        extra = {name: value for name, value in row.items() if name not in known}
        if any(value.__class__ in (list, dict) for value in extra.values()):
            raise NotFlatError
        try:
            extras[position] = orjson.dumps(extra, option=orjson.OPT_SORT_KEYS).decode()
        except TypeError as error:  # a number or a text that is none of JSON's
            raise NotFlatError from error
        if len(extras[position]) > LONG_CELL:
            raise NotFlatError
    return extras


def _sparse(texts: dict[int, str], size: int) -> Array:
    pa = arrow()

    if not texts:
        return pa.nulls(size, pa.string())
    return pa.array([texts.get(position) for position in range(size)], pa.string())
