"""Read the values, missing values and pieces of text that a question filters by."""

from collections.abc import Iterator

from localhost.services.model.lexicon import Tag
from localhost.services.model.query import Condition, Operator
from localhost.services.model.reading import Reading
from localhost.services.model.spans import Span
from localhost.services.model.vocabulary import Meaning, Ref

_TEXT: dict[Tag, Operator] = {Tag.CONTAINS: "contains", Tag.STARTS: "starts", Tag.ENDS: "ends", Tag.CALLED: "is"}


def read_texts(reading: Reading) -> None:
    """Read "with 'love' in the title", "whose name starts with The", "que contengan amor en el título"."""
    for at, span in enumerate(reading.spans):
        operator: Operator | None = next((op for tag, op in _TEXT.items() if span.tagged(tag)), None)
        if operator and not span.used:
            _read_text(reading, at, operator)
    for at, span in enumerate(reading.spans):
        if span.tagged(Tag.IN) and not span.used and (column := _label_after(reading, at)):
            text = next(iter(reading.before(at)), None)
            if text and _is_text(reading, text[1]) and not _is_kind(reading, text[0]):
                lead = reading.previous(text[0], Tag.THE_WORD)
                reading.use(at, column[0], text[0], *_leading(reading, text[0]))
                if lead and lead[1].tagged(Tag.WITH, Tag.HAVE, Tag.CONTAINS, Tag.KNOWN):
                    reading.use(lead[0])
                others = list(_alternatives(reading, text[0]))
                reading.use(*(index for pair in others for index in pair))
                texts = [text[1], *(reading.spans[index] for index, _ in others)]
                reading.add(at, *(_holding(reading, column[1], "contains", span) for span in texts))


def _alternatives(reading: Reading, at: int) -> Iterator[tuple[int, int]]:
    """Yield the texts before the one at ``at``, each with the "or" behind it: 'king' or 'queen'."""
    while (joint := reading.previous(at)) and joint[1].tagged(Tag.OR):
        earlier = reading.previous(joint[0])
        if earlier is None or not _is_text(reading, earlier[1]):
            return
        yield earlier[0], joint[0]
        at = earlier[0]


def _read_text(reading: Reading, at: int, operator: Operator) -> None:
    text = reading.following(at, Tag.THE_WORD, Tag.BY, Tag.WITH)
    letter = reading.following(at)
    if letter and letter[1].tagged(Tag.THE_WORD) and letter[0] + 1 < len(reading.spans):
        article = reading.spans[letter[0] + 1]
        if article.tagged(Tag.ARTICLE) and len(article.norm) == 1:
            text = letter[0] + 1, Span("name", article.tokens, text=article.said)  # "the letter A"
            reading.spans[text[0]] = text[1]
    if text is None or not _is_text(reading, text[1]):
        return
    joint = reading.following(text[0])
    column = _label_after(reading, joint[0]) if joint and joint[1].tagged(Tag.IN) else None
    used = [at, text[0], *_leading(reading, text[0])]
    if joint and column:
        used += [joint[0], column[0]]
    elif (before := reading.previous(at, Tag.HAVE)) and (ref := _text_column(reading, before[1])):
        column = (before[0], ref)
        used.append(before[0])
    reading.use(*used)
    reading.add(at, _holding(reading, column[1] if column else None, operator, text[1]))


def _leading(reading: Reading, at: int) -> list[int]:
    """Return the spans of "the word" right before ``at``."""
    return [i for i, span in reading.before(at) if span.tagged(Tag.THE_WORD) and i >= at - 2][:1]


def _is_kind(reading: Reading, at: int) -> bool:
    """Whether "a number in the title" means a kind of thing and not the word."""
    span = reading.spans[at]
    quoted = span.kind == "name" and span.tokens[0].kind == "quoted"
    return not quoted and at > 0 and reading.spans[at - 1].tokens[-1].norm in {"a", "an", "un", "una"}


def _is_text(reading: Reading, span: Span) -> bool:
    if span.used or span.kind == "mark":
        return False
    if span.kind in {"name", "unknown", "number"}:
        return True
    return span.has("value", "subject", "high", "low", "colverb", "column") and not _text_column(reading, span)


