"""Read numbers that bound something: at least 10,000 votes, over two hours, rated 8 or more, with five films."""

from collections.abc import Sequence
from dataclasses import dataclass

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
_OPPOSITES: dict[Operator, Operator] = {">": "<=", "<": ">=", ">=": "<", "<=": ">"}
_BEHIND: dict[Tag, Operator] = {Tag.OR_MORE: ">=", Tag.OR_LESS: "<="}
_LINKS = (Tag.BE, Tag.OF, Tag.HAVE, Tag.IN, Tag.VALUE, Tag.FROM, Tag.WITH, Tag.KNOWN, Tag.NUMBER_OF, Tag.DO)


def read_bounds(reading: Reading) -> None:
    """Turn every bounded number into a condition on a column, or on how many of a subject there are."""
    _spell_out_units(reading)
    at = 0
    while at < len(reading.spans):
        span = reading.spans[at]
        if span.kind == "number" and not span.used and not _read_between(reading, at):
            _read_one(reading, at)
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
    values = (reading.spans[at].value * target.factor, other[1].value * target.factor)
    reading.use(at, opener[0], joint[0], other[0], *target.used)
    _add(reading, at, target, "between", values)
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
    ref = target.ref
    if ref and reading.schema.column(ref).role == "time" and reading.spans[at].year:
        return  # a year: read with the periods
    reading.use(at, *used, *target.used)
    _add(reading, at, target, operator, (reading.spans[at].value * target.factor,))


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
            operator = _OPPOSITES.get(operator, operator)
            return operator, front[0] - 1, at, [front[0], front[0] - 1]
        return operator, front[0], at, [front[0]]
    return None, at, at, []


def _pick(table: dict[Tag, Operator], span: Span) -> Operator:
    return next(operator for tag, operator in table.items() if span.tagged(tag))


@dataclass(frozen=True, slots=True)
class _Target:
    """What a number bounds: a column, in units of ``factor``, or how many of ``subject`` there are."""

    ref: Ref | None = None
    factor: float = 1.0
    subject: str = ""
    averaged: bool = False
    unit: bool = False
    used: Sequence[int] = ()


def _target(reading: Reading, first: int, last: int) -> _Target | None:
    """Return what the number between spans ``first`` and ``last`` is about."""
    front = _column_before(reading, first)
    behind = reading.following(last, Tag.OF, Tag.IN)
    if behind and not behind[1].used and (target := _column_behind(reading, first, behind[0], front)):
        return target
    if front:
        return front
    hint = hinted(reading, reading.spans[first]) if first < len(reading.spans) else None
    return _Target(hint) if hint else None


def _column_behind(reading: Reading, first: int, index: int, front: _Target | None) -> _Target | None:
    """Return what the word behind a number says it is about: its unit, what is counted, or a column."""
    span = reading.spans[index]
    if units := span.all("unit"):
        later = reading.following(index, Tag.OF)
        named = {m.ref for m in later[1].all("column")} if later else set[Ref | None]()
        unit = next((m for m in units if m.ref in named or (front and m.ref == front.ref)), units[0])
        if front and front.ref == unit.ref:
            return _Target(unit.ref, unit.factor, averaged=front.averaged, unit=True, used=[index, *front.used])
        repeated = [later[0]] if later and unit.ref in named else []  # "an hour of downtime"
        used = [index, *repeated, *_verb_before(reading, first, unit.ref)]
        return _Target(unit.ref, unit.factor, unit=True, used=used)
    if (subjects := span.all("subject")) and not reading.spans[index - 1].year:
        return _Target(subject=subjects[0].subject, used=[index])
    ref = reading.numeric(span)
    if front is None and ref and reading.schema.column(ref).role == "measure" and not span.all("colverb"):
        return _Target(ref, averaged=speaks_of_average(span), used=[index])
    return None


def _column_before(reading: Reading, at: int) -> _Target | None:
    for index, span in reading.before(at, *_LINKS):
        if span.used:
            return None
        own = [*span.all("high"), *span.all("low")]
        if own and not span.has("column"):
            return _Target(own[0].ref, used=[index])
        ref = reading.numeric(span)
        if ref is None:
            return None
        averaged, used = speaks_of_average(span), [index]
        for near in (reading.previous(index, Tag.OF), reading.following(index)):
            if near and near[0] < at and near[1].tagged(Tag.AVERAGE) and not near[1].used:
                averaged, used = True, [*used, near[0]]
        return _Target(ref, averaged=averaged, used=used)
    return None


def speaks_of_average(span: Span) -> bool:
    """Whether a column's phrase itself says that it is an average: "average rating", "nota media"."""
    return span.norm.startswith("average") or span.norm.endswith((" media", " medio"))


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
    ref, used = target.ref, target.used
    if target.subject:
        front = reading.previous(at)
        counts = front is not None and (front[1].tagged(Tag.WITH, Tag.HAVE, Tag.KNOWN) or front[1].has("verb"))
        return counts and _other_head(reading, at, target.subject)
    if ref and reading.schema.column(ref).role == "time":
        return False
    if _stands_alone(reading, at):
        return False  # "rating of 300" asks for a film
    ranked = any(reading.spans[index].has("high", "low") for index in used)
    follower = reading.following(at)
    if (
        not target.unit
        and follower
        and (follower[1].has("high", "low", "subject", "value") or follower[1].tagged(Tag.MOST, Tag.LEAST))
    ):
        return False  # "the rating of the 10 longest films"
    if not target.unit and any(reading.spans[index].has("colverb") for index in used):
        return False  # "the last five ..." says nothing of how long they last
    return bool(used) and not ranked and (used[0] == at + 1 or used[0] < at)


def _stands_alone(reading: Reading, at: int) -> bool:
    """Whether nothing but a column is said besides the number, which is then a name."""
    others = any(span.has("subject", "value", "high", "low") for span in reading.spans)
    link = reading.previous(at)
    return not others and link is not None and link[1].tagged(Tag.OF) and reading.following(at) is None


def _other_head(reading: Reading, at: int, subject: str) -> bool:
    return any(meaning.subject != subject for index, _, meaning in reading.mentions("subject") if index < at)


def _add(reading: Reading, at: int, target: _Target, operator: Operator, values: tuple[float, ...]) -> None:
    if target.ref is None:
        reading.counts.append((at, target.subject, Having(Measure("count"), operator, values)))
    else:
        reading.add(at, Condition(target.ref, operator, values), averaged=target.averaged)
