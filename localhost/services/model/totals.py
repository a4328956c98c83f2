"""Build queries of single figures: totals, shares, counts and averages of groups, figures of a ranking's first rows."""

from localhost.services.model.bounds import speaks_of_average
from localhost.services.model.lexicon import Tag
from localhost.services.model.orders import rank_order
from localhost.services.model.query import Clause, Dimension, Measure, Order, Query
from localhost.services.model.reading import UnclearError
from localhost.services.model.shape import Shape
from localhost.services.model.vocabulary import Ref


def share(shape: Shape, base: Query) -> Query:
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


def count_of_groups(shape: Shape, base: Query, counted: Measure) -> Query:
    """Read "how many directors": all of them, those that pass a test, or how many in each group."""
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


def average_of_groups(shape: Shape, base: Query) -> Query | None:
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


def asks_usual_figure(shape: Shape) -> bool:
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


def total(shape: Shape, base: Query) -> Query:
    """Build figures over all rows."""
    reading = shape.reading
    measures = list(shape.measures)
    if not measures or any(isinstance(r, Ref) for r in reading.shows):
        for ref in [r for r in reading.shows if isinstance(r, Ref)]:
            measure = reading.usual(ref)
            if measure not in measures:
                measures.append(measure)
    return base.with_(form="total", measures=tuple(measures))


def figure_of_ranked(shape: Shape, base: Query) -> Query | None:
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
