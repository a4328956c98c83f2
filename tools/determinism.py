"""Find what a replay could see differently: ``python -m tools.determinism orchestrators entities``.

An orchestrator runs from the top at every step and must ask for the same things in the same order. The SDK compares
the kind and the name of a step with history, but not its input, and nothing outside of steps: much passes unseen.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

IMPORTS = frozenset({
    "azure.durable_functions",
    "collections",
    "dataclasses",
    "datetime",
    "durabletask.entities",
    "durabletask.task",
    "enum",
    "entities",
    "itertools",
    "logging",
    "math",
    "orchestrators",
    "re",
    "shared.admission",
    "shared.errors",
    "shared.payloads",
    "typing",
})  # fmt: skip
"""Nothing in these does I/O, tells the time or throws dice. A pure rule of `shared` is added by name."""

CLOCKS_AND_DICE = frozenset({"now", "utcnow", "today", "localtime", "sleep", "uuid1", "uuid4", "getenv"})
OUTSIDE = frozenset({"open", "print", "input", "hash", "id", "eval", "exec", "globals", "__import__"})
"""Built-in functions that reach outside, or answer differently in another process."""
ORDERLESS_IS_FINE = frozenset({"sorted", "len", "sum", "min", "max", "any", "all"})
CHANGES = frozenset({"add", "append", "clear", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"})


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """One place that a replay could see differently, and what to write there."""

    line: int
    what: str


def violations(source: str) -> list[Violation]:
    """Return everything in ``source`` that does not belong into an orchestrator or an entity."""
    tree = ast.parse(source)
    parents = {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
    module_names = frozenset(_module_names(tree))
    loggers = frozenset(_loggers(tree)) | {"logging"}
    found = [
        Violation(getattr(node, "lineno", 0), what)
        for node in ast.walk(tree)
        for what in _at(node, parents.get(node), module_names, loggers)
    ]
    return sorted(found)


def _at(node: ast.AST, parent: ast.AST | None, module_names: frozenset[str], loggers: frozenset[str]) -> Iterator[str]:
    match node:
        case ast.Import() | ast.ImportFrom():
            yield from (f"import of {name}: only an activity may use it" for name in _imported(node))
        case ast.Call():
            yield from _call(node, module_names, loggers)
        case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
            yield "async: an orchestrator is a generator, `yield` is its only wait"
        case ast.Global(names):
            yield f"global {', '.join(names)}: keep state in locals or in the payload"
        case (
            ast.Assign(targets=[ast.Subscript(ast.Name(name)), *_])
            | ast.AugAssign(target=ast.Subscript(ast.Name(name)))
        ) if name in module_names:
            yield f"{name}[...] = : the module's state is another one in the next process"
        case ast.While(ast.Constant(value)) if value:
            yield "a loop without an end: bound it by a deadline, or end with ctx.continue_as_new"
        case ast.Set() | ast.SetComp() if not _order_is_lost(node, parent):
            yield "a set: its order differs between processes; use a list or sorted(...)"
        case ast.keyword("retry_timeout"):
            yield "retry_timeout: it is read against the wall clock during replay; use max_number_of_attempts"
        case _:
            pass
    if isinstance(node, ast.Call) and _name_of(node.func) in {"set", "frozenset"} and not _order_is_lost(node, parent):
        yield "a set: its order differs between processes; use a list or sorted(...)"


def _call(node: ast.Call, module_names: frozenset[str], loggers: frozenset[str]) -> Iterator[str]:
    match node.func:
        case ast.Name(name) if name in OUTSIDE:
            yield f"{name}(): it reaches outside; use an activity"
        case ast.Name(name) | ast.Attribute(_, name) if name in CLOCKS_AND_DICE:
            yield f"{name}(): use ctx.current_utc_datetime, ctx.new_uuid() or ctx.create_timer"
        case ast.Attribute(ast.Name(name), method) if name in loggers and method != "getLogger":
            yield f"{name}.{method}(): it writes again at every replay; use ctx.create_replay_safe_logger"
        case ast.Attribute(ast.Name(name), method) if name in module_names and method in CHANGES:
            yield f"{name}.{method}(): the module's state is another one in the next process"
        case _:
            pass


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
    for alias in node.names:
        name = prefix + alias.name
        if not any(f"{name}.".startswith(f"{allowed}.") for allowed in IMPORTS):
            yield name


def _module_names(tree: ast.Module) -> Iterator[str]:
    for statement in tree.body:
        match statement:
            case ast.Assign(targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(name)):
                yield name
            case _:
                pass


def _loggers(tree: ast.Module) -> Iterator[str]:
    for statement in tree.body:
        match statement:
            case ast.Assign([ast.Name(name)], ast.Call(func)) if _name_of(func) == "getLogger":
                yield name
            case _:
                pass


def _order_is_lost(node: ast.AST, parent: ast.AST | None) -> bool:
    """Whether nobody can see the order of the set ``node``: behind ``in``, or inside ``sorted(...)`` and the like."""
    match parent:
        case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[only]):
            return only is node
        case ast.Call(func, [only]):
            return only is node and _name_of(func) in ORDERLESS_IS_FINE | {"frozenset"}
        case _:
            return False


def _name_of(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def main(folders: list[str]) -> int:
    """Print every violation below ``folders``; return 1 where there is one."""
    found = 0
    for path in sorted(path for folder in folders for path in Path(folder).rglob("*.py")):
        for violation in violations(path.read_text(encoding="utf-8")):
            found += 1
            print(f"{path}:{violation.line}: {violation.what}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
