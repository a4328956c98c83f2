"""What columns, measures and groups are called, as output columns and in sentences."""

import re

from localhost.services.model.query import Aggregate, Dimension, Measure
from localhost.services.model.schema import Schema
from localhost.services.model.text import fold
from localhost.services.model.vocabulary import Ref
from shared.catalog import Language, Subject

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*$")
_RESERVED = frozenset(
    "order group by select table from where join on limit having as and or not in is null case end desc asc all "
    "union".split()
)
_AGGREGATES: dict[Language, dict[Aggregate, str]] = {
    "en": {"avg": "average {}", "sum": "total {}", "min": "minimum {}", "max": "maximum {}", "median": "median {}"},
    "es": {
        "avg": "media de {}",
        "sum": "total de {}",
        "min": "mínimo de {}",
        "max": "máximo de {}",
        "median": "mediana de {}",
    },
}
_BINS: dict[Language, dict[str, str]] = {
    "en": {"year": "year", "decade": "decade", "month": "month"},
    "es": {"year": "año", "decade": "década", "month": "mes"},
}
_COUNT: dict[Language, str] = {"en": "number of {}", "es": "número de {}"}
_SIZE: dict[Language, str] = {"en": "average number of {} per {}", "es": "media de {} por {}"}
_UNIT: dict[Language, str] = {"en": "{} in {}", "es": "{} en {}"}
PERCENTAGE: dict[Language, str] = {"en": "percentage", "es": "porcentaje"}


class Naming:
    """Names in one language for what is in one dataset."""

    def __init__(self, schema: Schema, language: Language) -> None:
        self._schema = schema
        self._language: Language = language

    def subject(self, subject: Subject) -> str:
        """Return what one of ``subject`` is called."""
        return _first(subject.words, self._language) or subject.name

    def subjects(self, subject: Subject) -> str:
        """Return what several of ``subject`` are called."""
        return self._plural(self.subject(subject))

    def column(self, ref: Ref) -> str:
        """Return what the column is called, with its unit."""
        column = self._schema.column(ref)
        word = _first(column.words, self._language) or column.name.replace("_", " ")
        if (
            column.role == "measure"
            and column.aggregate == "sum"
            and not column.unit
            and column.type in {"INT", "BIGINT"}
        ):
            word = self._plural(word)  # counted in things: votes, not vote
        unit = column.unit.get(self._language)
        return _UNIT[self._language].format(word, unit) if unit else word

    def columns(self, ref: Ref) -> str:
        """Return what several values of the column are called."""
        return self._plural(self.column(ref))

    def dimension(self, dimension: Dimension) -> str:
        """Return what the values that rows are grouped by are called."""
        if dimension.subject:
            return self.subject(self._schema.subject(dimension.subject))
        if dimension.bin and not (dimension.bin == "year" and self._schema.column(dimension.ref).type == "INT"):
            return _BINS[self._language][dimension.bin]
        return self.column(dimension.ref)

    def measure(self, measure: Measure, rows: str, *, counted: Dimension | None = None) -> str:
        """Return what the figure is called; ``rows`` is the subject that is counted."""
        if measure.aggregate == "count":
            what = self._plural(self.dimension(counted)) if counted else self.subjects(self._schema.subject(rows))
            return _COUNT[self._language].format(what)
        if measure.ref is None:
            return measure.aggregate
        return _AGGREGATES[self._language][measure.aggregate].format(self.column(measure.ref))

    def average_size(self, rows: str, dimension: Dimension) -> str:
        """Return what "films per director on average" is called."""
        subjects = self.subjects(self._schema.subject(rows))
        return _SIZE[self._language].format(subjects, self.dimension(dimension))

    def _plural(self, word: str) -> str:
        head, _, rest = word.partition(" ") if self._language == "es" else ("", "", "")
        if self._language == "es":
            plural = f"{head}s" if fold(head)[-1] in "aeiou" else f"{head}es"
            plural = re.sub(r"ciónes$", "ciones", re.sub(r"zes$", "ces", plural))
            return f"{plural} {rest}".strip()
        if word.endswith("s") and not word.endswith("ss"):
            return word  # "series" and "titles" are what several are called already
        if word.endswith(("s", "x", "ch", "sh")):
            return f"{word}es"
        if word.endswith("y") and word[-2] not in "aeiou":
            return f"{word[:-1]}ies"
        return f"{word}s"


def _first(words: dict[Language, list[str]], language: Language) -> str:
    return next(iter(words.get(language, [])), "")


def alias(name: str) -> str:
    """Return ``name`` as an output column, quoted where Databricks needs it."""
    word = re.sub(r"\W+", "_", name.lower()).strip("_")
    return word if _PLAIN.match(word) and word not in _RESERVED else f"`{word}`"