def _label_after(reading: Reading, at: int) -> tuple[int, Ref] | None:
    near = reading.following(at)
    ref = _text_column(reading, near[1]) if near else None
    return (near[0], ref) if near and ref else None


def _text_column(reading: Reading, span: Span) -> Ref | None:
    for meaning in span.all("column"):
        if meaning.ref and reading.schema.column(meaning.ref).role in {"label", "text"}:
            return meaning.ref
    if "title" in span.norm or "titulo" in span.norm:  # "titles" may be the name of a subject too
        for meaning in span.all("subject"):
            return reading.schema.label(reading.schema.subject(meaning.subject))
    return None


def _holding(reading: Reading, ref: Ref | None, operator: Operator, span: Span) -> Condition:
    subject = next((m.subject for _, _, m in reading.mentions("subject")), reading.schema.counted().name)
    own = reading.schema.label(reading.schema.subject(subject))
    if ref is None or reading.schema.column(ref).role == "label":
        ref = own  # "name" and "title" are what the thing asked about is called
    return Condition(ref, operator, (span.text or " ".join(token.text for token in span.tokens),))


def read_missing(reading: Reading) -> None:
    """Read "without a rating", "with no genre", "que tienen valoración"."""
    for at, span in enumerate(reading.spans):
        negated = span.tagged(Tag.WITHOUT, Tag.NOT) and not span.tagged(Tag.THAN)
        having = span.tagged(Tag.WITH, Tag.KNOWN, Tag.HAVE)
        if span.used or not (negated or having):
            continue
        target = reading.following(at, Tag.KNOWN)
        if target is None or target[1].used:
            continue
        if negated and (linked := _linked(reading, target[1])):
            reading.use(at, target[0])
            reading.add(at, linked)
            continue
        if not (found := _missing_column(reading, target[1])):
            continue
        follower = reading.following(target[0])
        if negated and follower and follower[0] == target[0] + 1 and follower[1].has("subject"):
            continue  # "no rated films" is about all of somebody's films
        beyond = reading.following(target[0])
        if having and not negated:
            if not _is_presence(reading, at, target[0], beyond[1] if beyond else None):
                continue
            if _denied(reading, at):
                reading.use(*_denied(reading, at))
                negated = True
        reading.use(at, target[0])
        reading.add(at, Condition(found, "null" if negated else "not null"))


def _linked(reading: Reading, span: Span) -> Condition | None:
    """Return the condition that a row has nobody of the subject: "without a director"."""
    for meaning in span.all("subject"):
        subject = reading.schema.subject(meaning.subject)
        if subject.via:
            return Condition(reading.schema.label(subject), "linked", negated=True, subject=subject.name)
    return None


def _missing_column(reading: Reading, span: Span) -> Ref | None:
    for meaning in (*span.all("column"), *span.all("unit")):
        if meaning.ref and reading.schema.column(meaning.ref).role != "label":
            return meaning.ref
    if span.tagged(Tag.YEAR):
        return reading.schema.time_of(reading.schema.counted())
    return None


def _denied(reading: Reading, at: int) -> list[int]:
    before = reading.previous(at, Tag.DO, Tag.HAVE)
    return [before[0]] if before and before[1].tagged(Tag.NOT) and not before[1].used else []


def _is_presence(reading: Reading, at: int, target: int, beyond: Span | None) -> bool:
    """Whether "with a rating" says no more than that there is one: no bound, no superlative, nothing to compute."""
    span = reading.spans[at]
    between = reading.spans[at + 1 : target]
    if any(s.tagged(Tag.MOST, Tag.LEAST, Tag.AVERAGE, Tag.SUM) for s in between):
        return False
    if beyond is not None and (
        beyond.kind in {"number", "decade", "name"}
        or beyond.tagged(*_AFTER_PRESENCE)
        or beyond.has("high", "low", "value")
    ):
        return False
    if _denied(reading, at):
        return True
    if span.tagged(Tag.HAVE) and not span.tagged(Tag.KNOWN, Tag.WITH):
        earlier = reading.previous(at)
        return earlier is not None and earlier[1].has("subject") and not reading.tagged(Tag.TREND, Tag.WHICH)
    return True


