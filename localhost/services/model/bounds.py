"""Read numbers that bound something: at least 10,000 votes, over two hours, rated 8 or more, with five films."""

from localhost.services.model.lexicon import Tag
from localhost.services.model.query import Condition, Having, Measure, Operator
from localhost.services.model.reading import Reading
from localhost.services.model.spans import Span
from localhost.services.model.vocabulary import Ref

_OPERATORS: dict[Tag, Operator] = {
    Tag.AT_LEAST: ">=",
    Tag.MORE_THAN: ">",
    Tag.AT_MOST: "<=",
    Tag.LESS_THAN: "<",
    Tag.EXACTLY: "=",
}
_BEHIND: dict[Tag, Operator] = {Tag.OR_MORE: ">=", Tag.OR_LESS: "<="}
_LINKS = (Tag.BE, Tag.OF, Tag.HAVE, Tag.IN, Tag.VALUE, Tag.FROM, Tag.WITH, Tag.KNOWN, Tag.NUMBER_OF, Tag.DO)


def read_bounds(reading: Reading) -> None:
    """Turn every bounded number into a condition on a column, or on how many of a subject there are."""
    _spell_out_units(reading)
    at = 0
    while at < len(reading.spans):
        span = reading.spans[at]
        if span.kind == "number" and not span.used:
            _read_between(reading, at) or _read_one(reading, at)
        at += 1


def _spell_out_units(reading: Reading) -> None:
    """Read "over an hour" as "over 1 hour", and "two hours and a half" as 2.5 hours."""
    spans = reading.spans
    for at, span in enumerate(list(spans)):
        if not at or not spans[at - 1].tagged(*_OPERATORS):
            continue
        if span.tagged(Tag.ARTICLE) and at + 1 < len(spans) and spans[at + 1].all("unit"):
            spans[at] = Span("number", span.tokens, value=1)
        elif span.all("unit"):
            spans.insert(at, Span("number", span.tokens[:1], value=1))  # "menos de hora y media"
    for at, span in enumerate(spans[:-2]):
        if span.kind != "number":
            continue
        words = [s.norm for s in spans[at + 1 : at + 4]]
        if spans[at + 1].all("unit") and words[1:3] in (["y", "media"], ["y", "medio"], ["and", "a half"]):
            span.value += 0.5
            reading.use(at + 2, at + 3)
        elif words[:2] in (["y", "media"], ["y", "medio"]):
            span.value += 0.5
            reading.use(at + 1, at + 2)
            spans[at + 1], spans[at + 3] = spans[at + 3], spans[at + 1]


def _read_between(reading: Reading, at: int) -> bool:
    opener = reading.previous(at)
    joint = reading.following(at, Tag.VALUE)
    if joint is not None and joint[1].all("unit"):
        joint = reading.following(joint[0])
    if opener is None or joint is None:
        return False
    other = reading.following(joint[0])
    if other is None or other[1].kind != "number" or reading.spans[at].year:
        return False
    between = opener[1].tagged(Tag.BETWEEN) and joint[1].tagged(Tag.AND, Tag.TO)
    ranged = opener[1].tagged(Tag.FROM) and joint[1].tagged(Tag.TO, Tag.UNTIL)
    if not (between or ranged):
        return False
    target = _target(reading, opener[0], other[0])
    if target is None:
        return False
    ref, factor, subject, averaged, used = target
    values = (reading.spans[at].value * factor, other[1].value * factor)
    reading.use(at, opener[0], joint[0], other[0], *used)
    _add(reading, at, ref, subject, "between", values, averaged=averaged)
    return True


def _read_one(reading: Reading, at: int) -> None:
    operator, first, last, used = _operator(reading, at)
    target = _target(reading, first, last)
    if operator is None:
        # "rated 8", "120 minutes long", "with 3 films": a number that a unit or a column makes exact
        if target is None or reading.spans[at].year or not _is_exact(reading, at, target):
            return
        operator = "="
    if target is None:
        return
    ref, factor, subject, averaged, more = target
    if ref and reading.schema.column(ref).role == "time" and reading.spans[at].year:
        return  # a year: read with the periods
    reading.use(at, *used, *more)
    _add(reading, at, ref, subject, operator, (reading.spans[at].value * factor,), averaged=averaged)


def _operator(reading: Reading, at: int) -> tuple[Operator | None, int, int, list[int]]:
    """Return the operator, where it begins and ends with its number, and the spans that say it."""
    spans = reading.spans
    behind = reading.following(at)
    if behind and behind[1].all("unit"):
        unit = behind[0]
        beyond = reading.following(unit)
        if beyond and beyond[1].tagged(*_BEHIND) and beyond[0] == unit + 1:
            return _pick(_BEHIND, beyond[1]), at, at, [beyond[0]]
    elif behind and behind[0] == at + 1 and behind[1].tagged(*_BEHIND) and not behind[1].tagged(Tag.IN):
        return _pick(_BEHIND, behind[1]), at, behind[0], [behind[0]]
    front = reading.previous(at, Tag.VALUE)
    if front and front[1].tagged(*_OPERATORS):
        negated = front[0] > 0 and spans[front[0] - 1].tagged(Tag.NOT)
        operator = _pick(_OPERATORS, front[1])
        if negated:
            operator = {">": "<=", "<": ">=", ">=": "<", "<=": ">"}.get(operator, operator)  # pyright: ignore[reportAssignmentType] - all are operators
            return operator, front[0] - 1, at, [front[0], front[0] - 1]
        return operator, front[0], at, [front[0]]
    return None, at, at, []


