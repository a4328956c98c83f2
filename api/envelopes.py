"""A JSON object around records, taken apart without reading the records: they may be hostile, the rest must not be."""

import re

from shared.errors import RequestError

_BOM = b"\xef\xbb\xbf"
_SPACES = b" \t\n\r"
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_KEY = b'"records"'


def split(body: bytes) -> tuple[bytes, bytes | None]:
    """Return the object with null in place of the array ``records``, and that array; None where it has none.

    Neither part is judged: what is no JSON in the object, or in the array, is so in the parts.

    Raises:
        RequestError: the array does not end.
    """
    depth = 0
    start: int | None = None
    for token in _TOKENS.finditer(body):
        first = body[token.start()]
        if first in b"[{":
            depth += 1
        elif first in b"]}":
            depth -= 1
            if start is not None and depth == 1:
                return body[:start] + b"null" + body[token.end() :], body[start : token.end()]
        elif start is None and depth == 1 and token.group() == _KEY:
            start = _array_after(body, token.end())
    if start is not None:
        raise RequestError("The body cannot be read. The array `records` does not end.")
    return body, None


def is_object(body: bytes) -> bool:
    """Whether ``body`` begins as a JSON object does."""
    return body.removeprefix(_BOM).lstrip(_SPACES).startswith(b"{")


def _array_after(body: bytes, at: int) -> int | None:
    """Return where the array begins that stands behind a key which ends at ``at``; None if something else does."""
    at = _skip(body, at)
    if body[at : at + 1] != b":":
        return None
    at = _skip(body, at + 1)
    return at if body[at : at + 1] == b"[" else None


def _skip(body: bytes, at: int) -> int:
    while body[at : at + 1] in (b" ", b"\t", b"\n", b"\r"):
        at += 1
    return at
