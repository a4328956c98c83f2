"""Read a question into queries, or say which words stood in the way."""

from localhost.services.model.bounds import hinted, read_bounds
from localhost.services.model.comparing import compare_names, read_comparison, use_marks
from localhost.services.model.forms import build
from localhost.services.model.grouping import read_groups
from localhost.services.model.lexicon import Tag
from localhost.services.model.names import find_names, force_name
from localhost.services.model.periods import read_periods
from localhost.services.model.query import Dimension, Measure, Order, Query
from localhost.services.model.ranking import read_superlatives
from localhost.services.model.reading import Named, Reading, UnclearError
from localhost.services.model.roles import default_person, read_names
from localhost.services.model.schema import Schema
from localhost.services.model.shape import Shape, choose_rows, shape_of
from localhost.services.model.spans import Span
from localhost.services.model.text import tokenize
from localhost.services.model.values import read_missing, read_texts, read_values
from localhost.services.model.vocabulary import Ref, Vocabulary
from shared.catalog import Language

_SILENT = (
    Tag.FILLER, Tag.ARTICLE, Tag.OF, Tag.IN, Tag.TO, Tag.BY, Tag.WITH, Tag.AND, Tag.BE, Tag.HAVE, Tag.DO, Tag.WHICH,
    Tag.WHO, Tag.WHEN, Tag.FROM, Tag.VALUE, Tag.KNOWN, Tag.SORTED, Tag.HOW_MANY, Tag.NUMBER_OF, Tag.ABOUT, Tag.CALLED,
    Tag.DISTINCT, Tag.ASCENDING, Tag.DESCENDING,
)  # fmt: skip


def read_question(
    question: str, schema: Schema, vocabulary: Vocabulary, language: Language, *, guess_names: bool = True
) -> tuple[list[Query], Reading]:
    """Return the queries that answer ``question``, and the reading they came from.

    Args:
        guess_names: whether words that only their place shows to be a name may be one. Read in the wrong language,
            every word looks like a name.

    Raises:
        UnclearError: words were left that carry meaning and had no place.
    """
    tokens = tokenize(question)
    if not guess_names:
        spans = find_names(question, tokens, vocabulary, language)
        if guessed := [span.text for span in spans if span.kind == "name" and span.guessed]:
            raise UnclearError("unknown", *guessed)
        return _read(Reading(question, language, schema, vocabulary, spans))
    try:
        return _read(
            Reading(question, language, schema, vocabulary, find_names(question, tokens, vocabulary, language))
        )
    except UnclearError:
        spans = force_name(question, tokens, vocabulary, language)
        if spans is None:
            raise
        try:
            return _read(Reading(question, language, schema, vocabulary, spans))
        except UnclearError as second:
            unclear = second
    raise unclear


def _read(reading: Reading) -> tuple[list[Query], Reading]:
    if strange := [span.tokens[0].text for span in reading.spans if span.kind == "unknown" and not _is_noise(span)]:
        in_text = reading.tagged(Tag.CONTAINS, Tag.STARTS, Tag.ENDS, Tag.THE_WORD, Tag.IN)
        if not in_text:
            raise UnclearError("unknown", *strange)
    read_texts(reading)
    if strange := [s.tokens[0].text for s in reading.spans if s.kind == "unknown" and not s.used and not _is_noise(s)]:
        raise UnclearError("unknown", *strange)
    read_comparison(reading)
    read_bounds(reading)
    read_periods(reading)
    read_missing(reading)
    read_values(reading)
    read_names(reading)
    compare_names(reading)
    people = [n for n in reading.named if n.subject and not n.title]
    for named in people:
        reading.add(named.at, named.condition(reading.schema))
    reading.named = [n for n in reading.named if n not in people]
    read_superlatives(reading)
    if reading.named:
        queries = _look_up(reading)
    else:
        rows = choose_rows(reading)
        read_groups(reading, rows)
        shape = shape_of(reading, rows)
        queries = [build(shape)]
        _check_substance(shape, queries[0])
    _check_leftovers(reading)
    return queries, reading


def _is_noise(span: Span) -> bool:
    return len(span.norm) < 2 and not span.norm.isalnum()


