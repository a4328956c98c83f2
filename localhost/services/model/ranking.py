"""Read what a question wants the most or least of, how many of it, and what it is sorted by."""

from localhost.services.model.lexicon import Tag
from localhost.services.model.query import Aggregate
from localhost.services.model.reading import Reading, Superlative
from localhost.services.model.spans import Span

_UP_TO_COLUMN = (Tag.OF, Tag.AVERAGE, Tag.SUM, Tag.NUMBER_OF, Tag.VALUE, Tag.IN, Tag.BE)
_COMPUTE = (Tag.AVERAGE, Tag.SUM, Tag.MEDIAN, Tag.NUMBER_OF)


def read_superlatives(reading: Reading) -> None:
    """Find "the longest", "most votes", "highest average rating", "most films", "first", "by rating"."""
    for at, span in enumerate(reading.spans):
        if span.used:
            continue
        if span.has("high", "low"):
            _read_own_word(reading, at, span)
        elif span.tagged(Tag.COMMON, Tag.RARE):
            reading.use(at)
            reading.superlatives.append(Superlative(at, span.tagged(Tag.COMMON), counted="*"))
        elif span.tagged(Tag.MOST, Tag.LEAST) and not span.has("column"):
            _read_general_word(reading, at, span)
        elif span.tagged(Tag.FIRST, Tag.LAST) and not _is_verb(reading, at):
            _read_first(reading, at, span)
        elif span.tagged(Tag.TOP, Tag.BOTTOM):
            reading.use(at)
            reading.superlatives.append(Superlative(at, span.tagged(Tag.TOP)))
    for at, span in enumerate(reading.spans):
        if not span.used and span.tagged(Tag.BY, Tag.SORTED, Tag.PER, Tag.IN):
            _read_sort(reading, at, span)
    _merge_top(reading)
    _read_limit(reading)


def _read_own_word(reading: Reading, at: int, span: Span) -> None:
    """Read a word that the dataset has for much or little of one column: "longest", "mejor valoradas"."""
    descending = span.has("high")
    meaning = (span.all("high") or span.all("low"))[0]
    if (modifier := reading.previous(at)) and modifier[0] == at - 1 and modifier[1].tagged(Tag.MOST, Tag.LEAST):
        if modifier[1].used:
            reading.superlatives = [s for s in reading.superlatives if s.at != modifier[0]]
        reading.use(modifier[0])
        descending = descending == modifier[1].tagged(Tag.MOST)
    reading.use(at)
    reading.superlatives.append(Superlative(at, descending, by=meaning.ref))
    column = reading.following(at, *_UP_TO_COLUMN)
    if column and not column[1].used and any(m.ref == meaning.ref for m in column[1].all("column")):
        reading.use(column[0])
        reading.superlatives[-1].aggregate = _aggregate(reading, at, column[0])
        reading.superlatives[-1].of_column = True
    elif column and column[0] == at + 1 and not column[1].used and column[1].has("column"):
        ref = reading.numeric(column[1])
        if ref and reading.schema.column(ref).role == "measure":  # "best average score"
            reading.use(column[0])
            reading.superlatives[-1].by = ref


def _aggregate(reading: Reading, first: int, last: int) -> Aggregate | None:
    """Return the aggregate said between two spans, or in the name of the column at ``last``: "average rating"."""
    words = [i for i in range(first, last) if reading.spans[i].tagged(Tag.AVERAGE, Tag.SUM)]
    reading.use(*words)
    if words:
        return "avg" if reading.spans[words[0]].tagged(Tag.AVERAGE) else "sum"
    return "avg" if reading.spans[last].norm.startswith("average") else None


def _read_general_word(reading: Reading, at: int, span: Span) -> None:
    """Read "most votes", "the highest rating", "rating más alta", "most films"."""
    descending = span.tagged(Tag.MOST)
    for near in (_column_near(reading, at, forward=True), _column_near(reading, at, forward=False)):
        if near is None:
            continue
        index, target = near
        if ref := reading.numeric(target):
            low, high = sorted((at, index))
            aggregate = _aggregate(reading, low, high) or ("avg" if target.norm.startswith("average") else None)
            if (earlier := reading.previous(low, Tag.OF)) and earlier[1].tagged(Tag.AVERAGE, Tag.SUM) and index < at:
                aggregate = "avg" if earlier[1].tagged(Tag.AVERAGE) else "sum"
                reading.use(earlier[0])
            reading.use(at, index, *(i for i in range(low, high) if reading.spans[i].tagged(Tag.NUMBER_OF)))
            reading.superlatives.append(Superlative(at, descending, by=ref, aggregate=aggregate, of_column=index > at))
            return
        if subjects := target.all("subject"):
            reading.use(at, index, *(i for i in range(at, index) if reading.spans[i].tagged(Tag.NUMBER_OF)))
            reading.superlatives.append(Superlative(at, descending, counted=subjects[0].subject))
            return
    if counted := _valued(reading, at):
        reading.use(at)
        reading.superlatives.append(Superlative(at, descending, counted=counted))


def _is_measure(reading: Reading, span: Span) -> bool:
    ref = reading.numeric(span)
    return ref is not None and reading.schema.column(ref).role == "measure"


def _valued(reading: Reading, at: int) -> str:
    """Return the subject counted in "most comedies": the one that has such values."""
    after = reading.following(at, Tag.OF, Tag.NUMBER_OF)
    if after and (values := after[1].all("value")) and values[0].ref:
        return reading.schema.subject_of(values[0].ref).name
    return ""


