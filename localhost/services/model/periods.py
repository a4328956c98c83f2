"""Read years and decades as conditions: in 1994, the 90s, before 2000, from 1990 to 1999, since the eighties."""

from localhost.services.model.lexicon import Tag
from localhost.services.model.query import Condition, Operator
from localhost.services.model.reading import Reading
from localhost.services.model.spans import Span
from localhost.services.model.vocabulary import Ref

_LEADS = (Tag.IN, Tag.FROM, Tag.OF, Tag.BE, Tag.YEAR, Tag.DECADE, Tag.TO)


_DASHES = frozenset({"-", "\u2013", "\u2014"})
_SIDES = (Tag.BEFORE, Tag.AFTER, Tag.SINCE, Tag.UNTIL, Tag.MORE_THAN, Tag.LESS_THAN, Tag.AT_LEAST, Tag.AT_MOST)


def read_periods(reading: Reading) -> None:
    """Turn every year and decade that is left into a condition on a time column."""
    at = 0
    while at < len(reading.spans):
        span = reading.spans[at]
        if not span.used and _is_period(span):
            at = _read_period(reading, at)
        at += 1


def _is_period(span: Span) -> bool:
    return span.kind == "decade" or (span.kind == "number" and span.year)


def _limits(span: Span) -> tuple[float, float]:
    return (span.value, span.value + 9) if span.kind == "decade" else (span.value, span.value)


def _read_period(reading: Reading, at: int) -> int:
    spans = reading.spans
    ref, used = _time_column(reading, at)
    if ref is None:
        return at
    if (lead := _unit_before(reading, at)) is not None:
        used = [*used, lead]
    low, high = _limits(spans[at])
    if end := _range_end(reading, at):
        other, joints = end
        reading.use(at, other, *joints, *used)
        reading.add(at, Condition(ref, "between", (low, _limits(spans[other])[1])))
        return other
    operator, value, words = _side(reading, at, low, high)
    if operator:
        reading.use(at, *words, *used)
        reading.add(at, Condition(ref, operator, (value,)))
        return at
    alternatives, last, joints = _list_from(reading, at)
    reading.use(at, *joints, *used)
    conditions = [_within(ref, *_limits(span)) for span in alternatives]
    reading.add(at, *conditions)
    return last


def _within(ref: Ref, low: float, high: float) -> Condition:
    return Condition(ref, "=", (low,)) if low == high else Condition(ref, "between", (low, high))


def _time_column(reading: Reading, at: int) -> tuple[Ref | None, list[int]]:
    """Return the time column that the period at ``at`` is about, and the words that say so."""
    used: list[int] = []
    for index, span in reading.before(at, *_LEADS, *_SIDES, Tag.BETWEEN, Tag.EXACTLY, Tag.AND, Tag.OR, Tag.HAVE):
        for meaning in (*span.all("colverb"), *span.all("column")):
            if meaning.ref and reading.schema.column(meaning.ref).role == "time" and not span.used:
                marked = reading.previous(index)
                grouped = marked and marked[1].tagged(Tag.PER, Tag.EACH, Tag.BY, Tag.TREND) and not span.has("colverb")
                return meaning.ref, [] if grouped else [index]
        break
    for index, span in enumerate(reading.spans):
        for meaning in span.all("colverb"):
            if meaning.ref and reading.schema.column(meaning.ref).role == "time":
                return meaning.ref, [index]
    for _, _, meaning in reading.mentions("subject"):
        subject = reading.schema.subject(meaning.subject)
        if not subject.via and (ref := reading.schema.time_of(subject)):
            return ref, used
    return reading.schema.time_of(reading.schema.counted()), used


def _unit_before(reading: Reading, at: int) -> int | None:
    """Return the "year" or "decade" right before a period, unless it says what to group by."""
    if at == 0 or not reading.spans[at - 1].tagged(Tag.YEAR, Tag.DECADE) or reading.spans[at - 1].used:
        return None
    marked = reading.previous(at - 1)
    return None if marked and marked[1].tagged(Tag.PER, Tag.EACH, Tag.BY, Tag.TREND) else at - 1


def _range_end(reading: Reading, at: int) -> tuple[int, list[int]] | None:  # noqa: PLR0911 - one return for each way to say it
    """Return the other end of a range that begins at ``at``: "from 1990 to 1999", "1990-1999", "between .. and .."."""
    spans = reading.spans
    joint = reading.following(at, Tag.YEAR, Tag.DECADE)
    if joint is None:
        return None
    if _is_period(joint[1]) and joint[0] == at + 1:
        gap = reading.question[spans[at].tokens[-1].end : joint[1].tokens[0].start].strip()
        return (joint[0], []) if gap in _DASHES else None
    if joint[1].norm in _DASHES and (end := reading.following(joint[0])) and _is_period(end[1]):
        return end[0], [joint[0]]
    end = reading.following(joint[0], Tag.YEAR, Tag.DECADE, Tag.IN, Tag.OF)
    if end is None or not _is_period(end[1]):
        return None
    opener = reading.previous(at, Tag.YEAR, Tag.DECADE)
    if joint[1].tagged(Tag.TO, Tag.UNTIL) and not joint[1].tagged(Tag.AND):
        return end[0], [
            joint[0],
            *([opener[0]] if opener and opener[1].tagged(Tag.FROM, Tag.SINCE, Tag.OF, Tag.BETWEEN) else []),
        ]
    if opener and opener[1].tagged(Tag.BETWEEN) and joint[1].tagged(Tag.AND):
        return end[0], [opener[0], joint[0]]
    return None


def _side(reading: Reading, at: int, low: float, high: float) -> tuple[Operator | None, float, list[int]]:
    behind = reading.following(at)
    if behind and behind[0] == at + 1 and behind[1].tagged(Tag.OR_MORE) and not _starts_phrase(reading, behind[0]):
        return ">=", low, [behind[0]]
    if behind and behind[0] == at + 1 and behind[1].tagged(Tag.OR_LESS):
        return "<=", high, [behind[0]]
    front = reading.previous(at, Tag.YEAR, Tag.DECADE)
    sides: tuple[tuple[tuple[Tag, ...], Operator, float], ...] = (
        ((Tag.BEFORE, Tag.LESS_THAN), "<", low),
        ((Tag.SINCE, Tag.AT_LEAST), ">=", low),
        ((Tag.AFTER, Tag.MORE_THAN), ">", high),
        ((Tag.UNTIL, Tag.AT_MOST), "<=", high),
    )
    for tags, operator, value in sides:
        if front and front[1].tagged(*tags):
            return operator, value, [front[0]]
    return None, low, []


def _starts_phrase(reading: Reading, at: int) -> bool:
    """Whether an "on" or "plus" here begins something else than "or later"."""
    return (
        reading.spans[at].tagged(Tag.IN, Tag.AND) and at + 1 < len(reading.spans) and reading.spans[at + 1].norm != "?"
    )


def _list_from(reading: Reading, at: int) -> tuple[list[Span], int, list[int]]:
    """Return the periods listed from ``at``: "1994, 1995 and 1996"."""
    found, last, joints = [reading.spans[at]], at, list[int]()
    while True:
        joint = reading.following(last)
        if joint is None or not (joint[1].tagged(Tag.AND, Tag.OR, Tag.VERSUS, Tag.THAN) or joint[1].norm == ","):
            return found, last, joints
        end = reading.following(joint[0], Tag.IN, Tag.FROM, Tag.YEAR, Tag.DECADE, Tag.OF)
        if end is None or not _is_period(end[1]) or end[1].used:
            return found, last, joints
        joints += [joint[0], end[0]]
        found.append(end[1])
        last = end[0]
