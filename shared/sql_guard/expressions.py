"""What each expression reads, and how large it may get. Refuses unknown columns, functions and boundless calls."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlglot import Expr, exp

from shared.sql_guard.bounds import bounded_call, days, generated_rows, interval_days, today
from shared.sql_guard.functions import (
    AGGREGATES,
    ALLOWED,
    COLLECTORS,
    GENERATORS,
    TELLING_WORDS,
    TIME_WORDS,
    VARYING,
    check_function,
)
from shared.sql_guard.patterns import check_pattern
from shared.sql_guard.reasons import refuse
from shared.sql_guard.scopes import Scope, find_column
from shared.sql_guard.values import (
    LISTED,
    MAX_MADE,
    MAX_MADE_ALONE,
    MAX_SIZE,
    Value,
    combined,
    joined,
    low_high,
)

type Subquery = Callable[[Expr, Scope, bool], Value]

# Functions whose first argument is a unit of time when there are three: DATEADD(DAY, 1, x).
_UNIT_FIRST = frozenset("dateadd date_add datediff date_diff timestampadd timestampdiff timediff time_diff".split())
_UNITS = frozenset(
    "year years quarter quarters month months week weeks day days dayofyear hour hours minute minutes second seconds "
    "millisecond milliseconds microsecond microseconds nanosecond".split()
)
_FOLDS = frozenset({"aggregate", "reduce"})
# In the step of a fold, what adds the running value to itself doubles it every time.
_GROWING = frozenset(
    "concat concat_ws array_union flatten repeat replace array_append array map_concat format_string".split()
)
_TRUTHS = (
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.And, exp.Or, exp.Not,
    exp.Like, exp.ILike, exp.RegexpLike, exp.Escape, exp.In, exp.Between, exp.Is, exp.Exists,
)  # fmt: skip
_CHAINED = (exp.And, exp.Or, exp.Add, exp.Sub, exp.Mul, exp.DPipe)


@dataclass(slots=True)
class Expressions:
    """Evaluates expressions in a scope; ``subquery`` evaluates the queries inside them."""

    subquery: Subquery
    columns: set[str] = field(default_factory=set[str])
    # What the two sides of each equality read, for the joins to look up.
    sides: dict[int, tuple[Value, Value]] = field(default_factory=dict[int, tuple[Value, Value]])

    def all(self, nodes: Sequence[Expr] | None, scope: Scope) -> list[Value]:
        """Return what is known of each of ``nodes``."""
        return [self.value(node, scope) for node in nodes or ()]

    def value(self, node: Expr, scope: Scope) -> Value:
        """Return what is known of ``node``, and refuse what must not run."""
        kind = type(node)
        if kind in _CHAINED:
            result = self._chain(node, scope)
        else:
            evaluate = _EVALUATORS.get(kind)
            result = evaluate(self, node, scope) if evaluate else self._parts(node, scope)
        if isinstance(node, _TRUTHS):
            result = result.with_bounds(None, None)
        if result.size > MAX_SIZE:
            refuse("unbounded_generator", "That can make a value of any size; make it smaller.")
        return result

    def _parts(self, node: Expr, scope: Scope) -> Value:
        values: list[Value] = []
        for child in node.args.values():
            for part in child if isinstance(child, list) else [child]:
                if isinstance(part, Expr) and not isinstance(part, exp.DataType | exp.Identifier | exp.Var):
                    values.append(self.value(part, scope))
        return combined(values)

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
        if kind in (exp.And, exp.Or):
            return result
        return _arithmetic(kind, operands, result)

    # Names.

    def column(self, node: Expr, scope: Scope, *, aliases_first: bool = False) -> Value:
        """Return what is known of a column, or of all of them for a star."""
        names = [node.args[part].name.lower() for part in ("catalog", "db", "table") if node.args.get(part)]
        if isinstance(node.this, exp.Star):
            return Value(owners=(1 << len(scope.relations)) - 1, constant=False)
        names.append(node.this.name.lower())
        _check_names(names)
        parameter = scope.parameter(names[0]) if scope.parameters or scope.outer else None
        if parameter is not None:
            return parameter
        if len(names) == 1 and names[0] in TIME_WORDS and not _knows(scope, names[0]):
            low, high = today()
            return Value(low=low, high=high)
        if len(names) == 1 and names[0] in TELLING_WORDS and not _knows(scope, names[0]):
            refuse("secret", f"{names[0]} tells who or where the query runs, and is not read.")
        found = find_column(scope, names, aliases_first=aliases_first)
        if found.table:
            self.columns.add(f"{found.table}.{found.column}")
        return found.value

    def _dot(self, node: Expr, scope: Scope) -> Value:
        if not isinstance(node.expression, exp.Identifier):
            refuse("code", "A function with a qualified name is not run.")
        _check_names([node.expression.name.lower()])
        return self.value(node.this, scope).with_bounds(None, None)

    def _name(self, node: Expr, scope: Scope) -> Value:
        """A bare name in a lambda."""
        name = node.name.lower()
        _check_names([name])
        parameter = scope.parameter(name)
        if parameter is not None:
            return parameter
        return find_column(scope, [name]).value

    # Calls.

    def _anonymous(self, node: Expr, scope: Scope) -> Value:
        return self.call(node, scope, windowed=False)

    def call(self, node: Expr, scope: Scope, *, windowed: bool) -> Value:
        """Return what is known of a call; ``windowed`` when OVER follows it."""
        name = (node.this if isinstance(node.this, str) else node.this.name).lower()
        check_function(name)
        if name in AGGREGATES and not windowed:
            scope.aggregated = True
        arguments = list(node.expressions)
        if name in _UNIT_FIRST and len(arguments) == 3 and _is_unit(arguments[0]):
            arguments = arguments[1:]
        plain = [argument for argument in arguments if not isinstance(argument, exp.Lambda)]
        values = [self.value(argument, scope) for argument in plain]
        lambdas = [argument for argument in arguments if isinstance(argument, exp.Lambda)]
        limit = MAX_MADE if scope.is_big else MAX_MADE_ALONE
        if any(isinstance(argument, exp.Kwarg) for argument in plain) and name in _POSITIONAL:
            refuse("unsupported", f"Give {name} its arguments by position.")
        if lambdas:
            return self._higher_order(name, values, lambdas, scope)
        step = _step(plain[2] if len(plain) > 2 else None) if name == "sequence" else None
        texts = [_text(argument) for argument in plain]
        result = bounded_call(name, values, texts, step=step, limit=limit)
        if name in VARYING:
            result = replace(result, constant=False)
        if name in GENERATORS:
            scope.fanout *= generated_rows(name, values, limit)
            scope.spreads |= name != "stack" and any(value.gathered for value in values)
            return result.with_size(max((value.item for value in values), default=1))
        return result

    def _higher_order(self, name: str, values: list[Value], lambdas: list[Expr], scope: Scope) -> Value:
        lists = values[:1] if name in _FOLDS else values
        item = combined(lists).item
        low, high = low_high(lists) if lists else (None, None)
        count = max((value.count for value in lists), default=LISTED)
        element = Value(item, 1, low, high, constant=False)
        start = values[1] if name in _FOLDS and len(values) > 1 else element
        bodies: list[Value] = []
        for function in lambdas:
            names = [parameter.name.lower() for parameter in function.expressions]
            _check_names(names)
            if name in _FOLDS and len(names) == 2:
                _check_fold(function, names[0])
                scope.parameters.append({names[0]: start.with_bounds(None, None), names[1]: element})
            else:
                scope.parameters.append(dict.fromkeys(names, element))
            bodies.append(self.value(function.this, scope))
            scope.parameters.pop()
        body = combined(bodies)
        result = combined([*values, body])
        if name in ("exists", "forall", "filter", "map_filter", "array_sort"):
            return result.with_size(combined(values).size, item)
        return result.with_size(max(count, LISTED) * body.size, body.size)

    def _window(self, node: Expr, scope: Scope) -> Value:
        called = node.this
        wrappers: list[Expr] = []
        while isinstance(called, exp.IgnoreNulls | exp.RespectNulls | exp.Filter | exp.WithinGroup):
            wrappers.append(called)
            called = called.this
        if not isinstance(called, exp.Anonymous):
            refuse("unsupported", "OVER follows a function.")
        values = [self.call(called, scope, windowed=True)]
        values += [self.value(w.expression, scope) for w in wrappers if w.args.get("expression") is not None]
        values += self.all(node.args.get("partition_by"), scope)
        values += [self.value(part, scope) for part in (node.args.get("order"), node.args.get("spec")) if part]
        name = str(called.this).lower()
        named = node.args.get("alias") is not None
        if name in COLLECTORS and scope.is_big and not (node.args.get("partition_by") or named):
            refuse("unbounded_generator", f"Give {name} OVER a PARTITION BY.")
        result = combined(values)
        return replace(result.with_size(values[0].size, values[0].item), constant=False)

    # Literals and casts.

    def _literal(self, node: Expr, _scope: Scope) -> Value:
        text = str(node.this)
        if node.args.get("is_string"):
            return Value(size=1 + len(text) // 10, low=_integer(text), high=_integer(text))
        number = _integer(text)
        return Value(low=number, high=number)

    def _cast(self, node: Expr, scope: Scope) -> Value:
        value = self.value(node.this, scope)
        text = _text(node.this)
        if text is not None and getattr(node.args["to"].this, "value", "").startswith(("DATE", "TIMESTAMP")):
            return value.with_bounds(*days(text))
        return value

    def _negative(self, node: Expr, scope: Scope) -> Value:
        value = self.value(node.this, scope)
        low = None if value.high is None else -value.high
        high = None if value.low is None else -value.low
        return value.with_bounds(low, high)

    def _case(self, node: Expr, scope: Scope) -> Value:
        branches = [when.args["true"] for when in node.args["ifs"]]
        if node.args.get("default") is not None:
            branches.append(node.args["default"])
        conditions = [when.this for when in node.args["ifs"]]
        if node.this is not None:
            conditions.append(node.this)
        values = self.all(branches, scope)
        tests = self.all(conditions, scope)
        low, high = low_high(values)
        result = combined([*values, *(test.with_bounds(None, None) for test in tests)])
        return result.between(low, high)

    def _inner(self, node: Expr, scope: Scope) -> Value:
        return self.value(node.this, scope)

    def _bracket(self, node: Expr, scope: Scope) -> Value:
        value = self.value(node.this, scope)
        index = self.all(node.expressions, scope)
        return combined([value.with_size(value.item), *index])

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
            # The value is compared with each row for equality: that ties the two together.
            values.append(self.subquery(query, scope, True))
        return combined(values)

    def _exists(self, node: Expr, scope: Scope) -> Value:
        return self.subquery(node.this, scope, False)

    def _scalar(self, node: Expr, scope: Scope) -> Value:
        return self.subquery(node, scope, False)

    def _regexp(self, node: Expr, scope: Scope) -> Value:
        for literal in node.expression.find_all(exp.Literal):
            check_pattern(literal.name)
        return combined([self.value(node.this, scope), self.value(node.expression, scope)])

    def _kwarg(self, node: Expr, scope: Scope) -> Value:
        return self.value(node.expression, scope)

    def _extract(self, node: Expr, scope: Scope) -> Value:
        part = node.this.name.lower()
        value = self.value(node.expression, scope)
        return bounded_call(part, [value], [None], step=None, limit=MAX_MADE) if part in ALLOWED else value

    def _nothing(self, _node: Expr, _scope: Scope) -> Value:
        return Value()

    def _date_now(self, _node: Expr, _scope: Scope) -> Value:
        low, high = today()
        return Value(low=low, high=high)


_POSITIONAL = frozenset(
    "repeat array_repeat lpad rpad space randstr array_insert sequence stack format_string printf format_number round "
    "bround histogram_numeric window aggregate reduce".split()
)

_EVALUATORS: Mapping[type[Expr], Callable[[Expressions, Expr, Scope], Value]] = {
    exp.Column: Expressions.column,
    exp.Identifier: Expressions._name,
    exp.Dot: Expressions._dot,
    exp.Anonymous: Expressions._anonymous,
    exp.Window: Expressions._window,
    exp.Literal: Expressions._literal,
    exp.HexString: Expressions._nothing,
    exp.Var: Expressions._nothing,
    exp.Star: Expressions._nothing,
    exp.Interval: Expressions._parts,
    exp.Cast: Expressions._cast,
    exp.TryCast: Expressions._cast,
    exp.Neg: Expressions._negative,
    exp.Case: Expressions._case,
    exp.Paren: Expressions._inner,
    exp.Alias: Expressions._inner,
    exp.Bracket: Expressions._bracket,
    exp.EQ: Expressions._equality,
    exp.NullSafeEQ: Expressions._equality,
    exp.In: Expressions._in,
    exp.Exists: Expressions._exists,
    exp.Subquery: Expressions._scalar,
    exp.Select: Expressions._scalar,
    exp.Union: Expressions._scalar,
    exp.Intersect: Expressions._scalar,
    exp.Except: Expressions._scalar,
    exp.RegexpLike: Expressions._regexp,
    exp.Kwarg: Expressions._kwarg,
    exp.Extract: Expressions._extract,
    exp.JSONPath: Expressions._nothing,
    exp.CurrentDate: Expressions._date_now,
    exp.CurrentTimestamp: Expressions._date_now,
    exp.Localtimestamp: Expressions._date_now,
}


def _check_names(names: Sequence[str]) -> None:
    if "_metadata" in names:
        refuse("hidden_column", "_metadata tells of files, and is not read.")


def _knows(scope: Scope, name: str) -> bool:
    """Say whether a column or alias really has this name, so that Spark does not take it for a call."""
    current: Scope | None = scope
    while current is not None:
        if name in current.aliases or any(name in r.columns and not r.hidden for r in current.relations):
            return True
        current = current.outer
    return False


def _is_unit(node: Expr) -> bool:
    return isinstance(node, exp.Column) and len(node.parts) == 1 and node.name.lower() in _UNITS


def _integer(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _text(node: Expr) -> str | None:
    return str(node.this) if isinstance(node, exp.Literal) and node.args.get("is_string") else None


def _step(node: Expr | None) -> float | None:
    """Return how far apart two items of a sequence are, in units or in days; None when that cannot be told."""
    if node is None:
        return 1
    if isinstance(node, exp.Neg | exp.Paren):
        return _step(node.this)
    if isinstance(node, exp.Interval):
        unit = node.args.get("unit")
        if not isinstance(unit, exp.Var) or not isinstance(node.this, exp.Literal):
            return None
        return interval_days(node.this.name, unit.name)
    return abs(float(node.name)) if isinstance(node, exp.Literal) and not node.args.get("is_string") else None


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


def _check_fold(function: Expr, running: str) -> None:
    """Refuse AGGREGATE(xs, s, (acc, x) -> acc || acc): it doubles with every item."""
    for node in function.this.walk():
        grows = isinstance(node, exp.DPipe) or (isinstance(node, exp.Anonymous) and str(node.this).lower() in _GROWING)
        if grows and sum(name.name.lower() == running for name in node.find_all(exp.Identifier)) > 1:
            refuse("unbounded_generator", "A fold may not add its running value to itself.")
