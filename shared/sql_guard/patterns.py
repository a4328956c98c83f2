"""Regular expressions that a backtracking engine can hang on, recognised by their shape."""

import re
from dataclasses import dataclass, field
from itertools import pairwise

from shared.errors import SqlRefusedError
from shared.sql_guard.reasons import refusal

MAX_PATTERN = 1_000
MAX_WILDCARDS = 6
MAX_LIKE_WILDCARDS = 10
# A counted repetition this long is as bad as an endless one.
_LONG = 10

_ATOM = re.compile(
    r"""
    (?P<quoted>\\Q.*?(?:\\E|$))
  | (?P<escape>\\(?:[pP]\{[^}]*\}|[xu]\{[^}]*\}|.))
  | (?P<set>\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\])
  | (?P<open>\((?:\?(?:[:=!>]|<[=!]|<\w+>|[a-zA-Z-]*:))?)
  | (?P<close>\))
  | (?P<times>[*+?]|\{\d*(?:,\d*)?\})[?+]?
  | (?P<or>\|)
  | (?P<char>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_ANYTHING = frozenset({".", r"\S", r"\W", r"\D"})


@dataclass(slots=True)
class _Group:
    """What a bracket holds so far."""

    repeats: bool = False
    repeats_anything: bool = False
    has_separator: bool = False
    starts: list[str] = field(default_factory=lambda: [""])


def check_pattern(pattern: str) -> None:
    """Refuse ``pattern`` when matching it may take time that explodes with the length of the text."""
    if len(pattern) > MAX_PATTERN:
        raise _boundless()
    stack = [_Group()]
    last: _Group | None = None
    atom = ""
    wildcards = 0
    for match in _ATOM.finditer(pattern):
        kind, text = match.lastgroup, match.group()
        top = stack[-1]
        if kind == "open":
            stack.append(_Group())
            last, atom = None, ""
        elif kind == "close":
            if len(stack) == 1:
                return  # Spark says what is wrong with it.
            last, atom = stack.pop(), "("
            top = stack[-1]
            top.repeats |= last.repeats
            top.repeats_anything |= last.repeats_anything
            top.starts[-1] += "("
        elif kind == "or":
            top.starts.append("")
            last, atom = None, ""
        elif kind == "times":
            if _is_long(match["times"]):
                wildcards += _is_anything(atom)
                if wildcards > MAX_WILDCARDS or (last is not None and _is_ambiguous(last)):
                    raise _boundless()
                top.repeats = True
                top.repeats_anything |= _is_anything(atom) or atom == "("
            elif match["times"] in ("?", "{0}") or match["times"].startswith("{0,"):
                top.has_separator &= not _is_separator(atom)
            last, atom = None, ""
        else:
            last, atom = None, text
            top.has_separator |= _is_separator(text)
            top.starts[-1] += text if kind == "char" else "\\"


def check_like(pattern: str) -> None:
    """Refuse a LIKE pattern with so many % that Spark, which makes a regular expression of it, may not come back."""
    if pattern.count("%") > MAX_LIKE_WILDCARDS:
        raise _boundless()


def _boundless() -> SqlRefusedError:
    return refusal("unbounded_pattern", "That regular expression may run for ever; write a plainer one, or use LIKE.")


def _is_long(times: str) -> bool:
    if times in ("*", "+"):
        return True
    if not times.startswith("{"):
        return False
    numbers = times.strip("{}").split(",")
    return numbers[-1] == "" or int(numbers[-1]) >= _LONG


def _is_anything(atom: str) -> bool:
    return atom in _ANYTHING or atom.startswith("[^")


def _is_separator(atom: str) -> bool:
    if atom.startswith("\\"):
        return atom == r"\s" or not atom[1].isalnum()
    return len(atom) == 1 and not atom.isalnum() and atom not in "._^$"


def _is_ambiguous(group: _Group) -> bool:
    """Say whether a group that is itself repeated can match the same text in many ways."""
    if group.repeats and (group.repeats_anything or not group.has_separator):
        return True
    starts = sorted(group.starts)
    if len(starts) == 1:
        return False
    return any(later.startswith(start) or "\\" in (start[:1], later[:1]) for start, later in pairwise(starts))
