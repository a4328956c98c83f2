"""Read a question into queries, or say which words stood in the way."""

from localhost.services.model.bounds import read_bounds
from localhost.services.model.checks import check_leftovers, check_query, check_reach
from localhost.services.model.comparing import compare_names, compares, read_comparison, use_joints
from localhost.services.model.forms import build
from localhost.services.model.grouping import read_groups
from localhost.services.model.lexicon import Tag
from localhost.services.model.lookups import look_up
from localhost.services.model.names import find_names, force_name
from localhost.services.model.periods import read_periods
from localhost.services.model.query import Query
from localhost.services.model.ranking import read_superlatives
from localhost.services.model.reading import Reading, UnclearError
from localhost.services.model.roles import read_names, weighs
from localhost.services.model.schema import Schema
from localhost.services.model.shape import choose_rows, shape_of
from localhost.services.model.spans import is_noise
from localhost.services.model.text import tokenize
from localhost.services.model.values import read_missing, read_texts, read_values
from localhost.services.model.vocabulary import Vocabulary
from shared.catalog import Language

_RELATIVE = frozenset(
    "this last past next current previous recent este esta ultimo ultima ultimos ultimas pasado pasada pasados proximo "
    "actual reciente recientes".split()
)


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
    if strange := [span.tokens[0].text for span in reading.spans if span.kind == "unknown" and not is_noise(span)]:
        in_text = reading.tagged(Tag.CONTAINS, Tag.STARTS, Tag.ENDS, Tag.THE_WORD, Tag.IN)
        if not in_text:
            raise UnclearError("unknown", *strange)
    _refuse_relative_times(reading)
    read_texts(reading)
    if strange := [s.tokens[0].text for s in reading.spans if s.kind == "unknown" and not s.used and not is_noise(s)]:
        raise UnclearError("unknown", *strange)
    read_comparison(reading)
    read_bounds(reading)
    read_periods(reading)
    read_missing(reading)
    read_values(reading)
    read_names(reading)
    if compares(reading) or weighs(reading) or reading.tagged(Tag.HOW_MANY, Tag.NUMBER_OF, Tag.AVERAGE, Tag.SUM):
        compare_names(reading)
    _refuse_relations(reading)
    people = [n for n in reading.named if n.subject and not n.title]
    for subject in dict.fromkeys(named.subject for named in people):
        anyone = [named for named in people if named.subject == subject]
        reading.add(anyone[0].at, *(named.condition(reading.schema) for named in anyone))
        if len(anyone) > 1:
            reading.assumptions.append("either")
            use_joints(reading)
    reading.named = [n for n in reading.named if n not in people]
    read_superlatives(reading)
    if reading.named:
        queries = look_up(reading)
    else:
        rows = choose_rows(reading)
        read_groups(reading, rows)
        shape = shape_of(reading, rows)
        queries = [build(shape)]
        check_query(shape, queries[0])
    for query in queries:
        check_reach(query, reading.schema)
    check_leftovers(reading, queries)
    return queries, reading


def _refuse_relations(reading: Reading) -> None:
    """Refuse a comparison with one thing only: "films longer than Titanic" would need its figure first."""
    for named in reading.named:
        before = reading.previous(named.at, Tag.OF, Tag.IN, Tag.BY)
        alone = len(reading.named) == 1
        if alone and before and before[1].tagged(Tag.THAN, Tag.MORE_THAN, Tag.LESS_THAN) and not before[1].used:
            raise UnclearError("leftover", before[1].said, named.text)


def _refuse_relative_times(reading: Reading) -> None:
    """Refuse "this year" and "the last decade": the data does not say what day it is."""
    for at, span in enumerate(reading.spans):
        if span.kind != "phrase" or not span.tagged(Tag.YEAR, Tag.DECADE, Tag.MONTH):
            continue
        beside = [*reading.spans[max(at - 2, 0) : at], *reading.spans[at + 1 : at + 2]]
        relative = [near for near in beside if near.norm in _RELATIVE]
        if relative:
            raise UnclearError("leftover", relative[0].said, span.said)