def _look_up(reading: Reading) -> list[Query]:
    """Return a lookup of what is named; where a name may be a person's too, that person's figures beside it."""
    schema = reading.schema
    things = [n for n in reading.named if n.subject]
    subject = things[0].subject if things else schema.counted().name
    rows = next(
        (
            m.subject
            for _, _, m in reading.mentions("subject")
            if not schema.subject(m.subject).via and not schema.subject(m.subject).person
        ),
        subject,
    )
    shape = shape_of(reading, rows if not things else subject)
    shows: list[Ref | Dimension] = [*reading.shows, *(m.ref for m in shape.measures if m.ref)]
    shows += [s.by for s in reading.superlatives if s.by]
    for head in shape.heads:
        reading.use(head.at)
        shows.append(head.dimension)
    for clause in [f.clause for f in reading.filters]:
        if clause[0].operator in {"has", "="} and schema.column(clause[0].ref).role == "dimension":
            shows.append(clause[0].ref)  # "is it a comedy" is answered by saying what it is
            shape.clauses.remove(clause)
    use_marks(reading)
    shows += [ref for span in reading.spans if not span.used and (ref := hinted(reading, span))]
    for at, span in enumerate(reading.spans):
        if span.tagged(Tag.OR, Tag.MORE_THAN, Tag.LESS_THAN) or (span.has("colverb") and not span.used):
            if span.has("colverb"):
                ref = reading.numeric(span)
                if ref and not shows and schema.one_row_path(schema.subject(subject).table, ref.table):
                    shows.append(ref)
            reading.use(at)
        if span.tagged(Tag.AVERAGE, Tag.SUM) or span.has("verb"):
            reading.use(at)
    names = tuple(_names(reading.named))
    looked = [ref for ref in dict.fromkeys(shows) if not _same_label(reading, ref, subject)]
    lookup = Query(
        "lookup", subject, tuple(shape.clauses), show=tuple(looked or _all_facts(reading, subject)), names=names
    )
    orders = [s for s in reading.superlatives if s.by]
    queries = [lookup.with_(orders=tuple(Order(s.by, s.descending) for s in orders if s.by))]
    if any(not n.subject for n in reading.named) and (person := default_person(reading)):
        queries.append(_person(reading, person.name, shape, rows))
    return queries


def _names(named: list[Named]) -> list[str]:
    return list(dict.fromkeys(n.text for n in named))


def _same_label(reading: Reading, item: Ref | Dimension, subject: str) -> bool:
    own = reading.schema.subject(subject)
    return (isinstance(item, Dimension) and item.subject == subject) or item == reading.schema.label(own)


def _all_facts(reading: Reading, subject: str) -> list[Ref | Dimension]:
    """Return what is told of one thing when nothing in particular is asked."""
    schema = reading.schema
    own = schema.subject(subject)
    facts: list[Ref | Dimension] = []
    for table in schema.dataset.tables:
        if schema.one_row_path(own.table, table.name):
            facts += [
                Ref(table.name, c.name)
                for c in table.columns
                if c.role == "measure" or (c.role == "dimension" and (c.values or c.separator))
            ]
    linked = next((s for s in schema.dataset.subjects if s.via and s.person and schema.path(own.table, s.via)), None)
    if linked and not own.person:
        facts.append(Dimension(schema.label(linked), subject=linked.name))
    return facts


def _person(reading: Reading, person: str, shape: Shape, rows: str) -> Query:
    """Return the figures of whoever bears the name: how many rows, and the usual figures of them."""
    schema = reading.schema
    subject = schema.subject(person)
    among = tuple(Named(n.at, n.text, person, title=False).condition(schema) for n in reading.named)
    rank = schema.rank_of(schema.subject(rows))
    asked = [r for r in reading.shows if isinstance(r, Ref)]
    measures = [Measure(schema.column(ref).aggregate or "avg", ref) for ref in asked]
    measures = [*shape.measures, *(m for m in measures if m not in shape.measures)]
    measures = measures or [Measure("count"), *([Measure("avg", rank)] if rank else [])]
    if Measure("count") not in measures:
        measures.append(Measure("count"))
    return Query(
        "group", rows, tuple(shape.clauses), dimensions=(Dimension(schema.label(subject), subject=person),),
        measures=tuple(measures), among=among, orders=(Order(measures[0]),),
    )  # fmt: skip


def _check_substance(shape: Shape, query: Query) -> None:
    """Refuse a question that came to nothing: no row, no filter, no figure in it that the dataset knows."""
    reading = shape.reading
    empty = not (query.clauses or query.measures or query.orders or query.show or query.dimensions or query.share)
    if query.form == "list" and empty and shape.rows_at is None:
        raise UnclearError("nothing")
    if reading.limit and query.limit != reading.limit:
        raise UnclearError("leftover", str(reading.limit))
    if shape.havings and not query.havings:
        raise UnclearError("count", *(str(int(having.values[0])) for having in shape.havings))


def _check_leftovers(reading: Reading) -> None:
    left = [span for span in reading.spans if not span.used and _carries_meaning(reading, span)]
    if left:
        raise UnclearError("leftover", *[span.text or " ".join(token.text for token in span.tokens) for span in left])


def _carries_meaning(reading: Reading, span: Span) -> bool:
    if span.kind in {"unknown", "number", "decade", "name"}:
        return not _is_noise(span)
    if span.kind == "mark":
        return False
    if span.tagged(*_SILENT) and not span.has("value"):
        return False
    if span.has("colverb", "verb", "phrase") and not span.has("value", "high", "low"):
        return False
    for meaning in span.all("column"):
        if meaning.ref and reading.schema.column(meaning.ref).role in {"label", "key"}:
            return False
    return True
