"""How many rows a FROM can make: relations that no equality ties together multiply each other."""

from collections.abc import Callable

from sqlglot import Expr, exp

from shared.sql_guard.emit import emit
from shared.sql_guard.reasons import refusal
from shared.sql_guard.scopes import Scope
from shared.sql_guard.values import MAX_FANOUT, MAX_ROWS_ALONE, Rows, Value

type Sides = dict[int, tuple[Value, Value]]
type Link = tuple[int, int]

_ADVICE = "Join each table with an equality between its columns and those of the others."


def links_of(condition: Expr, sides: Sides) -> set[Link]:
    """Return the pairs of relations (as bits) that ``condition`` ties together by an equality that always holds."""
    return set(_collect(condition, sides, _link).values())


def ties_to_outer(condition: Expr, sides: Sides) -> bool:
    """Say whether ``condition`` always compares something of this query with something of the outer one."""
    return bool(_collect(condition, sides, _outer_link))


def _collect(node: Expr, sides: Sides, link: Callable[[Value, Value], Link | None]) -> dict[str, Link]:
    """Return what ties two sides together, by the equality that does."""
    if isinstance(node, exp.Paren):
        return _collect(node.this, sides, link)
    if isinstance(node, exp.And | exp.Or):
        kind = type(node)
        operands: list[Expr] = []
        while type(node) is kind:
            operands.append(node.args["expression"])
            node = node.this
        found = [_collect(operand, sides, link) for operand in (*operands, node)]
        if kind is exp.And:
            return {equality: pair for links in found for equality, pair in links.items()}
        # An equality of one branch is no equality of the whole; one that is in all of them is.
        return {equality: pair for equality, pair in found[0].items() if all(equality in links for links in found)}
    if isinstance(node, exp.EQ | exp.NullSafeEQ) and id(node) in sides:
        pair = link(*sides[id(node)])
        return {emit(node): pair} if pair else {}
    return {}


def _link(left: Value, right: Value) -> Link | None:
    if left.owners & right.owners or not (left.owners and right.owners) or left.constant or right.constant:
        return None
    return min(left.owners, right.owners), max(left.owners, right.owners)


def _outer_link(left: Value, right: Value) -> Link | None:
    for inner, outer in ((left, right), (right, left)):
        if (
            outer.outer
            and not outer.owners
            and inner.owners
            and not inner.outer
            and not (inner.constant or outer.constant)
        ):
            return inner.owners, 0
    return None


def check_outer_join(scope: Scope, old: int, new: int, links: set[Link]) -> None:
    """Refuse a LEFT, RIGHT, FULL, SEMI or ANTI join without an equality, unless one side is small."""
    if any((a & new and b & old) or (a & old and b & new) for a, b in links):
        return
    if any(all(not scope.relations[i].rows.big for i in _bits(side)) for side in (old, new)):
        return
    raise refusal("join_without_equality", _ADVICE)


def combined_rows(scope: Scope) -> Rows:
    """Return how many rows all relations of ``scope`` make together.

    Raises:
        SqlRefusedError: two tables multiply each other, or small relations multiply to too much.
    """
    groups = _groups(scope)
    big = [group for group in groups if any(scope.relations[i].rows.big for i in _bits(group))]
    if len(big) > 1:
        raise refusal("join_without_equality", _ADVICE)
    factor = 1
    for group in groups:
        has_table = group in big
        for index in _bits(group):
            relation = scope.relations[index]
            if relation.rows.big or relation.multiplies or not has_table:
                factor *= relation.rows.factor
    rows = Rows(bool(big), factor)
    check_rows(rows)
    return rows


def check_rows(rows: Rows) -> None:
    """Refuse what multiplies a table, or rows from nowhere, by too much."""
    if rows.factor > (MAX_FANOUT if rows.big else MAX_ROWS_ALONE):
        raise refusal("unbounded_generator", "That makes too many rows out of each; ask for fewer.")


def _bits(mask: int) -> list[int]:
    return [index for index in range(mask.bit_length()) if mask >> index & 1]


def _groups(scope: Scope) -> list[int]:
    groups = [1 << index for index in range(len(scope.relations))]
    changed = True
    while changed:
        changed = False
        for left, right in scope.links:
            # An equality ties what is already together on each side: a.x + b.y = c.z does not tie a to b.
            one = next((group for group in groups if not left & ~group), None)
            other = next((group for group in groups if not right & ~group), None)
            if one is not None and other is not None and one != other:
                groups = [group for group in groups if group not in (one, other)] + [one | other]
                changed = True
    return groups
