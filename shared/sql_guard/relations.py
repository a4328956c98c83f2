"""FROM: which tables are read, and what joins, generators and pivots make of them."""

from collections.abc import Sequence
from typing import Protocol

from sqlglot import Expr, exp

from shared.catalog import Dataset
from shared.errors import SqlRefusedError
from shared.sql_guard.bounds import range_rows, today
from shared.sql_guard.calls import call_name
from shared.sql_guard.expressions import Expressions
from shared.sql_guard.functions import TABLE_FUNCTIONS, check_function
from shared.sql_guard.joins import check_outer_join, links_of, ties_to_outer
from shared.sql_guard.reasons import refusal
from shared.sql_guard.scopes import Ctes, Relation, Result, Scope
from shared.sql_guard.values import MAX_MADE_ALONE, TABLE_ROWS, YEARS, Rows, Value, combined

_FILE_SCHEMAS = frozenset("parquet csv json text orc avro binaryfile delta jdbc xml image libsvm iceberg hudi".split())


_relations: dict[str, dict[str, Result]] = {}


class Query(Protocol):
    """Evaluates a query in FROM."""

    def __call__(self, node: Expr, ctes: Ctes, outer: Scope | None, *, tied: bool = False) -> Result: ...


class Relations:
    """Adds what stands in FROM to a scope.

    Attributes:
        tables: the base tables that were read, as schema.table.
        seen: the ids of the nodes that were looked up.
    """

    def __init__(self, dataset: Dataset, expressions: Expressions, query: Query) -> None:
        self.tables: set[str] = set()
        self.seen: set[int] = set()
        self._known = _known(dataset)
        self._expressions = expressions
        self._query = query

    def add(self, node: Expr, scope: Scope) -> None:
        """Add the FROM, the joins and the lateral views of the SELECT ``node``."""
        clause = node.args.get("from_")
        if clause is not None:
            self._item(clause.this, scope)
        self._joins(node.args.get("joins") or (), scope, 0)
        for lateral in node.args.get("laterals") or ():
            self._lateral(lateral, scope)

    def condition(self, condition: Expr, scope: Scope) -> None:
        """Evaluate a WHERE or ON, and keep what it ties together."""
        self._expressions.value(condition, scope)
        scope.links.extend(links_of(condition, self._expressions.sides))
        scope.tied_to_outer |= ties_to_outer(condition, self._expressions.sides)

    def _joins(self, joins: Sequence[Expr], scope: Scope, start: int) -> None:
        crossed = False
        for join in joins:
            side = str(join.args.get("side") or "").upper()
            if crossed and side in ("RIGHT", "FULL"):
                # After a comma Spark joins the last table only, after CROSS JOIN all of them.
                raise refusal("unsupported", "Put the cross join in a subquery of its own, before the outer join.")
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
            self.condition(condition, scope)
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
        """Tie the two sides of USING and NATURAL: equal names are equal values."""
        using: list[Expr] = join.args.get("using") or []
        names = [name.name.lower() for name in using]
        if str(join.args.get("method") or "").upper() == "NATURAL":
            left = [relation for relation in scope.relations[start:first] if not relation.hidden]
            right = {name for relation in scope.relations[first:] for name in relation.columns}
            names = sorted(name for name in right if any(name in relation.columns for relation in left))
        for name in names:
            old = self._holder(name, scope, start, first)
            new = self._holder(name, scope, first, len(scope.relations))
            scope.merged.add(name)
            if old and new:
                scope.links.append((old, new))

    def _holder(self, name: str, scope: Scope, start: int, end: int) -> int:
        """Return the relation (as a bit) between ``start`` and ``end`` that has the column, 0 when it is constant."""
        for index in range(start, end):
            relation = scope.relations[index]
            column = relation.columns.get(name)
            if relation.hidden or (column is None and not relation.is_open):
                continue
            if relation.table:
                self._expressions.columns.add(f"{relation.table}.{name}")
            return 0 if column is not None and column.constant else 1 << index
        raise refusal("unknown_column", f"USING ({name[:60]}): both sides need that column.")

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
            result = values_result(node, Scope(scope.ctes, scope), self._expressions).renamed(alias_columns(alias))
            scope.relations.append(result.relation(alias_name(alias)))
        else:
            raise refusal("unsupported", "FROM takes tables and queries.")
        for pivot in node.args.get("pivots") or ():
            self._pivoted(pivot, scope, first)
        self._joins(node.args.get("joins") or (), scope, first)

    def _table(self, node: Expr, scope: Scope) -> None:
        self.seen.add(id(node))
        alias = node.args.get("alias")
        if isinstance(node.this, exp.Anonymous):
            if node.args.get("db") is not None:
                raise refusal("code", "A function with a qualified name is not run.")
            self._generator(node.this, scope, alias_name(alias), alias_columns(alias))
            return
        if not isinstance(node.this, exp.Identifier):
            raise refusal("table", "FROM takes the tables of the dataset.")
        name, schema = node.name.lower(), node.args.get("db")
        if schema is None:
            cte = scope.ctes.get(name)
            if cte is None:
                raise self._unknown_table(name)
            scope.tables_read += cte.tables_read
            scope.relations.append(cte.renamed(alias_columns(alias)).relation(alias_name(alias) or name))
            return
        self._base_table(schema.name.lower(), name, alias, scope)

    def _base_table(self, schema: str, name: str, alias: Expr | None, scope: Scope) -> None:
        full = f"{schema}.{name}"
        known = self._known.get(full)
        if known is None or not full.isascii():
            if schema in _FILE_SCHEMAS or "/" in name:
                raise refusal("file", "Files are not read by path.")
            raise refusal("table", f"There is no table {full[:80]!r} here; there is: {', '.join(sorted(self._known))}.")
        self.tables.add(full)
        scope.tables_read += 1
        relation = known.renamed(alias_columns(alias)).relation(alias_name(alias) or name)
        relation.table = "" if alias_columns(alias) else full
        scope.relations.append(relation)

    def _unknown_table(self, name: str) -> SqlRefusedError:
        full = next((table for table in sorted(self._known) if table.split(".")[1] == name), None)
        if full is not None:
            return refusal("unqualified_table", f"Write the table as {full}.")
        return refusal("table", f"There is no table {name[:80]!r} here; there is: {', '.join(sorted(self._known))}.")

    def _derived(self, node: Expr, scope: Scope) -> None:
        alias = node.args.get("alias")
        if isinstance(node.this, exp.Table) or (isinstance(node.this, exp.Subquery) and _holds_table(node.this)):
            self._bracketed_relations(node, scope)
            return
        # A derived table sees nothing of its neighbours, but what is around the whole query.
        result = self._query(node, scope.ctes, scope.outer, tied=False).renamed(alias_columns(alias))
        scope.tables_read += result.tables_read
        scope.relations.append(result.relation(alias_name(alias)))

    def _bracketed_relations(self, node: Expr, scope: Scope) -> None:
        """Add what is in brackets around a table or a join."""
        first = len(scope.relations)
        self._item(node.this, scope)
        alias = node.args.get("alias")
        if alias is not None:
            name = alias_name(alias)
            for relation in scope.relations[first:]:
                relation.alias = name
                relation.is_open = True
                relation.table = ""

    def _lateral(self, node: Expr, scope: Scope) -> None:
        alias = node.args.get("alias")
        name, columns = alias_name(alias), alias_columns(alias)
        if isinstance(node.this, exp.Anonymous):
            self._generator(node.this, scope, name, columns)
            return
        if not isinstance(node.this, exp.Subquery):
            raise refusal("unsupported", "LATERAL takes a function or a query in brackets.")
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
        name = call_name(node)
        if name not in TABLE_FUNCTIONS:
            check_function(name)
            raise refusal("table", f"{name!r} does not stand in FROM.")
        if name == "range":
            values = self._expressions.all(node.expressions, scope)
            rows = Rows(big=False, factor=range_rows(values, limit=MAX_MADE_ALONE))
            column = Value(low=0, high=values[-1].high, constant=False)
            columns = {(names[0] if names else "id"): column}
            scope.relations.append(Relation(alias or name, columns, rows))
            return
        value = self._expressions.value(node, scope)
        fanout, scope.fanout = scope.fanout, 1
        item = Value(value.item, 1, value.low, value.high, constant=False)
        rows = Rows(scope.spreads and not scope.is_big, fanout)
        columns = dict.fromkeys(names, item)
        scope.relations.append(Relation(alias, columns, rows, is_open=not names, multiplies=True))
        if value.owners:
            scope.links.append((value.owners & -value.owners, 1 << (len(scope.relations) - 1)))

    def _pivoted(self, pivot: Expr, scope: Scope, first: int) -> None:
        relation = scope.relations[first]
        inside = Scope(scope.ctes, scope.outer, [relation])
        self._pivot_values(pivot, inside)
        factor = relation.rows.factor
        if pivot.args.get("unpivot"):
            factor *= sum(len(field.expressions) for field in pivot.args["fields"])
        alias = pivot.args.get("alias")
        name = alias_name(alias) or relation.alias
        scope.relations[first] = Relation(name, {}, Rows(relation.rows.big, factor), is_open=True)

    def _pivot_values(self, pivot: Expr, scope: Scope) -> None:
        if pivot.args.get("unpivot"):
            for field in pivot.args["fields"]:
                self._expressions.all([_unaliased(item) for item in field.expressions], scope)
            return
        self._expressions.all([_unaliased(item) for item in pivot.expressions], scope)
        for field in pivot.args["fields"]:
            self._expressions.value(field.this, scope)
            self._expressions.all([_unaliased(item) for item in field.expressions], scope)


