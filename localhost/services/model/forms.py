"""Build the query in the form that fits: a list, a figure, figures by group, a share, the best of each."""

from localhost.services.model.bounds import hinted
from localhost.services.model.lexicon import Tag
from localhost.services.model.orders import limit_of, rank_order, usual
from localhost.services.model.query import Dimension, Measure, Order, Query
from localhost.services.model.reading import Reading, UnclearError
from localhost.services.model.shape import Head, Shape
from localhost.services.model.totals import (
    asks_usual_figure,
    average_of_groups,
    count_of_groups,
    figure_of_ranked,
    share,
    total,
)
from localhost.services.model.vocabulary import Ref


def build(shape: Shape) -> Query:  # noqa: PLR0911 - a list of forms; the first that fits is built
    """Return the query in the form that fits."""
    reading = shape.reading
    base = Query("list", shape.rows, clauses=tuple(shape.clauses))
    if reading.tagged(Tag.PERCENT):
        return share(shape, base)
    if reading.among:
        return _comparison(shape, base)
    counted = next((m for m in shape.measures if m.aggregate == "count" and m.ref), None)
    if counted:
        return count_of_groups(shape, base, counted)
    if average := average_of_groups(shape, base):
        return average
    dimensions = list(reading.dimensions)
    if dimensions and _is_best_of_each(shape):
        return _best_of_each(shape, base, dimensions)
    if not dimensions and (head := _group_head(shape)):
        reading.use(head.at)
        return _group(shape, base, [head.dimension], plural=head.plural)
    if dimensions:
        return _group(shape, base, _with_heads(shape, dimensions), plural=True)
    if figure := figure_of_ranked(shape, base):
        return figure
    if shape.measures or asks_usual_figure(shape):
        return total(shape, base)
    return _list(shape, base)


def _with_heads(shape: Shape, dimensions: list[Dimension]) -> list[Dimension]:
    """Add what is ranked within each group: "the most common genre per decade" is by decade and genre."""
    for head in shape.heads:
        if head.dimension in dimensions or (shape.reading.superlatives and shape.rows_at is None):
            shape.reading.use(head.at)
            dimensions = list(dict.fromkeys([*dimensions, head.dimension]))
    return dimensions


def _group_head(shape: Shape) -> Head | None:
    """Return the head to group by, or None where heads are only facts to show of each row."""
    reading = shape.reading
    if not shape.heads:
        return None
    head = shape.heads[0]
    counted = any(s.counted for s in reading.superlatives)
    if counted or shape.havings or shape.rows_at is None:
        return head
    if head.at > shape.rows_at:
        return None
    if any(s.by for s in reading.superlatives):
        return head if shape.rows_plural else None  # "which genre has the longest films", not "the longest film"
    return head if head.asked or head.plural else None


def _is_best_of_each(shape: Shape) -> bool:
    reading = shape.reading
    ranked = [s for s in reading.superlatives if not s.counted and not s.aggregate]
    return (
        bool(ranked)
        and not reading.trend
        and not shape.measures
        and shape.rows_at is not None
        and not _head_first(shape)
    )


def _head_first(shape: Shape) -> bool:
    return any(h.asked or (shape.rows_at is not None and h.at < shape.rows_at) for h in shape.heads)


def _best_of_each(shape: Shape, base: Query, dimensions: list[Dimension]) -> Query:
    orders = rank_order(shape, shape.reading.schema.rank_of(shape.reading.schema.subject(shape.rows)))
    return base.with_(
        form="best_of_each", dimensions=tuple(dimensions), orders=tuple(orders), limit=shape.reading.limit or 1,
        show=tuple(shape.reading.shows),
    )  # fmt: skip


def _group(shape: Shape, base: Query, dimensions: list[Dimension], *, plural: bool) -> Query:
    reading = shape.reading
    _average_superlatives(reading)
    measures = list(shape.measures)
    for superlative in reading.superlatives:
        measure = usual(shape, superlative)
        if (
            reading.dimensions
            and superlative.by
            and not reading.trend
            and shape.rows_at is None
            and not superlative.aggregate
            and not measures
        ):
            measure = Measure("max" if superlative.descending else "min", superlative.by)  # "highest rating by genre"
        if measure not in measures:
            measures.append(measure)
    for ref in [r for r in reading.shows if isinstance(r, Ref)]:
        measure = reading.usual(ref)
        if measure not in measures:
            measures.append(measure)
    measures += [h.measure for h in shape.havings if h.measure not in measures]
    measures = measures or [Measure("count")]
    if any(m.aggregate != "count" for m in measures) and Measure("count") not in measures:
        measures.append(Measure("count"))
    ranked = [s for s in reading.superlatives if s.by or s.counted or not reading.dimensions]
    trend = reading.trend or (any(d.bin for d in dimensions) and not ranked)
    if trend:
        orders = [Order(d, descending=False) for d in dimensions]
    elif reading.superlatives:
        orders = [Order(usual(shape, s), s.descending) for s in reading.superlatives]
        reading_measures = [usual(shape, s) for s in reading.superlatives]
        orders = (
            [o if o.by in measures else Order(measures[0], o.descending) for o in orders]
            if reading_measures
            else orders
        )
    else:
        orders = [Order(measures[0], descending=not reading.tagged(Tag.ASCENDING))]
    limit = reading.limit
    if limit is None and reading.superlatives and not reading.dimensions:
        limit = limit_of(shape, plural=plural)
    return base.with_(
        form="group", dimensions=tuple(dimensions), measures=tuple(measures), havings=tuple(shape.havings),
        orders=tuple(orders), limit=limit,
    )  # fmt: skip


