"""Find the names in a question: films, people, customers - whatever the dataset does not list.

Three signs, strongest first: quotes, capitals, and the place in the sentence ("who directed ___"). A word that shows
none of them and means nothing is left unknown, so that the question is refused and not answered without it.
"""

from collections.abc import Sequence

from localhost.services.model.lexicon import UNKNOWABLE, Tag
from localhost.services.model.spans import Span, read_spans, respell
from localhost.services.model.text import Token
from localhost.services.model.vocabulary import Vocabulary

_CONNECTORS = frozenset(
    "of the and a an in to for on at with from de la el y los las del von van der den da di e o le les du no or & : , ! . - /".split()
)
_PERSON_PARTICLES = frozenset("de la del von van der den da di le du".split())
_ASKS = (Tag.WHO, Tag.WHICH, Tag.WHEN, Tag.HOW_MANY)
_COMPUTES = (Tag.AVERAGE, Tag.SUM, Tag.MEDIAN, Tag.MAXIMUM, Tag.MINIMUM, Tag.HOW_MANY, Tag.NUMBER_OF, Tag.PERCENT)
_STRUCTURE = (
    Tag.COMMON, Tag.RARE, Tag.MOST, Tag.LEAST, Tag.AVERAGE, Tag.SUM, Tag.TREND, Tag.WHICH, Tag.WHO, Tag.EACH, Tag.FIRST,
    Tag.LAST, Tag.YEAR, Tag.DECADE, Tag.NUMBER_OF, Tag.HOW_MANY,
)  # fmt: skip
_BOUNDS = (
    Tag.AT_LEAST, Tag.MORE_THAN, Tag.AT_MOST, Tag.LESS_THAN, Tag.BETWEEN, Tag.BEFORE, Tag.AFTER, Tag.SINCE,
    Tag.UNTIL, Tag.THAN, Tag.VERSUS, Tag.SORTED, Tag.PER, Tag.EACH, Tag.WITHOUT, Tag.COMPARE, Tag.PERCENT,
)  # fmt: skip


def find_names(question: str, tokens: Sequence[Token], vocabulary: Vocabulary, language: str) -> list[Span]:
    """Return the spans of the question with its names found and its slips of the pen mended."""
    spans = read_spans(tokens, vocabulary, language)
    if _capitals_tell(tokens):
        spans = _take_capitals(question, spans, tokens, vocabulary, language)
    spans = _mend(question, spans, vocabulary, language)
    return _take_places(question, spans)


def force_name(question: str, tokens: Sequence[Token], vocabulary: Vocabulary, language: str) -> list[Span] | None:
    """Read what stands in the name's place as a name although its words are known: "who directed Best in Show"."""
    spans = find_names(question, tokens, vocabulary, language)
    if any(span.kind == "name" for span in spans):
        return None
    for at, _ in enumerate(spans):
        if not _opens_title(spans, at) or (end := _title_end(spans, at + 1)) <= at + 1:
            continue
        if not any(span.tagged(*_STRUCTURE) for span in spans[at + 1 : end]):
            return [*spans[: at + 1], _name(question, spans[at + 1 : end], guessed=True), *spans[end:]]
    return None


def _capitals_tell(tokens: Sequence[Token]) -> bool:
    """Whether capitals mean something here: not all letters are large, and not every word begins with one."""
    words = [token for token in tokens if token.kind == "word"]
    long = [token for token in words[1:] if len(token.text) > 3]
    if words and all(token.text.isupper() for token in words):
        return False
    lower = [token for token in words[1:] if not token.capital]
    return bool(lower) or len(long) <= 2


def _name(question: str, spans: Sequence[Span], *, guessed: bool = False) -> Span:
    tokens = [token for span in spans for token in span.tokens]
    return Span("name", tokens, text=question[tokens[0].start : tokens[-1].end], guessed=guessed)


def _take_capitals(
    question: str, spans: list[Span], tokens: Sequence[Token], vocabulary: Vocabulary, language: str
) -> list[Span]:
    unknown = {id(token) for span in spans if span.kind == "unknown" for token in span.tokens}
    quoted = {id(token) for span in spans if span.kind == "name" for token in span.tokens}
    kept: list[Span] = []
    pending: list[Token] = []
    at = 0

    def flush() -> None:
        kept.extend(read_spans(pending, vocabulary, language))
        pending.clear()

    while at < len(tokens):
        end = _run_end(tokens, at, unknown, quoted)
        run = tokens[at:end]
        if run and _is_name(run, at, unknown, vocabulary, read_spans(pending, vocabulary, language), language):
            flush()
            kept.append(Span("name", run, text=question[run[0].start : run[-1].end]))
            at = end
        else:
            pending.append(tokens[at])
            at += 1
    flush()
    return kept


def _run_end(tokens: Sequence[Token], at: int, unknown: set[int], quoted: set[int]) -> int:
    """Return where the run of capitalised words that begins at ``at`` ends; ``at`` where none begins."""
    first = tokens[at]
    number_first = first.kind == "number" and at + 1 < len(tokens) and tokens[at + 1].capital
    if id(first) in quoted or not (first.capital or number_first):
        return at
    if at == 0 and id(first) not in unknown and first.norm not in {"the", "a", "el", "la", "los", "las"}:
        return at
    end = at + 1
    while end < len(tokens):
        ahead = end
        while ahead < len(tokens) and (tokens[ahead].norm in _CONNECTORS or tokens[ahead].kind == "possessive"):
            ahead += 1
        if ahead >= len(tokens) or id(tokens[ahead]) in quoted:
            break
        adjacent_number = tokens[ahead].kind == "number" and (ahead == end or tokens[ahead - 1].norm == ":")
        if not (tokens[ahead].capital or (adjacent_number and _ends_name(tokens, ahead))):
            break
        end = ahead + 1
    return end


