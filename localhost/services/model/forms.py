"""Build the query in the form that fits: a list, a figure, figures by group, a share, the best of each."""

from localhost.services.model.bounds import hinted, speaks_of_average
from localhost.services.model.lexicon import Tag
from localhost.services.model.query import Clause, Dimension, Measure, Order, Query
from localhost.services.model.reading import Reading, Superlative, UnclearError
from localhost.services.model.shape import Head, Shape
from localhost.services.model.vocabulary import Ref

DEFAULT_LIMIT = 10


def build(shape: Shape) -> Query:  # noqa: PLR0911 - a list of forms; the first that fits is built
    """Return the query in the form that fits."""
    reading = shape.reading
    base = Query("list", shape.rows, clauses=tuple(shape.clauses))
    if reading.tagged(Tag.PERCENT):
        return _share(shape, base)
    if reading.among:
        return _comparison(shape, base)
    counted = next((m for m in shape.measures if m.aggregate == "count" and m.ref), None)
    if counted:
        return _count_of_groups(shape, base, counted)
    if average := _average_of_groups(shape, base):
        return average
    dimensions = list(reading.dimensions)
    if dimensions and _is_best_of_each(shape):
        return _best_of_each(shape, base, dimensions)
    if not dimensions and (head := _group_head(shape)):
        reading.use(head.at)
        return _group(shape, base, [head.dimension], plural=head.plural)
    if dimensions:
        return _group(shape, base, _with_heads(shape, dimensions), plural=True)
    if figure := _figure_of_ranked(shape, base):
        return figure
    if shape.measures or _asks_usual_figure(shape):
        return _total(shape, base)
    return _list(shape, base)


def _with_heads(shape: Shape, dimensions: list[Dimension]) -> list[Dimension]:
    """Add what is ranked within each group: "the most common genre per decade" is by decade and genre."""
    for head in shape.heads:
        if head.dimension in dimensions or (shape.reading.superlatives and shape.rows_at is None):
            shape.reading.use(head.at)
            dimensions = list(dict.fromkeys([*dimensions, head.dimension]))
    return dimensions


def usual(shape: Shape, superlative: Superlative) -> Measure:
    """Return the figure of a group that a superlative ranks by."""
    if superlative.by is None:
        return Measure("count")
    column = shape.reading.schema.column(superlative.by)
    if column.role == "time":
        return Measure("max" if superlative.descending else "min", superlative.by)
    return Measure(superlative.aggregate or column.aggregate or "avg", superlative.by)


def rank_order(shape: Shape, default: Ref | None) -> list[Order]:
    """Return how rows are ranked: by every superlative, in the order said."""
    orders: list[Order] = []
    for superlative in shape.reading.superlatives:
        by = superlative.by or default
        if by:
            orders.append(Order(by, superlative.descending))
    return list(dict.fromkeys(orders))


def limit_of(shape: Shape, *, plural: bool) -> int | None:
    """Return how many to show: what was said, one for a singular, ten for a plural superlative, else all."""
    if shape.reading.limit:
        return shape.reading.limit
    if all(superlative.sorts for superlative in shape.reading.superlatives):
        return None
    return DEFAULT_LIMIT if plural else 1


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


def _share(shape: Shape, base: Query) -> Query:
    """Read "what percentage of X are Y": Y after the verb, over X before it."""
    reading = shape.reading
    percent = next(i for i, s in enumerate(reading.spans) if s.tagged(Tag.PERCENT))
    reading.use(percent)
    said = [(i, s) for i, s in enumerate(reading.spans) if i > percent]
    verbs = [i for i, s in said if s.tagged(Tag.BE, Tag.HAVE) or s.has("colverb") or s.norm.startswith(("have", "has"))]
    verbs = verbs or [i for i, s in said if s.tagged(Tag.WITH, Tag.KNOWN)]
    filters = sorted((f for f in reading.filters if f.clause in shape.clauses), key=lambda f: f.at)
    verb = next(
        (v for v in verbs if shape.rows_at is None or v > shape.rows_at or any(f.at < v for f in filters)), None
    )
    counted: list[Clause] = [f.clause for f in filters if verb is not None and f.at >= verb]
    if not counted:  # "share of dramas since 2005": the dramas among what there is since 2005
        timeless = [f.clause for f in filters if reading.schema.column(f.clause[0].ref).role != "time"]
        counted = timeless or [f.clause for f in filters]
    over = tuple(f.clause for f in filters if f.clause not in counted)
    heads = [head.dimension for head in shape.heads] + list(reading.dimensions)
    reading.use(*(head.at for head in shape.heads))
    if (not counted and not heads) or reading.shows:
        raise UnclearError("share")
    dimensions = tuple(dict.fromkeys(heads))
    orders = (Order(Measure("count")),) if dimensions else ()
    return base.with_(form="share", clauses=over, share=tuple(counted), dimensions=dimensions, orders=orders)