def _column_near(reading: Reading, at: int, *, forward: bool) -> tuple[int, Span] | None:
    walk = reading.after(at, *_UP_TO_COLUMN) if forward else reading.before(at, Tag.AVERAGE, Tag.BE, Tag.OF)
    for index, span in walk:
        if forward and span.has("value") and not span.has("column"):
            continue  # "most horror films"
        if span.has("column", "colverb", "unit") and reading.numeric(span):
            if span.has("colverb") and not span.has("column") and (forward or index < at - 1):
                return None  # only "dura más" tells of a measure by its verb
            if span.used or (not forward and not _is_measure(reading, span)):
                return None
            return index, span
        if forward and span.has("subject") and not span.used:
            return index, span
        return None
    return None


def _is_verb(reading: Reading, at: int) -> bool:
    """Whether "last" is what films do: "films that last ..."."""
    before = reading.previous(at)
    return (
        reading.spans[at].has("colverb")
        and before is not None
        and (before[1].has("subject", "value") or before[1].tagged(Tag.DO) or before[1].kind == "name")
    )


def _read_first(reading: Reading, at: int, span: Span) -> None:
    """Read "the first film", "los últimos 5 estrenos": by time."""
    for _, near in reading.after(at):
        if near.kind == "number" or near.has("value"):
            continue
        subjects = near.all("subject")
        if subjects:
            _by_time(reading, at, span, subjects[0].subject)
        return
    if any(near.has("value") for _, near in reading.after(at)):
        _by_time(reading, at, span, reading.schema.counted().name)


def _by_time(reading: Reading, at: int, span: Span, subject: str) -> None:
    if ref := reading.schema.time_of(reading.schema.subject(subject)):
        reading.use(at)
        reading.superlatives.append(Superlative(at, not span.tagged(Tag.FIRST), by=ref))


def _read_sort(reading: Reading, at: int, span: Span) -> None:
    """Read "by rating", "ordered by number of votes", "ordenadas por duración", "by number of films"."""
    target = reading.following(at, *_UP_TO_COLUMN)
    if target is None or target[1].used or (span.tagged(Tag.IN) and not span.tagged(Tag.PER, Tag.BY, Tag.SORTED)):
        return
    index, column = target
    between = reading.spans[at + 1 : index]
    counting = any(s.tagged(Tag.NUMBER_OF) for s in between)
    ref = reading.numeric(column)
    sort = span.tagged(Tag.SORTED)
    descending = not reading.tagged(Tag.ASCENDING) and not any(s.tagged(Tag.BOTTOM) for s in reading.spans)
    if counting and (subjects := column.all("subject")):
        reading.use(at, index, *_indexes(reading, at, index, Tag.NUMBER_OF))
        reading.superlatives.append(Superlative(at, descending, counted=subjects[0].subject, sorts=True))
    elif (
        ref
        and reading.schema.column(ref).role == "measure"
        and (not span.tagged(Tag.PER) or span.tagged(Tag.BY, Tag.SORTED))
    ):
        aggregate = _aggregate(reading, at, index)
        reading.use(at, index, *_indexes(reading, at, index, *_COMPUTE))
        reading.superlatives.append(Superlative(at, descending, by=ref, aggregate=aggregate, sorts=True))
    elif sort and (ref or column.tagged(Tag.YEAR)):
        ref = ref or reading.schema.time_of(reading.schema.counted())
        reading.use(at, index)
        reading.superlatives.append(Superlative(at, reading.tagged(Tag.DESCENDING), by=ref, sorts=True))
    elif sort and (subjects := column.all("subject")):
        reading.use(at, index)
        reading.superlatives.append(Superlative(at, descending, counted=subjects[0].subject, sorts=True))
    if reading.tagged(Tag.ASCENDING, Tag.DESCENDING):
        reading.use(*_indexes(reading, -1, len(reading.spans), Tag.ASCENDING, Tag.DESCENDING))


def _indexes(reading: Reading, first: int, last: int, *tags: Tag) -> list[int]:
    return [i for i in range(first + 1, last) if reading.spans[i].tagged(*tags)]


def _merge_top(reading: Reading) -> None:
    """Let "top" take its measure from the superlative that has one: "top 5 films by votes", "bottom 3 by rating"."""
    tops = [s for s in reading.superlatives if s.by is None and not s.counted]
    others = [s for s in reading.superlatives if s.by or s.counted]
    if tops and others:
        if not tops[0].descending and all(s.at > tops[0].at for s in others) and others[0].descending:
            others[0].descending = False
        for superlative in others:
            superlative.sorts = False
        reading.superlatives = others


def _read_limit(reading: Reading) -> None:
    """Take the number that stands beside a superlative or before the thing asked for."""
    for at, span in enumerate(reading.spans):
        if span.kind != "number" or span.used or span.value != int(span.value) or span.value < 1:
            continue
        before, after = reading.previous(at), reading.following(at)
        ranked = (before and before[1].tagged(Tag.TOP, Tag.BOTTOM, Tag.FIRST, Tag.LAST, Tag.MOST, Tag.LEAST)) or (
            before and before[1].has("high", "low") and before[0] >= at - 2
        )
        counted = after and (
            after[1].has("high", "low", "subject", "value", "column")
            or after[1].kind == "name"
            or after[1].tagged(
                Tag.MOST, Tag.LEAST, Tag.COMMON, Tag.FIRST, Tag.LAST, Tag.TOP, Tag.YEAR, Tag.DECADE, Tag.RARE
            )
        )
        relative = (
            before
            and before[1].tagged(Tag.FIRST, Tag.LAST)
            and after
            and after[1].tagged(Tag.YEAR, Tag.DECADE, Tag.MONTH)
        )
        if relative:
            continue  # "the last five years" are counted from a day that is not said
        alone = any(s.by or s.counted for s in reading.superlatives) and not span.year
        if (ranked or (counted and not span.year) or alone) and reading.limit is None:
            reading.limit = int(span.value)
            reading.use(at)
