"""JSON from strangers: one reading of every text, or none.

``json.loads`` alone takes NaN and 1e999, keeps the last of two equal keys, and fails in its own ways on deep nesting
and long numbers.
"""

import json
import math
import re
from typing import Any, NoReturn

MAX_DEPTH = 32

_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


class StrictJsonError(ValueError):
    """The text is not JSON that can be read in one way only; the message says why, in a sentence."""


def parse(text: bytes) -> Any:
    """Return what ``text`` says.

    Raises:
        StrictJsonError: it is not UTF-8, not JSON, nested deeper than ``MAX_DEPTH``, has a key twice in one object,
            or a number that is not finite.
    """
    _check_depth(text)
    try:
        return json.loads(
            text.decode("utf-8-sig"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_number,
        )
    except StrictJsonError:
        raise
    except UnicodeDecodeError as error:
        raise StrictJsonError(f"It is not UTF-8 (byte {error.start}).") from error
    except json.JSONDecodeError as error:
        raise StrictJsonError(f"It is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).") from error
    except ValueError as error:  # an integer of thousands of digits
        raise StrictJsonError("It has a number that is too long.") from error


def _check_depth(text: bytes) -> None:
    # Before parsing, so that nobody else's recursion limit decides. A string that does not end runs to the end of
    # the text, so that this stays linear.
    depth = 0
    for token in _TOKENS.finditer(text):
        first = text[token.start()]
        if first in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise StrictJsonError(f"It is nested deeper than {MAX_DEPTH} levels.")
        elif first in b"]}":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise StrictJsonError("It has one key twice in the same object.")
    return content


def _constant(name: str) -> NoReturn:
    raise StrictJsonError(f"{name} is not JSON.")


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise StrictJsonError("It has a number that is too large.")
    return number
