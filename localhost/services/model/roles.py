"""Decide what each name in a question is the name of: a thing ("how long is ___") or a person ("films by ___")."""

import re

from localhost.services.model.bounds import hinted, speaks_of_average
from localhost.services.model.comparing import compares
from localhost.services.model.lexicon import Tag
from localhost.services.model.reading import Named, Reading, UnclearError
from localhost.services.model.spans import Span
from localhost.services.model.text import fold
from shared.catalog import Subject

_JOINTS = re.compile(r"\s*,\s*(?:and |y |e )?|\s+(?:and|y|e|or|o|vs\.?|versus|&)\s+", re.IGNORECASE)


_COMPARED_WITH = re.compile(r"\s+(?:with|to|con|a)\s+", re.IGNORECASE)


def read_names(reading: Reading) -> None:
    """Give each name that is left a subject; persons become conditions, things become what is looked up."""
    for at, span in enumerate(reading.spans):
        if span.kind == "name" and not span.used:
            subject, title = _role(reading, at)
            texts = [span.text]
            if (not title or compares(reading) or weighs(reading)) and span.tokens[0].kind != "quoted":
                texts = [text for text in _JOINTS.split(span.text) if text]
                if len(texts) == 1 and reading.tagged(Tag.COMPARE):
                    texts = _COMPARED_WITH.split(span.text)
            span.used = True
            reading.named += [Named(at, text, subject.name if subject else "", title) for text in texts]


def weighs(reading: Reading) -> bool:
    """Whether a comparative asks for one of several: "which is longer, X or Y"."""
    joints = {token.norm for span in reading.spans if span.kind == "name" for token in span.tokens}
    comparative = any(span.has("high", "low") or span.tagged(Tag.MOST, Tag.LEAST) for span in reading.spans)
    owners = [reading.previous(i) for i, span in enumerate(reading.spans) if span.kind == "name"]
    owned = any(owner and owner[1].has("phrase") for owner in owners)  # "the best films by X or Y" weighs no names
    return comparative and bool(joints & {"or", "o", "vs"}) and not owned


def default_person(reading: Reading) -> Subject | None:
    """Return the subject that a person's name is of when nothing says it: a verb's, else the first person."""
    for span in reading.spans:
        for meaning in span.all("verb"):
            return reading.schema.subject(meaning.subject)
    for _, _, meaning in reading.mentions("subject"):
        if reading.schema.subject(meaning.subject).person:
            return reading.schema.subject(meaning.subject)
    people = [subject for subject in reading.schema.dataset.subjects if subject.person]
    linked = [subject for subject in reading.schema.dataset.subjects if subject.phrases]
    return next(iter([*people, *linked]), None)


def _role(reading: Reading, at: int) -> tuple[Subject | None, bool]:  # noqa: PLR0911 - a list of signs
    """Return the subject (None: cannot tell) and whether the name is of the thing that rows are about."""
    before, after = _near(reading, at)
    _refuse_chain(reading, at)
    person = default_person(reading)
    if before and (apposed := [m for m in before.all("subject") if not m.plural]) and not before.tagged(Tag.FILLER):
        subject = reading.schema.subject(apposed[0].subject)
        reading.use(at - 1 if reading.spans[at - 1] is before else at - 2)
        return subject, not (subject.via or subject.person)
    if before and before.tagged(Tag.WITH) and not compares(reading) and (cast := _taking_part(reading, before)):
        return cast, False
    if after and after.norm == "'s":
        return _possessed(reading, at, person)
    if before and before.has("phrase"):
        return _after_phrase(reading, at, before, person)
    dated = after is not None and after.has("colverb") and reading.tagged(Tag.WHEN, Tag.YEAR)  # "what year was it made"
    if after and after.has("verb") and not _asks_who(reading, at) and not dated:
        index = next(i for i, span in reading.after(at) if span is after)
        reading.use(index)
        return reading.schema.subject(after.all("verb")[0].subject), False
    if before and before.has("verb"):
        dated = before.has("colverb") and reading.tagged(Tag.WHEN, Tag.YEAR) and not reading.tagged(Tag.HOW_MANY)
        if dated or _asks_who(reading, at):
            return _thing(reading), True
        reading.use(next(i for i, span in reading.before(at) if span is before))
        return reading.schema.subject(before.all("verb")[0].subject), False
    if after and after.has("subject") and (not reading.schema.subject(after.all("subject")[0].subject).person):
        articled = before is None or reading.spans[at - 1].tagged(Tag.ARTICLE)
        ranked = any(
            span.has("high", "low") or span.tagged(Tag.TOP, Tag.MOST, Tag.BOTTOM) for span in reading.spans[:at]
        )
        if not (after.all("subject")[0].plural or ranked or not articled):
            return _thing(reading), True
        return person, False
    return _by_question(reading, at, person)


def _refuse_chain(reading: Reading, at: int) -> None:
    """Refuse "films by the director of ___", which would need the director first."""
    link = reading.previous(at)
    if link is None or not link[1].tagged(Tag.OF):
        return
    owner = reading.previous(link[0])
    if owner is None:
        return
    person = any(reading.schema.subject(m.subject).person and not m.plural for m in owner[1].all("subject"))
    before = reading.previous(owner[0])
    if (person and before and (before[1].has("phrase") or before[1].tagged(Tag.BY, Tag.PER))) or (
        owner[1].has("phrase") and len(owner[1].tokens) > 1
    ):
        raise UnclearError("leftover", owner[1].said, reading.spans[at].said)


