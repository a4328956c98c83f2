"""Find names by their capitals: "The Land Girls", "Steven Spielberg", "12 Angry Men"."""

from collections.abc import Sequence

from localhost.services.model.lexicon import UNKNOWABLE, Tag
from localhost.services.model.places import opens_title
from localhost.services.model.spans import Span, read_spans
from localhost.services.model.text import Token
from localhost.services.model.vocabulary import Vocabulary

_CONNECTORS = frozenset(
    "of the and a an in to for on at with from de la el y los las del von van der den da di e o le les du no or & "
    ": , ! . - /".split()
)
_ARTICLES = frozenset({"the", "a", "el", "la", "los", "las"})


def capitals_tell(tokens: Sequence[Token]) -> bool:
    """Whether capitals mean something here: not all letters are large, and not every word begins with one."""
    words = [token for token in tokens if token.kind == "word"]
    long = [token for token in words[1:] if len(token.text) > 3]
    if words and all(token.text.isupper() for token in words):
        return False
    lower = [token for token in words[1:] if not token.capital]
    return bool(lower) or len(long) <= 2


def take_capitals(
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
    ahead = at + 2 if at + 1 < len(tokens) and tokens[at + 1].norm == ":" else at + 1
    number_first = first.kind == "number" and ahead < len(tokens) and tokens[ahead].capital
    if id(first) in quoted or not (first.capital or number_first):
        return at
    if at == 0 and id(first) not in unknown and first.norm not in _ARTICLES:
        return at
    end = at + 1
    while end < len(tokens):
        ahead = end
        while ahead < len(tokens) and (tokens[ahead].norm in _CONNECTORS or tokens[ahead].kind == "possessive"):
            ahead += 1
        if ahead >= len(tokens) or id(tokens[ahead]) in quoted:
            break
        if tokens[end].kind == "possessive" and ahead > end + 1:
            break  # "Spielberg's and Scorsese's" are two
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
    opener = bool(before) and opens_title(before, len(before) - 1)
    articled = run[0].norm in _ARTICLES
    return len(known) > 1 and (opener or articled)