def _pick(table: dict[Tag, Operator], span: Span) -> Operator:
    return next(operator for tag, operator in table.items() if span.tagged(tag))


type _Target = tuple[Ref | None, float, str, bool, list[int]]


def _target(reading: Reading, first: int, last: int) -> _Target | None:
    """Return what the number between spans ``first`` and ``last`` counts: a column with a factor, or a subject."""
    front = _column_before(reading, first)
    behind = reading.following(last, Tag.OF)
    if behind and not behind[1].used:
        index, span = behind
        if unit := next(iter(span.all("unit")), None):
            matching = [m for m in span.all("unit") if front and m.ref == front[0]]
            unit = matching[0] if matching else unit
            used = [index, *(front[2] if front and front[0] == unit.ref else _verb_before(reading, first, unit.ref))]
            return unit.ref, unit.factor, "", bool(front and front[1] and front[0] == unit.ref), used
        if subject := next(iter(span.all("subject")), None):
            if not reading.spans[last].year:
                return None, 1.0, subject.subject, False, [index]
        ref = reading.numeric(span)
        if front is None and ref and reading.schema.column(ref).role == "measure" and not span.all("colverb"):
            return ref, 1.0, "", "average" in span.norm or "medi" in span.norm, [index]
    if front:
        return front[0], 1.0, "", front[1], front[2]
    spans = reading.spans
    if first < len(spans) and (hint := hinted(reading, spans[first])):
        return hint, 1.0, "", False, []
    return None


def _column_before(reading: Reading, at: int) -> tuple[Ref, bool, list[int]] | None:
    passed: list[int] = []
    for index, span in reading.before(at, *_LINKS):
        if span.used:
            return None
        if span.has("high", "low") and not span.has("column") and (ref := span.all("high") + span.all("low")):
            return (ref[0].ref, False, [index, *passed]) if ref[0].ref else None
        ref = reading.numeric(span)
        if ref is None:
            return None
        averaged = (
            span.norm.startswith("average") or span.norm.endswith((" media", " medio")) or span.norm == "nota media"
        )
        used = [index, *passed]
        earlier = reading.previous(index, Tag.OF)
        if earlier and earlier[1].tagged(Tag.AVERAGE) and not earlier[1].used:
            averaged, used = True, [*used, earlier[0]]
        later = reading.following(index)
        if later and later[1].tagged(Tag.AVERAGE) and later[0] < at:
            averaged, used = True, [*used, later[0]]
        return ref, averaged, used
    return None


def _verb_before(reading: Reading, at: int, ref: Ref | None) -> list[int]:
    """Return the span of a verb of ``ref`` right before: "lasting" more than 2 hours."""
    near = reading.previous(at, *_LINKS)
    if near and not near[1].used and any(meaning.ref == ref for meaning in near[1].meanings):
        return [near[0]]
    return []


def hinted(reading: Reading, span: Span) -> Ref | None:
    """Return the column that a comparative tells of by itself: "longer than"."""
    words = [token.norm for token in span.tokens]
    for size in range(len(words) - 1, 0, -1):
        for meaning in reading.vocabulary.meanings(words[:size]):
            if meaning.kind in {"high", "low"} and meaning.ref:
                return meaning.ref
    return None


def _is_exact(reading: Reading, at: int, target: _Target) -> bool:
    ref, _, subject, _, used = target
    if subject:
        front = reading.previous(at)
        counts = front is not None and (front[1].tagged(Tag.WITH, Tag.HAVE, Tag.KNOWN) or front[1].has("verb"))
        return counts and _other_head(reading, at, subject)
    if ref and reading.schema.column(ref).role == "time":
        return False
    ranked = any(reading.spans[index].has("high", "low") for index in used)
    return bool(used) and not ranked and (used[0] == at + 1 or used[0] < at)


def _other_head(reading: Reading, at: int, subject: str) -> bool:
    return any(meaning.subject != subject for index, _, meaning in reading.mentions("subject") if index < at)


def _add(
    reading: Reading,
    at: int,
    ref: Ref | None,
    subject: str,
    operator: Operator,
    values: tuple[float, ...],
    *,
    averaged: bool,
) -> None:
    if ref is None:
        reading.counts.append((at, subject, Having(Measure("count"), operator, values)))
    else:
        reading.add(at, Condition(ref, operator, values), averaged=averaged)
