"""Say in words what a query looks for and what was taken for granted: its purpose and its assumptions."""

from localhost.services.model.naming import Naming
from localhost.services.model.query import Clause, Condition, Dimension, Having, Measure, Query
from localhost.services.model.reading import Reading
from localhost.services.model.schema import Schema
from localhost.services.model.vocabulary import Ref
from shared.catalog import Language

_OPERATORS: dict[Language, dict[str, str]] = {
    "en": {
        "=": "{} {}", ">=": "{} at least {}", ">": "{} above {}", "<=": "{} at most {}", "<": "{} below {}",
        "between": "{} from {} to {}", "null": "no {}", "not null": "a {}", "contains": "{} with '{}' in it",
        "starts": "{} beginning with '{}'", "ends": "{} ending in '{}'", "is": "{} '{}'",
        "named": "{} '{}'", "linked": "{}", "has": "{} {}",
    },
    "es": {
        "=": "{} {}", ">=": "{} de al menos {}", ">": "{} por encima de {}", "<=": "{} de hasta {}",
        "<": "{} por debajo de {}", "between": "{} de {} a {}", "null": "sin {}", "not null": "con {}",
        "contains": "{} que contiene '{}'", "starts": "{} que empieza por '{}'", "ends": "{} que termina en '{}'",
        "is": "{} '{}'",
        "named": "{} '{}'", "linked": "{}", "has": "{} {}",
    },
}  # fmt: skip
_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "by": "by",
        "or": "or",
        "not": "not",
        "all": "what is known of",
        "share": "percentage of",
        "each": "of each",
    },
    "es": {
        "by": "por",
        "or": "o",
        "not": "no",
        "all": "lo que se sabe de",
        "share": "porcentaje de",
        "each": "de cada",
    },
}
_ASSUMED: dict[Language, dict[str, str]] = {
    "en": {
        "rows": "Only {rows} are counted, since nothing else was said.",
        "literal": "The ranking by {measure} is taken literally: no minimum of {other} was asked for.",
        "ranked": "Ranked by {measure}, since nothing else was said.",
        "lists": "Where there are several {column}, each of them counts.",
        "either": "Either of the values is enough.",
        "limit": "The first {limit} are shown.",
        "ties": "All that tie for first place are shown.",
        "name": "'{name}' is taken for the name of a {subject}.",
        "both": "'{name}' may be the name of a {thing} or of a {person}, so both are looked up.",
        "usual": "Taken as the {measure}.",
        "small": "No minimum number of {rows} is set for a {group}.",
    },
    "es": {
        "rows": "Solo se cuentan {rows}, porque no se dijo otra cosa.",
        "literal": "El orden por {measure} se toma al pie de la letra: no se pidió un mínimo de {other}.",
        "ranked": "Se ordena por {measure}, porque no se dijo otra cosa.",
        "lists": "Donde hay varios valores de {column}, cuenta cada uno de ellos.",
        "either": "Basta con uno cualquiera de los valores.",
        "limit": "Se muestran los {limit} primeros resultados.",
        "ties": "Se muestran todos los que empatan en el primer lugar.",
        "name": "'{name}' se toma como nombre de {subject}.",
        "both": "'{name}' puede ser el nombre de {thing} o de {person}, así que se buscan ambas cosas.",
        "usual": "Se toma como {measure}.",
        "small": "No se pone un mínimo de {rows} por {group}.",
    },
}


