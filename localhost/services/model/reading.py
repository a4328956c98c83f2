"""A question half understood: its spans, and what each reader has made of them so far."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from localhost.services.model.lexicon import Tag
from localhost.services.model.query import Aggregate, Clause, Condition, Dimension, Having, Measure, Order
from localhost.services.model.schema import Schema
from localhost.services.model.spans import Span
from localhost.services.model.vocabulary import Meaning, Ref, Vocabulary

LIGHT = (Tag.ARTICLE, Tag.FILLER)


class UnclearError(Exception):
    """The question cannot be read; ``words`` are those that stood in the way."""

    def __init__(self, reason: str, *words: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.words = words


def _passed_over(span: Span, skip: tuple[Tag, ...]) -> bool:
    if span.tagged(*skip):
        return True
    return span.tagged(*LIGHT) and not span.has("subject", "column", "value", "high", "low")


@dataclass(slots=True)
class Filter:
    """A clause, the place it was read at, and whether it speaks of an average."""

    clause: Clause
    at: int
    averaged: bool = False


@dataclass(slots=True)
class Named:
    """A name, and the subject it is one of; "" where it may be a thing or a person."""

    at: int
    text: str
    subject: str
    title: bool

    def condition(self, schema: Schema) -> Condition:
        """Return the condition that rows are of the person (or customer, or machine) so named."""
        subject = schema.subject(self.subject)
        return Condition(schema.label(subject), "named", (self.text,), subject=subject.name)


@dataclass(slots=True)
class Superlative:
    """A wish for the most or least of something."""

    at: int
    descending: bool
    by: Ref | None = None
    counted: str = ""
    aggregate: Aggregate | None = None
    """Said with it: "highest average", "most in total"."""
    of_column: bool = False
    """Whether a column is named with it: "the shortest runtime"."""
    sorts: bool = False
    """Whether it only puts all of them in order: "sorted by rating"."""


@dataclass(slots=True)
class Reading:
    """What is known of a question while it is read. Readers mark the spans they use."""

    question: str
    language: str
    schema: Schema
    vocabulary: Vocabulary
    spans: list[Span]
    filters: list[Filter] = field(default_factory=list[Filter])
    havings: list[tuple[int, Having]] = field(default_factory=list[tuple[int, Having]])
    counts: list[tuple[int, str, Having]] = field(default_factory=list[tuple[int, str, Having]])
    superlatives: list[Superlative] = field(default_factory=list[Superlative])
    measures: list[Measure] = field(default_factory=list[Measure])
    dimensions: list[Dimension] = field(default_factory=list[Dimension])
    orders: list[Order] = field(default_factory=list[Order])
    named: list[Named] = field(default_factory=list[Named])
    among: list[Condition] = field(default_factory=list[Condition])
    shows: list[Ref | Dimension] = field(default_factory=list[Ref | Dimension])
    limit: int | None = None
    trend: bool = False
    per_row: bool = False
    """Whether figures are wanted "per film": on average."""

    def usual(self, ref: Ref) -> Measure:
        """Return the figure that a column is usually summed up by."""
        return Measure("avg" if self.per_row else self.schema.column(ref).aggregate or "avg", ref)

    assumptions: list[str] = field(default_factory=list[str])

    def tagged(self, *tags: Tag) -> bool:
        """Whether any span can have one of these tags."""
        return any(span.tagged(*tags) for span in self.spans)

    def before(self, at: int, *skip: Tag) -> Iterator[tuple[int, Span]]:
        """Yield the spans before ``at``, nearest first, passing over light words and ``skip``."""
        for index in range(at - 1, -1, -1):
            span = self.spans[index]
            if not _passed_over(span, skip):
                yield index, span

    def after(self, at: int, *skip: Tag) -> Iterator[tuple[int, Span]]:
        """Yield the spans after ``at``, nearest first, passing over light words and ``skip``."""
        for index in range(at + 1, len(self.spans)):
            span = self.spans[index]
            if not _passed_over(span, skip):
                yield index, span

    def previous(self, at: int, *skip: Tag) -> tuple[int, Span] | None:
        """Return the nearest span before ``at``, light words and ``skip`` passed over."""
        return next(self.before(at, *skip), None)

    def following(self, at: int, *skip: Tag) -> tuple[int, Span] | None:
        """Return the nearest span after ``at``, light words and ``skip`` passed over."""
        return next(self.after(at, *skip), None)

    def use(self, *indexes: int) -> None:
        """Mark spans as understood."""
        for index in indexes:
            self.spans[index].used = True

    def add(self, at: int, *conditions: Condition, averaged: bool = False) -> None:
        """Add a clause of which one condition must hold."""
        self.filters.append(Filter(tuple(conditions), at, averaged))

    def mentions(self, kind: str) -> Iterator[tuple[int, Span, Meaning]]:
        """Yield the unused spans that can be ``kind``, with their first such meaning."""
        doubtful = kind == "subject" and any(
            span.has("subject") and not span.tagged(Tag.FILLER) for span in self.spans
        )  # "show" is a series only where nothing else is asked about
        for index, span in enumerate(self.spans):
            if doubtful and span.tagged(Tag.FILLER):
                continue
            if not span.used and (found := span.all(kind)):  # pyright: ignore[reportArgumentType] - one of Kind
                yield index, span, found[0]

    def numeric(self, span: Span) -> Ref | None:
        """Return the number column that ``span`` names, or None."""
        for meaning in (*span.all("column"), *span.all("colverb")):
            if meaning.ref and self.schema.column(meaning.ref).role in {"measure", "time"}:
                return meaning.ref
        return None
