"""CSV with a header, strictly: UTF-8, quotes that end, one value for each name."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Self

from shared.errors import InvalidFieldError, RequestError
from shared.etl.arrow import arrow
from shared.etl.reading.limits import Limits
from shared.etl.reading.raw_rows import MAX_RECORD, Raw, raw_table
from shared.etl.rules import Rules

_DELIMITERS = ",;\t|"
_MAX_COLUMNS = 1000
_SCHEMA = "record.schema"
_TOO_LONG = "record.too_long"


def read_csv(stream: BinaryIO, rules: Rules, limits: Limits) -> Iterator[Raw]:
    """Return the raw rows of a CSV file; its delimiter is the one that the header is written with.

    Raises:
        RequestError: it is not CSV in UTF-8.
        InvalidFieldError: the header names a column twice, or none that a record has.
    """
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="strict", newline="")
    csv.field_size_limit(MAX_RECORD)
    try:
        # In pieces of bounded length: a file without a line end is no reason to read all of it.
        header = text.readline(MAX_RECORD)
        delimiter = max(_DELIMITERS, key=header.count)
        [names] = csv.reader([header], delimiter=delimiter, strict=True)
        names = [name.strip() for name in names]
        _check_header(names, rules)
        first = 0
        for batch in _batches(text, delimiter, limits):
            yield _raw(batch, names, rules, first)
            first += len(batch)
    except UnicodeDecodeError as error:
        raise RequestError("The CSV file is not UTF-8: save it in that encoding.") from error
    except (csv.Error, ValueError) as error:
        if isinstance(error, RequestError):
            raise
        raise RequestError(f"The CSV file cannot be read: {error}.") from error
    finally:
        text.detach()  # the stream is the caller's


def _batches(text: io.TextIOWrapper, delimiter: str, limits: Limits) -> Iterator[list[list[str]]]:
    lines = _Lines(text)
    batch: list[list[str]] = []
    size = 0
    for row in csv.reader(lines, delimiter=delimiter, strict=True):
        if row:  # an empty line is no record
            batch.append(row)
        size += lines.taken
        lines.taken = 0
        if len(batch) >= limits.rows or size > limits.block:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class _Lines:
    """The lines of a text, as long as one row does not take too much of it."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.taken = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._text.readline(2 * MAX_RECORD)
        if not line:
            raise StopIteration
        self.taken += len(line)
        if self.taken >= 2 * MAX_RECORD:
            raise RequestError(f"The CSV file cannot be read: a row of it is longer than {2 * MAX_RECORD} characters.")
        return line


def _check_header(names: list[str], rules: Rules) -> None:
    if len(names) > _MAX_COLUMNS:
        raise InvalidFieldError(f"The CSV header names {len(names)} columns: at most {_MAX_COLUMNS} are read.")
    twice = sorted({name for name, times in Counter(names).items() if times > 1})
    if twice:
        raise InvalidFieldError(f"The CSV header names {', '.join(map(repr, twice))} twice: name each column once.")
    if not set(names) & set(rules.names):
        raise InvalidFieldError(f"The CSV header names no column of a record: expected {', '.join(rules.names)}.")


def _raw(batch: list[list[str]], names: list[str], rules: Rules, first: int) -> Raw:
    import orjson

    pa = arrow()

    width = len(names)
    errors = {at: _SCHEMA for at, row in enumerate(batch) if len(row) != width}
    errors |= {at: _TOO_LONG for at, row in enumerate(batch) if len(row) == width and sum(map(len, row)) > MAX_RECORD}
    good = [row if at not in errors else [""] * width for at, row in enumerate(batch)] if errors else batch
    columns = dict(zip(names, zip(*good, strict=True), strict=True)) if good else {}
    nothing = pa.nulls(len(batch), pa.string())
    cells = [pa.array(columns[name], pa.string()) if name in columns else nothing for name in rules.names]
    unknown = [name for name in columns if name not in rules.names]
    extra: dict[int, str] = {}
    for at in range(len(batch) if unknown else 0):
        aside = {name: columns[name][at] for name in unknown if columns[name][at]}
        if aside:
            extra[at] = orjson.dumps(aside, option=orjson.OPT_SORT_KEYS).decode()

    def records(positions: Sequence[int]) -> list[str]:
        texts: list[str] = []
        for at in positions:
            row = batch[at]
            content = row if at in errors else dict(zip(names, row, strict=True))
            texts.append(orjson.dumps(content).decode()[:MAX_RECORD])
        return texts

    return Raw(raw_table(rules, cells, first=first, types={}, extra=extra, errors=errors), records)