_AFTER_PRESENCE = (
    Tag.AT_LEAST, Tag.MORE_THAN, Tag.AT_MOST, Tag.LESS_THAN, Tag.BETWEEN, Tag.EXACTLY, Tag.OF, Tag.BEFORE, Tag.AFTER,
    Tag.THAN, Tag.MOST, Tag.LEAST, Tag.CONTAINS, Tag.STARTS,
)  # fmt: skip


def read_values(reading: Reading) -> None:
    """Read values of listed columns: "drama", "drama or comedy", "romantic comedies", "that are not horror"."""
    at = 0
    while at < len(reading.spans):
        span = reading.spans[at]
        if span.used or not (meaning := value_of(reading, at)):
            at += 1
            continue
        at = _read_list(reading, at, meaning)


def value_of(reading: Reading, at: int) -> Meaning | None:
    """Return the value that the span at ``at`` names, unless it is the thing that is asked about."""
    span = reading.spans[at]
    values = span.all("value")
    return values[0] if values and not span.has("subject") else None


def _read_list(reading: Reading, at: int, first: Meaning) -> int:
    spans = reading.spans
    found, last, joint_words = [(at, first)], at, list[Span]()
    alternatives = False
    while True:
        following = reading.following(last)
        if following is None:
            break
        index, span = following
        if (value := value_of(reading, index)) and value.ref == first.ref and not span.used:
            found.append((index, value))
            last = index
            continue
        if not (span.tagged(Tag.AND, Tag.OR) or span.norm == ","):
            break
        beyond = reading.following(index, Tag.NOT)
        if beyond is None or not (value := value_of(reading, beyond[0])) or value.ref != first.ref:
            break
        if spans[beyond[0] - 1].tagged(Tag.NOT):
            break
        alternatives = True
        joint_words.append(span)
        reading.use(index)
        found.append((beyond[0], value))
        last = beyond[0]
    negation = _negation(reading, at)
    reading.use(*negation, *(index for index, _ in found))
    _column_word(reading, at, last, first)
    conditions = [_equals(reading, meaning, negated=bool(negation)) for _, meaning in found]
    both = reading.tagged(Tag.BOTH)
    if len(conditions) > 1 and alternatives and not both and not negation:
        reading.add(at, *conditions)
        if any(span.tagged(Tag.AND) for span in joint_words):
            reading.assumptions.append("either")
    else:
        for condition in conditions:
            reading.add(at, condition)
    if both:
        reading.use(*(i for i, span in enumerate(spans) if span.tagged(Tag.BOTH)))
    return last + 1


def _equals(reading: Reading, meaning: Meaning, *, negated: bool) -> Condition:
    assert meaning.ref is not None  # noqa: S101 - a value always belongs to a column
    operator: Operator = "has" if reading.schema.column(meaning.ref).separator else "="
    return Condition(meaning.ref, operator, (meaning.value,), negated=negated)


def _negation(reading: Reading, at: int) -> list[int]:
    for index, span in reading.before(at, Tag.BE, Tag.IN, Tag.OF, Tag.BY):
        if span.tagged(Tag.NOT, Tag.WITHOUT) and not span.used:
            return [index]
        if span.has("subject", "column") and not span.used and index >= at - 3:
            continue
        if span.norm == "non":
            return [index]
        break
    return []


def _column_word(reading: Reading, first: int, last: int, meaning: Meaning) -> None:
    """Use the word for the column beside its value: "the genre Drama", "in the horror genre"."""
    for near in (reading.previous(first, Tag.BE, Tag.OF, Tag.IN), reading.following(last)):
        if near and not near[1].used and any(m.ref == meaning.ref and not m.plural for m in near[1].all("column")):
            grouped = reading.previous(near[0])
            if not (grouped and grouped[1].tagged(Tag.PER, Tag.EACH, Tag.BY)):
                reading.use(near[0])
