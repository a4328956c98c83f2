"""Expressions over one dataset: dimensions, measures, conditions, and the facts told of one row."""

from localhost.services.model.naming import Naming, alias
from localhost.services.model.query import Clause, Condition, Dimension, Having, Measure, Query
from localhost.services.model.schema import Schema
from localhost.services.model.sql.literals import compare, folded, literal, pattern, select
from localhost.services.model.sql.source import Source
from localhost.services.model.text import fold
from localhost.services.model.vocabulary import Ref


class Expressions:
    """Writes expressions and joins what they need to a source."""

    def __init__(self, schema: Schema, naming: Naming) -> None:
        self.schema = schema
        self.naming = naming

    def source(self, query: Query, *, filtered: bool = True) -> Source:
        subject = self.schema.subject(query.subject)
        source = Source(self.schema, subject.table)
        if filtered and subject.filter:
            source.where.append(subject.filter)
        for clause in query.clauses:
            source.where.append(self.clause(source, clause))
        return source

    def label(self, query: Query) -> Ref:
        return self.schema.label(self.schema.subject(query.subject))

    def order_terms(self, source: Source, query: Query) -> list[str]:
        terms: list[str] = []
        for order in query.orders:
            if isinstance(order.by, Ref):
                source.reach(order.by.table)
                terms.append(f"{order.by} {'DESC' if order.descending else 'ASC'}")
        return terms

    def dimensions(self, source: Source, query: Query) -> tuple[list[tuple[str, str]], list[str]]:
        """Return the output columns of the dimensions, and what to group by (a person by key and name)."""
        columns: list[tuple[str, str]] = []
        groups: list[str] = []
        for dimension in query.dimensions:
            expression, name = self.dimension(source, dimension)
            columns.append((expression, name))
            if dimension.subject:
                groups.append(self.identity(source, dimension))
            groups.append(expression)
            if not dimension.subject and dimension.ref not in source.exploded:
                source.where.append(f"{dimension.ref} IS NOT NULL")
        return columns, list(dict.fromkeys(groups))

    def dimension(self, source: Source, dimension: Dimension) -> tuple[str, str]:
        name = alias(self.naming.dimension(dimension))
        if dimension.subject:
            subject = self.schema.subject(dimension.subject)
            return f"{source.reach_subject(subject)}.{subject.label}", name
        column = self.schema.column(dimension.ref)
        if column.separator:
            return source.explode(dimension.ref, name, column.separator), name
        source.reach(dimension.ref.table)
        whole = column.type in {"INT", "BIGINT"}
        year = str(dimension.ref) if whole else f"year({dimension.ref})"
        if dimension.bin == "decade":
            return f"{year} - {year} % 10", name
        if dimension.bin == "month" and not whole:
            return f"date_format({dimension.ref}, 'yyyy-MM')", name
        return (year if dimension.bin == "year" else str(dimension.ref)), name

    def identity(self, source: Source, dimension: Dimension) -> str:
        """Return the expression that tells one value of ``dimension`` from another."""
        if not dimension.subject:
            return self.dimension(source, dimension)[0]
        subject = self.schema.subject(dimension.subject)
        return f"{source.reach_subject(subject)}.{self.schema.key(subject.table).column}"

    def among(self, source: Source, query: Query) -> str:
        dimension = query.dimensions[0]
        if dimension.subject:
            subject = self.schema.subject(dimension.subject)
            own = f"{source.reach_subject(subject)}.{subject.label}"
            tests = [self._named(own, str(c.values[0])) for c in query.among]
            return f"({' OR '.join(tests)})"
        expression, _ = self.dimension(source, dimension)
        return f"{expression} IN ({', '.join(literal(c.values[0]) for c in query.among)})"

    def measure(self, source: Source, measure: Measure, *, rounded: bool = True) -> str:
        if measure.aggregate == "count" or measure.ref is None:
            return "COUNT(*)"
        source.reach(measure.ref.table)
        expression = f"{measure.aggregate.upper()}({measure.ref})"
        needs = measure.aggregate in {"avg", "median"} or (
            measure.aggregate == "sum" and self.schema.column(measure.ref).type in {"DOUBLE", "DECIMAL"}
        )
        return f"ROUND({expression}, 2)" if rounded and needs else expression

    def havings(self, source: Source, query: Query) -> list[str]:
        return [self._having(source, having) for having in query.havings]

    def _having(self, source: Source, having: Having) -> str:
        expression = self.measure(source, having.measure, rounded=False)
        return compare(expression, having.operator, having.values)

    def clause(self, source: Source, clause: Clause) -> str:
        tests = [self._condition(source, condition) for condition in clause]
        return tests[0] if len(tests) == 1 else f"({' OR '.join(tests)})"

    def _condition(self, source: Source, condition: Condition) -> str:
        text = self._plain_condition(source, condition)
        # What has no value is not of that value: "not drama" keeps films without a genre.
        return f"NOT coalesce({text}, false)" if condition.negated else text

    def _plain_condition(self, source: Source, condition: Condition) -> str:  # noqa: PLR0911 - one for each operator
        ref, operator, values = condition.ref, condition.operator, condition.values
        if operator in {"named", "linked"}:
            return self._named_condition(source, condition)
        source.reach(ref.table)
        column = self.schema.column(ref)
        if operator == "has":
            return f"array_contains(split({ref}, {literal(column.separator or ',')}), {literal(values[0])})"
        if operator in {"null", "not null"}:
            return f"{ref} IS {operator.upper()}"
        if operator == "is":
            return f"{folded(str(ref))} = {literal(fold(str(values[0])))}"
        if operator in {"contains", "starts", "ends"}:
            held = pattern(str(values[0]))
            shape = {"contains": f"%{held}%", "starts": f"{held}%", "ends": f"%{held}"}[operator]
            return f"{folded(str(ref))} LIKE {literal(shape)}"
        if column.role == "time" and column.type in {"DATE", "TIMESTAMP"}:
            return compare(f"year({ref})", operator, values)
        if column.type == "BOOLEAN":
            return str(ref)
        return compare(str(ref), operator, values)

    def _named(self, column: str, name: str) -> str:
        return f"concat(' ', {folded(column)}, ' ') LIKE {literal(f'% {pattern(name)} %')}"

    def _named_condition(self, source: Source, condition: Condition) -> str:
        """Test whether a row belongs to someone so named; by a subquery where several could."""
        subject = self.schema.subject(condition.subject)
        name = str(condition.values[0]) if condition.values else ""
        if not subject.via and self.schema.one_row_path(source.base, subject.table):
            source.reach(subject.table)
            return self._named(str(condition.ref), name)
        ties = self.schema.path(source.base, subject.via or subject.table) or []
        first = ties[0]
        joins = [
            f"JOIN {source.full(step.right.table)} ON {step.right} = {step.left}"
            for step in [*ties[1:], *(self.schema.path(subject.via, subject.table) or [] if subject.via else [])]
        ]
        tests = [
            *([subject.filter] if subject.filter else []),
            *([self._named(str(condition.ref), name)] if name else []),
        ]
        rows = f"FROM {source.full(first.right.table)}"
        inner = select([(str(first.right), str(first.right))], rows, *joins, f"WHERE {' AND '.join(tests)}")
        return f"{first.left} IN ({inner})"

    def facts(self, source: Source, query: Query) -> list[tuple[str, str]]:
        """Return the columns that tell of one row: its name, date, what it is ranked and filtered by, what is asked."""
        subject = self.schema.subject(query.subject)
        label = self.label(query)
        columns = [(str(label), alias(self.naming.subject(subject)))]
        wanted: list[Ref | Dimension] = []
        if time := self.schema.time_of(subject):
            wanted.append(time)
        wanted += [order.by for order in query.orders if isinstance(order.by, Ref)]
        wanted += query.show
        for clause in query.clauses:
            wanted += [c.ref for c in clause if self.schema.column(c.ref).role == "measure" and c.operator != "null"]
        for item in dict.fromkeys(wanted):
            column = self._fact(source, item)
            if column not in columns:
                columns.append(column)
        return columns

    def _fact(self, source: Source, item: Ref | Dimension) -> tuple[str, str]:
        if isinstance(item, Ref):
            source.reach(item.table)
            return str(item), alias(self.naming.column(item))
        if item.subject:
            subject = self.schema.subject(item.subject)
            table = source.reach_subject(subject, outer=True)
            return f"{table}.{subject.label}", alias(self.naming.subject(subject))
        source.reach(item.ref.table)
        if self.schema.column(item.ref).separator:
            return str(item.ref), alias(self.naming.column(item.ref))
        return self.dimension(source, item)
