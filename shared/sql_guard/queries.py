"""Which tables a query reads, what its joins multiply, and what its names mean."""

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import Expr, exp

from shared.catalog import Dataset
from shared.sql_guard.bounds import range_rows, today
from shared.sql_guard.expressions import Expressions
from shared.sql_guard.functions import TABLE_FUNCTIONS, check_function
from shared.sql_guard.joins import check_outer_join, check_rows, combined_rows, links_of, ties_to_outer
from shared.sql_guard.reasons import refuse
from shared.sql_guard.scopes import Ctes, Relation, Result, Scope
from shared.sql_guard.values import (
    MAX_ROWS_ALONE,
    ONE_ROW,
    TABLE_ROWS,
    YEARS,
    Rows,
    Value,
    combined,
)

MAX_RELATIONS = 64
MAX_GROUPINGS = 64

_SET_OPERATIONS = (exp.Union, exp.Intersect, exp.Except)
_FILE_SCHEMAS = frozenset("parquet csv json text orc avro binaryfile delta jdbc xml image libsvm iceberg hudi".split())


class Queries:
    """Goes through the queries of one statement. Each name is looked up where Spark would look for it."""

    def __init__(self, dataset: Dataset) -> None:
        self.tables: set[str] = set()
        self.expressions = Expressions(self._inner_query)
        self._known = _relations(dataset)

    @property
    def columns(self) -> set[str]:
        """The columns of base tables that are read, as schema.table.column."""
        return self.expressions.columns

    def check(self, tree: Expr) -> Result:
        """Return what ``tree`` gives, and refuse it when it reads or does more than it may."""
        return self._query(tree, {}, None, tied=False)

    # Queries.

    def _inner_query(self, node: Expr, scope: Scope, tied: bool) -> Value:  # noqa: FBT001 - a callback
        """Evaluate a query inside an expression of ``scope``; ``tied`` when each row is compared for equality."""
        before, scope.touched = scope.touched, 0
        result = self._query(node, scope.ctes, scope, tied=tied)
        owners, scope.touched = scope.touched, before | scope.touched
        scope.tables_read += result.tables_read
        first = result.columns[0][1] if result.columns else Value()
        return replace(first.of(owners), constant=False)

    def _query(self, node: Expr, ctes: Ctes, outer: Scope | None, *, tied: bool) -> Result:
        ctes = self._with(node, ctes, outer)
        if isinstance(node, exp.Select):
            result = self._select(node, Scope(ctes, outer), tied=tied)
        elif isinstance(node, _SET_OPERATIONS):
            result = self._set_operation(node, ctes, outer, tied=tied)
        elif isinstance(node, exp.Subquery) and not isinstance(node.this, exp.Table):
            result = self._query(node.this, ctes, outer, tied=tied)
            self._order(node, Scope(ctes, outer, [result.relation("")]))
        elif isinstance(node, exp.Values):
            result = self._values(node, Scope(ctes, outer))
        else:
            refuse("unsupported", "A query is a SELECT.")
        if result.tables_read > MAX_RELATIONS:
            refuse(
                "too_many_relations", f"The query reads more than {MAX_RELATIONS} tables, each use of a WITH counted."
            )
        return Result(result.columns, _limited_rows(result.rows, node), result.tables_read, result.is_open)

    def _with(self, node: Expr, ctes: Ctes, outer: Scope | None) -> Ctes:
        clause = node.args.get("with_")
        if clause is None:
            return ctes
        visible = dict(ctes)
        own: set[str] = set()
        for cte in clause.expressions:
            name = _alias_name(cte.args["alias"])
            if not name or name in own:
                refuse("syntax", f"WITH has the name {name[:60]!r} twice.")
            if any(sign in name for sign in "./:\\"):
                refuse("table", "A name in WITH holds no dots, colons or slashes.")
            own.add(name)
            result = self._query(cte.this, visible, outer, tied=False)
            visible[name] = result.renamed(_alias_columns(cte.args["alias"]))
        return visible

    def _set_operation(self, node: Expr, ctes: Ctes, outer: Scope | None, *, tied: bool) -> Result:
        operations: list[Expr] = []
        current = node
        while isinstance(current, _SET_OPERATIONS):
            operations.append(current)
            current = current.this
        result = self._query(current, ctes, outer, tied=tied)
        for operation in reversed(operations):
            other = self._query(operation.args["expression"], ctes, outer, tied=tied)
            result = _united(operation, result, other)
        self._order(node, Scope(ctes, outer, [result.relation("")]))
        return result

    def _select(self, node: Expr, scope: Scope, *, tied: bool) -> Result:
        part = node.args.get
        self._from(node, scope)
        where = part("where")
        if where is not None:
            self._condition(where.this, scope)
        combined_rows(scope)
        for lateral in part("laterals") or ():
            self._lateral(lateral, scope)
        rows = combined_rows(scope)
        if scope.reads_outer and not scope.tied_to_outer and not tied and rows.big:
            refuse("join_without_equality", "Tie the inner query to the outer one with an equality between them.")
        columns, is_open = self._projections(node, scope)
        self._windows_and_groups(node, scope)
        rows = Rows(rows.big or scope.spreads, rows.factor * scope.fanout)
        check_rows(rows)
        group = part("group")
        if group is None and scope.aggregated:
            rows = ONE_ROW
        elif (group is not None or part("distinct") is not None) and rows.big:
            rows = TABLE_ROWS
        self._order(node, scope)
        return Result(columns, rows, scope.tables_read, is_open)

    def _condition(self, condition: Expr, scope: Scope) -> None:
        self.expressions.value(condition, scope)
        scope.links.extend(links_of(condition, self.expressions.sides))
        scope.tied_to_outer |= ties_to_outer(condition, self.expressions.sides)

    def _projections(self, node: Expr, scope: Scope) -> tuple[list[tuple[str, Value]], bool]:
        columns: list[tuple[str, Value]] = []
        is_open = False
        for projection in node.expressions:
            star = projection if isinstance(projection, exp.Star) else projection.this
            if isinstance(star, exp.Star) and isinstance(projection, exp.Star | exp.Column):
                starred, starred_open = self._star(projection, star, scope)
                columns += starred
                is_open |= starred_open
            elif isinstance(projection, exp.Aliases):
                value = self.expressions.value(projection.this, scope)
                columns += [(name.name.lower(), value) for name in projection.expressions]
            else:
                value = self.expressions.value(projection, scope)
                name = _output_name(projection)
                columns.append((name, value))
                if isinstance(projection, exp.Alias):
                    scope.aliases[name] = value
        for name, value in columns:
            if name:
                scope.aliases.setdefault(name, value)
        return columns, is_open

    def _star(self, projection: Expr, star: Expr, scope: Scope) -> tuple[list[tuple[str, Value]], bool]:
        table = projection.args.get("table")
        wanted = table.name.lower() if table is not None else None
        left_out = {column.name.lower() for column in star.args.get("except_") or ()}
        columns: list[tuple[str, Value]] = []
        seen: set[str] = set()
        is_open = False
        found = wanted is None
        for index, relation in enumerate(scope.relations):
            if relation.hidden or (wanted is not None and relation.alias != wanted):
                continue
            found = True
            is_open |= relation.is_open
            for name, value in relation.columns.items():
                if name in left_out or (name in scope.merged and name in seen):
                    continue
                seen.add(name)
                columns.append((name, value.of(1 << index)))
                if relation.table:
                    self.columns.add(f"{relation.table}.{name}")
        # Otherwise it is the star of a struct, or of a table of the outer query.
        return columns, is_open or not found

    def _windows_and_groups(self, node: Expr, scope: Scope) -> None:
        part = node.args.get
        evaluate = self.expressions
        group = part("group")
        if group is not None:
            _check_groupings(group)
            for key in ("expressions", "cube", "rollup", "grouping_sets"):
                for expression in group.args.get(key) or ():
                    evaluate.value(expression, scope)
        for window in part("windows") or ():
            evaluate.all(window.args.get("partition_by"), scope)
            if window.args.get("order") is not None:
                evaluate.value(window.args["order"], scope)
        for clause in ("having", "qualify"):
            if part(clause) is not None:
                evaluate.value(part(clause).this, scope)

    def _order(self, node: Expr, scope: Scope) -> None:
        for clause in ("order", "sort", "cluster", "distribute", "limit", "offset"):
            tail = node.args.get(clause)
            if tail is None:
                continue
            items = tail.expressions or [tail.expression]
            for item in items:
                self._order_key(item, scope)

    def _order_key(self, item: Expr, scope: Scope) -> None:
        key = item.this if isinstance(item, exp.Ordered) else item
        if isinstance(key, exp.Column):
            self.expressions.column(key, scope, aliases_first=True)
        elif isinstance(key, Expr):
            self.expressions.value(key, scope)

    # FROM.

    def _from(self, node: Expr, scope: Scope) -> None:
        clause = node.args.get("from_")
        if clause is not None:
            self._item(clause.this, scope)
        self._joins(node.args.get("joins") or (), scope, 0)

    def _joins(self, joins: Sequence[Expr], scope: Scope, start: int) -> None:
        crossed = False
        for join in joins:
            side = str(join.args.get("side") or "").upper()
            if crossed and side in ("RIGHT", "FULL"):
                # After a comma Spark joins the last table only, after CROSS JOIN all of them.
                refuse("unsupported", "Put the cross join in a subquery of its own, before the outer join.")
            crossed |= str(join.args.get("kind") or "").upper() == "CROSS"
            self._join(join, scope, start)

    def _join(self, join: Expr, scope: Scope, start: int) -> None:
        first = len(scope.relations)
        linked = len(scope.links)
        self._item(join.this, scope)
        old = _mask(start, first)
        new = _mask(first, len(scope.relations))
        condition = join.args.get("on")
        if condition is not None:
            self._condition(condition, scope)
        self._same_names(join, scope, start, first)
        kind, side = str(join.args.get("kind") or "").upper(), str(join.args.get("side") or "").upper()
        if side or kind in ("SEMI", "ANTI"):
            check_outer_join(scope, old, new, set(scope.links[linked:]))
        if kind in ("SEMI", "ANTI"):
            for relation in scope.relations[first:]:
                relation.hidden = True
        if join.args.get("pivots"):
            # It turns all that was joined so far into something else.
            for pivot in join.args["pivots"]:
                self._pivot_values(pivot, scope)
            for relation in scope.relations:
                relation.is_open = True

    def _same_names(self, join: Expr, scope: Scope, start: int, first: int) -> None:
        """USING and NATURAL: equal names are equal values."""
        names = [name.name.lower() for name in join.args.get("using") or ()]
        left, right = scope.relations[start:first], scope.relations[first:]
        if str(join.args.get("method") or "").upper() == "NATURAL":
            names = sorted(
                name
                for name in set().union(*(relation.columns for relation in right))
                if any(name in relation.columns for relation in left if not relation.hidden)
            )
        for name in names:
            owners: list[int] = []
            for offset, relations in ((start, left), (first, right)):
                holders = [
                    index + offset
                    for index, relation in enumerate(relations)
                    if not relation.hidden and (name in relation.columns or relation.is_open)
                ]
                if not holders:
                    refuse("unknown_column", f"USING ({name[:60]}): both sides need that column.")
                column = scope.relations[holders[0]].columns.get(name)
                if column is None or not column.constant:
                    owners.append(1 << holders[0])
                if scope.relations[holders[0]].table:
                    self.columns.add(f"{scope.relations[holders[0]].table}.{name}")
            scope.merged.add(name)
            if len(owners) == 2:
                scope.links.append((owners[0], owners[1]))

    def _item(self, node: Expr, scope: Scope) -> None:
        first = len(scope.relations)
        if isinstance(node, exp.Table):
            self._table(node, scope)
        elif isinstance(node, exp.Subquery):
            self._derived(node, scope)
        elif isinstance(node, exp.Lateral):
            self._lateral(node, scope)
        elif isinstance(node, exp.Values):
            alias = node.args.get("alias")
            result = self._values(node, Scope(scope.ctes, scope)).renamed(_alias_columns(alias))
            scope.relations.append(result.relation(_alias_name(alias)))
        else:
            refuse("unsupported", "FROM takes tables and queries.")
        for pivot in node.args.get("pivots") or ():
            self._pivoted(pivot, scope, first)
        self._joins(node.args.get("joins") or (), scope, first)

    def _table(self, node: Expr, scope: Scope) -> None:
        alias = node.args.get("alias")
        if isinstance(node.this, exp.Anonymous):
            if node.args.get("db") is not None:
                refuse("code", "A function with a qualified name is not run.")
            self._generator(node.this, scope, _alias_name(alias), _alias_columns(alias))
            return
        if not isinstance(node.this, exp.Identifier):
            refuse("table", "FROM takes the tables of the dataset.")
        name, schema = node.name.lower(), node.args.get("db")
        if schema is None:
            cte = scope.ctes.get(name)
            if cte is None:
                self._refuse_bare_table(name)
            scope.tables_read += cte.tables_read
            scope.relations.append(cte.renamed(_alias_columns(alias)).relation(_alias_name(alias) or name))
            return
        full = f"{schema.name.lower()}.{name}"
        known = self._known.get(full)
        if known is None or not full.isascii():
            if schema.name.lower() in _FILE_SCHEMAS or "/" in name:
                refuse("file", "Files are not read by path.")
            refuse("table", f"There is no table {full[:80]!r} here; there is: {', '.join(sorted(self._known))}.")
        self.tables.add(full)
        scope.tables_read += 1
        relation = known.renamed(_alias_columns(alias)).relation(_alias_name(alias) or name)
        relation.table = "" if _alias_columns(alias) else full
        scope.relations.append(relation)

    def _refuse_bare_table(self, name: str) -> None:
        full = next((table for table in sorted(self._known) if table.split(".")[1] == name), None)
        if full is not None:
            refuse("unqualified_table", f"Write the table as {full}.")
        refuse("table", f"There is no table {name[:80]!r} here; there is: {', '.join(sorted(self._known))}.")

    def _derived(self, node: Expr, scope: Scope) -> None:
        alias = node.args.get("alias")
        if isinstance(node.this, exp.Table) or (isinstance(node.this, exp.Subquery) and _holds_table(node.this)):
            self._bracketed_relations(node, scope)
            return
        # A derived table sees nothing of its neighbours, but what is around the whole query.
        result = self._query(node, scope.ctes, scope.outer, tied=False).renamed(_alias_columns(alias))
        scope.tables_read += result.tables_read
        scope.relations.append(result.relation(_alias_name(alias)))

    def _bracketed_relations(self, node: Expr, scope: Scope) -> None:
        """Brackets around a table or a join in FROM."""
        first = len(scope.relations)
        self._item(node.this, scope)
        alias = node.args.get("alias")
        if alias is not None:
            name = _alias_name(alias)
            for relation in scope.relations[first:]:
                relation.alias = name
                relation.is_open = True
                relation.table = ""

    def _lateral(self, node: Expr, scope: Scope) -> None:
        alias = node.args.get("alias")
        name, columns = _alias_name(alias), _alias_columns(alias)
        if isinstance(node.this, exp.Anonymous):
            self._generator(node.this, scope, name, columns)
            return
        if not isinstance(node.this, exp.Subquery):
            refuse("unsupported", "LATERAL takes a function or a query in brackets.")
        before, scope.touched = scope.touched, 0
        result = self._query(node.this, scope.ctes, scope, tied=False).renamed(columns)
        scope.tables_read += result.tables_read
        relation = result.relation(name)
        scope.relations.append(relation)
        if scope.touched and relation.rows.big:
            # It was tied to what it touched by an equality, or it would have been refused.
            scope.links.append((1 << (len(scope.relations) - 1), scope.touched & -scope.touched))
        scope.touched |= before

    def _generator(self, node: Expr, scope: Scope, alias: str, names: list[str]) -> None:
        name = str(node.this if isinstance(node.this, str) else node.this.name).lower()
        if name not in TABLE_FUNCTIONS:
            check_function(name)
            refuse("table", f"{name!r} does not stand in FROM.")
        if name == "range":
            values = self.expressions.all(node.expressions, scope)
            rows = Rows(big=False, factor=range_rows(values, limit=MAX_ROWS_ALONE // 10))
            column = Value(low=0, high=values[-1].high, constant=False)
            columns = {(names[0] if names else "id"): column}
            scope.relations.append(Relation(alias or name, columns, rows))
            return
        value = self.expressions.value(node, scope)
        fanout, scope.fanout = scope.fanout, 1
        item = Value(value.item, 1, value.low, value.high, constant=False)
        rows = Rows(scope.spreads and not scope.is_big, fanout)
        columns = dict.fromkeys(names, item)
        scope.relations.append(Relation(alias, columns, rows, is_open=not names, multiplies=True))
        if value.owners:
            scope.links.append((value.owners & -value.owners, 1 << (len(scope.relations) - 1)))

    def _values(self, node: Expr, scope: Scope) -> Result:
        rows = [row.expressions if isinstance(row, exp.Tuple) else [row] for row in node.expressions]
        width = max((len(row) for row in rows), default=0)
        columns: list[tuple[str, Value]] = []
        for index in range(width):
            cells = [self.expressions.value(row[index], scope) for row in rows if index < len(row)]
            value = combined(cells)
            constant = len(rows) == 1
            columns.append((f"col{index + 1}", Value(value.size, value.item, constant=constant)))
        return Result(columns, Rows(big=False, factor=len(rows)), 0)

    def _pivoted(self, pivot: Expr, scope: Scope, first: int) -> None:
        relation = scope.relations[first]
        inside = Scope(scope.ctes, scope.outer, [relation])
        self._pivot_values(pivot, inside)
        factor = relation.rows.factor
        if pivot.args.get("unpivot"):
            factor *= sum(len(field.expressions) for field in pivot.args["fields"])
        alias = pivot.args.get("alias")
        name = _alias_name(alias) or relation.alias
        scope.relations[first] = Relation(name, {}, Rows(relation.rows.big, factor), is_open=True)

    def _pivot_values(self, pivot: Expr, scope: Scope) -> None:
        if pivot.args.get("unpivot"):
            for field in pivot.args["fields"]:
                self.expressions.all([_unaliased(item) for item in field.expressions], scope)
            return
        self.expressions.all([_unaliased(item) for item in pivot.expressions], scope)
        for field in pivot.args["fields"]:
            self.expressions.value(field.this, scope)
            self.expressions.all([_unaliased(item) for item in field.expressions], scope)


def _relations(dataset: Dataset) -> dict[str, Result]:
    """Return each table of ``dataset`` by its full lower-case name."""
    known: dict[str, Result] = {}
    for table in dataset.tables:
        columns: list[tuple[str, Value]] = []
        for column in table.columns:
            low = high = None
            if column.role == "time" and column.type in ("INT", "BIGINT"):
                low, high = YEARS
            elif column.type in ("DATE", "TIMESTAMP"):
                low, high = today()[0] - 50_000, today()[1]
            columns.append((column.name.lower(), Value(low=low, high=high, constant=False)))
        known[f"{dataset.namespace}.{table.name}".lower()] = Result(columns, TABLE_ROWS, 1)
    return known


def _alias_name(alias: Expr | None) -> str:
    return alias.name.lower() if alias is not None else ""


def _alias_columns(alias: Expr | None) -> list[str]:
    return [column.name.lower() for column in alias.args.get("columns") or ()] if alias is not None else []


def _unaliased(node: Expr) -> Expr:
    return node.this if isinstance(node, exp.Alias | exp.PivotAlias) else node


def _output_name(projection: Expr) -> str:
    if isinstance(projection, exp.Alias):
        return projection.alias.lower()
    if isinstance(projection, exp.Column):
        return projection.name.lower()
    if isinstance(projection, exp.Dot):
        return projection.expression.name.lower()
    return ""


def _holds_table(node: Expr) -> bool:
    while isinstance(node, exp.Subquery):
        node = node.this
    return isinstance(node, exp.Table)


def _mask(first: int, end: int) -> int:
    return (1 << end) - (1 << first)


def _united(operation: Expr, left: Result, right: Result) -> Result:
    columns = [
        (name, _either(value, right.columns[i][1]) if i < len(right.columns) else value)
        for i, (name, value) in enumerate(left.columns)
    ]
    rows = left.rows
    if isinstance(operation, exp.Union):
        big = left.rows.big or right.rows.big
        rows = Rows(big, max(left.rows.factor, right.rows.factor) if big else left.rows.factor + right.rows.factor)
    is_open = left.is_open or right.is_open or bool(operation.args.get("by_name"))
    return Result(columns, rows, left.tables_read + right.tables_read, is_open)


def _either(one: Value, other: Value) -> Value:
    result = combined([one, other])
    known = None not in (one.low, one.high, other.low, other.high)
    low = min(one.low or 0, other.low or 0) if known else None
    high = max(one.high or 0, other.high or 0) if known else None
    return replace(result.between(low, high).of(0), constant=False)


def _limited_rows(rows: Rows, node: Expr) -> Rows:
    limit = node.args.get("limit")
    count = limit.expression if limit is not None else None
    if isinstance(count, exp.Literal) and not count.is_string and count.name.isdigit() and len(count.name) < 12:
        number = int(count.name)
        if number <= MAX_ROWS_ALONE and (rows.big or number < rows.factor):
            return Rows(big=False, factor=number)
    return rows


def _check_groupings(group: Expr) -> None:
    """Refuse CUBE and its kin where they group the same rows too many times."""
    width = len(group.expressions)
    total = 1
    if group.args.get("cube"):
        total = 2 ** min(width, 20)
    for sets in [*group.expressions, *(group.args.get("grouping_sets") or ())]:
        total *= _groupings(sets)
    if total > MAX_GROUPINGS:
        refuse("unbounded_generator", f"That groups the rows in more than {MAX_GROUPINGS} ways.")


def _groupings(node: Expr) -> int:
    count = len(node.expressions)
    if isinstance(node, exp.Cube):
        return 2 ** min(count, 20)
    if isinstance(node, exp.Rollup):
        return count + 1
    if isinstance(node, exp.GroupingSets):
        return sum(_groupings(part) for part in node.expressions)
    return 1
