"""Write a query as one SELECT, in the form that it has."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from localhost.services.model.naming import PERCENTAGE, Naming, alias
from localhost.services.model.query import Dimension, Form, Measure, Order, Query
from localhost.services.model.schema import Schema
from localhost.services.model.sql.expressions import Expressions
from localhost.services.model.sql.literals import Column, limit, order_by, same, select
from localhost.services.model.sql.lookup import lookup
from localhost.services.model.sql.source import Source
from localhost.services.model.vocabulary import Ref
from shared.catalog import Language

_MOST_TIES = 20
_PART: Mapping[Language, tuple[str, str]] = {
    "en": ("matching", "out_of"),
    "es": ("coincidentes", "de_un_total_de"),
}


class SqlWriter:
    """Writes queries over one dataset; columns are named in one language."""

    def __init__(self, schema: Schema, language: Language) -> None:
        self._schema = schema
        self._naming = Naming(schema, language)
        self._write = Expressions(schema, self._naming)
        self._language: Language = language

    def write(self, query: Query) -> str:
        """Return the SQL of ``query``."""
        writers: Mapping[Form, Callable[[Query], str]] = {
            "list": self._list,
            "total": self._total,
            "group": self._group,
            "share": self._share,
            "lookup": lambda asked: lookup(self._write, asked),
            "best_of_each": self._best_of_each,
            "count_groups": self._over_groups,
            "average_of_groups": self._over_groups,
        }
        return writers[query.form](query)

    def _list(self, query: Query) -> str:
        source = self._write.source(query)
        label = self._write.label(query)
        facts = self._write.facts(source, query)
        for order in query.orders:
            if isinstance(order.by, Ref):
                source.where.append(f"{order.by} IS NOT NULL")
        ranked = self._write.order_terms(source, query)
        if query.limit == 1 and ranked:
            return _winners(facts, ranked, source.text(), facts[0][1])
        terms = [*ranked, str(label), str(self._schema.key(source.base))]
        return select(facts, source.text(), order_by(terms), limit(query.limit))

    def _total(self, query: Query) -> str:
        source = self._write.source(query)
        figures = [self._figure(source, measure, query) for measure in query.measures]
        if query.limit:
            return self._total_of_first(source, query)
        return select(figures, source.text())

    def _total_of_first(self, source: Source, query: Query) -> str:
        """Write figures over the first rows of a ranking."""
        refs = dict.fromkeys(measure.ref for measure in query.measures if measure.ref)
        source.where += [f"{order.by} IS NOT NULL" for order in query.orders]
        terms = [*self._write.order_terms(source, query), str(self._write.label(query))]
        first = select([(str(ref), ref.column) for ref in refs], source.text(), order_by(terms), limit(query.limit))
        figures = [
            (f"{measure.aggregate.upper()}({measure.ref.column})", measure) for measure in query.measures if measure.ref
        ]
        columns = [
            (f"ROUND({text}, 2)", alias(self._naming.measure(measure, query.subject))) for text, measure in figures
        ]
        return select(columns, f"FROM ({first}) AS ranked")

    def _figure(self, source: Source, measure: Measure, query: Query) -> Column:
        """Return a measure as a column; a count of a dimension's values counts the first dimension that is shown."""
        shown = next((item for item in query.show if isinstance(item, Dimension)), None)
        if measure.aggregate == "count" and measure.ref and shown:
            name = self._naming.measure(measure, query.subject, counted=shown)
            return f"COUNT(DISTINCT {self._write.identity(source, shown)})", alias(name)
        return self._write.measure(source, measure), alias(self._naming.measure(measure, query.subject))

    def _group(self, query: Query) -> str:
        source = self._write.source(query)
        grouped, groups = self._write.dimensions(source, query)
        figures = [self._figure(source, measure, query) for measure in query.measures]
        havings = self._write.havings(source, query)
        if query.among and query.dimensions[0].subject:
            source.where.append(self._write.among(source, query))
        elif query.among:
            havings.append(self._write.among(source, query))
        if not query.among:  # what is compared by name is shown even where it has no figure
            havings += [f"{figure} IS NOT NULL" for figure in self._ranked_figures(source, query)]
        having = f"HAVING {' AND '.join(dict.fromkeys(havings))}" if havings else ""
        rows = " ".join(filter(None, [source.text(), f"GROUP BY {', '.join(groups)}", having]))
        terms = [self._order_term(source, order) for order in query.orders]
        columns = [*grouped, *figures]
        if query.limit == 1 and terms:
            return _winners(columns, terms, rows, grouped[0][1])
        terms += [name for expression, name in grouped if f"{expression} ASC" not in terms]
        if having:
            return _ordered_outside(columns, rows, terms, query.limit)
        return select(columns, rows, order_by(terms), limit(query.limit))

    def _ranked_figures(self, source: Source, query: Query) -> Iterator[str]:
        for order in query.orders:
            if isinstance(order.by, Measure) and order.by.aggregate != "count":
                yield self._write.measure(source, order.by, rounded=False)

    def _order_term(self, source: Source, order: Order) -> str:
        """Return what groups are ordered by; not by the rounded figure, which makes ties of near misses."""
        direction = "DESC" if order.descending else "ASC"
        if isinstance(order.by, Measure):
            return f"{self._write.measure(source, order.by, rounded=False)} {direction}"
        if isinstance(order.by, Dimension):
            return f"{self._write.dimension(source, order.by)[0]} {direction}"
        return f"{order.by} {direction}"

    def _share(self, query: Query) -> str:
        source = self._write.source(query)
        percentage = alias(PERCENTAGE[self._language])
        counted = alias(self._naming.measure(Measure("count"), query.subject))
        test = " AND ".join(self._write.clause(source, clause) for clause in query.share)
        matching = f"SUM(CASE WHEN {test} THEN 1 ELSE 0 END)"
        share = f"ROUND(100 * {matching} / COUNT(*), 2)"
        if not query.dimensions:
            part, whole = _PART[self._language]
            return select([(share, percentage), (matching, part), ("COUNT(*)", whole)], source.text())
        grouped, groups = self._write.dimensions(source, query)
        if not query.share:
            everything = select([("COUNT(*)", "COUNT(*)")], self._write.source(query).text())
            share = f"ROUND(100 * COUNT(*) / ({everything}), 2)"
        terms = [grouped[0][1]] if query.dimensions[0].bin else [f"{percentage} DESC", grouped[0][1]]
        columns = [*grouped, (share, percentage), ("COUNT(*)", counted)]
        return select(columns, source.text(), f"GROUP BY {', '.join(groups)}", order_by(terms))

    def _best_of_each(self, query: Query) -> str:
        source = self._write.source(query)
        grouped, groups = self._write.dimensions(source, query)
        facts = [fact for fact in self._write.facts(source, query) if fact not in grouped]
        source.where += [f"{order.by} IS NOT NULL" for order in query.orders if isinstance(order.by, Ref)]
        key = self._schema.key(source.base)
        terms = [*self._write.order_terms(source, query), str(self._write.label(query)), str(key)]
        place = f"ROW_NUMBER() OVER (PARTITION BY {', '.join(groups)} {order_by(terms)})"
        columns = [*grouped, *facts]
        ranked = select([*columns, (place, "place")], source.text())
        within = f"WHERE place <= {query.limit or 1}"
        return select(same(columns), f"FROM ({ranked}) AS ranked", within, order_by([grouped[0][1], "place"]))

    def _over_groups(self, query: Query) -> str:
        """Write "how many directors have five films" and "films per director on average": figures of the groups."""
        source = self._write.source(query)
        grouped, groups = self._write.dimensions(source, query)
        havings = self._write.havings(source, query)
        having = f"HAVING {' AND '.join(havings)}" if havings else ""
        sizes = select([*grouped, ("COUNT(*)", "size")], source.text(), f"GROUP BY {', '.join(groups)}", having)
        dimension = query.dimensions[0]
        if query.form == "count_groups":
            name = self._naming.measure(Measure("count", dimension.ref), query.subject, counted=dimension)
            column = ("COUNT(*)", alias(name))
        else:
            column = ("ROUND(AVG(size), 2)", alias(self._naming.average_size(query.subject, dimension)))
        return select([column], f"FROM ({sizes}) AS sizes")


def _winners(columns: Sequence[Column], terms: Sequence[str], rows: str, first: str) -> str:
    """Return the first row and all that tie with it: one winner of several would be half the truth."""
    ranked = select([*columns, (f"RANK() OVER ({order_by(terms)})", "place")], rows)
    return select(same(columns), f"FROM ({ranked}) AS ranked", "WHERE place = 1", order_by([first]), limit(_MOST_TIES))


def _ordered_outside(columns: Sequence[Column], rows: str, terms: Sequence[str], count: int | None) -> str:
    """Write groups that a query around them orders: after a HAVING, Spark orders by no aggregate that is not shown."""
    keys: list[Column] = []
    outside: list[str] = []
    names = {name for _, name in columns}
    for number, term in enumerate(terms, start=1):
        expression, direction = term.rsplit(" ", 1) if term.endswith((" ASC", " DESC")) else (term, "ASC")
        if expression in names:
            outside.append(f"{expression} {direction}")
        else:
            keys.append((expression, f"order_{number}"))
            outside.append(f"order_{number} {direction}")
    inside = select([*columns, *keys], rows)
    return select(same(columns), f"FROM ({inside}) AS grouped", order_by(outside), limit(count))