def _near(reading: Reading, at: int) -> tuple[Span | None, Span | None]:
    before = next((span for _, span in reading.before(at, Tag.BOTH)), None)
    after = reading.spans[at + 1] if at + 1 < len(reading.spans) else None
    if after is not None and after.norm != "'s":
        after = next((span for _, span in reading.after(at)), None)
    return before, after


def _taking_part(reading: Reading, joint: Span) -> Subject | None:
    """Return the subject whose phrases begin with this "with": films with somebody are films that they play in."""
    for subject in reading.schema.dataset.subjects:
        phrases = [phrase for spoken in subject.phrases.values() for phrase in spoken]
        if any(fold(phrase).startswith(f"{joint.norm} ") for phrase in phrases):
            return subject
    return None


def _asks_who(reading: Reading, at: int) -> bool:
    """Whether who did it is asked: "who directed", "which director made"."""
    earlier = reading.spans[:at]
    if any(span.tagged(Tag.WHO) for span in earlier):
        return True
    named = [reading.schema.subject(m.subject) for span in earlier for m in span.all("subject") if not m.plural]
    return any(subject.person for subject in named) and all(subject.person for subject in named)


def _thing(reading: Reading) -> Subject:
    """Return the subject that is looked up: the one whose attributes are asked for."""
    schema = reading.schema
    for _, _, meaning in reading.mentions("subject"):
        subject = schema.subject(meaning.subject)
        if not (subject.person or subject.via):
            return subject
    for kind in ("column", "colverb", "high", "low"):
        for _, _, meaning in reading.mentions(kind):
            if meaning.ref is None or schema.one_row_path(schema.counted().table, meaning.ref.table):
                continue
            for subject in schema.dataset.subjects:
                if subject.table == meaning.ref.table and not subject.via:
                    return subject
    return schema.counted()


def _possessed(reading: Reading, at: int, person: Subject | None) -> tuple[Subject | None, bool]:
    """Read "Woody Allen's films" and "Titanic's rating"."""
    for index in range(at + 2, len(reading.spans)):
        span = reading.spans[index]
        if span.has("subject"):
            owner = reading.schema.subject(span.all("subject")[0].subject)
            return (_thing(reading), True) if owner.person else (person, False)
        if span.tagged(Tag.AVERAGE, Tag.SUM, Tag.MEDIAN, Tag.NUMBER_OF):
            return person, False
        if span.has("column") and speaks_of_average(span):
            return None, False
        if span.has("column", "high", "low"):
            alone = not any(s.has("subject") or s.tagged(Tag.HOW_MANY) for s in reading.spans[index:])
            return (_thing(reading), True) if alone and span.has("column") else (person, False)
    return _thing(reading), True


def _after_phrase(reading: Reading, at: int, phrase: Span, person: Subject | None) -> tuple[Subject | None, bool]:
    """Read "films by X" and "directed by X" as persons; "rating of X" and "director de X" as things."""
    index = next(i for i, span in reading.before(at, Tag.BOTH) if span is phrase)
    subjects = [reading.schema.subject(meaning.subject) for meaning in phrase.all("phrase")]
    loose = phrase.tagged(Tag.OF, Tag.FROM)
    owner = reading.previous(index, Tag.BE)
    if loose and owner:
        span = owner[1]
        attribute = span.has("column") or span.tagged(Tag.YEAR, Tag.ABOUT, Tag.WHEN)
        if any(reading.schema.subject(m.subject).person and not m.plural for m in span.all("subject")) or attribute:
            if any(s.tagged(Tag.AVERAGE, Tag.SUM, Tag.MEDIAN) and not s.has("column") for s in reading.spans[:index]):
                return None, False
            return _thing(reading), True
        if span.tagged(Tag.AVERAGE, Tag.COMPARE, Tag.VERSUS, Tag.THAN, Tag.AND):
            return _by_question(reading, at, person)
    reading.use(index)
    return subjects[0], False


def _by_question(  # noqa: PLR0911 - a list of signs
    reading: Reading, at: int, person: Subject | None
) -> tuple[Subject | None, bool]:
    spans = reading.spans
    before = next((span for _, span in reading.before(at, Tag.BOTH, Tag.OF)), None)
    if (before and before.tagged(Tag.AND, Tag.OR, Tag.VERSUS, Tag.THAN, Tag.MORE_THAN, Tag.LESS_THAN, Tag.WITH)) or (
        before and before.norm == ","
    ):
        for earlier in reversed(reading.named):
            return (reading.schema.subject(earlier.subject) if earlier.subject else None), earlier.title
    if any(span.tagged(Tag.ABOUT) for span in spans[:at]):
        return None, False
    if before and before.tagged(Tag.WHO) and before.norm.endswith((" is", " was", " es", " fue")):
        return None, False
    plural = any(
        meaning.plural and not reading.schema.subject(meaning.subject).person
        for span in spans
        for meaning in span.all("subject")
    )
    if plural or reading.tagged(Tag.AVERAGE, Tag.SUM, Tag.MEDIAN):
        return person, False
    asked = any(
        reading.schema.subject(m.subject).person and not m.plural for span in spans for m in span.all("subject")
    )
    if reading.tagged(Tag.WHO) and not asked:
        return person, False
    if any(span.has("column") and speaks_of_average(span) for span in spans):
        return None, False
    attribute = any(
        span.has("column", "colverb", "high", "low", "unit") or span.tagged(Tag.WHEN, Tag.YEAR) for span in spans
    )
    attribute = attribute or any(hinted(reading, span) for span in spans)
    valued = any(span.has("value") for span in spans)
    if attribute or asked or valued:
        return _thing(reading), True
    return None, False
