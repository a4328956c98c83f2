"""From the checked tree to the SQL that runs: every name quoted, every string escaped, nothing else added.

Most kinds are written by a template. Operators come out in the order they were written and without brackets of their
own: what Spark makes of the precedence is what it would have made of the original.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from sqlglot import Expr, exp

from shared.sql_guard.calls import call_name
from shared.sql_guard.functions import TIME_WORDS
from shared.sql_guard.reading import TYPED_LITERAL
from shared.sql_guard.reasons import refusal
from shared.sql_guard.templates import OPERATORS, PIECES, TYPES

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_JSON_KEY = re.compile(r"[\w .-]+")
_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"})
_UNIT_FIRST = frozenset("dateadd date_add datediff date_diff timestampadd timestampdiff timediff time_diff".split())
_SET_OPERATORS: dict[type[Expr], str] = {exp.Union: "UNION", exp.Intersect: "INTERSECT", exp.Except: "EXCEPT"}
_OWN_TAIL = ("with_", "order", "limit", "offset")


def emit(node: object) -> str:
    """Return ``node`` as SQL, or an empty string where there is none."""
    if node is None:
        return ""
    writer = _WRITERS.get(type(node), _from_template)
    return writer(cast("Expr", node))


def _from_template(node: Expr) -> str:
    pieces = PIECES.get(type(node))
    if pieces is None:
        raise refusal("unsupported", f"{type(node).__name__} is not taken; write a plainer query.")
    written: list[str] = []
    for piece in pieces:
        value: Any = node.args.get(piece.part)
        if piece.optional and not (value or isinstance(value, Expr)):
            continue
        inner = emit(value) if piece.separator is None else _listed(cast("list[Expr]", value), piece.separator)
        written.append(f"{piece.before}{inner}{piece.after}")
    return "".join(written)


def _listed(nodes: list[Expr] | None, separator: str = ", ") -> str:
    return separator.join([emit(node) for node in nodes or ()])


def _word(text: object) -> str:
    if not isinstance(text, str) or not _WORD.fullmatch(text):
        raise refusal("unsupported", f"{str(text)[:60]!r} is not taken here; write a plainer query.")
    return text


# Names and values.


def _identifier(node: Expr) -> str:
    return "`" + str(node.this).replace("`", "``") + "`"


def _literal(node: Expr) -> str:
    text = str(node.this)
    if node.args.get("is_string"):
        return "'" + text.translate(_ESCAPES) + "'"
    if not _NUMBER.fullmatch(text):
        raise refusal("syntax", f"{text[:60]!r} is no number.")
    return text


def _hexadecimal(node: Expr) -> str:
    return f"X'{_word('x' + str(node.this))[1:]}'"


def _boolean(node: Expr) -> str:
    return "TRUE" if node.this else "FALSE"


def _bare_word(node: Expr) -> str:
    return _word(node.this)


def _column(node: Expr) -> str:
    if _is_bare(node) and node.name.lower() in TIME_WORDS:
        return _word(node.name)  # localtimestamp: a call without brackets, unless a column has the name.
    return ".".join([emit(node.args[part]) for part in ("catalog", "db", "table", "this") if node.args.get(part)])


def _is_bare(node: Expr) -> bool:
    return isinstance(node, exp.Column) and len(node.parts) == 1 and not node.this.args.get("quoted")


def _data_type(node: Expr) -> str:
    kind = node.this
    if isinstance(kind, exp.Interval):
        return f"INTERVAL {emit(kind.args.get('unit'))}".rstrip()
    name = TYPES.get(getattr(kind, "value", ""))
    if name is None:
        raise refusal("unsupported", f"The type {str(kind)[:60]} is not taken.")
    if not node.expressions:
        return name
    opening, closing = ("<", ">") if name in ("ARRAY", "MAP", "STRUCT") else ("(", ")")
    return f"{name}{opening}{_listed(node.expressions)}{closing}"


# Calls and operators.


def _call(node: Expr) -> str:
    name = _word(node.this if isinstance(node.this, str) else node.this.name)
    arguments: list[Expr] = node.expressions
    if call_name(node) in _UNIT_FIRST and len(arguments) == 3 and _is_bare(arguments[0]):
        # DATEADD(DAY, 1, x): the unit is a word of the grammar, not a column.
        return f"{name}({_word(arguments[0].name)}, {_listed(arguments[1:])})"
    return f"{name}({_listed(arguments)})"


def _cast(node: Expr) -> str:
    if node.meta.get(TYPED_LITERAL):
        return f"{emit(node.args['to'])} {emit(node.this)}"
    return f"CAST({emit(node.this)} AS {emit(node.args['to'])})"


def _lambda(node: Expr) -> str:
    names = _listed(node.expressions)
    return f"{names if len(node.expressions) == 1 else f'({names})'} -> {emit(node.this)}"


def _operation(node: Expr) -> str:
    """Write a chain of one operator in a loop, however long it is."""
    kind = type(node)
    operands: list[str] = []
    operator = f" {'NOT ' if node.args.get('negate') else ''}{OPERATORS[kind]} "
    current = node
    while type(current) is kind and (current is node or not node.args.get("negate")):
        operands.append(emit(current.args["expression"]))
        current = current.this
    operands.append(emit(current))
    return operator.join(reversed(operands))


def _named_argument(node: Expr) -> str:
    return f"{emit(node.this)} => {emit(node.args['expression'])}"


def _not(node: Expr) -> str:
    inner = node.this
    if isinstance(inner, exp.In):
        return _in(inner, "NOT IN")
    if isinstance(inner, exp.Between):
        return f"{emit(inner.this)} NOT BETWEEN {emit(inner.args['low'])} AND {emit(inner.args['high'])}"
    if isinstance(inner, exp.RegexpLike):
        return f"{emit(inner.this)} NOT RLIKE {emit(inner.args['expression'])}"
    if isinstance(inner, exp.Is):
        return f"{emit(inner.this)} IS NOT {emit(inner.args['expression'])}"
    return f"NOT {emit(inner)}"


def _in(node: Expr, words: str = "IN") -> str:
    query = node.args.get("query")
    return f"{emit(node.this)} {words} {emit(query) if query is not None else f'({_listed(node.expressions)})'}"


def _quantified(node: Expr) -> str:
    """Write ANY and ALL of a list of patterns: Spark has no comparison with ANY or ALL of a query."""
    matching = isinstance(node.parent, exp.Like | exp.ILike | exp.RegexpLike)
    if not matching or not isinstance(node.this, exp.Paren | exp.Tuple):
        raise refusal("unsupported", "ANY and ALL stand only before a list of LIKE patterns.")
    return f"{'ANY' if isinstance(node, exp.Any) else 'ALL'} {emit(node.this)}"


def _trim(node: Expr) -> str:
    side, what = node.args.get("position"), node.args.get("expression")
    if side is None and what is None:
        return f"TRIM({emit(node.this)})"
    words = [_word(side)] if side else []
    words += [emit(what)] if what is not None else []
    return f"TRIM({' '.join(words)} FROM {emit(node.this)})"


def _json_extract(node: Expr) -> str:
    if not node.args.get("variant_extract"):
        raise refusal("unsupported", "-> is not taken; use get_json_object.")
    path = ""
    for part in node.args["expression"].expressions[1:]:
        if isinstance(part, exp.JSONPathKey):
            path += _json_key(str(part.this), first=not path, quoted=bool(part.args.get("quoted")))
        elif isinstance(part, exp.JSONPathSubscript):
            path += "[*]" if isinstance(part.this, exp.JSONPathWildcard) else f"[{int(part.this)}]"
        else:
            raise refusal("unsupported", "That JSON path is not taken.")
    return f"{emit(node.this)}:{path}"


def _json_key(key: str, *, first: bool, quoted: bool) -> str:
    if not quoted and _WORD.fullmatch(key):
        return key if first else f".{key}"
    if not _JSON_KEY.fullmatch(key):
        raise refusal("unsupported", "A JSON path holds letters, digits, spaces, dots and dashes only.")
    return f"['{key}']"


# Clauses.


def _distinct(node: Expr) -> str:
    return f"DISTINCT {_listed(node.expressions)}"


def _group(node: Expr) -> str:
    part = node.args.get
    sets = f" {_listed(part('grouping_sets'))}" if part("grouping_sets") else ""
    sets += " WITH CUBE" if part("cube") else ""
    sets += " WITH ROLLUP" if part("rollup") else ""
    return f" GROUP BY {'ALL' if part('all') else ''}{_listed(node.expressions)}{sets}"


def _keys(node: Expr) -> str:
    """Write the keys of CLUSTER BY and DISTRIBUTE BY, which have no direction."""
    words = "CLUSTER BY " if isinstance(node, exp.Cluster) else "DISTRIBUTE BY "
    return words + _listed([key.this if isinstance(key, exp.Ordered) else key for key in node.expressions])


def _ordered(node: Expr) -> str:
    descending = node.args.get("desc")
    if isinstance(node.this, exp.Var):
        return emit(node.this) + (" DESC" if descending else "")
    nulls = "FIRST" if node.args.get("nulls_first") else "LAST"
    return f"{emit(node.this)} {'DESC' if descending else 'ASC'} NULLS {nulls}"


def _window(node: Expr) -> str:
    part = node.args.get
    keys = f"PARTITION BY {_listed(part('partition_by'))}" if part("partition_by") else ""
    inner = " ".join([text for text in (emit(part("alias")), keys, emit(part("order")), emit(part("spec"))) if text])
    if isinstance(node.this, exp.Identifier):
        return f"{emit(node.this)} AS ({inner})"
    named = part("alias") is not None and inner == emit(part("alias"))
    return f"{emit(node.this)} OVER {inner if named else f'({inner})'}"


def _frame(node: Expr) -> str:
    start = _frame_bound(node.args.get("start"), node.args.get("start_side"))
    end = _frame_bound(node.args.get("end"), node.args.get("end_side"))
    return f"{_word(node.args.get('kind'))} " + (f"BETWEEN {start} AND {end}" if end else start)


def _frame_bound(bound: object, side: object) -> str:
    if bound is None:
        return ""
    if isinstance(bound, str) and bound not in ("CURRENT ROW", "UNBOUNDED"):
        raise refusal("unsupported", "That window frame is not taken.")
    return (bound if isinstance(bound, str) else emit(bound)) + (f" {_word(side)}" if side else "")


# Relations and queries.


def _join(node: Expr) -> str:
    part = node.args.get
    words = "".join([f" {_word(part(name))}" for name in ("method", "side", "kind") if part(name)])
    condition = f" ON {emit(part('on'))}" if part("on") is not None else ""
    condition += f" USING ({_listed(part('using'))})" if part("using") else ""
    return f"{words} JOIN {emit(node.this)}{condition}{_listed(part('pivots'), '')}"


def _lateral(node: Expr) -> str:
    alias = node.args.get("alias")
    if not node.args.get("view"):
        return f"LATERAL {emit(node.this)}{f' AS {emit(alias)}' if alias is not None else ''}"
    name = columns = ""
    if alias is not None:
        name = f" {emit(alias.this)}" if alias.this is not None else ""
        columns = f" AS {_listed(alias.args['columns'])}" if alias.args.get("columns") else ""
    return f" LATERAL VIEW{' OUTER' if node.args.get('outer') else ''} {emit(node.this)}{name}{columns}"


def _sample(node: Expr) -> str:
    part = node.args.get
    if not all(isinstance(value, exp.Literal) for value in node.args.values() if value is not None):
        raise refusal("unsupported", "TABLESAMPLE takes plain numbers.")
    if (percent := part("percent")) is not None:
        amount = f"{emit(percent)} PERCENT"
    elif (size := part("size")) is not None:
        amount = f"{emit(size)} ROWS"
    else:
        amount = f"BUCKET {emit(part('bucket_numerator'))} OUT OF {emit(part('bucket_denominator'))}"
    return f" TABLESAMPLE ({amount}){f' REPEATABLE ({emit(part("seed"))})' if part('seed') is not None else ''}"


def _pivot(node: Expr) -> str:
    part = node.args.get
    words = "UNPIVOT" if part("unpivot") else "PIVOT"
    words += " INCLUDE NULLS" if part("include_nulls") else ""
    fields = " ".join([_in(field) for field in node.args["fields"]])
    alias = f" AS {emit(part('alias'))}" if part("alias") is not None else ""
    return f" {words} ({_listed(node.expressions)} FOR {fields}){alias}"


def _set_operation(node: Expr) -> str:
    """Write a chain of set operations in a loop: each may be the left side of the next."""
    part = node.args.get
    tail = (
        f"{f' {emit(part("order"))}' if part('order') is not None else ''}{emit(part('limit'))}{emit(part('offset'))}"
    )
    pieces = [tail]
    current = node
    while type(current) in _SET_OPERATORS:
        if current is not node and any(current.args.get(name) is not None for name in _OWN_TAIL):
            raise refusal("unsupported", "Put brackets around a query that has its own WITH, ORDER BY or LIMIT.")
        words = _SET_OPERATORS[type(current)]
        words += "" if current.args.get("distinct") else " ALL"
        words += " BY NAME" if current.args.get("by_name") else ""
        pieces.append(f" {words} {emit(current.args['expression'])}")
        current = current.this
    pieces.append(emit(current))
    return emit(part("with_")) + "".join(reversed(pieces))


_WRITERS: Mapping[type[object], Callable[[Expr], str]] = {
    **dict.fromkeys(OPERATORS, _operation),
    **dict.fromkeys(_SET_OPERATORS, _set_operation),
    **dict.fromkeys((exp.Any, exp.All), _quantified),
    **dict.fromkeys((exp.Cluster, exp.Distribute), _keys),
    exp.Identifier: _identifier,
    exp.Literal: _literal,
    exp.HexString: _hexadecimal,
    exp.Boolean: _boolean,
    exp.Var: _bare_word,
    exp.Column: _column,
    exp.DataType: _data_type,
    exp.Anonymous: _call,
    exp.Cast: _cast,
    exp.Lambda: _lambda,
    exp.Kwarg: _named_argument,
    exp.Not: _not,
    exp.In: _in,
    exp.Trim: _trim,
    exp.JSONExtract: _json_extract,
    exp.Distinct: _distinct,
    exp.Group: _group,
    exp.Ordered: _ordered,
    exp.Window: _window,
    exp.WindowSpec: _frame,
    exp.Join: _join,
    exp.Lateral: _lateral,
    exp.TableSample: _sample,
    exp.Pivot: _pivot,
}
