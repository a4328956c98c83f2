"""Decide the form of the answer from what the readers found: a list, a figure, figures by group, a share, one thing."""

from dataclasses import dataclass, field

from localhost.services.model.bounds import speaks_of_average
from localhost.services.model.grouping import dimension_of
from localhost.services.model.lexicon import Tag
from localhost.services.model.query import Aggregate, Clause, Dimension, Having, Measure
from localhost.services.model.reading import Reading, UnclearError
from localhost.services.model.roles import default_person
from localhost.services.model.spans import Span
from localhost.services.model.vocabulary import Ref

DEFAULT_LIMIT = 10
_AGGREGATES: dict[Tag, Aggregate] = {
    Tag.AVERAGE: "avg",
    Tag.SUM: "sum",
    Tag.MEDIAN: "median",
    Tag.MAXIMUM: "max",
    Tag.MINIMUM: "min",
}


@dataclass(slots=True)
class Head:
    """What a question is about besides its rows: where it is said, and what to group by."""

    at: int
    dimension: Dimension
    plural: bool
    asked: bool = False


@dataclass(slots=True)
class Shape:
    """Everything the forms are decided from."""

    reading: Reading
    rows: str
    heads: list[Head] = field(default_factory=list[Head])
    rows_at: int | None = None
    rows_plural: bool = False
    measures: list[Measure] = field(default_factory=list[Measure])
    clauses: list[Clause] = field(default_factory=list[Clause])
    havings: list[Having] = field(default_factory=list[Having])


def choose_rows(reading: Reading) -> str:
    """Return the subject whose rows are counted, listed or averaged."""
    schema = reading.schema
    refs = [c.ref for f in reading.filters for c in f.clause if not c.subject]
    refs += [s.by for s in reading.superlatives if s.by]
    refs += [
        ref
        for span in reading.spans
        if not span.used
        and span.has("column", "unit")
        and (ref := reading.numeric(span))
        and schema.column(ref).role == "measure"
    ]
    wanted = [subject for _, subject, _ in reading.counts]
    wanted += [s.counted for s in reading.superlatives if s.counted and s.counted != "*"]
    wanted += [
        meaning.subject
        for at, span, meaning in reading.mentions("subject")
        if (near := reading.previous(at, Tag.DISTINCT))
        and near[1].tagged(Tag.HOW_MANY, Tag.NUMBER_OF, Tag.PERCENT)
        and span
    ]
    wanted += [meaning.subject for _, _, meaning in reading.mentions("subject")]
    spoken = list(wanted)
    wanted += [schema.subject_of(ref).name for ref in refs[:1]]
    for name in wanted:
        subject = schema.subject(name)
        reachable = all(schema.one_row_path(subject.table, ref.table) for ref in refs)
        if not subject.via and reachable:
            return _nearest(reading, name, spoken)
    return schema.counted().name


def _nearest(reading: Reading, name: str, spoken: list[str]) -> str:
    """Prefer a spoken subject over another of the same table that only a column led to."""
    schema = reading.schema
    same = [
        other
        for other in spoken
        if schema.subject(other).table == schema.subject(name).table and not schema.subject(other).via
    ]
    return same[0] if same else name


def shape_of(reading: Reading, rows: str) -> Shape:
    """Collect heads, measures and conditions."""
    shape = Shape(reading, rows)
    _find_rows(shape)
    _find_heads(shape)
    _find_measures(shape)
    _sort_filters(shape)
    return shape


def _find_rows(shape: Shape) -> None:
    schema = shape.reading.schema
    table = schema.subject(shape.rows).table
    for at, span in enumerate(shape.reading.spans):
        for meaning in span.all("subject"):
            subject = schema.subject(meaning.subject)
            if subject.table == table and not subject.via and not span.tagged(Tag.FILLER):
                if shape.rows_at is None and not span.used:
                    shape.rows_at, shape.rows_plural = at, meaning.plural
                if meaning.subject == shape.rows:
                    span.used = True
                break
    for at, span in enumerate(shape.reading.spans):
        if shape.rows_at is None and span.has("value") and span.used:
            shape.rows_at, shape.rows_plural = at, span.all("value")[0].plural or span.norm.endswith("s")


def _find_heads(shape: Shape) -> None:
    reading = shape.reading
    for at, span in enumerate(reading.spans):
        if span.used or span.tagged(Tag.FILLER):
            continue
        who = span.tagged(Tag.WHO)
        if who and not any(s.has("subject") and _is_person(shape, s) for s in reading.spans):
            if person := default_person(reading):
                reading.use(at, *[i for i, s in enumerate(reading.spans) if s.has("verb")])
                label = reading.schema.label(person)
                shape.heads.append(Head(at, Dimension(label, subject=person.name), plural=False, asked=True))
            continue
        dimension = dimension_of(reading, span, shape.rows)
        if dimension is None:
            continue
        if span.has("colverb") and not span.has("column"):
            continue
        plural = any(m.plural for m in span.meanings) or span.norm in {
            "years",
            "decades",
            "months",
            "anos",
            "decadas",
            "meses",
        }
        near = reading.previous(at, Tag.IN, Tag.OF, Tag.DISTINCT, Tag.MOST, Tag.LEAST)
        asked = near is not None and near[1].tagged(Tag.WHICH)
        shape.heads.append(Head(at, dimension, plural, asked))


def _is_person(shape: Shape, span: Span) -> bool:
    return any(shape.reading.schema.subject(m.subject).person for m in span.all("subject"))


