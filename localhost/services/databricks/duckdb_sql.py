"""Databricks SQL to DuckDB SQL: sqlglot does most of it; the rules here mend where the two silently differ.

What stays different is listed in ``docs/reference/databricks-stand-in.md``; where it matters, use Spark.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from sqlglot import exp, parse
from sqlglot.dialects import Databricks
from sqlglot.errors import ParseError, TokenError

from localhost.services.databricks.duckdb_types import Kinds
from localhost.services.databricks.engine import Parameter, QueryFailedError


class _Databricks(Databricks):
    """Databricks' SQL as Spark 4 reads it: a doubled quote inside a string is a quote."""

    class Tokenizer(Databricks.Tokenizer):
        STRING_ESCAPES: ClassVar[list[str]] = ["\\", "'", '"']


type Node = exp.Expr
type Rule = Callable[[Any, Kinds], Node]

_DIVIDE_BY_ZERO = (
    "[DIVIDE_BY_ZERO] Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead. "
    'If necessary set "spark.sql.ansi.enabled" to "false" to bypass this error. SQLSTATE: 22012'
)


def translate(sql: str, parameters: Sequence[Parameter], columns: Mapping[str, str]) -> str:
    """Return ``sql`` for DuckDB, with the values of ``parameters`` in it.

    ``columns`` gives the SQL type of the lake's columns by lower-case name.

    Raises:
        QueryFailedError: it does not parse, is not a query, or misses a parameter.
    """
    tree = _parse(sql)
    if not isinstance(tree, exp.Query):
        message = (
            f"[INSUFFICIENT_PERMISSIONS] Insufficient privileges: {tree.key.upper()} is not a query. SQLSTATE: 42501"
        )
        raise QueryFailedError(message, "42501")
    _bind(tree, parameters)
    kinds = Kinds(tree, columns)
    _name_columns(tree)
    for node in reversed(list(tree.bfs())):
        rule = _rule_for(node)
        if rule is not None and (mended := rule(node, kinds)) is not node:
            node.replace(mended)
    return tree.sql(dialect="duckdb")


def _rule_for(node: exp.Expr) -> Rule | None:
    if isinstance(node, exp.Anonymous):
        return _FUNCTIONS.get(node.name.lower())
    return next((_RULES[kind] for kind in type(node).__mro__ if kind in _RULES), None)


def _parse(sql: str) -> Node:
    try:
        trees = [tree for tree in parse(sql, read=_Databricks) if tree is not None]
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        near, line, column = first.get("highlight") or "end of input", first.get("line"), first.get("col")
        message = f"[PARSE_SYNTAX_ERROR] Syntax error at or near '{near}'. SQLSTATE: 42601 (line {line}, pos {column})"
        raise QueryFailedError(message, "42601") from error
    except TokenError as error:
        raise QueryFailedError(f"[PARSE_SYNTAX_ERROR] Syntax error: {error}. SQLSTATE: 42601", "42601") from error
    if len(trees) != 1:
        near = "end of input" if not trees else ";"
        raise QueryFailedError(f"[PARSE_SYNTAX_ERROR] Syntax error at or near '{near}'. SQLSTATE: 42601", "42601")
    return trees[0]


def _bind(tree: Node, parameters: Sequence[Parameter]) -> None:
    known = {parameter.name: parameter for parameter in parameters}
    for marker in list(tree.find_all(exp.Placeholder)):
        parameter = known.get(marker.name)
        if parameter is None:
            message = (
                f"[UNBOUND_SQL_PARAMETER] Found the unbound parameter: {marker.name}. Please, fix `args` and provide a "
                "mapping of the parameter to either a SQL literal or collection constructor functions. SQLSTATE: 42P02"
            )
            raise QueryFailedError(message, "42P02")
        parameter.typed_value()
        value = exp.null() if parameter.value is None else exp.Literal.string(parameter.value)
        marker.replace(exp.cast(value, parameter.type, dialect="databricks"))


def _name_columns(tree: Node) -> None:
    """Name the columns that have no name of their own about as Spark names them, e.g. ``count(1)``."""
    select = tree
    while isinstance(select, exp.SetOperation | exp.Subquery):
        select = select.this
    for column in list(select.expressions):
        if isinstance(column, exp.Explode) or not isinstance(column, exp.Alias | exp.Column | exp.Star | exp.UDTF):
            column.replace(exp.alias_(column.copy(), _name_of(column), quoted=True))