def values_result(node: Expr, scope: Scope, expressions: Expressions) -> Result:
    """Return what VALUES gives."""
    rows = [row.expressions if isinstance(row, exp.Tuple) else [row] for row in node.expressions]
    columns: list[tuple[str, Value]] = []
    for index in range(max((len(row) for row in rows), default=0)):
        value = combined([expressions.value(row[index], scope) for row in rows if index < len(row)])
        columns.append((f"col{index + 1}", Value(value.size, value.item, constant=len(rows) == 1)))
    return Result(columns, Rows(big=False, factor=len(rows)), 0)


def _known(dataset: Dataset) -> dict[str, Result]:
    """Return the relations of ``dataset``, made once: nothing alters them."""
    if dataset.digest not in _relations:
        if len(_relations) > 100:
            _relations.clear()
        _relations[dataset.digest] = _known_relations(dataset)
    return _relations[dataset.digest]


def _known_relations(dataset: Dataset) -> dict[str, Result]:
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


def alias_name(alias: Expr | None) -> str:
    """Return the name an alias gives, in lower case, or an empty one."""
    return alias.name.lower() if alias is not None else ""


def alias_columns(alias: Expr | None) -> list[str]:
    """Return the names an alias gives to columns, in lower case."""
    return [column.name.lower() for column in alias.args.get("columns") or ()] if alias is not None else []


def _unaliased(node: Expr) -> Expr:
    return node.this if isinstance(node, exp.Alias | exp.PivotAlias) else node


def _holds_table(node: Expr) -> bool:
    while isinstance(node, exp.Subquery):
        node = node.this
    return isinstance(node, exp.Table)


def _mask(first: int, end: int) -> int:
    return (1 << end) - (1 << first)
