"""Find names by their place in the sentence: "who directed ___", "the rating of ___", "films by ___"."""

from collections.abc import Sequence

from localhost.services.model.lexicon import UNKNOWABLE, Tag
from localhost.services.model.spans import Span, name_of

_CONNECTORS = frozenset(
    "of the a an in to for on at with from de la el los las del von van der den da di e le les du no "
    "& : ! . - /".split()
)
_PERSON_PARTICLES = frozenset("de la del von van der den da di le du".split())
_ASKS = (Tag.WHO, Tag.WHICH, Tag.WHEN, Tag.HOW_MANY)
_COMPUTES = (Tag.AVERAGE, Tag.SUM, Tag.MEDIAN, Tag.MAXIMUM, Tag.MINIMUM, Tag.HOW_MANY, Tag.NUMBER_OF, Tag.PERCENT)
_BOUNDS = (
    Tag.AT_LEAST, Tag.MORE_THAN, Tag.AT_MOST, Tag.LESS_THAN, Tag.BETWEEN, Tag.BEFORE, Tag.AFTER, Tag.SINCE,
    Tag.UNTIL, Tag.THAN, Tag.VERSUS, Tag.SORTED, Tag.PER, Tag.EACH, Tag.WITHOUT, Tag.COMPARE, Tag.PERCENT,
)  # fmt: skip


def take_places(question: str, spans: list[Span]) -> list[Span]:
    """Turn unknown words into names where the sentence has a place for one."""
    at = 0
    while at < len(spans):
        if spans[at].kind != "unknown":
            at += 1
            continue
        start, end = _stretch(spans, at)
        stretch = spans[start:end]
        if end > start and not _unknowable(stretch) and not any(span.kind == "name" for span in stretch):
            spans = [*spans[:start], name_of(question, stretch, guessed=True), *spans[end:]]
            at = start + 1
        else:
            at += 1
    return spans


def _unknowable(stretch: Sequence[Span]) -> bool:
    strange = [token.norm for span in stretch if span.kind == "unknown" for token in span.tokens]
    return all(norm in UNKNOWABLE for norm in strange) or (len(strange) <= 2 and strange[0] in UNKNOWABLE)


def _stretch(spans: Sequence[Span], at: int) -> tuple[int, int]:
    """Return the place of the name that the unknown span at ``at`` begins; an empty one where it is none."""
    for opener in range(at - 1, max(at - 6, -1), -1):
        if opens_title(spans, opener) and (end := title_end(spans, opener + 1)) > at:
            before_name = end < len(spans) and spans[end].kind == "name"
            return (opener + 1, opener + 1) if before_name else (opener + 1, end)
        if spans[opener].kind == "mark":
            break
    end = at + 1
    while end < len(spans):
        ahead = end
        while ahead < len(spans) and spans[ahead].norm in _CONNECTORS and ahead - end < 3:
            ahead += 1
        if ahead >= len(spans) or spans[ahead].kind != "unknown":
            break
        if any(span.norm in {"and", "y", "or", "o", ","} for span in spans[end:ahead]):
            break
        end = ahead + 1
    if (
        end < len(spans)
        and spans[end].norm in _PERSON_PARTICLES
        and end + 1 < len(spans)
        and spans[end + 1].kind == "unknown"
    ):
        end += 2
    start = at
    before = spans[at - 1] if at else None
    if before and before.tagged(Tag.ARTICLE) and at > 1:
        before = spans[at - 2]
    unknown = end - start
    if before is None:
        titled = end < len(spans) and spans[end].has("column") and not spans[end].has("subject")
        opens = titled or (end == len(spans) - 1 and _one_person(spans[end]))
    else:
        opens = _opens_any(spans, spans.index(before), end)
    after_subject = end < len(spans) and spans[end].has("subject") and unknown >= 2
    possessive = end < len(spans) and spans[end].norm == "'s"
    named = end < len(spans) and spans[end].kind == "name"
    return (start, end) if (opens or after_subject or possessive) and not named else (start, start)


def _one_person(span: Span) -> bool:
    plural = span.norm.endswith("s") or any(meaning.plural for meaning in span.all("subject"))
    return span.has("subject") and not plural