def _name_of(column: Node) -> str:
    if isinstance(column, exp.Explode):
        return "col"
    if isinstance(column, exp.Cast) and isinstance(column.this, exp.Column):
        return column.this.name
    if isinstance(column, exp.Literal):
        return column.name
    name = column.sql(dialect="databricks", normalize_functions="lower").replace("count(*)", "count(1)")
    return f"({name})" if isinstance(column, exp.Binary) else name


def _function(name: str, *arguments: Node) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _cast(kind: str) -> Rule:
    return lambda node, _: exp.cast(node.copy(), kind, dialect="duckdb")


def _is_zero(node: Node) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string and float(node.this) == 0


def _divide(node: exp.Binary, _: Kinds) -> Node:
    """Make division by zero an error, as in Databricks; in DuckDB it is infinite or NULL."""
    divisor = node.expression.unnest()
    if isinstance(divisor, exp.Nullif) or (divisor.is_number and not _is_zero(divisor)):
        return node
    zero = exp.EQ(this=exp.paren(divisor.copy()), expression=exp.Literal.number(0))
    error = _function("error", exp.Literal.string(_DIVIDE_BY_ZERO))
    node.set("expression", exp.Case(ifs=[exp.If(this=zero, true=error)], default=divisor.copy()))
    return node


def _to_integer(node: exp.Cast, kinds: Kinds) -> Node:
    """Cut a fraction off, as Databricks does; DuckDB rounds it."""
    if node.to.this in exp.DataType.INTEGER_TYPES and kinds.of(node.this) in {"double", "decimal"}:
        node.set("this", _function("trunc", node.this.copy()))
    return node


def _like(node: exp.Binary, _: Kinds) -> Node:
    """Let a backslash escape, as in Databricks; in DuckDB only what ESCAPE names does."""
    pattern = node.expression
    if isinstance(pattern, exp.Any | exp.All):
        several = pattern.this.expressions or [pattern.this.unnest()]
        each = [_like(type(node)(this=node.this.copy(), expression=one.copy()), _) for one in several]
        return exp.paren(exp.or_(*each) if isinstance(pattern, exp.Any) else exp.and_(*each))
    plain = pattern.is_string and "\\" not in pattern.name
    if plain or isinstance(node.parent, exp.Escape):
        return node
    return exp.Escape(this=node.copy(), expression=exp.Literal.string("\\"))


def _substring(node: exp.Substring, _: Kinds) -> Node:
    """Take position 0 for the first character, as Databricks does; DuckDB takes it for the one before."""
    start = node.args.get("start")
    if isinstance(start, exp.Literal):
        node.set("start", exp.Literal.number(1) if _is_zero(start) else start)
    elif start is not None and not isinstance(start, exp.Neg):
        zero = exp.EQ(this=exp.paren(start.copy()), expression=exp.Literal.number(0))
        node.set("start", exp.Case(ifs=[exp.If(this=zero, true=exp.Literal.number(1))], default=start.copy()))
    return node


def _round(node: exp.Round, kinds: Kinds) -> Node:
    """Round the digits that a double is written with, as Databricks does: 2.675 to 2.68, not 2.67."""
    decimals = node.args.get("decimals")
    if decimals is None or kinds.of(node.this) != "double":
        return node
    written = exp.TryCast(this=exp.cast(node.this.copy(), "text"), to=exp.DataType.build("decimal(38, 18)"))
    rounded = exp.cast(exp.Round(this=written, decimals=decimals.copy()), "double")
    return exp.Coalesce(this=rounded, expressions=[node.copy()])


def _outer_explode(node: exp.Lateral, _: Kinds) -> Node:
    """Keep the row whose list is empty or NULL, as LATERAL VIEW OUTER should."""
    if node.args.get("outer") and isinstance(node.this, exp.Explode):
        node.this.set("this", _or_one_null(node.this.this))
    return node


def _explode_outer(node: Node, _: Kinds) -> Node:
    return exp.Explode(this=_or_one_null(node.this))


def _or_one_null(values: Node) -> Node:
    count = exp.Coalesce(this=_function("len", values.copy()), expressions=[exp.Literal.number(0)])
    empty = exp.EQ(this=count, expression=exp.Literal.number(0))
    return exp.Case(ifs=[exp.If(this=empty, true=exp.Array(expressions=[exp.null()]))], default=values.copy())


