"""Build the lookup of what a question names: "who directed Jaws", "is Titanic longer than Magnolia"."""

from localhost.services.model.bounds import hinted
from localhost.services.model.comparing import use_marks
from localhost.services.model.lexicon import Tag
from localhost.services.model.query import Dimension, Measure, Order, Query
from localhost.services.model.reading import Named, Reading, UnclearError
from localhost.services.model.roles import default_person
from localhost.services.model.shape import Shape, shape_of
from localhost.services.model.vocabulary import Ref


def look_up(reading: Reading) -> list[Query]:
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
    if reading.limit or (things and any(measure.aggregate == "count" for measure in shape.measures)):
        raise UnclearError("count", *_names(reading.named))
    for span in reading.spans:
        if span.has("phrase") and not span.used and not span.tagged(Tag.OF, Tag.FROM):
            raise UnclearError("leftover", span.said)
    shows = _asked_facts(reading, shape, subject)
    lookup = Query(
        "lookup",
        subject,
        tuple(shape.clauses),
        show=tuple(shows or _all_facts(reading, subject)),
        names=tuple(_names(reading.named)),
        orders=tuple(Order(s.by, s.descending) for s in reading.superlatives if s.by),
    )
    person = default_person(reading) if any(not named.subject for named in reading.named) else None
    return [lookup, _person(reading, person.name, shape, rows)] if person else [lookup]


def _asked_facts(reading: Reading, shape: Shape, subject: str) -> list[Ref | Dimension]:
    """Return what is asked of the thing: columns, "who directed", "is it a comedy", "longer than"."""
    schema = reading.schema
    shows: list[Ref | Dimension] = [*reading.shows, *(m.ref for m in shape.measures if m.ref)]
    shows += [s.by for s in reading.superlatives if s.by]
    shows += [head.dimension for head in shape.heads]
    reading.use(*(head.at for head in shape.heads))
    for clause in [f.clause for f in reading.filters]:
        role = schema.column(clause[0].ref).role
        listed = clause[0].operator in {"has", "="} and role == "dimension"
        if listed or (reading.spans[0].tagged(Tag.BE, Tag.DO) and role in {"measure", "time"}):
            shows.append(clause[0].ref)  # "is it a comedy" is answered by saying what it is
            shape.clauses.remove(clause)
    use_marks(reading)
    shows += [ref for span in reading.spans if not span.used and (ref := hinted(reading, span))]
    for at, span in enumerate(reading.spans):
        if span.has("colverb") and not span.used and not shows and (ref := reading.numeric(span)):
            shows += [ref] if schema.one_row_path(schema.subject(subject).table, ref.table) else []
        if span.has("colverb", "verb") or span.tagged(Tag.OR, Tag.MORE_THAN, Tag.LESS_THAN, Tag.AVERAGE, Tag.SUM):
            reading.use(at)
    return [fact for fact in dict.fromkeys(shows) if not _same_label(reading, fact, subject)]


def _names(named: list[Named]) -> list[str]:
    """Return what is named, each once."""
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
    measures = [reading.usual(ref) for ref in asked]
    measures = [*shape.measures, *(m for m in measures if m not in shape.measures)]
    measures = measures or [Measure("count"), *([Measure("avg", rank)] if rank else [])]
    if Measure("count") not in measures:
        measures.append(Measure("count"))
    return Query(
        "group", rows, tuple(shape.clauses), dimensions=(Dimension(schema.label(subject), subject=person),),
        measures=tuple(measures), among=among, orders=(Order(measures[0]),),
    )  # fmt: skip