def _opens_any(spans: Sequence[Span], at: int, end: int) -> bool:
    """Whether a name may follow the span at ``at``, to end before the one at ``end``."""
    span = spans[at]
    if span.has("phrase", "verb") or span.tagged(
        Tag.ABOUT, Tag.CALLED, Tag.THAN, Tag.COMPARE, Tag.VERSUS, Tag.CONTAINS, Tag.THE_WORD, Tag.STARTS, Tag.ENDS,
        Tag.WHO,
    ):  # fmt: skip
        return True
    rest = spans[end:]
    if span.tagged(Tag.BE):
        return at == 0 and bool(rest)
    if span.tagged(Tag.DO):
        return any(later.has("verb", "colverb") for later in rest)
    several = sum(later.kind == "unknown" for later in spans[at:end]) > 1
    counted = any(earlier.tagged(Tag.HOW_MANY) for earlier in spans[:at])
    return span.tagged(Tag.HAVE) and (any(later.has("verb") for later in rest) or (counted and several))


def opens_title(spans: Sequence[Span], at: int) -> bool:  # noqa: PLR0911 - a list of signs
    """Whether the name of one thing follows: "who directed", "how long is", "the rating of", "tell me about"."""
    span = spans[at]
    before = spans[at - 1] if at else None
    if any(earlier.tagged(*_COMPUTES) and not earlier.has("column") for earlier in spans[:at]):
        return False
    if span.tagged(Tag.ABOUT, Tag.CALLED):
        return True
    if span.has("verb") and any(earlier.tagged(Tag.WHO) for earlier in spans[:at]):
        return True
    if span.tagged(Tag.WHO) and span.norm.endswith((" is", " was", " es", " fue")):
        return True
    if before is None:
        return False
    attribute = _is_attribute(before)
    if span.tagged(Tag.OF) and attribute:
        return True
    if span.tagged(Tag.BE, Tag.DO, Tag.HAVE) and attribute:
        return True
    if span.has("colverb") and any(earlier.tagged(Tag.WHEN, Tag.YEAR) for earlier in spans[:at]):
        return True
    return span.tagged(Tag.WHEN) or (span.tagged(Tag.BE, Tag.DO) and before.tagged(Tag.WHEN))


def _is_attribute(span: Span) -> bool:
    if span.tagged(Tag.YEAR, Tag.WHEN):
        return True
    return span.has("column") or any(not meaning.plural for meaning in span.all("subject"))


def title_end(spans: Sequence[Span], start: int) -> int:
    """Return where the title that begins at ``start`` ends; ``start`` where what follows is no title."""
    end = start
    while end < len(spans):
        span = spans[end]
        following = spans[end + 1] if end + 1 < len(spans) else None
        if span.norm in {"?", "(", ";"} or span.norm == "'s" or span.kind == "name":
            break
        if (span.tagged(Tag.AND) or span.norm == ",") and following and following.tagged(*_ASKS):
            break
        if span.tagged(Tag.IN, Tag.FROM, Tag.OF) and following and _dates_or_measures(following):
            break
        if span.tagged(*_BOUNDS):
            break
        if any(meaning.plural for meaning in span.all("subject")):
            return start
        if span.tagged(*_COMPUTES) and not span.has("value", "subject"):
            return start
        end += 1
    while (
        end > start
        and (spans[end - 1].has("colverb", "verb") or spans[end - 1].tagged(Tag.HAVE, Tag.FILLER))
        and any(span.kind == "unknown" for span in spans[start : end - 1])
        and _tail_verb(spans, start)
    ):
        end -= 1
    while end > start and spans[end - 1].norm in {".", "!", ","}:
        end -= 1
    if end > start and spans[start].tagged(Tag.MOST, Tag.LEAST, Tag.TOP, Tag.BOTTOM):
        return start
    return end


def _dates_or_measures(span: Span) -> bool:
    return span.year or span.kind == "decade" or span.has("unit")


def _tail_verb(spans: Sequence[Span], start: int) -> bool:
    """Whether the question ends in the verb of its beginning: "when was ___ released", "what rating does ___ have"."""
    return any(span.tagged(Tag.BE, Tag.DO, Tag.WHEN) for span in spans[:start])
