"""JSON and JSON Lines in blocks: the fast parser where it cannot be fooled, the careful one where it could be.

The fast parser keeps the last of two equal keys. That none was lost is proved by counting: with no space before a
colon, every key of the text ends in ``":``, so as many of these as keys were parsed means that no key went missing.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from shared.errors import RequestError, TooLargeError
from shared.etl.arrow import numpy
from shared.etl.reading import careful
from shared.etl.reading.limits import Limits
from shared.etl.reading.raw_rows import MAX_RECORD, NotFlatError, Raw, from_flat
from shared.etl.rules import Rules

_BOM = b"\xef\xbb\xbf"
_SPACES = b" \t\n\r"
_COLON, _QUOTE = b':"'
_SPACES_BEFORE = tuple(_SPACES)
_BOUNDARY = re.compile(rb"\}[ \t\n\r]*,")
_ATTEMPTS = 8  # at a boundary between two elements, from the end of a block


def read_json(stream: BinaryIO, rules: Rules, limits: Limits) -> Iterator[Raw]:
    """Return the raw rows of JSON: an array, an object with ``records``, or JSON Lines under another name.

    Raises:
        RequestError: it is not JSON, or not UTF-8.
        TooLargeError: it is larger than ``limits`` allow.
    """
    head = stream.read(limits.block).removeprefix(_BOM).lstrip(_SPACES)
    if head.startswith(b"["):
        yield from _read_array(head[1:], stream, rules, limits)
    elif _is_lines(head):
        yield from _read_lines(head, stream, rules, limits)
    else:
        whole = head + stream.read(limits.block * 4)
        if stream.read(1):
            raise TooLargeError("The object around the records is too large: send the array alone, or JSON Lines.")
        yield _read_whole(whole, rules)


def read_json_lines(stream: BinaryIO, rules: Rules, limits: Limits) -> Iterator[Raw]:
    """Return the raw rows of JSON Lines.

    Raises:
        RequestError: a line is not JSON, or not UTF-8.
    """
    yield from _read_lines(stream.read(limits.block).removeprefix(_BOM), stream, rules, limits)


def _is_lines(head: bytes) -> bool:
    """Tell whether the first line is an object of its own, and not one around records."""
    import orjson

    line, newline, rest = head.partition(b"\n")
    if not (newline and rest.strip(_SPACES)):
        return False
    try:
        first = orjson.loads(line)
    except orjson.JSONDecodeError:
        # Not readable by the fast parser alone: it is a line if it is closed.
        return line.startswith(b"{") and line.rstrip(_SPACES).endswith(b"}") and rest.lstrip(_SPACES).startswith(b"{")
    return not (isinstance(first, dict) and isinstance(first.get("records"), list))


def _read_whole(text: bytes, rules: Rules) -> Raw:
    import orjson

    try:
        content: Any = orjson.loads(text)
        rows: Any = content.get("records", content) if content.__class__ is dict else ()
        if rows is content:  # one record
            return _flat_or_careful([content], text, rules, 0)
        if rows.__class__ is list and len(content) == 1 and _no_key_lost(text, rows, beside=1):
            return from_flat(rows, rules, first=0)
    except (orjson.JSONDecodeError, NotFlatError):
        pass
    return careful.from_records(careful.elements(_decoded(text)), rules, first=0)


def _read_array(text: bytes, stream: BinaryIO, rules: Rules, limits: Limits) -> Iterator[Raw]:
    first = 0
    due = b""  # what must stand next: anything, a comma, or an element
    while block := stream.read(limits.block):
        text = text.lstrip(_SPACES)
        if due == b"," and text.startswith(due):
            text, due = text[1:], b"{"
        if text and due != b",":
            cut, rows = _fast_prefix(text)
            if rows is None:
                records, cut = _careful_prefix(text)
                raw = careful.from_records(records, rules, first=first)
            else:
                raw = _flat_or_careful(rows, text[:cut], rules, first)
            if cut:
                first += raw.table.num_rows
                text, due = text[cut:], b","
                yield raw
        if len(text) > 4 * MAX_RECORD + limits.block:
            raise RequestError("The records are not JSON: one of them does not end.")
        text += block
    yield _end_of_array(text.strip(_SPACES), due, rules, first)


def _end_of_array(text: bytes, due: bytes, rules: Rules, first: int) -> Raw:
    import orjson

    if due == b",":
        if text == b"]":
            return from_flat([], rules, first=first)
        if not text.startswith(b","):
            raise RequestError("The records are not JSON: the array does not go on with a comma.")
        text, due = text[1:].lstrip(_SPACES), b"{"
    if due and text.startswith(b"]"):
        raise RequestError("The records are not JSON: the array ends with a comma.")
    try:
        if text.endswith(b"]"):
            return _flat_or_careful(orjson.loads(b"[" + text), text[:-1], rules, first)
    except orjson.JSONDecodeError:
        pass
    return careful.from_records(careful.elements("[" + _decoded(text)), rules, first=first)


def _flat_or_careful(rows: list[Any], text: bytes, rules: Rules, first: int) -> Raw:
    try:
        if _no_key_lost(text, rows):
            return from_flat(rows, rules, first=first)
    except NotFlatError:
        pass
    return careful.from_records(careful.elements(f"[{_decoded(text)}]"), rules, first=first)


def _fast_prefix(text: bytes) -> tuple[int, list[Any] | None]:
    """Return where whole elements end, and these; what parses as an array on its own ends at a true boundary."""
    import orjson

    end = len(text)
    for _ in range(_ATTEMPTS):
        cut = text.rfind(b"}", 0, end) + 1
        if not cut:
            break
        if _BOUNDARY.match(text, cut - 1):
            try:
                return cut, orjson.loads(b"[" + text[:cut] + b"]")
            except orjson.JSONDecodeError:
                pass
        end = cut - 1
    return 0, None


def _careful_prefix(text: bytes) -> tuple[list[careful.Record], int]:
    """Return the whole elements at the start of ``text``, and where they end."""
    cut = text.rfind(b"}") + 1
    decoded = _decoded(text[:cut])
    records: list[careful.Record] = []
    end = 0
    try:
        for record, at in careful.array_elements(decoded, 0):
            if record is not None:
                records.append(record)
                end = at
    except RequestError:
        # The last element may go on in the next block; if it does not end within the longest record, it is wrong.
        if len(text) - end > 4 * MAX_RECORD:
            raise
    return records, len(decoded[:end].encode())


def _read_lines(text: bytes, stream: BinaryIO, rules: Rules, limits: Limits) -> Iterator[Raw]:
    first = line = 0
    while text:
        block = stream.read(limits.block)
        cut = text.rfind(b"\n") + 1 if block else len(text)
        if not cut and len(text) > 4 * MAX_RECORD + limits.block:
            raise RequestError(f"Line {line + 1} of the records does not end: send one record a line.")
        if cut:
            raw = _lines_block(text[:cut], rules, first=first, first_line=line + 1)
            line += text.count(b"\n", 0, cut)
            first += raw.table.num_rows
            yield raw
        text = text[cut:] + block
    if not first:
        yield from_flat([], rules, first=0)


def _lines_block(text: bytes, rules: Rules, *, first: int, first_line: int) -> Raw:
    import orjson

    body = text.strip(_SPACES).replace(b"\r\n", b"\n")
    try:
        rows = orjson.loads(b"[" + body.replace(b"\n", b",") + b"]")
        # One object a line: a newline inside an object would have become a comma, and the text another.
        if body.count(b"}\n{") == body.count(b"\n") == len(rows) - 1 and _no_key_lost(body, rows):
            return from_flat(rows, rules, first=first)
    except (orjson.JSONDecodeError, NotFlatError):
        pass
    return careful.from_records(careful.lines(_decoded(text), first_line=first_line), rules, first=first)


def _no_key_lost(text: bytes, rows: Iterable[Any], *, beside: int = 0) -> bool:
    try:
        keys = sum(map(len, rows)) + beside
    except TypeError:  # an element that is a number or null
        return False
    np = numpy()

    characters = np.frombuffer(text, dtype=np.uint8)
    before = characters[np.flatnonzero(characters[1:] == _COLON)]
    return int((before == _QUOTE).sum()) == keys and not np.isin(before, _SPACES_BEFORE).any()


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise RequestError("The records are not UTF-8: save them in that encoding.") from error