def _average_superlatives(reading: Reading) -> None:
    """Let "on average", said apart, go with what is ranked by: "longer on average"."""
    for at, span in enumerate(reading.spans):
        if span.tagged(Tag.AVERAGE) and not span.used and any(s.by for s in reading.superlatives):
            reading.use(at)
            for superlative in reading.superlatives:
                superlative.aggregate = "avg"


def _comparison(shape: Shape, base: Query) -> Query:
    reading = shape.reading
    _average_superlatives(reading)
    measures = list(shape.measures)
    measures += [m for s in reading.superlatives if (m := usual(shape, s)) not in measures]
    measures += [Measure("avg", ref) for ref in _compared_by(reading)]
    for ref in [r for r in reading.shows if isinstance(r, Ref)]:
        measures.append(reading.usual(ref))
    for head in shape.heads:
        if head.dimension == reading.dimensions[0] or head.dimension.ref == reading.dimensions[0].ref:
            reading.use(head.at)
    rank = reading.schema.rank_of(reading.schema.subject(shape.rows))
    asked = bool(measures)
    if not measures:
        measures = [Measure("count"), *([Measure("avg", rank)] if rank else [])]
    elif any(m.aggregate != "count" for m in measures) and Measure("count") not in measures:
        measures.append(Measure("count"))
    descending = not any(not s.descending for s in reading.superlatives)
    orders = [Order(measures[0], descending)] if asked or rank is None else [Order(measures[-1], descending=True)]
    if len(reading.dimensions) > 1:
        orders = [Order(d, descending=False) for d in reversed(reading.dimensions)]
    return base.with_(
        form="group", dimensions=tuple(reading.dimensions), measures=tuple(dict.fromkeys(measures)),
        orders=tuple(orders), among=tuple(reading.among), havings=tuple(shape.havings),
    )  # fmt: skip


def _compared_by(reading: Reading) -> list[Ref]:
    """Return the columns that comparatives tell of: "longer than"; and use the "on average" that goes with them."""
    comparatives = [span for span in reading.spans if span.tagged(Tag.MORE_THAN, Tag.LESS_THAN)]
    refs = [ref for span in comparatives if (ref := hinted(reading, span))]
    if refs:
        reading.use(*(i for i, s in enumerate(reading.spans) if s.tagged(Tag.AVERAGE) or hinted(reading, s)))
    return refs


def _list(shape: Shape, base: Query) -> Query:
    reading = shape.reading
    rank = reading.schema.rank_of(reading.schema.subject(shape.rows))
    orders = rank_order(shape, rank)
    if any(s.counted for s in reading.superlatives):
        raise UnclearError("count", *[s.counted for s in reading.superlatives])
    shows: list[Ref | Dimension] = [*reading.shows]
    for head in shape.heads:
        reading.use(head.at)
        shows.append(head.dimension)
    several = shape.rows_plural if shape.rows_at is not None else _speaks_of_several(reading)
    if any(s.of_column and shape.rows_at is not None and s.at < shape.rows_at for s in reading.superlatives):
        several = False  # "the shortest runtime of dramas" is one
    limit = limit_of(shape, plural=several or _says_top(shape))
    return base.with_(orders=tuple(orders), limit=limit, show=tuple(shows))


def _says_top(shape: Shape) -> bool:
    return any(s.tagged(Tag.TOP, Tag.BOTTOM) and s.norm in {"top", "bottom"} for s in shape.reading.spans)


def _speaks_of_several(reading: Reading) -> bool:
    """Whether a question that names no rows asks for more than one: "what are the best", "las mejores"."""
    words = {token.norm for span in reading.spans for token in span.tokens}
    return bool(words & {"are", "were", "son", "fueron", "cuales", "las", "los", "mejores", "peores", "ones", "list"})