def _find_measures(shape: Shape) -> None:
    """Read "average rating", "total votes", "median runtime", "how many films", "number of votes"."""
    reading = shape.reading
    for at, span in enumerate(reading.spans):
        if span.used:
            continue
        aggregate = _aggregate(span)
        if aggregate and not span.has("column") and (near := _measured(shape, at)):
            index, ref = near
            if index < at and speaks_of_average(reading.spans[index]):
                _add(shape, Measure("avg", ref))  # "average rating, minimum and maximum"
            reading.use(at, index, *[i for i in range(at, index) if reading.spans[i].tagged(Tag.NUMBER_OF)])
            _add(shape, Measure(aggregate, ref))
        elif span.tagged(Tag.HOW_MANY, Tag.NUMBER_OF):
            _count(shape, at)
    _share_column(shape)
    for at, span in enumerate(reading.spans):
        if span.used or not span.has("column", "unit"):
            continue
        ref = reading.numeric(span)
        if ref is None:
            ref = next((m.ref for m in span.all("unit")), None)
        if ref and reading.schema.column(ref).role == "measure":
            reading.use(at)
            reading.shows.append(ref)
            later = reading.following(at)
            if later and later[1].tagged(*_AGGREGATES) and not later[1].used:
                reading.use(later[0])
                _add(shape, Measure(next(a for t, a in _AGGREGATES.items() if later[1].tagged(t)), ref))
                reading.shows.remove(ref)


def _aggregate(span: Span) -> Aggregate | None:
    return next((aggregate for tag, aggregate in _AGGREGATES.items() if span.tagged(tag)), None)


def _share_column(shape: Shape) -> None:
    """Let aggregates said in a row share their column: "average, minimum and maximum rating"."""
    refs = {measure.ref for measure in shape.measures if measure.ref and measure.aggregate != "count"}
    if len(refs) != 1:
        return
    for at, span in enumerate(shape.reading.spans):
        aggregate = _aggregate(span)
        if aggregate and not span.used and not span.has("column"):
            shape.reading.use(at)
            _add(shape, Measure(aggregate, next(iter(refs))))


def _add(shape: Shape, measure: Measure) -> None:
    if measure not in shape.measures:
        shape.measures.append(measure)


def _measured(shape: Shape, at: int) -> tuple[int, Ref] | None:
    """Return the column that the aggregate at ``at`` is of: right after it, right before it, or the first at all."""
    reading = shape.reading
    skip = (Tag.OF, Tag.NUMBER_OF, Tag.IN, Tag.VALUE)
    for near in (reading.following(at, *skip), reading.previous(at, *skip)):
        if near and not near[1].used and (ref := reading.numeric(near[1])) and near[1].has("column"):
            return near[0], ref
    found = [
        (index, ref)
        for index, span in enumerate(reading.spans)
        if not span.used
        and span.has("column", "unit", "colverb")
        and (ref := reading.numeric(span))
        and reading.schema.column(ref).role == "measure"
    ]
    return found[0] if found else None


def _count(shape: Shape, at: int) -> None:
    """Read what "how many" counts: rows, the votes of rows, or different values of a dimension."""
    reading = shape.reading
    near = reading.following(at, Tag.OF, Tag.DISTINCT)
    reading.use(at)
    for index in range(at, near[0] if near else at):
        if reading.spans[index].tagged(Tag.DISTINCT):
            reading.use(index)
    if near is None or near[1].used:
        _add(shape, Measure("count"))
        return
    ref = reading.numeric(near[1]) or next((m.ref for m in near[1].all("unit")), None)
    if ref and reading.schema.column(ref).role == "measure" and not near[1].has("subject"):
        reading.use(near[0])
        _add(shape, Measure(reading.schema.column(ref).aggregate or "sum", ref))
        return
    if head := next((h for h in shape.heads if h.at == near[0]), None):
        reading.use(near[0])
        shape.heads.remove(head)
        shape.heads.insert(0, head)
        head.asked = False
        _add(shape, Measure("count", head.dimension.ref))
        return
    _add(shape, Measure("count"))


def _sort_filters(shape: Shape) -> None:
    """Tell tests of rows from tests of groups."""
    reading = shape.reading
    first = shape.heads[0] if shape.heads else None
    grouped = bool(first) or bool(reading.dimensions)
    headed = first is not None and (shape.rows_at is None or first.at < shape.rows_at)
    for found in reading.filters:
        condition = found.clause[0]
        column = reading.schema.column(condition.ref)
        numeric = column.role == "measure" and condition.operator in {">=", ">", "<=", "<", "between", "="}
        counted = first is not None and any(first.at < at < found.at for at, _, _ in reading.counts)
        # "directors with 3 films rated above 8": films are rated there, not directors
        direct = (
            headed
            and not counted
            and first is not None
            and first.at < found.at
            and (shape.rows_at is None or shape.rows_at > found.at)
        )
        if (
            grouped
            and numeric
            and len(found.clause) == 1
            and ((found.averaged and (headed or shape.rows_at is None)) or direct)
        ):
            aggregate: Aggregate = "avg" if found.averaged else column.aggregate or "avg"
            values = tuple(float(value) for value in condition.values)
            shape.havings.append(Having(Measure(aggregate, condition.ref), condition.operator, values))
        else:
            shape.clauses.append(found.clause)
    for _, subject, having in reading.counts:
        if subject != shape.rows or not (grouped or shape.heads):
            raise UnclearError("count", subject)
        shape.havings.append(having)
