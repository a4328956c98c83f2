"""The closed list of what a tree may be made of: kinds of node, and for each the parts it may have.

A kind that is not listed is refused, and so is a part: sqlglot hangs INTO, locks, table versions and much else on
nodes that are harmless without.
"""

from collections.abc import Iterator
from typing import cast

from sqlglot import Expr, exp

from shared.errors import SqlRefusedError
from shared.sql_guard.reasons import refusal

MAX_NODES = 12_000
MAX_DEPTH = 120
MAX_SELECTS = 64
_EMPTY: list[object] = []

_BINARY = ("this", "expression")
_UNARY = ("this",)
_QUERY_TAIL = ("with_", "order", "limit", "offset")

PARTS: dict[type[Expr], frozenset[str]] = {
    kind: frozenset(parts)
    for kind, parts in {
        # Queries and what they read.
        exp.Select: (
            *_QUERY_TAIL, "expressions", "distinct", "from_", "joins", "laterals", "where", "group", "having",
            "qualify", "windows", "sort", "cluster", "distribute",
        ),
        exp.Union: (*_QUERY_TAIL, *_BINARY, "distinct", "by_name"),
        exp.Intersect: (*_QUERY_TAIL, *_BINARY, "distinct", "by_name"),
        exp.Except: (*_QUERY_TAIL, *_BINARY, "distinct", "by_name"),
        exp.Subquery: (*_QUERY_TAIL, "this", "alias", "pivots", "sample"),
        exp.With: ("expressions",),
        exp.CTE: ("this", "alias"),
        exp.Table: ("this", "db", "alias", "joins", "pivots", "sample"),
        exp.TableAlias: ("this", "columns"),
        exp.Values: ("expressions", "alias"),
        exp.Lateral: ("this", "view", "outer", "alias"),
        exp.From: _UNARY,
        exp.Join: ("this", "on", "using", "side", "kind", "method", "pivots"),
        exp.TableSample: ("percent", "size", "seed", "bucket_numerator", "bucket_denominator"),
        exp.Pivot: ("expressions", "fields", "unpivot", "include_nulls", "alias"),
        exp.PivotAlias: ("this", "alias"),
        # Clauses.
        exp.Distinct: ("expressions",),
        exp.Where: _UNARY,
        exp.Group: ("expressions", "all", "cube", "rollup", "grouping_sets"),
        exp.Cube: ("expressions",),
        exp.Rollup: ("expressions",),
        exp.GroupingSets: ("expressions",),
        exp.Having: _UNARY,
        exp.Qualify: _UNARY,
        exp.Order: ("expressions",),
        exp.Sort: ("expressions",),
        exp.Cluster: ("expressions",),
        exp.Distribute: ("expressions",),
        exp.Ordered: ("this", "desc", "nulls_first"),
        exp.Limit: ("expression",),
        exp.Offset: ("expression",),
        exp.Window: ("this", "partition_by", "order", "spec", "alias", "over"),
        exp.WindowSpec: ("kind", "start", "start_side", "end", "end_side"),
        exp.Filter: _BINARY,
        exp.WithinGroup: _BINARY,
        exp.IgnoreNulls: _UNARY,
        exp.RespectNulls: _UNARY,
        # Names and values.
        exp.Column: ("this", "table", "db", "catalog"),
        exp.Identifier: ("this", "quoted"),
        exp.Star: ("except_",),
        exp.Dot: _BINARY,
        exp.Alias: ("this", "alias"),
        exp.Aliases: ("this", "expressions"),
        exp.Literal: ("this", "is_string"),
        exp.HexString: _UNARY,
        exp.Boolean: _UNARY,
        exp.Null: (),
        exp.Interval: ("this", "unit"),
        exp.IntervalSpan: _BINARY,
        exp.Var: _UNARY,
        exp.Tuple: ("expressions",),
        exp.Paren: _UNARY,
        exp.DataType: ("this", "expressions", "nested"),
        exp.DataTypeParam: _UNARY,
        exp.ColumnDef: ("this", "kind"),
        # Calls.
        exp.Anonymous: ("this", "expressions"),
        exp.Lambda: ("this", "expressions"),
        exp.Kwarg: _BINARY,
        exp.Cast: ("this", "to"),
        exp.TryCast: ("this", "to", "safe"),
        exp.Extract: _BINARY,
        exp.Trim: ("this", "expression", "position"),
        exp.Substring: ("this", "start", "length"),
        exp.StrPosition: ("this", "substr"),
        exp.Overlay: ("this", "expression", "from_", "for_"),
        exp.CurrentDate: (),
        exp.CurrentTimestamp: (),
        exp.Localtimestamp: (),
        exp.Exists: _UNARY,
        # Operators.
        exp.Case: ("this", "ifs", "default"),
        exp.If: ("this", "true"),
        exp.In: ("this", "expressions", "query"),
        exp.Between: ("this", "low", "high"),
        exp.Like: (*_BINARY, "negate"),
        exp.ILike: (*_BINARY, "negate"),
        exp.RegexpLike: _BINARY,
        exp.Any: _UNARY,
        exp.All: _UNARY,
        exp.Escape: _BINARY,
        exp.Is: _BINARY,
        exp.Not: _UNARY,
        exp.Neg: _UNARY,
        exp.BitwiseNot: _UNARY,
        exp.Bracket: ("this", "expressions"),
        exp.JSONExtract: (*_BINARY, "variant_extract"),
        exp.JSONPath: ("expressions",),
        exp.JSONPathRoot: (),
        exp.JSONPathKey: ("this", "quoted"),
        exp.JSONPathSubscript: _UNARY,
        exp.JSONPathWildcard: (),
        exp.Collate: _BINARY,
        exp.DPipe: (*_BINARY, "safe"),
        exp.Div: (*_BINARY, "typed", "safe"),
        **dict.fromkeys(
            (
                exp.And, exp.Or, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ,
                exp.Add, exp.Sub, exp.Mul, exp.IntDiv, exp.Mod, exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor,
                exp.BitwiseLeftShift, exp.BitwiseRightShift,
            ),
            _BINARY,
        ),
    }.items()
}  # fmt: skip

