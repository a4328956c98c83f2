"""Refuse what was only half understood: every word that carries meaning has to have gone into the query."""

from collections.abc import Iterator, Sequence

from localhost.services.model.lexicon import Tag
from localhost.services.model.query import Dimension, Query
from localhost.services.model.reading import Reading, UnclearError
from localhost.services.model.schema import Schema
from localhost.services.model.shape import Shape
from localhost.services.model.spans import Span, is_noise
from localhost.services.model.vocabulary import Ref

_SILENT = (
    Tag.FILLER, Tag.ARTICLE, Tag.OF, Tag.IN, Tag.TO, Tag.BY, Tag.WITH, Tag.AND, Tag.BE, Tag.HAVE, Tag.DO, Tag.WHICH,
    Tag.WHO, Tag.WHEN, Tag.FROM, Tag.VALUE, Tag.KNOWN, Tag.SORTED, Tag.HOW_MANY, Tag.NUMBER_OF, Tag.ABOUT, Tag.CALLED,
    Tag.DISTINCT, Tag.ASCENDING, Tag.DESCENDING,
)  # fmt: skip


_OWN_FIGURE = frozenset({"share", "count_groups", "average_of_groups"})
_UNRANKED = frozenset({"total", "share", "count_groups", "average_of_groups"})


def check_query(shape: Shape, query: Query) -> None:
    """Refuse a question that came to nothing: no row, no filter, no figure in it that the dataset knows."""
    reading = shape.reading
    empty = not (query.clauses or query.measures or query.orders or query.show or query.dimensions or query.share)
    if query.form == "list" and empty and shape.rows_at is None:
        raise UnclearError("nothing")
    if lost := [m for m in shape.measures if m not in query.measures and query.form not in _OWN_FIGURE]:
        raise UnclearError("leftover", *(str(measure.ref.column) if measure.ref else "count" for measure in lost))
    if query.form in _UNRANKED and reading.superlatives and not query.orders:
        raise UnclearError("leftover", *(reading.spans[superlative.at].said for superlative in reading.superlatives))
    if query.form == "share" and any(measure.ref for measure in shape.measures):
        raise UnclearError("share")
    if reading.limit and query.limit != reading.limit:
        raise UnclearError("leftover", str(reading.limit))
    if shape.havings and not query.havings:
        raise UnclearError("count", *(str(int(having.values[0])) for having in shape.havings))


def check_leftovers(reading: Reading, queries: Sequence[Query]) -> None:
    """Refuse a question with words left that carry meaning.

    Raises:
        UnclearError: naming them.
    """
    people = {subject for query in queries for subject in _subjects_in(query)}
    left = [span for span in reading.spans if not span.used and _carries_meaning(reading, span, people)]
    if left:
        raise UnclearError("leftover", *(span.said for span in left))


def check_reach(query: Query, schema: Schema) -> None:
    """Refuse a figure or a test of what a row may have several of: when the directors of a film died.

    Raises:
        UnclearError: naming the column.
    """
    conditions = [c for clause in (*query.clauses, *query.share) for c in clause if not c.subject]
    refs = [condition.ref for condition in conditions]
    refs += [item for item in (*query.show, *(order.by for order in query.orders)) if isinstance(item, Ref)]
    refs += [measure.ref for measure in query.measures if measure.ref and measure.aggregate != "count"]
    shown = [item for item in (*query.dimensions, *query.show) if isinstance(item, Dimension)]
    refs += [item.ref for item in shown if not (item.subject and schema.subject(item.subject).via)]
    table = schema.subject(query.subject).table
    far = [ref.column for ref in refs if not schema.one_row_path(table, ref.table)]
    far += [item.subject for item in shown if item.subject and schema.subject(item.subject).table == table]
    if far:
        raise UnclearError("leftover", *dict.fromkeys(far))


def _subjects_in(query: Query) -> Iterator[str]:
    yield from (item.subject for item in (*query.dimensions, *query.show) if isinstance(item, Dimension))
    yield from (condition.subject for clause in (*query.clauses, query.among) for condition in clause)


def _carries_meaning(reading: Reading, span: Span, people: set[str]) -> bool:  # noqa: PLR0911 - a list of signs
    if span.kind in {"unknown", "number", "decade", "name"}:
        return not is_noise(span)
    if span.kind == "mark" or (span.tagged(*_SILENT) and not span.has("value")):
        return False
    if span.has("value", "high", "low"):
        return True
    if span.has("colverb", "phrase"):
        return False
    if verbs := span.all("verb"):
        return not any(verb.subject in people for verb in verbs)  # "directed" adds nothing to a list by director
    for meaning in span.all("column"):
        if meaning.ref and reading.schema.column(meaning.ref).role in {"label", "key"}:
            before = reading.previous(reading.spans.index(span))
            return before is not None and before[1].tagged(Tag.IN)
    return True
