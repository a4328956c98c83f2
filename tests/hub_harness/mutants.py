"""Orchestrators that are no longer what they were: one change each, made from their source."""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

type Body = list[ast.stmt]

# A step of the kind on the left becomes one of the kind on the right, under the same name.
OTHER_KIND = {
    "call_activity": "call_sub_orchestrator",
    "call_sub_orchestrator": "call_activity",
    "create_timer": "wait_for_external_event",
}


class ReachedError(Exception):
    """The step that a mutant changes is one that was done."""


@dataclass(frozen=True)
class Mutant:
    """What was changed, the module as it is now, and one that raises ``ReachedError`` where the change is."""

    change: str
    module: ast.Module
    probe: ast.Module

    def function(self, name: str, namespace: dict[str, Any]) -> Any:
        """Return ``name`` of the changed module, with everything that ``namespace`` has."""
        return self._built(self.module, name, namespace)

    def probing(self, name: str, namespace: dict[str, Any]) -> Any:
        """Return ``name`` of the module that tells whether the changed step is reached."""
        return self._built(self.probe, name, {**namespace, "ReachedError": ReachedError})

    def _built(self, module: ast.Module, name: str, namespace: dict[str, Any]) -> Any:
        scope = dict(namespace)
        exec(compile(ast.fix_missing_locations(module), f"<{self.change}>", "exec"), scope)
        return scope[name]


def mutants(source: str, is_step: Callable[[ast.stmt], bool]) -> Iterator[Mutant]:
    """Yield ``source`` with one step dropped, doubled, swapped, renamed, of another kind, or of another width."""
    module = ast.parse(source)
    for number, body in enumerate(_bodies(module)):
        for position, statement in enumerate(body):
            if is_step(statement):
                followed = any(map(is_step, body[position + 1 : position + 2]))
                yield from _of_step(module, number, position, followed=followed)


def _of_step(module: ast.Module, number: int, position: int, *, followed: bool) -> Iterator[Mutant]:
    """Yield the mutants of one step; two that follow each other can be swapped."""
    statement = _body(module, number)[position]
    text = ast.unparse(statement).splitlines()[0]
    edits: list[tuple[str, Callable[[Body], None]]] = [
        ("without", lambda body: _replace(body, position, ast.Pass())),
        ("twice", lambda body: body.insert(position, copy.deepcopy(body[position]))),
        *((what, lambda body, edit=edit: edit(body[position])) for what, edit in _edits(statement)),
    ]
    if followed:
        edits.append(("later", lambda body: _swap(body, position)))
    reached = ast.Raise(ast.Name("ReachedError", ast.Load()))
    probe = _changed(module, number, lambda body: _replace(body, position, reached))
    for what, edit in edits:
        yield Mutant(f"{what} {text}", _changed(module, number, edit), probe)


def _edits(statement: ast.stmt) -> Iterator[tuple[str, Callable[[ast.AST], None]]]:
    """Yield what can be changed inside one step."""
    calls = [node for node in ast.walk(statement) if isinstance(node, ast.Call)]
    kinds = {node.func.attr for node in calls if isinstance(node.func, ast.Attribute)}
    if "call_activity" in kinds or any(isinstance(node.func, ast.Name) and node.func.id == "step" for node in calls):
        yield "renamed", _rename
    if kinds & set(OTHER_KIND):
        yield "of another kind", _change_kind
    if any(isinstance(node.func, ast.Name) and node.func.id == "range" for node in calls):
        yield "narrower", lambda node: _widen(node, -1)
        yield "wider", lambda node: _widen(node, 1)


def _rename(node: ast.AST) -> None:
    for call in ast.walk(node):
        if isinstance(call, ast.Call):
            for argument in call.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    argument.value += "_renamed"
                    return


def _change_kind(node: ast.AST) -> None:
    for call in ast.walk(node):
        if isinstance(call, ast.Attribute) and call.attr in OTHER_KIND:
            if call.attr == "create_timer":
                call.attr = "call_activity"
                _named(node, call, "echo")
            else:
                call.attr = OTHER_KIND[call.attr]
            return


def _named(node: ast.AST, function: ast.Attribute, name: str) -> None:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and call.func is function:
            call.args, call.keywords = [ast.Constant(name)], []


def _widen(node: ast.AST, by: int) -> None:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "range":
            call.args[-1] = ast.BinOp(call.args[-1], ast.Add(), ast.Constant(by))


def _replace(body: Body, at: int, statement: ast.stmt) -> None:
    body[at] = statement


def _swap(body: Body, at: int) -> None:
    body[at], body[at + 1] = body[at + 1], body[at]


def _changed(module: ast.Module, number: int, edit: Callable[[Body], None]) -> ast.Module:
    changed = copy.deepcopy(module)
    edit(_body(changed, number))
    return changed


def _bodies(module: ast.Module) -> Iterator[Body]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.With | ast.For | ast.If | ast.While | ast.Try):
            yield node.body


def _body(module: ast.Module, number: int) -> Body:
    return next(body for at, body in enumerate(_bodies(module)) if at == number)