# What the parser notes beside a query and is no part of it: never written, so never run.
_UNWRITTEN: dict[type[Expr], frozenset[str]] = {
    exp.Pivot: frozenset({"columns", "identify_pivot_strings", "prefixed_pivot_columns", "pivot_column_naming"}),
    exp.Cast: frozenset({"_type"}),
    exp.TryCast: frozenset({"_type"}),
}
# Refused kinds that deserve a better word than "unsupported".
_WORSE: dict[type[object], str] = {
    exp.Into: "write",
    exp.Insert: "write",
    exp.MultitableInserts: "write",
    exp.Update: "write",
    exp.Delete: "write",
    exp.Merge: "write",
    exp.Create: "write",
    exp.Drop: "write",
    exp.Command: "not_a_query",
    exp.Lock: "write",
    exp.QueryTransform: "code",
    exp.Placeholder: "parameter",
    exp.Parameter: "parameter",
    exp.SessionParameter: "parameter",
    exp.Version: "time_travel",
    exp.Stream: "table",
    exp.CurrentUser: "secret",
    exp.SessionUser: "secret",
    exp.CurrentCatalog: "secret",
    exp.CurrentSchema: "secret",
    exp.CurrentRole: "secret",
}
_WORSE_PARTS = {"into": "write", "locks": "write", "version": "time_travel", "catalog": "table", "when": "time_travel"}
# Left-deep chains of these are walked in a loop, so that a hundred ORs are not a hundred levels.
CHAINS = frozenset({
    exp.And, exp.Or, exp.Add, exp.Sub, exp.Mul, exp.DPipe, exp.Union, exp.Intersect, exp.Except,
})  # fmt: skip


def children(node: Expr) -> Iterator[tuple[str, Expr]]:
    """Yield the nodes right below ``node``, each with the part that it is of."""
    for part, value in node.args.items():
        # "_type" is the parser's note of what is written beside it.
        if isinstance(value, Expr) and part != "_type":
            yield part, value
        elif isinstance(value, list):
            for child in cast("list[object]", value):
                if isinstance(child, Expr):
                    yield part, child


def check_nodes(tree: Expr) -> list[Expr]:
    """Return all nodes of ``tree``, none of which is off the list, nor the tree larger or deeper than a query needs.

    Raises:
        SqlRefusedError: one is, or it is.
    """
    if not isinstance(tree, exp.Query) or isinstance(tree, exp.Table | exp.Values):
        raise refusal(_WORSE.get(type(tree), "not_a_query"), "Only a query that reads is run: SELECT ... FROM ...")
    pending: list[tuple[Expr, int]] = [(tree, 0)]
    nodes: list[Expr] = []
    while pending:
        node, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise refusal("too_deep", "The SQL is nested too deeply.")
        nodes.append(node)
        kind = type(node)
        chained = kind in CHAINS
        for part, child in _checked_children(node, kind):
            deeper = not (chained and part == "this" and type(child) is kind)
            pending.append((child, depth + deeper))
    if len(nodes) > MAX_NODES:
        raise refusal("too_long", "The SQL has too many parts; ask for less at once.")
    if sum(type(node) is exp.Select for node in nodes) > MAX_SELECTS:
        raise refusal("too_many_relations", f"The SQL has more than {MAX_SELECTS} SELECTs; ask for less at once.")
    return nodes


def _checked_children(node: Expr, kind: type[Expr]) -> list[tuple[str, Expr]]:
    allowed = PARTS.get(kind)
    if allowed is None:
        raise refusal(_WORSE.get(kind, "unsupported"), f"{kind.__name__} is not taken; write a plainer query.")
    if kind is exp.Select and not node.args.get("expressions"):
        raise refusal("syntax", "SELECT names no columns.")
    found: list[tuple[str, Expr]] = []
    for part, value in node.args.items():
        if value is None or value is False:
            continue
        if part not in allowed and value != _EMPTY:
            if part in _UNWRITTEN.get(kind, ()):
                continue
            raise _refused_part(kind, part, value)
        if isinstance(value, Expr):
            found.append((part, value))
        elif isinstance(value, list):
            found += [(part, child) for child in cast("list[object]", value) if isinstance(child, Expr)]
    return found


def _refused_part(kind: type[Expr], part: str, value: object) -> SqlRefusedError:
    if kind is exp.With and part == "recursive":
        return refusal("recursive_cte", "WITH RECURSIVE is not taken; use a join or a window function.")
    reason = _WORSE_PARTS.get(part) or _WORSE.get(type(value), "unsupported")
    return refusal(reason, f"{kind.__name__} with {part.strip('_')} is not taken; write a plainer query.")
