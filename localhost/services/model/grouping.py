"""Read what a question wants its figures by: per genre, each decade, "which director", over the years."""

from localhost.services.model.lexicon import Tag
from localhost.services.model.query import Bin, Dimension
from localhost.services.model.reading import Reading
from localhost.services.model.spans import Span
from localhost.services.model.vocabulary import Ref

_BINS: dict[Tag, Bin] = {Tag.YEAR: "year", Tag.DECADE: "decade", Tag.MONTH: "month"}
_MARKED = ("by ", "per ", "each ", "por ", "cada ", "in each ")
_SOFT = ("chang", "vari", "vary", "cambi", "differ")
_ADVERBS = frozenset(
    {"yearly", "annual", "annually", "monthly", "anual", "anuales", "anualmente", "mensual", "mensualmente"}
)


def read_groups(reading: Reading, rows: str) -> None:
    """Read "per genre", "by year and genre", "for each director", "yearly", and the lists after them."""
    for at, span in enumerate(reading.spans):
        if span.used:
            continue
        if _says_period(span) and (dimension := dimension_of(reading, span, rows)):
            _take(reading, at, dimension)
        elif span.tagged(Tag.PER, Tag.EACH, Tag.BY, Tag.SORTED) or (span.has("phrase") and span.tagged(Tag.BY)):
            _read_list(reading, at, rows)
    trends = [at for at, span in enumerate(reading.spans) if span.tagged(Tag.TREND) and not span.used]
    if trends:
        _read_trend(reading, trends)


def _says_period(span: Span) -> bool:
    return span.tagged(*_BINS) and (span.norm in _ADVERBS or span.norm.startswith(_MARKED))


def _take(reading: Reading, at: int, dimension: Dimension) -> None:
    reading.use(at)
    if dimension not in reading.dimensions:
        reading.dimensions.append(dimension)


def _read_list(reading: Reading, at: int, rows: str) -> None:
    last, span = at, reading.spans[at]
    while True:
        target = reading.following(last, Tag.EACH, Tag.DISTINCT, Tag.OF, Tag.IN)
        if target is None or target[1].used:
            return
        dimension = dimension_of(reading, target[1], rows)
        if dimension is None:
            if span_of_rows(target[1], rows) and span.tagged(Tag.PER):
                reading.per_row = True
                reading.use(at, target[0])
            return
        _take(reading, target[0], dimension)
        reading.use(at, last)
        for index in range(at, target[0]):
            if reading.spans[index].tagged(Tag.EACH, Tag.DISTINCT):
                reading.use(index)
        joint = reading.following(target[0])
        if joint is None or not (joint[1].tagged(Tag.AND, Tag.PER, Tag.BY) or joint[1].norm == ","):
            return
        last = joint[0]


def span_of_rows(span: Span, rows: str) -> bool:
    """Whether "per film" says no more than that films are what is averaged over."""
    return any(meaning.subject == rows for meaning in span.all("subject"))


def _read_trend(reading: Reading, trends: list[int]) -> None:
    """Group by year, or by decade where it says so, unless there is a period among the dimensions already."""
    reading.use(*trends)
    if reading.dimensions and all(reading.spans[at].norm.startswith(_SOFT) for at in trends):
        return  # "how does it change by genre" has nothing to do with time
    reading.trend = True
    if any(dimension.bin for dimension in reading.dimensions):
        return
    ref = reading.schema.time_of(reading.schema.counted())
    if ref is None:
        return
    unit: Bin = "decade" if any("decad" in reading.spans[at].norm for at in trends) else "year"
    for index, span in enumerate(reading.spans):
        if not span.used and span.tagged(*_BINS):
            unit = next(b for tag, b in _BINS.items() if span.tagged(tag))
            reading.use(index)
    reading.dimensions.append(Dimension(ref, bin=unit))


def dimension_of(reading: Reading, span: Span, rows: str) -> Dimension | None:
    """Return what ``span`` can be grouped by, or None. ``rows`` is the subject that is counted."""
    schema = reading.schema
    for meaning in span.all("subject"):
        if meaning.subject != rows and (schema.subject(meaning.subject).table != schema.subject(rows).table):
            return Dimension(schema.label(schema.subject(meaning.subject)), subject=meaning.subject)
    for tag, unit in _BINS.items():
        if span.tagged(tag) and (ref := _time(reading, span, rows)):
            return Dimension(ref, bin=unit)
    for meaning in span.all("column"):
        if meaning.ref and schema.column(meaning.ref).role == "dimension":
            return Dimension(meaning.ref)
        if meaning.ref and schema.column(meaning.ref).role == "time":
            return Dimension(meaning.ref, bin="year")
    return None


def _time(reading: Reading, span: Span, rows: str) -> Ref | None:
    for meaning in span.all("column"):
        if meaning.ref and reading.schema.column(meaning.ref).role == "time":
            return meaning.ref
    subject = reading.schema.subject(rows)
    return reading.schema.time_of(subject) or reading.schema.time_of(reading.schema.counted())