def _ranking(node: exp.Window, _: Kinds) -> Node:
    ranks = exp.RowNumber, exp.Rank, exp.DenseRank, exp.Ntile
    return exp.cast(node.copy(), "int") if isinstance(node.this, ranks) else node


def _exists(node: exp.Exists, _: Kinds) -> Node:
    if not isinstance(node.args.get("expression"), exp.Lambda):
        return node
    kept = exp.ArrayFilter(this=node.this.copy(), expression=node.args["expression"].copy())
    return exp.GT(this=_function("len", kept), expression=exp.Literal.number(0))


def _weekday(node: exp.Anonymous, _: Kinds) -> Node:
    return exp.cast(
        exp.Sub(this=_function("isodow", node.expressions[0].copy()), expression=exp.Literal.number(1)), "int"
    )


def _pmod(node: exp.Anonymous, kinds: Kinds) -> Node:
    value, divisor = (exp.paren(argument.copy()) for argument in node.expressions)
    rest = _divide(exp.Mod(this=value, expression=divisor), kinds)
    positive = exp.paren(exp.Add(this=exp.paren(rest), expression=divisor.copy()))
    return exp.paren(exp.Mod(this=positive, expression=divisor.copy()))


def _table(node: exp.Table, _: Kinds) -> Node:
    """Leave the catalogue out, of which there is one, read files, and call the column of range() what Spark does."""
    if node.db.lower() == "parquet":
        node.set("this", _function("read_parquet", exp.Literal.string(node.name.removeprefix("file://"))))
        node.set("db", None)
        return node
    if node.args.get("catalog"):
        node.set("catalog", None)
    if isinstance(node.this, exp.Anonymous) and node.this.name.lower() == "range":
        alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier("range"))
        if not alias.columns:
            alias.set("columns", [exp.to_identifier("id")])
        node.set("alias", alias)
    return node


# DuckDB's are BIGINT, DOUBLE or TIMESTAMP; Databricks' are not.
_INTEGERS = (
    *(exp.Year, exp.Month, exp.Day, exp.DayOfMonth, exp.DayOfYear, exp.Quarter, exp.Week, exp.WeekOfYear),
    *(exp.Hour, exp.Minute, exp.Second, exp.Extract, exp.Length, exp.StrPosition, exp.DateDiff, exp.ArraySize),
)

_RULES: dict[type[exp.Expr], Rule] = {
    **dict.fromkeys(_INTEGERS, _cast("int")),
    exp.Floor: _cast("bigint"),
    exp.Ceil: _cast("bigint"),
    exp.TsOrDsAdd: _cast("date"),
    exp.Div: _divide,
    exp.IntDiv: lambda node, kinds: exp.cast(_divide(node.copy(), kinds), "bigint"),
    exp.Mod: _divide,
    exp.Cast: _to_integer,
    exp.TryCast: _to_integer,
    exp.Like: _like,
    exp.ILike: _like,
    exp.Substring: _substring,
    exp.Round: _round,
    exp.Lateral: _outer_explode,
    exp.ExplodeOuter: _explode_outer,
    exp.Window: _ranking,
    exp.Exists: _exists,
    exp.Table: _table,
    exp.AddMonths: lambda node, _: exp.AddMonths(
        this=exp.cast(node.this.copy(), "date"), expression=node.expression.copy()
    ),
    exp.DayOfWeek: lambda node, _: exp.cast(exp.Add(this=node.copy(), expression=exp.Literal.number(1)), "int"),
    exp.Quantile: lambda node, _: _function("quantile_cont", node.this.copy(), node.args["quantile"].copy()),
    exp.ApproxQuantile: lambda node, _: _function("quantile_disc", node.this.copy(), node.args["quantile"].copy()),
    exp.ApproxDistinct: lambda node, _: exp.Count(this=exp.Distinct(expressions=[node.this.copy()])),
}
_FUNCTIONS: dict[str, Rule] = {
    "weekday": _weekday,
    "pmod": _pmod,
    "bround": lambda node, _: _function("round_even", *[e.copy() for e in node.expressions], *_no_decimals(node)),
}


def _no_decimals(node: exp.Anonymous) -> list[Node]:
    return [] if len(node.expressions) > 1 else [exp.Literal.number(0)]