def _count_of_groups(shape: Shape, base: Query, counted: Measure) -> Query:
    reading = shape.reading
    dimension = shape.heads[0].dimension
    others = [d for d in reading.dimensions if d != dimension]
    if shape.havings and not others:
        return base.with_(form="count_groups", dimensions=(dimension,), havings=tuple(shape.havings))
    if others:
        return base.with_(
            form="group", dimensions=tuple(others), measures=(counted,), orders=(Order(others[0], descending=False),),
            show=(dimension,),
        )  # fmt: skip
    return base.with_(form="total", measures=(counted,), dimensions=(), show=(dimension,))


def _average_of_groups(shape: Shape, base: Query) -> Query | None:
    """Read "average number of films per director", "how many films per year on average"."""
    reading = shape.reading
    wanted = [i for i, s in enumerate(reading.spans) if s.tagged(Tag.AVERAGE) and not s.used]
    counting = Measure("count") in shape.measures or any(_averages_rows(shape, i) for i in wanted)
    dimensions = list(reading.dimensions) or ([head.dimension for head in shape.heads] if counting else [])
    counting = counting or (shape.rows_at is not None and not shape.measures and not reading.shows)
    if not (wanted and counting and dimensions) or any(m.ref for m in shape.measures) or reading.superlatives:
        return None
    reading.use(*wanted, *(head.at for head in shape.heads))
    return base.with_(form="average_of_groups", dimensions=tuple(dimensions), havings=tuple(shape.havings))


def _averages_rows(shape: Shape, at: int) -> bool:
    after = shape.reading.following(at, Tag.OF, Tag.NUMBER_OF)
    return after is not None and any(m.subject == shape.rows for m in after[1].all("subject"))


def _asks_usual_figure(shape: Shape) -> bool:
    """Whether a column of many rows is asked for and not the rows: "how long are comedies", "the rating of dramas"."""
    reading = shape.reading
    if not reading.shows or reading.superlatives or reading.limit or shape.heads:
        return False
    if any(isinstance(show, Dimension) for show in reading.shows):
        return False
    first = next((i for i, s in enumerate(reading.spans) if s.has("column") and s.used), None)
    return (
        first is not None
        and (shape.rows_at is None or first < shape.rows_at)
        and reading.tagged(Tag.WHICH, Tag.OF, Tag.BE, Tag.HOW_MANY)
    )


def _total(shape: Shape, base: Query) -> Query:
    reading = shape.reading
    measures = list(shape.measures)
    if not measures or any(isinstance(r, Ref) for r in reading.shows):
        for ref in [r for r in reading.shows if isinstance(r, Ref)]:
            measure = reading.usual(ref)
            if measure not in measures:
                measures.append(measure)
    return base.with_(form="total", measures=tuple(measures))


def _figure_of_ranked(shape: Shape, base: Query) -> Query | None:
    """Read "average rating of the 10 longest films": a figure over the first rows of a ranking."""
    reading = shape.reading
    measures = [measure for measure in shape.measures if measure.ref]
    for at, span in enumerate(reading.spans):
        if (
            shape.rows_at is not None
            and at < shape.rows_at
            and speaks_of_average(span)
            and (ref := reading.numeric(span))
        ):
            measures.append(Measure("avg", ref))
    if not measures or not reading.superlatives or shape.rows_at is None or shape.heads:
        return None
    if reading.limit is None:
        raise UnclearError("leftover", *(reading.spans[s.at].said for s in reading.superlatives))
    rank = reading.schema.rank_of(reading.schema.subject(shape.rows))
    orders = rank_order(shape, rank)
    return base.with_(
        form="total", measures=tuple(dict.fromkeys(measures)), orders=tuple(orders), limit=reading.limit
    )  # fmt: skip


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
    limit = limit_of(shape, plural=several or _says_top(shape))
    return base.with_(orders=tuple(orders), limit=limit, show=tuple(shows))


def _says_top(shape: Shape) -> bool:
    return any(s.tagged(Tag.TOP, Tag.BOTTOM) and s.norm in {"top", "bottom"} for s in shape.reading.spans)


def _speaks_of_several(reading: Reading) -> bool:
    """Whether a question that names no rows asks for more than one: "what are the best", "las mejores"."""
    words = {token.norm for span in reading.spans for token in span.tokens}
    return bool(words & {"are", "were", "son", "fueron", "cuales", "las", "los", "mejores", "peores", "ones", "list"})
