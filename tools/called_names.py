"""Find the names by which orchestrators reach activities, other orchestrators and entities.

They are called by name, so a typo is found only when that step is reached: unless something looks for it here.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

type Kind = Literal["activity", "orchestrator", "entity"]

CALLERS: Mapping[str, tuple[Kind, int]] = {
    "call_activity": ("activity", 0),
    "call_sub_orchestrator": ("orchestrator", 0),
    "schedule_new_orchestration": ("orchestrator", 0),
    "EntityInstanceId": ("entity", 0),
}
"""What takes a name, of which kind, as which positional argument."""


@dataclass(frozen=True, slots=True)
class CalledName:
    """A name as it is written at ``line`` of ``module``; None where it is not a literal."""

    kind: Kind
    name: str | None
    module: str
    line: int


def called_names(sources: Mapping[str, str]) -> list[CalledName]:
    """Return every name in ``sources`` (module name to text) that must be a function of the app.

    A function that hands its own parameter on, as ``step(ctx, activity, payload)`` does, is looked through: then it
    is the calls of that function that must name a literal.
    """
    trees = {module: ast.parse(source) for module, source in sources.items()}
    callers = dict(CALLERS)
    while new := {name: caller for tree in trees.values() for name, caller in _handing_on(tree, callers)}:
        callers |= new
    return [
        CalledName(kind, _literal(argument), module, call.lineno)
        for module, tree in trees.items()
        for function, call in _calls(tree)
        for kind, argument in _names_given(call, callers)
        if _parameter(function, argument) is None
    ]


def _handing_on(tree: ast.Module, callers: Mapping[str, tuple[Kind, int]]) -> Iterator[tuple[str, tuple[Kind, int]]]:
    for function, call in _calls(tree):
        if function is None or function.name in callers:
            continue
        for kind, argument in _names_given(call, callers):
            position = _parameter(function, argument)
            if position is not None:
                yield function.name, (kind, position)


def _names_given(call: ast.Call, callers: Mapping[str, tuple[Kind, int]]) -> Iterator[tuple[Kind, ast.expr]]:
    called = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    if called in callers:
        kind, position = callers[called]
        for argument in call.args[position : position + 1]:
            yield kind, argument


def _calls(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef | None, ast.Call]]:
    """Yield every call with the innermost function that it stands in."""
    pending: list[tuple[ast.FunctionDef | None, ast.AST]] = [(None, tree)]
    while pending:
        function, node = pending.pop()
        if isinstance(node, ast.Call):
            yield function, node
        inner = node if isinstance(node, ast.FunctionDef) else function
        pending += [(inner, child) for child in ast.iter_child_nodes(node)]


def _parameter(function: ast.FunctionDef | None, argument: ast.expr) -> int | None:
    if function is None or not isinstance(argument, ast.Name):
        return None
    names = [parameter.arg for parameter in function.args.args]
    return names.index(argument.id) if argument.id in names else None


def _literal(argument: ast.expr) -> str | None:
    return argument.value if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else None
