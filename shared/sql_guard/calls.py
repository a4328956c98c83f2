"""What a call gives: lists, strings and rows made out of numbers, folds, windows."""

from collections.abc import Callable
from dataclasses import replace

from sqlglot import Expr, exp

from shared.sql_guard.bounds import bounded_call, generated_rows, interval_days
from shared.sql_guard.functions import AGGREGATES, COLLECTORS, GENERATORS, VARYING, check_function
from shared.sql_guard.reasons import refusal
from shared.sql_guard.scopes import Scope
from shared.sql_guard.values import LISTED, MAX_MADE, MAX_MADE_ALONE, Value, combined, low_high

type Evaluate = Callable[[Expr, Scope], Value]

# Functions whose first argument is a unit of time when there are three: DATEADD(DAY, 1, x).
_UNIT_FIRST = frozenset("dateadd date_add datediff date_diff timestampadd timestampdiff timediff time_diff".split())
_UNITS = frozenset(
    "year years quarter quarters month months week weeks day days dayofyear hour hours minute minutes second seconds "
    "millisecond milliseconds microsecond microseconds nanosecond".split()
)
# Functions with bounds: their arguments are looked at by position.
_POSITIONAL = frozenset(
    "repeat array_repeat lpad rpad space randstr array_insert sequence stack format_string printf format_number round "
    "bround histogram_numeric window aggregate reduce".split()
)
_FOLDS = frozenset({"aggregate", "reduce"})
_SIEVES = frozenset("exists forall filter map_filter array_sort".split())
# In the step of a fold, what adds the running value to itself doubles it every time.
_GROWING = frozenset(
    "concat concat_ws array_union flatten repeat replace array_append array map_concat format_string".split()
)
_AROUND_CALL = (exp.IgnoreNulls, exp.RespectNulls, exp.Filter, exp.WithinGroup)


def call_value(node: Expr, scope: Scope, evaluate: Evaluate, *, windowed: bool = False) -> Value:
    """Return what is known of a call; ``windowed`` when OVER follows it."""
    name = call_name(node)
    check_function(name)
    if name in AGGREGATES and not windowed:
        scope.aggregated = True
    arguments: list[Expr] = list(node.expressions)
    if name in _UNIT_FIRST and len(arguments) == 3 and _is_unit(arguments[0]):
        arguments = arguments[1:]
    plain = [argument for argument in arguments if not isinstance(argument, exp.Lambda)]
    if name in _POSITIONAL and any(isinstance(argument, exp.Kwarg) for argument in plain):
        raise refusal("unsupported", f"Give {name} its arguments by position.")
    values = [evaluate(argument, scope) for argument in plain]
    lambdas = [argument for argument in arguments if isinstance(argument, exp.Lambda)]
    if lambdas:
        return _higher_order(name, values, lambdas, scope, evaluate)
    step = _step(plain[2] if len(plain) > 2 else None) if name == "sequence" else None
    limit = MAX_MADE if scope.is_big else MAX_MADE_ALONE
    result = bounded_call(name, values, [literal_text(argument) for argument in plain], step=step, limit=limit)
    if name in VARYING:
        result = replace(result, constant=False)
    if name in GENERATORS:
        scope.fanout *= generated_rows(name, values, limit)
        scope.spreads |= name != "stack" and any(value.gathered for value in values)
        return result.with_size(max((value.item for value in values), default=1))
    return result


def window_value(node: Expr, scope: Scope, evaluate: Evaluate) -> Value:
    """Return what is known of a call with OVER."""
    called: Expr = node.this
    around: list[Expr] = []
    while isinstance(called, _AROUND_CALL):
        around.append(called)
        called = called.this
    if not isinstance(called, exp.Anonymous):
        raise refusal("unsupported", "OVER follows a function.")
    partition: list[Expr] = node.args.get("partition_by") or []
    others = [
        *(part.args.get("expression") for part in around),
        *partition,
        node.args.get("order"),
        node.args.get("spec"),
    ]
    value = call_value(called, scope, evaluate, windowed=True)
    result = combined([value, *(evaluate(other, scope) for other in others if other is not None)])
    name = call_name(called)
    if name in COLLECTORS and scope.is_big and not partition and node.args.get("alias") is None:
        raise refusal("unbounded_generator", f"Give {name} OVER a PARTITION BY.")
    return replace(result.with_size(value.size, value.item), constant=False)


def call_name(node: Expr) -> str:
    """Return the lower-case name that a call was written with."""
    return (node.this if isinstance(node.this, str) else node.this.name).lower()


def literal_text(node: Expr) -> str | None:
    """Return the text of a string literal, and nothing for anything else."""
    return str(node.this) if isinstance(node, exp.Literal) and node.args.get("is_string") else None


def _higher_order(name: str, values: list[Value], lambdas: list[exp.Lambda], scope: Scope, evaluate: Evaluate) -> Value:
    lists = values[:1] if name in _FOLDS else values
    item = combined(lists).item
    element = Value(item, 1, *low_high(lists), constant=False)
    running = values[1] if name in _FOLDS and len(values) > 1 else element
    bodies: list[Value] = []
    for function in lambdas:
        names = [parameter.name.lower() for parameter in function.expressions]
        scope.parameters.append(dict.fromkeys(names, element))
        if name in _FOLDS:
            _check_fold(function, names[0])
            scope.parameters[-1][names[0]] = running.with_bounds(None, None)
        bodies.append(evaluate(function.this, scope))
        scope.parameters.pop()
    body = combined(bodies)
    result = combined([*values, body])
    if name in _SIEVES:
        return result.with_size(combined(values).size, item)
    count = max((value.count for value in lists), default=LISTED)
    return result.with_size(max(count, LISTED) * body.size, body.size)


def _check_fold(function: exp.Lambda, running: str) -> None:
    """Refuse AGGREGATE(xs, s, (acc, x) -> acc || acc): it doubles with every item."""
    for node in function.this.walk():
        grows = isinstance(node, exp.DPipe) or (isinstance(node, exp.Anonymous) and call_name(node) in _GROWING)
        if grows and sum(name.name.lower() == running for name in node.find_all(exp.Identifier)) > 1:
            raise refusal("unbounded_generator", "A fold may not add its running value to itself.")


def _is_unit(node: Expr) -> bool:
    return isinstance(node, exp.Column) and len(node.parts) == 1 and node.name.lower() in _UNITS


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