class Explainer:
    """Explains queries over one dataset in one language."""

    def __init__(self, schema: Schema, language: Language) -> None:
        self._schema = schema
        self._naming = Naming(schema, language)
        self._language: Language = language

    def purpose(self, query: Query) -> str:
        """Return what the query looks for, as one noun phrase."""
        words = _WORDS[self._language]
        rows = self._naming.subjects(self._schema.subject(query.subject))
        groups = ", ".join(self._naming.dimension(d) for d in query.dimensions)
        measures = ", ".join(self._measure(m, query) for m in query.measures)
        if query.form == "lookup":
            what = f"{words['all']} '{query.names[0]}'"
        elif query.form == "share":
            what = f"{words['share']} {rows}" + (f" {words['by']} {groups}" if groups else "")
        elif query.form == "best_of_each":
            what = f"{rows} {words['each']} {groups}"
        elif query.form in {"group", "count_groups", "average_of_groups"}:
            what = f"{measures or rows} {words['by']} {groups}"
        else:
            what = measures or rows
        orders = [self._order(o.by, query) for o in query.orders if query.form in {"list", "best_of_each"}]
        if orders:
            what += f" {words['by']} {', '.join(orders)}"
        conditions = [self._clause(clause) for clause in (*query.share, *query.clauses)]
        conditions += [self._having(having, query) for having in query.havings]
        if query.among:
            conditions.append(f" {words['or']} ".join(_plain(c.values[0]) for c in query.among))
        return what + (f": {'; '.join(conditions)}" if conditions else "")

    def assumptions(self, query: Query, reading: Reading) -> list[str]:
        """Return what the question left open and how it was decided."""
        schema, naming, texts = self._schema, self._naming, _ASSUMED[self._language]
        subject = schema.subject(query.subject)
        found: list[str] = []
        said = any(m.subject == query.subject for span in reading.spans for m in span.all("subject"))
        if subject.filter and not said and query.form != "lookup":
            found.append(texts["rows"].format(rows=naming.subjects(subject)))
        ordered = [o.by for o in query.orders]
        rank = schema.rank_of(subject)
        if rank in ordered and reading.superlatives and not any(s.by for s in reading.superlatives):
            found.append(texts["ranked"].format(measure=naming.column(rank)))
        found += self._literally(query, ordered)
        for dimension in query.dimensions:
            if not dimension.subject and schema.column(dimension.ref).separator:
                found.append(texts["lists"].format(column=naming.columns(dimension.ref)))
        if "either" in reading.assumptions:
            found.append(texts["either"])
        if query.limit == 1 and query.form in {"list", "group"}:
            found.append(texts["ties"])
        elif query.limit and not reading.limit and query.form in {"list", "group"}:
            found.append(texts["limit"].format(limit=query.limit))
        found += self._names(reading)
        return found

    def _literally(self, query: Query, ordered: list[Measure | Dimension | Ref]) -> list[str]:
        texts = _ASSUMED[self._language]
        for by in ordered:
            ref = by.ref if isinstance(by, Measure) else by if isinstance(by, Ref) else None
            if ref is None or self._schema.column(ref).aggregate != "avg":
                continue
            if isinstance(by, Measure):
                if query.limit and not query.havings and query.dimensions:
                    rows = self._naming.subjects(self._schema.subject(query.subject))
                    return [texts["small"].format(rows=rows, group=self._naming.dimension(query.dimensions[0]))]
                return []
            tested = {c.ref for clause in query.clauses for c in clause}
            for other in self._schema.columns(ref.table):
                if self._schema.column(other).aggregate == "sum" and other not in tested:
                    measure, minimum = self._naming.column(ref), self._naming.column(other)
                    return [texts["literal"].format(measure=measure, other=minimum)]
        return []

    def _names(self, reading: Reading) -> list[str]:
        texts, found = _ASSUMED[self._language], list[str]()
        guessed = {span.text for span in reading.spans if span.kind == "name" and span.guessed}
        for named in reading.named:
            if not named.subject:
                people = [s for s in self._schema.dataset.subjects if s.person]
                person = self._naming.subject(people[0]) if people else ""
                thing = self._naming.subject(self._schema.counted())
                found.append(texts["both"].format(name=named.text, thing=thing, person=person))
        for condition in [c for f in reading.filters for c in f.clause if c.operator == "named"]:
            name = str(condition.values[0])
            if name in guessed:
                subject = self._naming.subject(self._schema.subject(condition.subject))
                found.append(texts["name"].format(name=name, subject=subject))
        return found

    def _measure(self, measure: Measure, query: Query) -> str:
        counted = next((d for d in query.show if isinstance(d, Dimension)), None) if measure.ref else None
        return self._naming.measure(measure, query.subject, counted=counted if measure.aggregate == "count" else None)

    def _order(self, by: Measure | Dimension | Ref, query: Query) -> str:
        if isinstance(by, Measure):
            return self._measure(by, query)
        return self._naming.dimension(by) if isinstance(by, Dimension) else self._naming.column(by)

    def _clause(self, clause: Clause) -> str:
        return f" {_WORDS[self._language]['or']} ".join(self._condition(condition) for condition in clause)

    def _condition(self, condition: Condition) -> str:
        if condition.operator in {"named", "linked"}:
            name = self._naming.subject(self._schema.subject(condition.subject))
        else:
            name = self._naming.column(condition.ref)
        text = _OPERATORS[self._language][condition.operator].format(name, *map(_plain, condition.values))
        return f"{_WORDS[self._language]['not']} {text}" if condition.negated else text

    def _having(self, having: Having, query: Query) -> str:
        return _OPERATORS[self._language][having.operator].format(
            self._measure(having.measure, query), *map(_plain, having.values)
        )


def _plain(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}" if value < 1e6 else str(int(value))
