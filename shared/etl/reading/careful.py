"""Records read one at a time, each with its own verdict: slow, exact, and for hostile input.

A record that is well-formed JSON and still unusable (a field twice, half a surrogate pair, 200 levels of nesting, a
number beyond all numbers) is told from its neighbours. Text that is not JSON at all is refused as a whole.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

from shared.errors import RequestError
from shared.etl.arrow import arrow
from shared.etl.reading.raw_rows import MAX_RECORD, Raw, number_text, raw_table
from shared.etl.rules import Rules

MAX_DEPTH = 32

_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_SPACE = re.compile(r"[ \t\n\r]*")
_MAX_DIGITS = 1000  # of a number; `int` refuses more than 4,300


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its text, what it says, and why it is unusable if it is."""

    text: str
    value: Any
    error: str | None = None


def from_records(records: Iterable[Record], rules: Rules, *, first: int) -> Raw:
    """Return the raw rows of ``records``, whatever they hold."""
    pa = arrow()

    names = rules.names
    known = frozenset(names)
    columns: list[list[str | None]] = [[] for _ in names]
    texts: list[str] = []
    types: dict[int, list[str]] = {}
    extra: dict[int, str] = {}
    errors: dict[int, str] = {}
    for position, record in enumerate(records):
        texts.append(record.text)
        error = record.error or ("record.type" if record.value.__class__ is not dict else None)
        if error:
            errors[position] = error
        row: dict[str, Any] = {} if error else record.value
        for name, column in zip(names, columns, strict=True):
            cell = cell_text(row.get(name))
            if cell is False:
                types.setdefault(position, []).append(name)
            column.append(None if cell is False else cell)
        if aside := {name: value for name, value in row.items() if name not in known}:
            extra[position] = _json(aside)

    def of(positions: Sequence[int]) -> list[str]:
        return [texts[position] for position in positions]

    cells = [pa.array(column, pa.string()) for column in columns]
    return Raw(raw_table(rules, cells, first=first, types=types, extra=extra, errors=errors), of)


