"""What each expression reads, and how large it may get. Refuses unknown columns and functions."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from sqlglot import Expr, exp

from shared.sql_guard.bounds import bounded_call, days, today
from shared.sql_guard.calls import call_value, literal_text, window_value
from shared.sql_guard.functions import ALLOWED, HIDDEN, TELLING_WORDS, TIME_WORDS
from shared.sql_guard.nodes import children
from shared.sql_guard.patterns import check_like, check_pattern
from shared.sql_guard.reasons import refusal
from shared.sql_guard.scopes import Scope, find_column
from shared.sql_guard.values import MAX_MADE, MAX_SIZE, Value, combined, joined, low_high

_TRUTHS = frozenset({
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.And, exp.Or, exp.Not,
    exp.Like, exp.ILike, exp.RegexpLike, exp.Escape, exp.In, exp.Between, exp.Is, exp.Exists,
})  # fmt: skip
_CHAINED = frozenset({exp.And, exp.Or, exp.Add, exp.Sub, exp.Mul, exp.DPipe})
_NO_VALUES = (exp.DataType, exp.Identifier, exp.Var)


class Subquery(Protocol):
    """Evaluates a query inside an expression; ``tied`` when each of its rows is compared for equality."""

    def __call__(self, node: Expr, scope: Scope, *, tied: bool) -> Value: ...


class Expressions:
    """Evaluates the expressions of one statement.

    Attributes:
        columns: the columns of base tables that were read, as schema.table.column.
        sides: what the two sides of each equality read, by the id of its node, for the joins to look up.
    """

    def __init__(self, subquery: Subquery) -> None:
        self.columns: set[str] = set()
        self.sides: dict[int, tuple[Value, Value]] = {}
        self._subquery = subquery
        self._evaluators = self._table()

    def all(self, nodes: Iterable[Expr] | None, scope: Scope) -> list[Value]:
        """Return what is known of each of ``nodes``."""
        return [self.value(node, scope) for node in nodes or ()]

    def value(self, node: Expr, scope: Scope) -> Value:
        """Return what is known of ``node``, and refuse what must not run."""
        kind = type(node)
        evaluate = self._chain if kind in _CHAINED else self._evaluators.get(kind, self._parts)
        result = evaluate(node, scope)
        if kind in _TRUTHS:
            result = result.with_bounds(None, None)
        if result.size > MAX_SIZE:
            raise refusal("unbounded_generator", "That can make a value of any size; make it smaller.")
        return result

    def _table(self) -> Mapping[type[Expr], Callable[[Expr, Scope], Value]]:
        queries = dict.fromkeys((exp.Subquery, exp.Select, exp.Union, exp.Intersect, exp.Except), self._scalar)
        nothing = dict.fromkeys((exp.HexString, exp.Var, exp.Star, exp.JSONPath), self._nothing)
        now = dict.fromkeys((exp.CurrentDate, exp.CurrentTimestamp, exp.Localtimestamp), self._now)
        return {
            exp.Column: self._column,
            exp.Identifier: self._name,
            exp.Dot: self._dot,
            exp.Anonymous: self._call,
            exp.Window: self._window,
            exp.Literal: self._literal,
            exp.Cast: self._cast,
            exp.TryCast: self._cast,
            exp.Neg: self._negative,
            exp.Case: self._case,
            exp.Paren: self._inner,
            exp.Alias: self._inner,
            exp.Bracket: self._bracket,
            exp.EQ: self._equality,
            exp.NullSafeEQ: self._equality,
            exp.In: self._in,
            exp.Exists: self._exists,
            exp.RegexpLike: self._regexp,
            exp.Like: self._like,
            exp.ILike: self._like,
            exp.Kwarg: self._kwarg,
            exp.Extract: self._extract,
            **queries,
            **nothing,
            **now,
        }

    def _parts(self, node: Expr, scope: Scope) -> Value:
        return combined([self.value(part, scope) for _, part in children(node) if not isinstance(part, _NO_VALUES)])

    def _chain(self, node: Expr, scope: Scope) -> Value:
        """Evaluate a chain of one operator in a loop, however long it is."""
        kind = type(node)
        operands: list[Value] = []
        while type(node) is kind:
            operands.append(self.value(node.args["expression"], scope))
            node = node.this
        operands.append(self.value(node, scope))
        operands.reverse()
        if kind is exp.DPipe:
            return joined(operands)
        result = combined(operands)
        return result if kind in (exp.And, exp.Or) else _arithmetic(kind, operands, result)

    # Names.

    def _column(self, node: Expr, scope: Scope) -> Value:
        if isinstance(node.this, exp.Star):
            return Value(owners=(1 << len(scope.relations)) - 1, constant=False)
        names = [node.args[part].name.lower() for part in ("catalog", "db", "table", "this") if node.args.get(part)]
        _check_names(*names)
        parameter = scope.parameter(names[0])
        if parameter is not None:
            return parameter
        if len(names) == 1 and not scope.knows(names[0]):
            if names[0] in TIME_WORDS:
                return self._now(node, scope)
            if names[0] in TELLING_WORDS:
                raise refusal("secret", f"{names[0]} tells who or where the query runs, and is not read.")
        found = find_column(scope, names)
        if found.table:
            self.columns.add(f"{found.table}.{found.column}")
        return found.value

    def _dot(self, node: Expr, scope: Scope) -> Value:
        field = node.args["expression"]
        if not isinstance(field, exp.Identifier):
            raise refusal("code", "A function with a qualified name is not run.")
        _check_names(field.name.lower())
        return self.value(node.this, scope).with_bounds(None, None)

    def _name(self, node: Expr, scope: Scope) -> Value:
        """Look up a bare name, as lambdas have them."""
        name = node.name.lower()
        _check_names(name)
        parameter = scope.parameter(name)
        return find_column(scope, [name]).value if parameter is None else parameter

    # Calls.

    def _call(self, node: Expr, scope: Scope) -> Value:
        return call_value(node, scope, self.value)

    def _window(self, node: Expr, scope: Scope) -> Value:
        return window_value(node, scope, self.value)

    def _kwarg(self, node: Expr, scope: Scope) -> Value:
        return self.value(node.args["expression"], scope)

    def _extract(self, node: Expr, scope: Scope) -> Value:
        part = node.this.name.lower()
        value = self.value(node.args["expression"], scope)
        return bounded_call(part, [value], [None], step=None, limit=MAX_MADE) if part in ALLOWED else value

    # Literals, casts and operators.

    def _literal(self, node: Expr, _scope: Scope) -> Value:
        text = str(node.this)
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
        return Value(size=1 + len(text) // 10, low=number, high=number)

    def _nothing(self, _node: Expr, _scope: Scope) -> Value:
        return Value()

    def _now(self, _node: Expr, _scope: Scope) -> Value:
        return Value().with_bounds(*today())

    def _cast(self, node: Expr, scope: Scope) -> Value:
        value = self.value(node.this, scope)
        text = literal_text(node.this)
        if text is not None and getattr(node.args["to"].this, "value", "").startswith(("DATE", "TIMESTAMP")):
            return value.with_bounds(*days(text))
        return value

    def _negative(self, node: Expr, scope: Scope) -> Value:
        value = self.value(node.this, scope)
        low = None if value.high is None else -value.high
        high = None if value.low is None else -value.low
        return value.with_bounds(low, high)

    def _case(self, node: Expr, scope: Scope) -> Value:
        whens: list[Expr] = node.args["ifs"]
        default = node.args.get("default")
        branches = self.all([when.args["true"] for when in whens] + ([default] if default is not None else []), scope)
        tests = self.all([when.this for when in whens] + ([node.this] if node.this is not None else []), scope)
        return combined([*branches, *(test.with_bounds(None, None) for test in tests)]).between(*low_high(branches))

    def _inner(self, node: Expr, scope: Scope) -> Value:
        return self.value(node.this, scope)

    def _bracket(self, node: Expr, scope: Scope) -> Value:
        value = self.value(node.this, scope)
        return combined([value.with_size(value.item), *self.all(node.expressions, scope)])

    # Comparisons and queries.

    def _equality(self, node: Expr, scope: Scope) -> Value:
        left = self.value(node.this, scope)
        right = self.value(node.args["expression"], scope)
        self.sides[id(node)] = (left, right)
        return combined([left, right])

    def _in(self, node: Expr, scope: Scope) -> Value:
        values = [self.value(node.this, scope), *self.all(node.args.get("expressions"), scope)]
        query = node.args.get("query")
        if query is not None:
            values.append(self._subquery(query, scope, tied=True))
        return combined(values)

    def _exists(self, node: Expr, scope: Scope) -> Value:
        return self._subquery(node.this, scope, tied=False)

    def _scalar(self, node: Expr, scope: Scope) -> Value:
        return self._subquery(node, scope, tied=False)

    def _like(self, node: Expr, scope: Scope) -> Value:
        for literal in node.args["expression"].find_all(exp.Literal):
            check_like(literal.name)
        return self._parts(node, scope)

    def _regexp(self, node: Expr, scope: Scope) -> Value:
        pattern: Expr = node.args["expression"]
        for literal in pattern.find_all(exp.Literal):
            check_pattern(literal.name)
        return combined([self.value(node.this, scope), self.value(pattern, scope)])


def _check_names(*names: str) -> None:
    if HIDDEN in names:
        raise refusal("hidden_column", f"{HIDDEN} tells of files, and is not read.")


def _arithmetic(kind: type[Expr], operands: list[Value], result: Value) -> Value:
    low, high = operands[0].low, operands[0].high
    for operand in operands[1:]:
        if low is None or high is None or operand.low is None or operand.high is None:
            return result
        if kind is exp.Add:
            low, high = low + operand.low, high + operand.high
        elif kind is exp.Sub:
            low, high = low - operand.high, high - operand.low
        else:
            ends = [a * b for a in (low, high) for b in (operand.low, operand.high)]
            low, high = min(ends), max(ends)
    return result.with_bounds(low, high)
