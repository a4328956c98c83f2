"""Read comparisons: drama vs comedy, the 90s and the 2000s, "is drama rated higher than comedy", two names."""

from localhost.services.model.lexicon import Tag
from localhost.services.model.query import Bin, Condition, Dimension
from localhost.services.model.reading import Reading
from localhost.services.model.spans import Span
from localhost.services.model.values import value_of
from localhost.services.model.vocabulary import Meaning

_JOINTS = (Tag.AND, Tag.OR, Tag.VERSUS, Tag.THAN, Tag.MORE_THAN, Tag.LESS_THAN, Tag.TO, Tag.BEFORE, Tag.AFTER, Tag.WITH)
_PASSED = (Tag.OF, Tag.IN, Tag.BE, Tag.HAVE, Tag.FROM, Tag.DO, Tag.BETWEEN, Tag.BY, Tag.COMPARE)


def compares(reading: Reading) -> bool:
    """Whether the question sets things against each other."""
    spans = reading.spans
    if reading.tagged(Tag.COMPARE, Tag.VERSUS):
        return True
    for at, span in enumerate(spans):
        if not span.tagged(Tag.THAN, Tag.MORE_THAN, Tag.LESS_THAN, Tag.BEFORE, Tag.AFTER):
            continue
        after = reading.following(at, *_PASSED)
        if (
            after
            and (after[1].kind == "name" or value_of(reading, after[0]) or after[1].kind == "decade")
            and not (span.tagged(Tag.BEFORE, Tag.AFTER) and after[1].kind == "decade")
        ):
            item = "name" if after[1].kind == "name" else "value" if after[1].kind == "phrase" else "decade"
            if (
                span.tagged(Tag.THAN)
                and span.tagged(Tag.WHICH)
                and not any(s.has("high", "low") or s.tagged(Tag.MOST, Tag.LEAST) for s in spans[:at])
            ):
                continue
            return any(_is_item(reading, i, item) for i in range(at))
    choice = any(s.tagged(Tag.OR) and 0 < i < len(spans) - 1 and _is_choice(reading, i) for i, s in enumerate(spans))
    return choice and any(s.has("high", "low") or s.tagged(Tag.MOST, Tag.LEAST) for s in spans)


def _is_choice(reading: Reading, at: int) -> bool:
    before, after = reading.previous(at, *_PASSED), reading.following(at, *_PASSED)
    if before and before[1].has("subject"):
        before = reading.previous(before[0], *_PASSED)
    if not before or not after:
        return False
    return any(
        _is_item(reading, before[0], kind) and _is_item(reading, after[0], kind) for kind in ("name", "value", "decade")
    )


def _is_item(reading: Reading, at: int, kind: str) -> bool:
    span = reading.spans[at]
    if kind == "value":
        return not span.used and value_of(reading, at) is not None
    return span.kind == kind or (kind == "decade" and span.kind == "number" and span.year)


def read_comparison(reading: Reading) -> bool:
    """Make the values or periods compared into a dimension limited to them. Names are left to ``compare_names``."""
    if not compares(reading):
        return False
    values = _values(reading)
    if len(values) >= 2:
        first = values[0][1]
        assert first.ref is not None  # noqa: S101 - a value always belongs to a column
        reading.dimensions.append(Dimension(first.ref))
        reading.among = [Condition(m.ref, "=", (m.value,)) for _, m in values if m.ref]
        _use_items(reading, [index for index, _ in values])
        return True
    periods = [
        i for i, s in enumerate(reading.spans) if not s.used and (s.kind == "decade" or (s.kind == "number" and s.year))
    ]
    ref = reading.schema.time_of(reading.schema.counted())
    kinds = {reading.spans[i].kind for i in periods}
    if len(periods) >= 2 and ref and len(kinds) == 1 and not _bounded(reading, periods[0]):
        unit: Bin = "decade" if kinds == {"decade"} else "year"
        reading.dimensions.append(Dimension(ref, bin=unit))
        reading.among = [Condition(ref, "=", (reading.spans[i].value,)) for i in periods]
        _use_items(reading, periods)
        for index in periods:
            near = reading.previous(index, *_PASSED)
            if near and (near[1].tagged(Tag.YEAR, Tag.DECADE) or near[1].has("colverb")):
                reading.use(near[0])
        return True
    return False


def _bounded(reading: Reading, at: int) -> bool:
    """Whether the periods are limits of one stretch of time and not things to compare."""
    before = reading.previous(at, Tag.YEAR, Tag.DECADE)
    return (
        before is not None
        and before[1].tagged(Tag.BETWEEN, Tag.SINCE, Tag.BEFORE, Tag.AFTER, Tag.UNTIL)
        and not reading.tagged(Tag.COMPARE)
    )


def _values(reading: Reading) -> list[tuple[int, Meaning]]:
    found: list[tuple[int, Meaning]] = []
    for at in range(len(reading.spans)):
        if reading.spans[at].used or not (value := value_of(reading, at)):
            continue
        if not found or value.ref == found[0][1].ref:
            found.append((at, value))
    return found


def _use_items(reading: Reading, items: list[int]) -> None:
    reading.use(*items)
    for at in items:
        for near in (reading.previous(at, *_PASSED), reading.following(at, *_PASSED)):
            if near and (near[1].tagged(*_JOINTS, Tag.COMPARE) or near[1].norm == ","):
                reading.use(near[0])
    use_marks(reading)


def use_marks(reading: Reading) -> None:
    """Use the words that do no more than announce a comparison."""
    for at, span in enumerate(reading.spans):
        if span.tagged(Tag.COMPARE, Tag.VERSUS, Tag.THAN, Tag.BETWEEN) or (span.tagged(Tag.BOTH) and not span.used):
            reading.use(at)


def use_joints(reading: Reading) -> None:
    """Use the "or" between names."""
    reading.use(*(at for at, span in enumerate(reading.spans) if span.tagged(Tag.OR)))


def compare_names(reading: Reading) -> bool:
    """Make two or more people compared into a dimension limited to them."""
    people = [named for named in reading.named if named.subject and not named.title]
    if len(people) < 2 or len({named.subject for named in people}) != 1:
        return False
    subject = reading.schema.subject(people[0].subject)
    reading.dimensions.append(Dimension(reading.schema.label(subject), subject=subject.name))
    reading.among = [named.condition(reading.schema) for named in people]
    reading.named = [named for named in reading.named if named not in people]
    use_marks(reading)
    _use_comparatives(reading)
    return True


def _use_comparatives(reading: Reading) -> None:
    for at, span in enumerate(reading.spans):
        if span.tagged(Tag.MORE_THAN, Tag.LESS_THAN) and not span.used and not _is_bound(reading, at):
            reading.use(at)


def _is_bound(reading: Reading, at: int) -> bool:
    after: tuple[int, Span] | None = reading.following(at)
    return after is not None and after[1].kind == "number"
