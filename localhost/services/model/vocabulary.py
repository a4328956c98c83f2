"""What each phrase of a question can mean: the lexicon's words and one dataset's, in one table."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from localhost.services.model.lexicon import PHRASES, Tag
from localhost.services.model.text import tokenize
from shared.catalog import Column, Dataset, Language, Subject

type Kind = Literal["tag", "subject", "phrase", "verb", "column", "colverb", "high", "low", "unit", "value"]


@dataclass(frozen=True, slots=True)
class Ref:
    """A column of a table."""

    table: str
    column: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"


@dataclass(frozen=True, slots=True)
class Meaning:
    """One thing a phrase can mean; the fields that its kind needs are set."""

    kind: Kind
    tag: Tag | None = None
    subject: str = ""
    ref: Ref | None = None
    value: str = ""
    factor: float = 1.0
    plural: bool = False


class Vocabulary:
    """Every phrase that means something about ``dataset`` to a speaker of ``language``."""

    def __init__(self, dataset: Dataset, language: Language) -> None:
        self._meanings: dict[tuple[str, ...], list[Meaning]] = defaultdict(list)
        for tag, phrases in PHRASES[language].items():
            for phrase in phrases:
                self._add(_key(phrase), Meaning("tag", tag=tag))
        self._lexicon = frozenset(word for key in self._meanings for word in key)
        other: Language = "es" if language == "en" else "en"
        languages: tuple[tuple[Language, bool], ...] = ((language, True), (other, False))
        for spoken, whole in languages:
            for phrase, meaning in _dataset_words(dataset, spoken, whole=whole):
                for key, plural in _forms(_key(phrase), spoken):
                    self._add(key, _with_number(meaning, plural=plural))
        self.longest = max(map(len, self._meanings))
        self._short = [word for word in sorted(self._lexicon) if len(word) == 4]
        self._single = [key[0] for key in self._meanings if len(key) == 1 and len(key[0]) >= 5]

    def meanings(self, key: Sequence[str]) -> list[Meaning]:
        """Return what the phrase of these folded words can mean."""
        return self._meanings.get(tuple(key), [])

    def is_word(self, norm: str) -> bool:
        """Whether the lexicon has ``norm``, alone or within a phrase."""
        return norm in self._lexicon

    def correct(self, norm: str) -> str | None:
        """Return the one known word that ``norm`` is a slip of the pen for, or None."""
        if len(norm) == 4 and (swapped := [w for w in self._short if w[0] == norm[0] and sorted(w) == sorted(norm)]):
            return swapped[0]
        if len(norm) < 4:
            return None
        allowed = 1 if len(norm) < 8 else 2
        near = [
            (distance, word)
            for word in self._single
            if word[0] == norm[0]
            and abs(len(word) - len(norm)) <= allowed
            and (distance := _edits(norm, word)) <= allowed
        ]
        return min(near)[1] if near else None

    def _add(self, key: tuple[str, ...], meaning: Meaning) -> None:
        if key and meaning not in self._meanings[key]:
            self._meanings[key].append(meaning)


def _key(phrase: str) -> tuple[str, ...]:
    return tuple(token.norm for token in tokenize(phrase))


def _with_number(meaning: Meaning, *, plural: bool) -> Meaning:
    return Meaning(
        meaning.kind, meaning.tag, meaning.subject, meaning.ref, meaning.value, meaning.factor, plural=plural
    )


def _dataset_words(dataset: Dataset, language: Language, *, whole: bool) -> Iterator[tuple[str, Meaning]]:
    """Yield phrases and meanings; not ``whole`` in the language the question is not in, whose particles mislead."""
    for subject in dataset.subjects:
        yield from _subject_words(subject, language, whole=whole)
    for table in dataset.tables:
        for column in table.columns:
            yield from _column_words(table.name, column, language, whole=whole)


def _subject_words(subject: Subject, language: Language, *, whole: bool) -> Iterator[tuple[str, Meaning]]:
    yield from ((word, Meaning("subject", subject=subject.name)) for word in subject.words.get(language, []))
    if whole:
        yield from ((word, Meaning("phrase", subject=subject.name)) for word in subject.phrases.get(language, []))
        yield from ((word, Meaning("verb", subject=subject.name)) for word in subject.verbs.get(language, []))


def _column_words(table: str, column: Column, language: Language, *, whole: bool) -> Iterator[tuple[str, Meaning]]:
    ref = Ref(table, column.name)
    names = [*column.words.get(language, []), *([column.name] if column.spoken else [])]
    yield from ((word, Meaning("column", ref=ref)) for word in names)
    for value in column.values:
        for word in [*value.words.get(language, []), value.value]:
            yield word, Meaning("value", ref=ref, value=value.value)
    if not whole:
        return
    kinds: tuple[tuple[Kind, Iterable[str]], ...] = (
        ("colverb", column.verbs.get(language, [])),
        ("high", column.high.get(language, [])),
        ("low", column.low.get(language, [])),
    )
    for kind, words in kinds:
        yield from ((word, Meaning(kind, ref=ref)) for word in words)
    for unit in column.units:
        yield from ((word, Meaning("unit", ref=ref, factor=unit.factor)) for word in unit.words.get(language, []))


def _forms(key: tuple[str, ...], language: Language) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Yield the phrase, and its plurals."""
    yield key, False
    if not key:
        return
    plural = _english_plural if language == "en" else _spanish_plural
    yield (*key[:-1], plural(key[-1])), True
    if len(key) > 1 and language == "es":
        yield (plural(key[0]), *key[1:]), True
        yield tuple(word if word in {"de", "por", "en", "mas", "menos"} else plural(word) for word in key), True


def _english_plural(word: str) -> str:
    if word.endswith(("s", "x", "ch", "sh")):
        return f"{word}es"
    return f"{word[:-1]}ies" if word.endswith("y") and word[-2:-1] not in set("aeiou") else f"{word}s"


def _spanish_plural(word: str) -> str:
    if word.endswith("z"):
        return f"{word[:-1]}ces"
    return f"{word}s" if word[-1] in "aeiou" else f"{word}es"


def _edits(left: str, right: str) -> int:
    """Return how many letters were added, dropped, changed or swapped with their neighbour."""
    before, row = [0] * (len(right) + 1), list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        oldest, before, row = before, row, [i]
        for j, b in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, oldest[j - 2] + 1)
            row.append(cost)
    return row[-1]