def cell_text(value: Any) -> str | Literal[False] | None:
    """Return the text of a value, None where there is none, False where it is neither text nor a number."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return number_text(value) or False


def parsed(values: Iterable[Any]) -> Iterator[Record]:
    """Return records of values that were parsed elsewhere: the ``records`` of a request."""
    for value in values:
        try:
            text = _json(value)
            text.encode()
        except UnicodeEncodeError:
            yield Record(json.dumps(value), None, "record.encoding")
        except RecursionError:
            yield Record("null", None, "record.depth")
        except ValueError:  # NaN and its like
            yield Record("null", None, "record.range")
        else:
            yield _judged(text, value, None)


def lines(text: str, *, first_line: int) -> Iterator[Record]:
    """Return the records of JSON Lines; empty lines are none.

    Raises:
        RequestError: a line is not JSON; the message names it.
    """
    reader = Reader()
    for number, line in enumerate(text.split("\n"), start=first_line):
        if stripped := line.strip(" \t\r"):
            record, end = reader.read(stripped, 0, f"line {number}")
            if end != len(stripped):
                raise RequestError(f"The records are not JSON Lines: line {number} goes on after its record.")
            yield record


def elements(text: str, start: int = 0) -> Iterator[Record]:
    """Return the records of the JSON array, or of the object's array ``records``, that ``text`` is.

    Raises:
        RequestError: it is neither.
    """
    reader = Reader()
    at = _skip(text, start)
    envelope = text[at : at + 1] == "{"
    if envelope:
        at = _records_of(text, at, reader)
    elif text[at : at + 1] != "[":
        raise RequestError("The records are not JSON: an array was expected, or an object with `records`.")
    for record, end in array_elements(text, at + 1, reader):
        at = end
        if record is not None:
            yield record
    at = _skip(text, _end_of_envelope(text, at, reader) if envelope else at)
    if at != len(text):
        raise RequestError("The records are not JSON: something stands after them.")


def array_elements(text: str, at: int, reader: "Reader | None" = None) -> Iterator[tuple[Record | None, int]]:
    """Return each element of an array from ``at``, behind its bracket, and where it ends; last None, and the end.

    Raises:
        RequestError: the text does not go on as an array does.
    """
    reader = reader or Reader()
    at = _skip(text, at)
    number = 0
    while text[at : at + 1] != "]" or number:
        number += 1
        record, at = reader.read(text, at, f"record {number}")
        yield record, at
        at = _skip(text, at)
        if text[at : at + 1] == "]":
            break
        if text[at : at + 1] != ",":
            raise RequestError(f"The records are not JSON: no comma and no end of the array after record {number}.")
        at = _skip(text, at + 1)
    yield None, at + 1


def _records_of(text: str, start: int, reader: "Reader") -> int:
    """Return where the array ``records`` of the object at ``start`` begins."""
    at = _skip(text, start + 1)
    while text[at : at + 1] == '"':
        name, at = _member(text, at, reader)
        if name == "records":
            if text[at : at + 1] != "[":
                raise RequestError("`records` is not an array: send a list of records.")
            return at
        _, at = reader.read(text, at, "the envelope")
        at = _skip(text, at)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
    raise RequestError("The records are not JSON: the object has no array `records`.")


def _end_of_envelope(text: str, start: int, reader: "Reader") -> int:
    """Return where the object ends whose ``records`` ended at ``start``."""
    at = _skip(text, start)
    while text[at : at + 1] == ",":
        name, at = _member(text, _skip(text, at + 1), reader)
        if name == "records":
            raise RequestError("The object has `records` twice.")
        _, at = reader.read(text, at, "the envelope")
        at = _skip(text, at)
    if text[at : at + 1] != "}":
        raise RequestError("The records are not JSON: the object around them does not end.")
    return at + 1


def _member(text: str, at: int, reader: "Reader") -> tuple[Any, int]:
    """Return the name of a member, and where its value begins."""
    name, at = reader.read(text, at, "the envelope")
    at = _skip(text, at)
    if text[at : at + 1] != ":":
        raise RequestError("The records are not JSON: no colon after a name of the envelope.")
    return name.value, _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


@dataclass
class Reader:
    """A JSON decoder that remembers what is wrong with the record it is in."""

    error: str | None = None
    decoder: json.JSONDecoder = field(init=False)

    def __post_init__(self) -> None:
        self.decoder = json.JSONDecoder(
            object_pairs_hook=self._object, parse_constant=_constant, parse_float=self._float, parse_int=self._integer
        )

    def read(self, text: str, at: int, where: str) -> tuple[Record, int]:
        """Return the value at ``at`` and where it ends."""
        self.error = None
        try:
            value, end = self.decoder.raw_decode(text, at)
        except RecursionError as error:
            raise RequestError(f"The records are nested too deeply at {where}: {MAX_DEPTH} levels are read.") from error
        except json.JSONDecodeError as error:
            raise RequestError(f"The records are not JSON at {where}: {error.msg}.") from error
        except _NotJsonError as error:
            raise RequestError(f"The records are not JSON at {where}: {error}.") from error
        return _judged(text[at:end], value, self.error), end

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) != len(pairs):
            self.error = "record.schema"
        return content

    def _float(self, text: str) -> float:
        number = float(text)
        if not math.isfinite(number):
            self.error = "record.range"
            return 0.0
        return number

    def _integer(self, text: str) -> int:
        if len(text) > _MAX_DIGITS:
            self.error = "record.range"
            return 0
        return int(text)


class _NotJsonError(ValueError):
    """NaN and Infinity, which Python reads and JSON does not know."""


def _constant(name: str) -> NoReturn:
    raise _NotJsonError(f"{name} is not a number of JSON")


def _judged(text: str, value: Any, error: str | None) -> Record:
    if len(text) > MAX_RECORD:
        return Record(text[:MAX_RECORD], None, "record.too_long")
    if _depth(text) > MAX_DEPTH:
        return Record(text, None, "record.depth")
    if "\\u" in text and error is None:
        try:
            _json(value).encode()
        except UnicodeEncodeError:
            error = "record.encoding"
    return Record(text, value, error)


def _depth(text: str) -> int:
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return 0
    depth = deepest = 0
    for token in _TOKENS.finditer(text):
        first = text[token.start()]
        if first in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif first in "]}":
            depth -= 1
    return deepest


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
