"""What kind of number an expression is, as far as a translation has to know."""

from collections.abc import Iterable, Mapping
from typing import Literal

from sqlglot import exp

type Kind = Literal["int", "decimal", "double"]

_DOUBLES = (
    *(exp.Div, exp.Avg, exp.Sqrt, exp.Ln, exp.Log, exp.Exp, exp.Pow, exp.Corr, exp.Median),
    *(exp.Quantile, exp.ApproxQuantile, exp.Stddev, exp.StddevPop, exp.StddevSamp, exp.Variance, exp.VariancePop),
)
_INTS = (exp.Count, exp.CountIf, exp.Length, exp.Year, exp.Month, exp.Day, exp.Floor, exp.Ceil, exp.IntDiv)
# Of the kind of what they are applied to.
_SAME = (
    *(exp.Paren, exp.Neg, exp.Abs, exp.Sum, exp.Min, exp.Max, exp.Window, exp.Filter, exp.Alias, exp.Round),
    *(exp.Lag, exp.Lead, exp.First, exp.Last, exp.FirstValue, exp.LastValue, exp.AnyValue, exp.ArgMax),
)
# Of the widest kind of their parts.
_MIXED = (exp.Add, exp.Sub, exp.Mul, exp.Mod, exp.Coalesce, exp.Greatest, exp.Least, exp.Case, exp.If, exp.Nullif)


class Kinds:
    """The kinds of the expressions of one statement.

    Columns are told apart by name alone: first the columns of the lake, then what the statement itself calls so.
    That is enough for a guess, and a guess is all it is: an unknown kind is None.
    """

    def __init__(self, tree: exp.Expr, columns: Mapping[str, str]) -> None:
        self._columns = columns
        self._aliases = {alias.alias.lower(): alias.this.copy() for alias in tree.find_all(exp.Alias)}
        self._looking: set[str] = set()

    def of(self, node: exp.Expr | None) -> Kind | None:
        """Return the kind of ``node``, or None where it is no number or not known."""
        kind: Kind | None = None
        match node:
            case exp.Literal() if not node.is_string:
                kind = "int" if node.is_int else "decimal"
            case exp.Column():
                kind = self._of_column(node.name.lower())
            case exp.Cast():
                kind = _kind_of_type(node.to)
            case _ if isinstance(node, _DOUBLES):
                kind = "double"
            case _ if isinstance(node, _INTS):
                kind = "int"
            case _ if isinstance(node, _SAME):
                kind = self.of(node.this)
            case _ if isinstance(node, _MIXED):
                kind = self._widest(node.iter_expressions())
            case _:
                pass
        return kind

    def _of_column(self, name: str) -> Kind | None:
        if text := self._columns.get(name):
            return _kind_of_type(exp.DataType.build(text, dialect="databricks"))
        if name not in self._aliases or name in self._looking:
            return None
        self._looking.add(name)  # `SELECT a + 1 AS a` must not look for ever
        try:
            return self.of(self._aliases[name])
        finally:
            self._looking.discard(name)

    def _widest(self, parts: Iterable[exp.Expr]) -> Kind | None:
        kinds = {self.of(part) for part in parts}
        widest: list[Kind] = ["double", "decimal", "int"]
        return next((kind for kind in widest if kind in kinds), None)


def _kind_of_type(kind: exp.DataType) -> Kind | None:
    if kind.this in exp.DataType.INTEGER_TYPES:
        return "int"
    if kind.this in {exp.DType.DOUBLE, exp.DType.FLOAT}:
        return "double"
    return "decimal" if kind.this == exp.DType.DECIMAL else None
