"""What the queries of a statement give, name by name, and how many rows they can make."""

from dataclasses import replace

from sqlglot import Expr, exp

from shared.catalog import Dataset
from shared.sql_guard.expressions import Expressions
from shared.sql_guard.joins import check_rows, combined_rows
from shared.sql_guard.reasons import refusal
from shared.sql_guard.relations import Relations, alias_columns, alias_name, values_result
from shared.sql_guard.scopes import Ctes, Result, Scope
from shared.sql_guard.values import MAX_ROWS_ALONE, ONE_ROW, TABLE_ROWS, Rows, Value, combined

MAX_RELATIONS = 64
MAX_GROUPINGS = 128

_SET_OPERATIONS = (exp.Union, exp.Intersect, exp.Except)


class Queries:
    """Goes through the queries of one statement. Each name is looked up where Spark would look for it."""

    def __init__(self, dataset: Dataset) -> None:
        self._expressions = Expressions(self._inner_query)
        self._relations = Relations(dataset, self._expressions, self.query)

    @property
    def tables(self) -> list[str]:
        """The base tables that are read, as schema.table."""
        return sorted(self._relations.tables)

    @property
    def seen(self) -> set[int]:
        """The ids of the nodes in FROM that were looked up."""
        return self._relations.seen

    @property
    def columns(self) -> list[str]:
        """The columns of them that are read, as schema.table.column."""
        return sorted(self._expressions.columns)

    def check(self, tree: Expr) -> Result:
        """Return what ``tree`` gives, and refuse it when it reads or does more than it may."""
        return self.query(tree, {}, None)

    # Queries.

    def _inner_query(self, node: Expr, scope: Scope, *, tied: bool) -> Value:
        """Evaluate a query inside an expression of ``scope``; ``tied`` when each row is compared for equality."""
        before, scope.touched = scope.touched, 0
        result = self.query(node, scope.ctes, scope, tied=tied)
        owners, scope.touched = scope.touched, before | scope.touched
        scope.tables_read += result.tables_read
        first = result.columns[0][1] if result.columns else Value()
        return replace(first.of(owners), constant=False)

    def query(self, node: Expr, ctes: Ctes, outer: Scope | None, *, tied: bool = False) -> Result:
        """Return what ``node`` gives; ``tied`` when each row is compared with the outer query for equality."""
        ctes = self._with(node, ctes, outer)
        if isinstance(node, exp.Select):
            result = self._select(node, Scope(ctes, outer), tied=tied)
        elif isinstance(node, _SET_OPERATIONS):
            result = self._set_operation(node, ctes, outer, tied=tied)
        elif isinstance(node, exp.Subquery) and not isinstance(node.this, exp.Table):
            result = self.query(node.this, ctes, outer, tied=tied)
            self._order(node, Scope(ctes, outer, [result.relation("")]))
        elif isinstance(node, exp.Values):
            result = values_result(node, Scope(ctes, outer), self._expressions)
        else:
            raise refusal("unsupported", "A query is a SELECT.")
        if result.tables_read > MAX_RELATIONS:
            raise refusal(
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
            name = alias_name(cte.args["alias"])
            if not name or name in own:
                raise refusal("syntax", f"WITH has the name {name[:60]!r} twice.")
            if any(sign in name for sign in "./:\\"):
                raise refusal("table", "A name in WITH holds no dots, colons or slashes.")
            own.add(name)
            result = self.query(cte.this, visible, outer)
            visible[name] = result.renamed(alias_columns(cte.args["alias"]))
        return visible

    def _set_operation(self, node: Expr, ctes: Ctes, outer: Scope | None, *, tied: bool) -> Result:
        operations: list[Expr] = []
        current = node
        while isinstance(current, _SET_OPERATIONS):
            operations.append(current)
            current = current.this
        result = self.query(current, ctes, outer, tied=tied)
        for operation in reversed(operations):
            other = self.query(operation.args["expression"], ctes, outer, tied=tied)
            result = _united(operation, result, other)
        self._order(node, Scope(ctes, outer, [result.relation("")]))
        return result

    def _select(self, node: Expr, scope: Scope, *, tied: bool) -> Result:
        part = node.args.get
        self._relations.add(node, scope)
        where = part("where")
        if where is not None:
            self._relations.condition(where.this, scope)
        rows = combined_rows(scope)
        if scope.reads_outer and not scope.tied_to_outer and not tied and rows.big:
            raise refusal(
                "join_without_equality", "Tie the inner query to the outer one with an equality between them."
            )
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
                value = self._expressions.value(projection.this, scope)
                columns += [(name.name.lower(), value) for name in projection.expressions]
            else:
                value = self._expressions.value(projection, scope)
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
                    self._expressions.columns.add(f"{relation.table}.{name}")
        # Otherwise it is the star of a struct, or of a table of the outer query.
        return columns, is_open or not found

    def _windows_and_groups(self, node: Expr, scope: Scope) -> None:
        part = node.args.get
        evaluate = self._expressions
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
        for clause in (part("having"), part("qualify")):
            if clause is not None:
                evaluate.value(clause.this, scope)

    def _order(self, node: Expr, scope: Scope) -> None:
        for clause in ("order", "sort", "cluster", "distribute", "limit", "offset"):
            tail = node.args.get(clause)
            if tail is None:
                continue
            scope.aliases_first = True
            self._expressions.all(tail.expressions or [tail.expression], scope)
            scope.aliases_first = False


def _output_name(projection: Expr) -> str:
    if isinstance(projection, exp.Alias):
        return projection.alias.lower()
    if isinstance(projection, exp.Column):
        return projection.name.lower()
    if isinstance(projection, exp.Dot):
        return projection.expression.name.lower()
    return ""


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
        raise refusal("unbounded_generator", f"That groups the rows in more than {MAX_GROUPINGS} ways.")


def _groupings(node: Expr) -> int:
    count = len(node.expressions)
    if isinstance(node, exp.Cube):
        return 2 ** min(count, 20)
    if isinstance(node, exp.Rollup):
        return count + 1
    if isinstance(node, exp.GroupingSets):
        return sum(_groupings(part) for part in node.expressions)
    return 1
