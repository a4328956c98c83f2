"""How each kind of node is written in Databricks SQL, as data.

``{part}`` is a part of the node, ``{part*}`` a list with commas, ``{part+}`` a list without; what stands between ``<``
and ``>`` is left out where its part is missing. A kind that is neither here nor in ``emit`` cannot run.
"""

import re
from dataclasses import dataclass

from sqlglot import Expr, exp

_QUERY_TAIL = "< {distribute}>< {sort}>< {cluster}>< {order}><{limit}><{offset}>"

TEMPLATES: dict[type[Expr], str] = {
    # Queries and what they read.
    exp.Select: (
        "<{with_}>SELECT <{distinct}>{expressions*}< FROM {from_}>{joins+}{laterals+}< WHERE {where}><{group}>"  # noqa: S608 - a template of SQL is what this is
        "< HAVING {having}>< QUALIFY {qualify}>< WINDOW {windows*}>" + _QUERY_TAIL
    ),
    exp.Subquery: "<{with_}>({this})<{sample}>< AS {alias}>{pivots+}" + _QUERY_TAIL,
    exp.With: "WITH {expressions*} ",
    exp.CTE: "{alias} AS ({this})",
    exp.Table: "<{db}.>{this}<{sample}>< AS {alias}>{pivots+}{joins+}",
    exp.TableAlias: "<{this}><({columns*})>",
    exp.Values: "VALUES {expressions*}< AS {alias}>",
    exp.From: "{this}",
    exp.PivotAlias: "{this} AS {alias}",
    # Clauses.
    exp.Where: "{this}",
    exp.Having: "{this}",
    exp.Qualify: "{this}",
    exp.Cube: "CUBE({expressions*})",
    exp.Rollup: "ROLLUP({expressions*})",
    exp.GroupingSets: "GROUPING SETS ({expressions*})",
    exp.Order: "ORDER BY {expressions*}",
    exp.Sort: "SORT BY {expressions*}",
    exp.Limit: " LIMIT {expression}",
    exp.Offset: " OFFSET {expression}",
    exp.Filter: "{this} FILTER (WHERE {expression})",
    exp.WithinGroup: "{this} WITHIN GROUP ({expression})",
    exp.IgnoreNulls: "{this} IGNORE NULLS",
    exp.RespectNulls: "{this} RESPECT NULLS",
    # Names and values.
    exp.Star: "*< EXCEPT ({except_*})>",
    exp.Dot: "{this}.{expression}",
    exp.Alias: "{this} AS {alias}",
    exp.Aliases: "{this} AS ({expressions*})",
    exp.Null: "NULL",
    exp.Interval: "INTERVAL {this}< {unit}>",
    exp.IntervalSpan: "{this} TO {expression}",
    exp.Tuple: "({expressions*})",
    exp.Paren: "({this})",
    exp.DataTypeParam: "{this}",
    exp.ColumnDef: "{this}: {kind}",
    # Calls.
    exp.TryCast: "TRY_CAST({this} AS {to})",
    exp.Extract: "EXTRACT({this} FROM {expression})",
    exp.Substring: "SUBSTRING({this} FROM {start}< FOR {length}>)",
    exp.StrPosition: "POSITION({substr} IN {this})",
    exp.Overlay: "OVERLAY({this} PLACING {expression} FROM {from_}< FOR {for_}>)",
    exp.CurrentDate: "CURRENT_DATE",
    exp.CurrentTimestamp: "CURRENT_TIMESTAMP",
    exp.Localtimestamp: "LOCALTIMESTAMP",
    exp.Exists: "EXISTS ({this})",
    # Operators that are not simply between their operands.
    exp.Between: "{this} BETWEEN {low} AND {high}",
    exp.If: " WHEN {this} THEN {true}",
    exp.Case: "CASE< {this}>{ifs+}< ELSE {default}> END",
    exp.Neg: "- {this}",
    exp.BitwiseNot: "~ {this}",
    exp.Bracket: "{this}[{expressions*}]",
    exp.Collate: "{this} COLLATE {expression}",
}

# What is written between two operands.
OPERATORS: dict[type[Expr], str] = {
    exp.And: "AND",
    exp.Or: "OR",
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.NullSafeEQ: "<=>",
    exp.NullSafeNEQ: "IS DISTINCT FROM",
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.IntDiv: "DIV",
    exp.Mod: "%",
    exp.BitwiseAnd: "&",
    exp.BitwiseOr: "|",
    exp.BitwiseXor: "^",
    exp.BitwiseLeftShift: "<<",
    exp.BitwiseRightShift: ">>",
    exp.DPipe: "||",
    exp.Like: "LIKE",
    exp.ILike: "ILIKE",
    exp.RegexpLike: "RLIKE",
    exp.Is: "IS",
    exp.Escape: "ESCAPE",
}

TYPES = {
    "TEXT": "STRING",
    "TIMESTAMPTZ": "TIMESTAMP",
    "TIMESTAMPLTZ": "TIMESTAMP_LTZ",
    "TIMESTAMPNTZ": "TIMESTAMP_NTZ",
    "NULL": "VOID",
    **{
        name: name
        for name in (
            "VARCHAR", "CHAR", "BOOLEAN", "TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL", "DATE",
            "TIME", "TIMESTAMP", "BINARY", "VARIANT", "ARRAY", "MAP", "STRUCT",
        )
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a node with the text around it; ``separator`` is set where it is a list."""

    before: str
    part: str
    after: str
    separator: str | None
    optional: bool


_PIECE = re.compile(r"<([^<>{}]*)\{(\w+)([*+]?)\}([^<>{}]*)>|\{(\w+)([*+]?)\}|([^<>{}]+)")
_SEPARATORS = {"*": ", ", "+": ""}


def _compiled(template: str) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    for before, part, many, after, plain, plain_many, text in _PIECE.findall(template):
        if text:
            pieces.append(Piece(text, "", "", None, optional=False))
        else:
            separator = _SEPARATORS.get(many or plain_many)
            pieces.append(Piece(before, part or plain, after, separator, optional=bool(part)))
    return tuple(pieces)


PIECES = {kind: _compiled(template) for kind, template in TEMPLATES.items()}