def _ends_name(tokens: Sequence[Token], at: int) -> bool:
    return not (tokens[at].norm.isdigit() and len(tokens[at].norm) == 4 and tokens[at - 1].norm == "(")


def _is_name(
    run: Sequence[Token], at: int, unknown: set[int], vocabulary: Vocabulary, before: Sequence[Span], language: str
) -> bool:
    strange = [token for token in run if id(token) in unknown]
    if run[0].kind == "number":
        opens = not before or before[-1].tagged(Tag.OF, Tag.BE, Tag.ABOUT, Tag.CALLED, Tag.DO) or before[-1].has("verb")
        return bool(strange) and opens
    if strange:
        slip = len(run) == 1 and at == 0 and vocabulary.correct(run[0].norm)
        return not slip and not all(token.norm in UNKNOWABLE for token in strange)
    if len(run) < 2 or at == 0:
        return False
    known = read_spans(run, vocabulary, language)
    if any(meaning.plural for span in known for meaning in span.all("subject")):
        return False
    opener = bool(before) and _opens_title(before, len(before) - 1)
    articled = run[0].norm in {"the", "a", "el", "la", "los", "las"}
    return len(known) > 1 and (opener or articled)


def _mend(question: str, spans: list[Span], vocabulary: Vocabulary, language: str) -> list[Span]:
    """Respell slips of the pen, but not within what can only be a name."""
    tokens: list[Token] = []
    names: dict[int, Span] = {}
    changed = False
    for at, span in enumerate(spans):
        if span.kind == "name":
            names[id(span.tokens[0])] = span
            tokens.append(span.tokens[0])
            continue
        word = vocabulary.correct(span.tokens[0].norm) if span.kind == "unknown" else None
        if word and span.tokens[0].norm not in UNKNOWABLE and not _beside_strange(spans, at, vocabulary):
            tokens.append(respell(span.tokens[0], word))
            changed = True
        else:
            tokens.extend(span.tokens)
    if not changed:
        return spans
    mended: list[Span] = []
    stretch: list[Token] = []
    for token in tokens:
        if id(token) in names:
            mended += [*read_spans(stretch, vocabulary, language), names[id(token)]]
            stretch = []
        else:
            stretch.append(token)
    return [*mended, *read_spans(stretch, vocabulary, language)]


def _beside_strange(spans: Sequence[Span], at: int, vocabulary: Vocabulary) -> bool:
    """Whether a neighbour is a word that no slip explains: then both are more likely a name."""
    for near in (at - 1, at + 1):
        if 0 <= near < len(spans) and spans[near].kind == "unknown":
            norm = spans[near].tokens[0].norm
            if not vocabulary.correct(norm) and norm not in UNKNOWABLE:
                return True
    return False


def _take_places(question: str, spans: list[Span]) -> list[Span]:
    """Turn unknown words into names where the sentence has a place for one."""
    at = 0
    while at < len(spans):
        if spans[at].kind != "unknown":
            at += 1
            continue
        start, end = _stretch(spans, at)
        stretch = spans[start:end]
        if end > start and not _unknowable(stretch) and not any(span.kind == "name" for span in stretch):
            spans = [*spans[:start], _name(question, stretch, guessed=True), *spans[end:]]
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
        if _opens_title(spans, opener) and (end := _title_end(spans, opener + 1)) > at:
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
        opens = end < len(spans) and (
            spans[end].has("column", "verb") or spans[end].norm == "'s" or _one_person(spans[end])
        )
    else:
        opens = _opens_any(spans, spans.index(before), end)
    after_subject = end < len(spans) and spans[end].has("subject") and unknown >= 2
    possessive = end < len(spans) and spans[end].norm == "'s"
    named = end < len(spans) and spans[end].kind == "name"
    return (start, end) if (opens or after_subject or possessive) and not named else (start, start)


def _one_person(span: Span) -> bool:
    return span.has("subject") and not any(meaning.plural for meaning in span.all("subject"))


def _opens_any(spans: Sequence[Span], at: int, end: int) -> bool:
    """Whether a name may follow the span at ``at``, to end before the one at ``end``."""
    span = spans[at]
    if span.has("phrase", "verb") or span.tagged(
        Tag.ABOUT, Tag.CALLED, Tag.THAN, Tag.COMPARE, Tag.VERSUS, Tag.CONTAINS, Tag.THE_WORD, Tag.STARTS, Tag.ENDS, Tag.WHO,
    ):  # fmt: skip
        return True
    rest = spans[end:]
    if span.tagged(Tag.BE):
        return at == 0 and bool(rest)
    if span.tagged(Tag.DO):
        return any(later.has("verb", "colverb") for later in rest)
    counted = any(earlier.tagged(Tag.HOW_MANY) for earlier in spans[:at])
    return span.tagged(Tag.HAVE) and (any(later.has("verb") for later in rest) or (counted and end - at > 2))


def _opens_title(spans: Sequence[Span], at: int) -> bool:
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


def _title_end(spans: Sequence[Span], start: int) -> int:
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
