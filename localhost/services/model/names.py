"""Find the names in a question: films, people, customers - whatever the dataset does not list.

Three signs, strongest first: quotes, capitals, and the place in the sentence ("who directed ___"). A word that shows
none of them and means nothing is left unknown, so that the question is refused and not answered without it.
"""

from collections.abc import Sequence

from localhost.services.model.capitals import capitals_tell, take_capitals
from localhost.services.model.lexicon import UNKNOWABLE, Tag
from localhost.services.model.places import opens_title, take_places, title_end
from localhost.services.model.spans import Span, name_of, read_spans, respell
from localhost.services.model.text import Token
from localhost.services.model.vocabulary import Vocabulary

_STRUCTURE = (
    Tag.COMMON, Tag.RARE, Tag.MOST, Tag.LEAST, Tag.AVERAGE, Tag.SUM, Tag.TREND, Tag.WHICH, Tag.WHO, Tag.EACH, Tag.FIRST,
    Tag.LAST, Tag.YEAR, Tag.DECADE, Tag.NUMBER_OF, Tag.HOW_MANY,
)  # fmt: skip


def find_names(question: str, tokens: Sequence[Token], vocabulary: Vocabulary, language: str) -> list[Span]:
    """Return the spans of the question with its names found and its slips of the pen mended."""
    spans = read_spans(tokens, vocabulary, language)
    if capitals_tell(tokens):
        spans = take_capitals(question, spans, tokens, vocabulary, language)
    spans = _mend(spans, vocabulary, language)
    return take_places(question, _without_verbs(spans))


def _without_verbs(spans: list[Span]) -> list[Span]:
    """Let "show" at the beginning be what it is, though a dataset may call a series a show."""
    for span in spans:
        if not span.tagged(Tag.FILLER, Tag.ARTICLE):
            break
        if span.tagged(Tag.FILLER):
            span.meanings = [meaning for meaning in span.meanings if meaning.kind == "tag"]
    return spans


def force_name(question: str, tokens: Sequence[Token], vocabulary: Vocabulary, language: str) -> list[Span] | None:
    """Read what stands in the name's place as a name although its words are known: "who directed Best in Show"."""
    spans = find_names(question, tokens, vocabulary, language)
    if any(span.kind == "name" for span in spans):
        return None
    for at, _ in enumerate(spans):
        if not opens_title(spans, at) or (end := title_end(spans, at + 1)) <= at + 1:
            continue
        if not any(span.tagged(*_STRUCTURE) for span in spans[at + 1 : end]):
            return [*spans[: at + 1], name_of(question, spans[at + 1 : end], guessed=True), *spans[end:]]
    return None


def _mend(spans: list[Span], vocabulary: Vocabulary, language: str) -> list[Span]:
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
