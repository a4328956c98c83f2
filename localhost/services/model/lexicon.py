"""The words of questions in general, by what they do, read from ``words/*.txt``.

Nothing here is about any one dataset: a dataset brings its own words for what is in it.
"""

import re
from collections.abc import Mapping
from enum import StrEnum, auto
from pathlib import Path

from shared.catalog import Language

_WORDS = Path(__file__).parent / "words"
_ENTRY = re.compile(r"^(\w+):\n((?:    .*\n?)+)", re.MULTILINE)


class Tag(StrEnum):
    """What a word does in a question."""

    FILLER = auto()
    ARTICLE = auto()
    OF = auto()
    IN = auto()
    TO = auto()
    BY = auto()
    WITH = auto()
    THAN = auto()
    AND = auto()
    OR = auto()
    NOT = auto()
    WITHOUT = auto()
    BE = auto()
    HAVE = auto()
    DO = auto()
    WHICH = auto()
    WHO = auto()
    WHEN = auto()
    HOW_MANY = auto()
    NUMBER_OF = auto()
    AVERAGE = auto()
    SUM = auto()
    MAXIMUM = auto()
    MINIMUM = auto()
    MEDIAN = auto()
    MOST = auto()
    LEAST = auto()
    TOP = auto()
    BOTTOM = auto()
    FIRST = auto()
    LAST = auto()
    AT_LEAST = auto()
    MORE_THAN = auto()
    AT_MOST = auto()
    LESS_THAN = auto()
    EXACTLY = auto()
    OR_MORE = auto()
    OR_LESS = auto()
    BETWEEN = auto()
    FROM = auto()
    BEFORE = auto()
    AFTER = auto()
    SINCE = auto()
    UNTIL = auto()
    PER = auto()
    EACH = auto()
    SORTED = auto()
    ASCENDING = auto()
    DESCENDING = auto()
    TREND = auto()
    COMPARE = auto()
    VERSUS = auto()
    PERCENT = auto()
    DISTINCT = auto()
    CONTAINS = auto()
    STARTS = auto()
    ENDS = auto()
    CALLED = auto()
    THE_WORD = auto()
    ABOUT = auto()
    BOTH = auto()
    COMMON = auto()
    RARE = auto()
    YEAR = auto()
    DECADE = auto()
    MONTH = auto()
    KNOWN = auto()
    VALUE = auto()


def _read(language: Language) -> Mapping[str, list[str]]:
    text = (_WORDS / f"{language}.txt").read_text(encoding="utf-8")
    return {
        name: [phrase for part in " ".join(lines.split()).split("|") if (phrase := part.strip())]
        for name, lines in _ENTRY.findall(text)
    }


_TABLES: Mapping[Language, Mapping[str, list[str]]] = {"en": _read("en"), "es": _read("es")}


def _in_any_language(name: str) -> frozenset[str]:
    return frozenset(word for table in _TABLES.values() for word in table[name])


PHRASES: Mapping[Language, Mapping[Tag, list[str]]] = {
    language: {Tag(name): phrases for name, phrases in table.items() if name in set(Tag)}
    for language, table in _TABLES.items()
}

UNKNOWABLE = _in_any_language("unknowable")
"""Words that name an attribute or a kind. Where the dataset has no such thing, they are not taken for a name."""

CHANGES = _in_any_language("changes")
"""Verbs that open a request to change data."""

FORECASTS = _in_any_language("forecasts")
"""Words of a request about what has not happened yet."""

OPINIONS = _in_any_language("opinions")
"""Words of a request for a reason or an opinion, which rows do not hold."""
