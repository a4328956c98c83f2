"""Write a query as Databricks SQL: two-part names, an alias for each column, ties settled, literals escaped."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from localhost.services.model.naming import PERCENTAGE, Naming, alias
from localhost.services.model.query import Clause, Condition, Dimension, Having, Measure, Order, Query
from localhost.services.model.schema import Schema, Step
from localhost.services.model.text import fold
from localhost.services.model.vocabulary import Ref
from shared.catalog import Language, Subject

_ACCENTS = "áàâäãåéèêëíìîïóòôöõúùûüñç", "aaaaaaeeeeiiiiooooouuuunc"
_MOST_TIES = 20
_MOST_MATCHES = 10


def literal(value: str | float) -> str:
    """Return ``value`` as a literal; a backslash escapes, as Spark reads it."""
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    return str(int(value)) if float(value).is_integer() else str(float(value))


def _pattern(text: str) -> str:
    """Return ``text`` for LIKE; its wildcards match any one letter, since engines differ in how to escape them."""
    return re.sub(r"[%\\]", "_", fold(text))


@dataclass(slots=True)
class _Source:
    """The FROM clause, as it grows with what the columns need."""

    schema: Schema
    base: str
    joins: list[str] = field(default_factory=list[str])
    where: list[str] = field(default_factory=list[str])
    tables: set[str] = field(default_factory=set[str])
    views: list[str] = field(default_factory=list[str])
    exploded: dict[Ref, str] = field(default_factory=dict[Ref, str])
    aliases: dict[str, str] = field(default_factory=dict[str, str])

    def full(self, table: str) -> str:
        return f"{self.schema.dataset.namespace}.{table}"

    def reach(self, table: str) -> None:
        """Join ``table``, of which a row of the base meets at most one."""
        if table == self.base or table in self.tables:
            return
        for step in self.schema.path(self.base, table) or []:
            if step.right.table != self.base and step.right.table not in self.tables:
                self.tables.add(step.right.table)
                self.joins.append(f"LEFT JOIN {self.full(step.right.table)} ON {step.right} = {step.left}")

    def reach_subject(self, subject: Subject, *, outer: bool = False) -> str:
        """Join the table that names ``subject``, through the one that ties it; return what it is called here."""
        if not subject.via:
            self.reach(subject.table)
            return subject.table
        if subject.name in self.aliases:
            return self.aliases[subject.name]
        twice = len(self.aliases) + 1
        via, own = (subject.via, subject.table) if twice == 1 else (f"{subject.via}_{twice}", f"{subject.table}_{twice}")
        steps = self.schema.path(self.base, subject.via) or []
        onward = self.schema.path(subject.via, subject.table) or []
        kind = "LEFT JOIN" if outer else "JOIN"
        for step in [*steps, *onward]:
            name = {subject.via: via, subject.table: own}.get(step.right.table, step.right.table)
            left = {subject.via: via, subject.table: own}.get(step.left.table, step.left.table)
            renamed = f" AS {name}" if name != step.right.table else ""
            test = f"{name}.{step.right.column} = {left}.{step.left.column}"
            if step.right.table == subject.via and subject.filter and outer:
                test += f" AND {_renamed(subject.filter, subject.via, via)}"
            self.joins.append(f"{kind} {self.full(step.right.table)}{renamed} ON {test}")
        if subject.filter and not outer:
            self.where.append(_renamed(subject.filter, subject.via, via))
        self.aliases[subject.name] = own
        return own

    def explode(self, ref: Ref, name: str, separator: str) -> str:
        """Make a row of each item of the list column; return what the item is called."""
        if ref not in self.exploded:
            self.reach(ref.table)
            view = f"list_{len(self.views) + 1}"
            self.views.append(f"LATERAL VIEW explode(split({ref}, {literal(separator)})) {view} AS {name}")
            self.exploded[ref] = name
        return self.exploded[ref]

    def text(self) -> str:
        return " ".join([f"FROM {self.full(self.base)}", *self.joins, *self.views, *self._where()])

    def _where(self) -> list[str]:
        return [f"WHERE {' AND '.join(dict.fromkeys(self.where))}"] if self.where else []


def _renamed(text: str, table: str, name: str) -> str:
    return re.sub(rf"\b{table}\.", f"{name}.", text)


class SqlWriter:
    """Writes queries over one dataset; columns are named in one language."""

    def __init__(self, schema: Schema, language: Language) -> None:
        self._schema = schema
        self._naming = Naming(schema, language)
        self._language: Language = language

    def write(self, query: Query) -> str:
        """Return the SQL of ``query``."""
        writers = {
            "list": self._list,
            "total": self._total,
            "group": self._group,
            "share": self._share,
            "lookup": self._lookup,
            "best_of_each": self._best_of_each,
            "count_groups": self._over_groups,
            "average_of_groups": self._over_groups,
        }
        return writers[query.form](query)

    def _source(self, query: Query, *, filtered: bool = True) -> _Source:
        subject = self._schema.subject(query.subject)
        source = _Source(self._schema, subject.table)
        if filtered and subject.filter:
            source.where.append(subject.filter)
        for clause in query.clauses:
            source.where.append(self._clause(source, clause))
        return source

    # --- forms

    def _list(self, query: Query) -> str:
        source = self._source(query)
        label = self._label(query)
        columns = self._facts(source, query)
        for order in query.orders:
            if isinstance(order.by, Ref):
                source.where.append(f"{order.by} IS NOT NULL")
        key = self._schema.key(source.base)
        if query.limit == 1 and query.orders:
            return self._tied(source, columns, self._order_terms(source, query), label, key)
        orders = [*self._order_terms(source, query), str(label), str(key)]
        return f"SELECT {_columns(columns)} {source.text()} ORDER BY {', '.join(orders)}{_limit(query.limit)}"

    def _tied(self, source: _Source, columns: Sequence[tuple[str, str]], orders: Sequence[str], label: Ref, key: Ref) -> str:
        """Return the first row and all that tie with it: one winner of several would be half the truth."""
        inner = f"{_columns(columns)}, RANK() OVER (ORDER BY {', '.join(orders)}) AS place"
        names = ", ".join(name for _, name in columns)
        first = columns[0][1]
        return (
            f"SELECT {names} FROM (SELECT {inner} {source.text()}) AS ranked WHERE place = 1 "
            f"ORDER BY {first}{_limit(_MOST_TIES)}"
        )

    def _facts(self, source: _Source, query: Query) -> list[tuple[str, str]]:
        """Return the columns that tell of one row: its name, its date, what it is ranked and filtered by, what was asked."""
        subject = self._schema.subject(query.subject)
        label = self._label(query)
        columns = [(str(label), alias(self._naming.subject(subject)))]
        wanted: list[Ref | Dimension] = []
        if time := self._schema.time_of(subject):
            wanted.append(time)
        wanted += [order.by for order in query.orders if isinstance(order.by, Ref)]
        wanted += query.show
        for clause in query.clauses:
            wanted += [c.ref for c in clause if self._schema.column(c.ref).role == "measure" and c.operator != "null"]
        for item in dict.fromkeys(wanted):
            column = self._fact(source, item)
            if column not in columns:
                columns.append(column)
        return columns

    def _fact(self, source: _Source, item: Ref | Dimension) -> tuple[str, str]:
        if isinstance(item, Ref):
            source.reach(item.table)
            return str(item), alias(self._naming.column(item))
        if item.subject:
            subject = self._schema.subject(item.subject)
            table = source.reach_subject(subject, outer=True)
            return f"{table}.{subject.label}", alias(self._naming.subject(subject))
        source.reach(item.ref.table)
        if self._schema.column(item.ref).separator:
            return str(item.ref), alias(self._naming.column(item.ref))
        return self._dimension(source, item)

    def _total(self, query: Query) -> str:
        source = self._source(query)
        counted = next((d for d in query.show if isinstance(d, Dimension)), None)
        columns: list[tuple[str, str]] = []
        for measure in query.measures:
            if measure.aggregate == "count" and measure.ref and counted:
                expression = f"COUNT(DISTINCT {self._identity(source, counted)})"
                columns.append((expression, alias(self._naming.measure(measure, query.subject, counted=counted))))
            else:
                columns.append((self._measure(source, measure), alias(self._naming.measure(measure, query.subject))))
        return f"SELECT {_columns(columns)} {source.text()}"

    def _identity(self, source: _Source, dimension: Dimension) -> str:
        """Return the expression that tells one value of ``dimension`` from another."""
        if not dimension.subject:
            return self._dimension(source, dimension)[0]
        subject = self._schema.subject(dimension.subject)
        return f"{source.reach_subject(subject)}.{self._schema.key(subject.table).column}"

    def _group(self, query: Query) -> str:
        source = self._source(query)
        grouped, groups = self._dimensions(source, query)
        counted = next((d for d in query.show if isinstance(d, Dimension)), None)
        measures = [self._grouped_measure(source, m, query, counted) for m in query.measures]
        havings = self._havings(source, query)
        if query.among and query.dimensions[0].subject:
            source.where.append(self._among(source, query))
        elif query.among:
            havings.append(self._among(source, query))
        columns = [*grouped, *measures]
        text = f"{source.text()} GROUP BY {', '.join(groups)}"
        ranked = [self._group_term(source, order, query, measures) for order in query.orders]
        havings += [f"{e} IS NOT NULL" for e in self._ranked_figures(source, query)]
        if havings:
            text += f" HAVING {' AND '.join(dict.fromkeys(havings))}"
        labels = [name for _, name in grouped]
        if query.limit == 1 and ranked:
            terms = [self._window_term(source, order, query) for order in query.orders]
            inner = f"SELECT {_columns(columns)}, RANK() OVER (ORDER BY {', '.join(terms)}) AS place {text}"
            names = ", ".join(name for _, name in columns)
            return f"SELECT {names} FROM ({inner}) AS ranked WHERE place = 1 ORDER BY {labels[0]}{_limit(_MOST_TIES)}"
        orders = list(dict.fromkeys([*ranked, *(f"{label}" for label in labels if f"{label} ASC" not in ranked)]))
        return f"SELECT {_columns(columns)} {text} ORDER BY {', '.join(orders)}{_limit(query.limit)}"

    def _grouped_measure(
        self, source: _Source, measure: Measure, query: Query, counted: Dimension | None
    ) -> tuple[str, str]:
        if measure.aggregate == "count" and measure.ref and counted:
            name = alias(self._naming.measure(measure, query.subject, counted=counted))
            return f"COUNT(DISTINCT {self._identity(source, counted)})", name
        return self._measure(source, measure), alias(self._naming.measure(measure, query.subject))

    def _ranked_figures(self, source: _Source, query: Query) -> Iterable[str]:
        for order in query.orders:
            if isinstance(order.by, Measure) and order.by.aggregate != "count":
                yield self._measure(source, order.by, rounded=False)

    def _group_term(self, source: _Source, order: Order, query: Query, measures: Sequence[tuple[str, str]]) -> str:
        direction = "DESC" if order.descending else "ASC"
        if isinstance(order.by, Dimension):
            return f"{self._dimension(source, order.by)[1]} {direction}"
        if isinstance(order.by, Measure) and order.by.aggregate == "avg":
            return f"{self._measure(source, order.by, rounded=False)} {direction}"  # two decimals make ties of near misses
        for measure, (_, name) in zip(query.measures, measures, strict=True):
            if measure == order.by:
                return f"{name} {direction}"
        return f"{self._window_term(source, order, query)}"

    def _window_term(self, source: _Source, order: Order, query: Query) -> str:
        direction = "DESC" if order.descending else "ASC"
        if isinstance(order.by, Measure):
            return f"{self._measure(source, order.by, rounded=False)} {direction}"
        if isinstance(order.by, Dimension):
            return f"{self._dimension(source, order.by)[0]} {direction}"
        return f"{order.by} {direction}"

    def _share(self, query: Query) -> str:
        source = self._source(query)
        percentage = alias(PERCENTAGE[self._language])
        counted = alias(self._naming.measure(Measure("count"), query.subject))
        if query.dimensions:
            grouped, groups = self._dimensions(source, query)
            if query.share:
                test = " AND ".join(self._clause(source, clause) for clause in query.share)
                share = f"ROUND(100.0 * SUM(CASE WHEN {test} THEN 1 ELSE 0 END) / COUNT(*), 2)"
            else:
                whole = self._source(query)
                share = f"ROUND(100.0 * COUNT(*) / (SELECT COUNT(*) {whole.text()}), 2)"
            columns = [*grouped, (share, percentage), ("COUNT(*)", counted)]
            orders = [grouped[0][1]] if query.dimensions[0].bin else [f"{percentage} DESC", grouped[0][1]]
            return f"SELECT {_columns(columns)} {source.text()} GROUP BY {', '.join(groups)} ORDER BY {', '.join(orders)}"
        test = " AND ".join(self._clause(source, clause) for clause in query.share)
        matching = f"SUM(CASE WHEN {test} THEN 1 ELSE 0 END)"
        columns = [
            (f"ROUND(100.0 * {matching} / COUNT(*), 2)", percentage),
            (matching, alias({"en": "matching", "es": "coincidentes"}[self._language])),
            ("COUNT(*)", alias({"en": "out of", "es": "de un total de"}[self._language])),
        ]
        return f"SELECT {_columns(columns)} {source.text()}"

    def _best_of_each(self, query: Query) -> str:
        source = self._source(query)
        grouped, groups = self._dimensions(source, query)
        facts = [fact for fact in self._facts(source, query) if fact not in grouped]
        source.where += [f"{order.by} IS NOT NULL" for order in query.orders if isinstance(order.by, Ref)]
        key = self._schema.key(source.base)
        ranked = ", ".join([*self._order_terms(source, query), str(self._label(query)), str(key)])
        columns = [*grouped, *facts]
        inner = f"{_columns(columns)}, ROW_NUMBER() OVER (PARTITION BY {', '.join(groups)} ORDER BY {ranked}) AS place"
        names = ", ".join(name for _, name in columns)
        return (
            f"SELECT {names} FROM (SELECT {inner} {source.text()}) AS ranked "
            f"WHERE place <= {query.limit or 1} ORDER BY {grouped[0][1]}, place"
        )

    def _over_groups(self, query: Query) -> str:
        """Write "how many directors have five films" and "films per director on average": figures of the groups."""
        source = self._source(query)
        grouped, groups = self._dimensions(source, query)
        havings = self._havings(source, query)
        having = f" HAVING {' AND '.join(havings)}" if havings else ""
        inner = f"SELECT {_columns([*grouped, ('COUNT(*)', 'size')])} {source.text()} GROUP BY {', '.join(groups)}{having}"
        dimension = query.dimensions[0]
        if query.form == "count_groups":
            measure = Measure("count", dimension.ref)
            column = ("COUNT(*)", alias(self._naming.measure(measure, query.subject, counted=dimension)))
        else:
            rows = self._naming.subjects(self._schema.subject(query.subject))
            name = {"en": f"average number of {rows}", "es": f"media de {rows}"}[self._language]
            each = {"en": f" per {self._naming.dimension(dimension)}", "es": f" por {self._naming.dimension(dimension)}"}
            column = ("ROUND(AVG(size), 2)", alias(name + each[self._language]))
        return f"SELECT {_columns([column])} FROM ({inner}) AS sizes"

    def _lookup(self, query: Query) -> str:
        """Write the lookup of one thing by its name: the closest matches only, an exact one before one that holds it."""
        source = self._source(query, filtered=False)
        columns = self._facts(source, query)
        exact = list(dict.fromkeys(fold(name) for name in query.names))
        bare = list(dict.fromkeys(re.sub(r"^(the|a|an|el|la|los|las) ", "", name) for name in exact))
        articles = [f"{article} {name}" for name in bare for article in ("the", "a", "el", "la", "los", "las")]
        tests = [
            (f"folded {_among_texts(exact)}", 0),
            (f"folded {_among_texts([*(name for name in bare if name not in exact), *articles])}", 1),
            *((f"folded LIKE {literal(f'%{_pattern(name)}%')}", 2) for name in bare),
            *((f"levenshtein(folded, {literal(name)}) <= 2", 3) for name in exact if len(name) >= 6),
        ]
        distance = f"CASE {' '.join(f'WHEN {test} THEN {rank}' for test, rank in tests)} END AS distance"
        inner = [*columns, (_folded(str(self._label(query))), "folded")]
        names = ", ".join(name for _, name in columns)
        kept = names
        order = columns[0][1]
        if rank := self._popularity():
            source.reach(rank.table)
            inner.append((str(rank), "weight"))
            kept, order = f"{names}, weight", f"weight DESC NULLS LAST, {order}"
        best = "distance <= 1" if len(query.names) > 1 else "distance = (SELECT MIN(distance) FROM matches)"
        return (
            f"WITH named AS (SELECT {_columns(inner)} {source.text()}), "
            f"matches AS (SELECT {kept}, {distance} FROM named) "
            f"SELECT {names} FROM matches WHERE {best} ORDER BY {order} LIMIT {_MOST_MATCHES}"
        )

    def _popularity(self) -> Ref | None:
        """Return a sum-like measure of the rows' own size, to put the best known of equal names first."""
        counted = self._schema.counted()
        for table in self._schema.dataset.tables:
            if self._schema.one_row_path(counted.table, table.name):
                for column in table.columns:
                    if column.role == "measure" and column.aggregate == "sum":
                        return Ref(table.name, column.name)
        return None

    # --- parts

    def _label(self, query: Query) -> Ref:
        return self._schema.label(self._schema.subject(query.subject))

    def _order_terms(self, source: _Source, query: Query) -> list[str]:
        terms: list[str] = []
        for order in query.orders:
            if isinstance(order.by, Ref):
                source.reach(order.by.table)
                terms.append(f"{order.by} {'DESC' if order.descending else 'ASC'}")
        return terms

    def _dimensions(self, source: _Source, query: Query) -> tuple[list[tuple[str, str]], list[str]]:
        """Return the output columns of the dimensions, and what to group by (a person by key and name)."""
        columns: list[tuple[str, str]] = []
        groups: list[str] = []
        for dimension in query.dimensions:
            expression, name = self._dimension(source, dimension)
            columns.append((expression, name))
            if dimension.subject:
                groups.append(self._identity(source, dimension))
            groups.append(expression)
            if not dimension.subject and dimension.ref not in source.exploded:
                source.where.append(f"{dimension.ref} IS NOT NULL")
        return columns, list(dict.fromkeys(groups))

    def _dimension(self, source: _Source, dimension: Dimension) -> tuple[str, str]:
        name = alias(self._naming.dimension(dimension))
        if dimension.subject:
            subject = self._schema.subject(dimension.subject)
            return f"{source.reach_subject(subject)}.{subject.label}", name
        column = self._schema.column(dimension.ref)
        if column.separator:
            return source.explode(dimension.ref, name, column.separator), name
        source.reach(dimension.ref.table)
        whole = column.type == "INT" or column.type == "BIGINT"
        year = str(dimension.ref) if whole else f"year({dimension.ref})"
        if dimension.bin == "decade":
            return f"{year} - {year} % 10", name
        if dimension.bin == "month" and not whole:
            return f"date_format({dimension.ref}, 'yyyy-MM')", name
        return (year if dimension.bin == "year" else str(dimension.ref)), name

    def _among(self, source: _Source, query: Query) -> str:
        dimension = query.dimensions[0]
        if dimension.subject:
            subject = self._schema.subject(dimension.subject)
            own = f"{source.reach_subject(subject)}.{subject.label}"
            tests = [self._named(own, str(c.values[0])) for c in query.among]
            return f"({' OR '.join(tests)})"
        expression, _ = self._dimension(source, dimension)
        return f"{expression} IN ({', '.join(literal(c.values[0]) for c in query.among)})"

    def _measure(self, source: _Source, measure: Measure, *, rounded: bool = True) -> str:
        if measure.aggregate == "count" or measure.ref is None:
            return "COUNT(*)"
        source.reach(measure.ref.table)
        expression = f"{measure.aggregate.upper()}({measure.ref})"
        needs = measure.aggregate in {"avg", "median"} or (
            measure.aggregate == "sum" and self._schema.column(measure.ref).type in {"DOUBLE", "DECIMAL"}
        )
        return f"ROUND({expression}, 2)" if rounded and needs else expression

    def _havings(self, source: _Source, query: Query) -> list[str]:
        return [self._having(source, having) for having in query.havings]

    def _having(self, source: _Source, having: Having) -> str:
        expression = self._measure(source, having.measure, rounded=False)
        return _compare(expression, having.operator, having.values)

    def _clause(self, source: _Source, clause: Clause) -> str:
        tests = [self._condition(source, condition) for condition in clause]
        return tests[0] if len(tests) == 1 else f"({' OR '.join(tests)})"

    def _condition(self, source: _Source, condition: Condition) -> str:
        text = self._plain_condition(source, condition)
        # What has no value is not of that value: "not drama" keeps films without a genre.
        return f"NOT coalesce({text}, false)" if condition.negated else text

    def _plain_condition(self, source: _Source, condition: Condition) -> str:
        ref, operator, values = condition.ref, condition.operator, condition.values
        if operator == "named":
            return self._named_condition(source, condition)
        source.reach(ref.table)
        column = self._schema.column(ref)
        if operator == "has":
            return f"array_contains(split({ref}, {literal(column.separator or ',')}), {literal(values[0])})"
        if operator in {"null", "not null"}:
            return f"{ref} IS {operator.upper()}"
        if operator in {"contains", "starts", "ends"}:
            pattern = _pattern(str(values[0]))
            shape = {"contains": f"%{pattern}%", "starts": f"{pattern}%", "ends": f"%{pattern}"}[operator]
            return f"{_folded(str(ref))} LIKE {literal(shape)}"
        if column.role == "time" and column.type in {"DATE", "TIMESTAMP"}:
            return _compare(f"year({ref})", operator, values)
        if column.type == "BOOLEAN":
            return str(ref)
        return _compare(str(ref), operator, values)

    def _named(self, column: str, name: str) -> str:
        return f"concat(' ', {_folded(column)}, ' ') LIKE {literal(f'% {_pattern(name)} %')}"

    def _named_condition(self, source: _Source, condition: Condition) -> str:
        """Test whether a row belongs to someone so named; by a subquery where several could."""
        subject = self._schema.subject(condition.subject)
        name = str(condition.values[0])
        if not subject.via and self._schema.one_row_path(source.base, subject.table):
            source.reach(subject.table)
            return self._named(str(condition.ref), name)
        ties = self._schema.path(source.base, subject.via or subject.table) or []
        first: Step = ties[0]
        joins = [
            f"JOIN {source.full(step.right.table)} ON {step.right} = {step.left}"
            for step in [*ties[1:], *(self._schema.path(subject.via, subject.table) or [] if subject.via else [])]
        ]
        tests = [*([subject.filter] if subject.filter else []), self._named(str(condition.ref), name)]
        inner = " ".join([f"SELECT {first.right} FROM {source.full(first.right.table)}", *joins, f"WHERE {' AND '.join(tests)}"])
        return f"{first.left} IN ({inner})"


def _folded(column: str) -> str:
    return f"translate(lower({column}), {literal(_ACCENTS[0])}, {literal(_ACCENTS[1])})"


def _among_texts(texts: Sequence[str]) -> str:
    return f"= {literal(texts[0])}" if len(texts) == 1 else f"IN ({', '.join(map(literal, texts))})"


def _compare(expression: str, operator: str, values: Sequence[str | float]) -> str:
    if operator == "between":
        return f"{expression} BETWEEN {literal(values[0])} AND {literal(values[1])}"
    return f"{expression} {operator} {literal(values[0])}"


def _columns(columns: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{expression} AS {name}" for expression, name in columns)


def _limit(limit: int | None) -> str:
    return f" LIMIT {limit}" if limit else ""
