"""A question as a row of spans: each a phrase with what it can mean, a number, a decade, a name, or not understood."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from localhost.services.model.lexicon import Tag
from localhost.services.model.numbers import read_decade, read_number
from localhost.services.model.text import Token
from localhost.services.model.vocabulary import Kind, Meaning, Vocabulary

_JOINTS = frozenset({"and", "or", "y", "o"})

type SpanKind = Literal["phrase", "number", "decade", "name", "mark", "unknown"]


@dataclass(slots=True)
class Span:
    """Neighbouring tokens that are one thing. ``used`` is set by whoever makes sense of it."""

    kind: SpanKind
    tokens: Sequence[Token]
    meanings: Sequence[Meaning] = field(default_factory=tuple[Meaning, ...])
    value: float = 0.0
    year: bool = False
    text: str = ""
    used: bool = False
    guessed: bool = False
    """Set on a name that nothing but its place shows to be one: no quotes, no capitals."""

    @property
    def norm(self) -> str:
        """The folded words."""
        return " ".join(token.norm for token in self.tokens)

    @property
    def said(self) -> str:
        """The words as they were typed."""
        return self.text or " ".join(token.text for token in self.tokens)

    def tagged(self, *tags: Tag) -> bool:
        """Whether the span can have one of these tags."""
        return any(meaning.tag in tags for meaning in self.meanings if meaning.tag)

    def all(self, kind: Kind) -> list[Meaning]:
        """Return what the span can mean as a ``kind``."""
        return [meaning for meaning in self.meanings if meaning.kind == kind]

    def has(self, *kinds: Kind) -> bool:
        """Whether the span can be one of these kinds."""
        return any(meaning.kind in kinds for meaning in self.meanings)


def read_spans(tokens: Sequence[Token], vocabulary: Vocabulary, language: str) -> list[Span]:
    """Cut ``tokens`` into spans, the longest phrase first; a token that means nothing is an unknown span."""
    spans: list[Span] = []
    at = 0
    while at < len(tokens):
        span = _span_at(tokens, at, vocabulary, language)
        spans.append(span)
        at += len(span.tokens)
    return spans


def _span_at(tokens: Sequence[Token], at: int, vocabulary: Vocabulary, language: str) -> Span:
    token, rest = tokens[at], tokens[at:]
    if token.kind == "quoted":
        return Span("name", [token], text=token.text)
    size, meanings = _longest_phrase(rest, vocabulary)
    if (decade := read_decade(rest, language)) and decade.size >= size:
        return Span("decade", rest[: decade.size], value=decade.value)
    if (number := read_number(rest, language)) and number.size >= size:
        return Span("number", rest[: number.size], value=number.value, year=number.year)
    if size > 1 and token.norm in _JOINTS and read_number(rest[size:], language):
        size, meanings = 1, vocabulary.meanings([token.norm])  # "rating of 7 and over 1000 votes"
    if size:
        return Span("phrase", rest[:size], meanings)
    if token.kind == "possessive":
        return Span("mark", [token])
    return Span("mark" if token.kind == "mark" else "unknown", [token])


def _longest_phrase(tokens: Sequence[Token], vocabulary: Vocabulary) -> tuple[int, list[Meaning]]:
    norms: list[str] = []
    for token in tokens[: vocabulary.longest]:
        if token.kind not in {"word", "mark", "number"}:
            break
        norms.append(token.norm)
    for size in range(len(norms), 0, -1):
        if meanings := vocabulary.meanings(norms[:size]):
            return size, meanings
    return 0, []


def respell(token: Token, word: str) -> Token:
    """Return ``token`` compared as ``word`` from now on."""
    return Token(token.kind, token.text, word, token.start, token.end)


def name_of(question: str, spans: Sequence[Span], *, guessed: bool = False) -> Span:
    """Return ``spans`` as one name, spelt as it is in the question."""
    tokens = [token for span in spans for token in span.tokens]
    return Span("name", tokens, text=question[tokens[0].start : tokens[-1].end], guessed=guessed)


def is_noise(span: Span) -> bool:
    """Whether the span is a stray sign that means nothing to anybody."""
    return len(span.norm) < 2 and not span.norm.isalnum()
