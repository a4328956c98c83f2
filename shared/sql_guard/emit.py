"""From the checked tree to the SQL that runs: every name quoted, every string escaped, nothing else added.

Each kind of node has its own line here, so that a kind which is not written cannot run. Operators come out in the
order they were written and without brackets of their own: what Spark makes of the precedence is what it would have
made of the original.
"""

import re
from collections.abc import Callable, Sequence

from sqlglot import Expr, exp

from shared.sql_guard.functions import TIME_WORDS
from shared.sql_guard.reasons import refuse

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"})
_UNITS_FIRST = frozenset("dateadd date_add datediff date_diff timestampadd timestampdiff timediff time_diff".split())

_TYPES = {
    "TEXT": "STRING",
    "VARCHAR": "VARCHAR",
    "CHAR": "CHAR",
    "BOOLEAN": "BOOLEAN",
    "TINYINT": "TINYINT",
    "SMALLINT": "SMALLINT",
    "INT": "INT",
    "BIGINT": "BIGINT",
    "FLOAT": "FLOAT",
    "DOUBLE": "DOUBLE",
    "DECIMAL": "DECIMAL",
    "DATE": "DATE",
    "TIME": "TIME",
    "TIMESTAMP": "TIMESTAMP",
    "TIMESTAMPTZ": "TIMESTAMP",
    "TIMESTAMPLTZ": "TIMESTAMP_LTZ",
    "TIMESTAMPNTZ": "TIMESTAMP_NTZ",
    "BINARY": "BINARY",
    "VARIANT": "VARIANT",
    "NULL": "VOID",
    "ARRAY": "ARRAY",
    "MAP": "MAP",
    "STRUCT": "STRUCT",
}
_OPERATORS: dict[type[Expr], str] = {
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
    exp.RegexpLike: "RLIKE",
    exp.Is: "IS",
    exp.Escape: "ESCAPE",
}
_SET_OPERATORS: dict[type[Expr], str] = {exp.Union: "UNION", exp.Intersect: "INTERSECT", exp.Except: "EXCEPT"}


def emit(node: object) -> str:
    """Return ``node`` as SQL, or an empty string where there is none."""
    if node is None:
        return ""
    writer = _WRITERS.get(type(node))
    if writer is None:
        refuse("unsupported", f"{type(node).__name__} is not taken; write a plainer query.")
    return writer(node)


def emit_list(nodes: Sequence[object]) -> str:
    """Return ``nodes`` as SQL, with commas."""
    return ", ".join([emit(node) for node in nodes])


def _optional(template: str, node: object) -> str:
    return template.format(emit(node)) if node is not None else ""


def _listed(template: str, nodes: Sequence[object] | None) -> str:
    return template.format(emit_list(nodes)) if nodes else ""


# Names and values.


def _identifier(node: Expr) -> str:
    return "`" + str(node.this).replace("`", "``") + "`"


def _word(text: str) -> str:
    if not _WORD.fullmatch(text):
        refuse("unsupported", f"{text[:60]!r} is not taken here; write a plainer query.")
    return text


def _literal(node: Expr) -> str:
    text = str(node.this)
    if node.args.get("is_string"):
        return "'" + text.translate(_ESCAPES) + "'"
    if not _NUMBER.fullmatch(text):
        refuse("syntax", f"{text[:60]!r} is no number.")
    return text


def _column(node: Expr) -> str:
    if _is_bare(node) and node.name.lower() in TIME_WORDS:
        return _word(node.name)  # localtimestamp: a call without brackets, unless a column has the name.
    names = [node.args.get(part) for part in ("catalog", "db", "table", "this")]
    return ".".join([emit(name) for name in names if name is not None])


def _star(node: Expr) -> str:
    return "*" + _listed(" EXCEPT ({})", node.args.get("except_"))


def _alias(node: Expr) -> str:
    return f"{emit(node.this)} AS {emit(node.args['alias'])}"


def _interval(node: Expr) -> str:
    return f"INTERVAL {emit(node.this)} {emit(node.args.get('unit'))}".rstrip()


def _data_type(node: Expr) -> str:
    kind = node.this
    if isinstance(kind, exp.Interval):
        return f"INTERVAL {emit(kind.args.get('unit'))}".rstrip()
    name = _TYPES.get(getattr(kind, "value", ""))
    if name is None:
        refuse("unsupported", f"The type {str(kind)[:60]} is not taken.")
    inner = node.expressions
    if not inner:
        return name
    return f"{name}<{emit_list(inner)}>" if name in ("ARRAY", "MAP", "STRUCT") else f"{name}({emit_list(inner)})"


# Calls and operators.


def _call(node: Expr) -> str:
    called = node.this
    name = _word(called if isinstance(called, str) else called.name)
    arguments = node.expressions
    if arguments and name.lower() in _UNITS_FIRST and len(arguments) == 3 and _is_bare(arguments[0]):
        # DATEADD(DAY, 1, x): the unit is a word of the grammar, not a column.
        unit = _word(arguments[0].name)
        return f"{name}({unit}, {emit_list(arguments[1:])})"
    return f"{name}({emit_list(arguments)})"


def _is_bare(node: Expr) -> bool:
    return isinstance(node, exp.Column) and len(node.parts) == 1 and not node.this.args.get("quoted")


def _lambda(node: Expr) -> str:
    names = node.expressions
    return f"{emit(names[0]) if len(names) == 1 else f'({emit_list(names)})'} -> {emit(node.this)}"


def _binary(node: Expr) -> str:
    kind = type(node)
    operator = f" {_OPERATORS[kind]} "
    operands: list[str] = []
    while type(node) is kind:
        operands.append(emit(node.args["expression"]))
        node = node.this
    operands.append(emit(node))
    return operator.join(reversed(operands))


def _like(node: Expr) -> str:
    operator = "LIKE" if isinstance(node, exp.Like) else "ILIKE"
    negated = "NOT " if node.args.get("negate") else ""
    return f"{emit(node.this)} {negated}{operator} {emit(node.args['expression'])}"


def _not(node: Expr) -> str:
    inner = node.this
    if isinstance(inner, exp.In):
        return f"{emit(inner.this)} NOT IN {_in_list(inner)}"
    if isinstance(inner, exp.Between):
        return f"{emit(inner.this)} NOT BETWEEN {emit(inner.args['low'])} AND {emit(inner.args['high'])}"
    if isinstance(inner, exp.RegexpLike):
        return f"{emit(inner.this)} NOT RLIKE {emit(inner.expression)}"
    if isinstance(inner, exp.Is):
        return f"{emit(inner.this)} IS NOT {emit(inner.expression)}"
    return f"NOT {emit(inner)}"


def _in_list(node: Expr) -> str:
    query = node.args.get("query")
    return emit(query) if query is not None else f"({emit_list(node.expressions)})"


def _case(node: Expr) -> str:
    whens = "".join([f" WHEN {emit(when.this)} THEN {emit(when.args['true'])}" for when in node.args["ifs"]])
    return f"CASE{_optional(' {}', node.args.get('this'))}{whens}{_optional(' ELSE {}', node.args.get('default'))} END"


def _quantified(word: str) -> Callable[[Expr], str]:
    def write(node: Expr) -> str:
        # Only of a list of patterns: Spark has no comparison with ANY or ALL of a query.
        if not isinstance(node.this, exp.Paren | exp.Tuple) or not isinstance(
            node.parent, exp.Like | exp.ILike | exp.RegexpLike
        ):
            refuse("unsupported", f"{word} stands only before a list of LIKE patterns.")
        return f"{word} {emit(node.this)}"

    return write


def _trim(node: Expr) -> str:
    what = _optional("{} ", node.args.get("expression"))
    side = node.args.get("position")
    side = f"{_word(side)} " if isinstance(side, str) else ""
    return f"TRIM({side}{what}FROM {emit(node.this)})" if what or side else f"TRIM({emit(node.this)})"


def _substring(node: Expr) -> str:
    return f"SUBSTRING({emit(node.this)} FROM {emit(node.args.get('start'))}{_optional(' FOR {}', node.args.get('length'))})"


def _overlay(node: Expr) -> str:
    return (
        f"OVERLAY({emit(node.this)} PLACING {emit(node.args['expression'])} FROM {emit(node.args.get('from_'))}"
        f"{_optional(' FOR {}', node.args.get('for_'))})"
    )


def _json_path(node: Expr) -> str:
    path = ""
    for part in node.expressions[1:]:
        if isinstance(part, exp.JSONPathKey):
            key = str(part.this)
            if part.args.get("quoted") or not _WORD.fullmatch(key):
                if not re.fullmatch(r"[\w .-]+", key):
                    refuse("unsupported", "A JSON path holds letters, digits, spaces, dots and dashes only.")
                path += f"['{key}']"
            else:
                path += f".{key}" if path else key
        elif isinstance(part, exp.JSONPathSubscript):
            index = part.this
            path += "[*]" if isinstance(index, exp.JSONPathWildcard) else f"[{int(index)}]"
        else:
            refuse("unsupported", "That JSON path is not taken.")
    return path


def _json_extract(node: Expr) -> str:
    if not node.args.get("variant_extract"):
        refuse("unsupported", "-> is not taken; use get_json_object.")
    return f"{emit(node.this)}:{emit(node.args['expression'])}"


# Windows and order.


def _ordered(node: Expr) -> str:
    if isinstance(node.this, exp.Var):
        return emit(node.this) + (" DESC" if node.args.get("desc") else "")
    descending, nulls_first = node.args.get("desc"), node.args.get("nulls_first")
    return f"{emit(node.this)} {'DESC' if descending else 'ASC'} NULLS {'FIRST' if nulls_first else 'LAST'}"


def _window(node: Expr) -> str:
    name = node.args.get("alias")
    parts = [
        _listed("PARTITION BY {}", node.args.get("partition_by")),
        emit(node.args.get("order")),
        emit(node.args.get("spec")),
    ]
    inner = " ".join([part for part in parts if part])
    if isinstance(node.this, exp.Identifier):
        return f"{emit(node.this)} AS ({_optional('{} ', name)}{inner})"
    if name is not None and not inner:
        return f"{emit(node.this)} OVER {emit(name)}"
    return f"{emit(node.this)} OVER ({_optional('{} ', name)}{inner})"


def _frame(node: Expr) -> str:
    start = _frame_bound(node.args.get("start"), node.args.get("start_side"))
    end = _frame_bound(node.args.get("end"), node.args.get("end_side"))
    return f"{_word(str(node.args['kind']))} " + (f"BETWEEN {start} AND {end}" if end else start)


def _frame_bound(bound: object, side: object) -> str:
    if bound is None:
        return ""
    if isinstance(bound, str):
        if bound not in ("CURRENT ROW", "UNBOUNDED"):
            refuse("unsupported", "That window frame is not taken.")
        return bound + (f" {_word(str(side))}" if side else "")
    return f"{emit(bound)} {_word(str(side))}"


# Relations.


def _table(node: Expr) -> str:
    name = ".".join([emit(part) for part in (node.args.get("db"), node.this) if part is not None])
    return f"{name}{_relation_tail(node)}{_joins(node)}"


def _relation_tail(node: Expr) -> str:
    pivots = "".join([emit(pivot) for pivot in node.args.get("pivots") or ()])
    return f"{emit(node.args.get('sample'))}{_optional(' AS {}', node.args.get('alias'))}{pivots}"


def _joins(node: Expr) -> str:
    return "".join([emit(join) for join in node.args.get("joins") or ()])


def _table_alias(node: Expr) -> str:
    return emit(node.args.get("this")) + _listed("({})", node.args.get("columns"))


def _sample(node: Expr) -> str:
    part = node.args.get
    if (percent := part("percent")) is not None:
        amount = f"{emit(percent)} PERCENT"
    elif (size := part("size")) is not None:
        amount = f"{emit(size)} ROWS"
    else:
        amount = f"BUCKET {emit(part('bucket_numerator'))} OUT OF {emit(part('bucket_denominator'))}"
    return f" TABLESAMPLE ({amount}){_optional(' REPEATABLE ({})', part('seed'))}"


def _pivot(node: Expr) -> str:
    word = "UNPIVOT" if node.args.get("unpivot") else "PIVOT"
    word += " INCLUDE NULLS" if node.args.get("include_nulls") else ""
    fields = " ".join([f"{emit(field.this)} IN ({emit_list(field.expressions)})" for field in node.args["fields"]])
    return f" {word} ({emit_list(node.expressions)} FOR {fields}){_optional(' AS {}', node.args.get('alias'))}"


def _lateral(node: Expr) -> str:
    alias = node.args.get("alias")
    if not node.args.get("view"):
        return f"LATERAL {emit(node.this)}{_optional(' AS {}', alias)}"
    outer = " OUTER" if node.args.get("outer") else ""
    name = _optional(" {}", alias.args.get("this")) if alias is not None else ""
    columns = _listed(" AS {}", alias.args.get("columns")) if alias is not None else ""
    return f" LATERAL VIEW{outer} {emit(node.this)}{name}{columns}"


def _join(node: Expr) -> str:
    words = [node.args.get(part) for part in ("method", "side", "kind")]
    kind = "".join([f" {_word(word)}" for word in words if isinstance(word, str) and word])
    pivots = "".join([emit(pivot) for pivot in node.args.get("pivots") or ()])
    return (
        f"{kind} JOIN {emit(node.this)}{_optional(' ON {}', node.args.get('on'))}"
        f"{_listed(' USING ({})', node.args.get('using'))}{pivots}"
    )


# Queries.


def _with(node: Expr) -> str:
    return f"WITH {emit_list(node.expressions)} "


def _cte(node: Expr) -> str:
    return f"{emit(node.args['alias'])} AS ({emit(node.this)})"


def _group(node: Expr) -> str:
    part = node.args.get
    everything = "ALL" if part("all") else ""
    sets = "".join(
        [
            _listed(" {}", part("grouping_sets")),
            " WITH CUBE" if part("cube") else "",
            " WITH ROLLUP" if part("rollup") else "",
        ]
    )
    return f" GROUP BY {everything}{emit_list(node.expressions)}{sets}"


def _select(node: Expr) -> str:
    part = node.args.get
    return "".join(
        [
            emit(part("with_")),
            "SELECT ",
            "DISTINCT " if part("distinct") is not None else "",
            emit_list(node.expressions),
            _optional(" FROM {}", part("from_")),
            _joins(node),
            "".join([emit(lateral) for lateral in part("laterals") or ()]),
            _optional(" WHERE {}", part("where")),
            emit(part("group")),
            _optional(" HAVING {}", part("having")),
            _optional(" QUALIFY {}", part("qualify")),
            _listed(" WINDOW {}", part("windows")),
            _tail(node),
        ]
    )


def _set_operation(node: Expr) -> str:
    """Write a chain of set operations in a loop: each may be the left side of the next."""
    pieces: list[str] = [_tail(node)]
    prefix = emit(node.args.get("with_"))
    current = node
    while True:
        words = _SET_OPERATORS[type(current)]
        words += "" if current.args.get("distinct") else " ALL"
        words += " BY NAME" if current.args.get("by_name") else ""
        pieces.append(f" {words} {emit(current.args['expression'])}")
        left = current.this
        if type(left) not in _SET_OPERATORS:
            pieces.append(emit(left))
            break
        if any(left.args.get(tail) for tail in ("with_", "order", "limit", "offset")):
            refuse("unsupported", "Put brackets around a query that has its own ORDER BY or LIMIT.")
        current = left
    return prefix + "".join(reversed(pieces))


def _subquery(node: Expr) -> str:
    return f"{emit(node.args.get('with_'))}({emit(node.this)}){_relation_tail(node)}{_tail(node)}"


def _tail(node: Expr) -> str:
    part = node.args.get
    return "".join(
        [
            _optional(" {}", part("distribute")),
            _optional(" {}", part("sort")),
            _optional(" {}", part("cluster")),
            _optional(" {}", part("order")),
            emit(part("limit")),
            emit(part("offset")),
        ]
    )


def _prefixed(words: str) -> Callable[[Expr], str]:
    return lambda node: f"{words}{emit(node.this)}"


def _bracketed(words: str) -> Callable[[Expr], str]:
    return lambda node: f"{words}({emit(node.this)})"


def _itemised(words: str) -> Callable[[Expr], str]:
    return lambda node: words.format(emit_list(node.expressions))


def _paired(template: str) -> Callable[[Expr], str]:
    return lambda node: template.format(emit(node.this), emit(node.args.get("expression")))


_WRITERS: dict[type[object], Callable[..., str]] = {
    exp.Select: _select,
    exp.Union: _set_operation,
    exp.Intersect: _set_operation,
    exp.Except: _set_operation,
    exp.Subquery: _subquery,
    exp.With: _with,
    exp.CTE: _cte,
    exp.Table: _table,
    exp.TableAlias: _table_alias,
    exp.Values: lambda node: f"VALUES {emit_list(node.expressions)}{_optional(' AS {}', node.args.get('alias'))}",
    exp.Lateral: _lateral,
    exp.From: _prefixed(""),
    exp.Join: _join,
    exp.TableSample: _sample,
    exp.Pivot: _pivot,
    exp.PivotAlias: _alias,
    exp.Distinct: _itemised("DISTINCT {}"),
    exp.Where: _prefixed(""),
    exp.Having: _prefixed(""),
    exp.Qualify: _prefixed(""),
    exp.Group: _group,
    exp.Cube: _itemised("CUBE({})"),
    exp.Rollup: _itemised("ROLLUP({})"),
    exp.GroupingSets: _itemised("GROUPING SETS ({})"),
    exp.Order: _itemised("ORDER BY {}"),
    exp.Sort: _itemised("SORT BY {}"),
    exp.Cluster: lambda node: "CLUSTER BY " + ", ".join([emit(e.this) for e in node.expressions]),
    exp.Distribute: lambda node: "DISTRIBUTE BY " + ", ".join([emit(e.this) for e in node.expressions]),
    exp.Ordered: _ordered,
    exp.Limit: lambda node: f" LIMIT {emit(node.args['expression'])}",
    exp.Offset: lambda node: f" OFFSET {emit(node.args['expression'])}",
    exp.Window: _window,
    exp.WindowSpec: _frame,
    exp.Filter: _paired("{} FILTER (WHERE {})"),
    exp.WithinGroup: _paired("{} WITHIN GROUP ({})"),
    exp.IgnoreNulls: lambda node: f"{emit(node.this)} IGNORE NULLS",
    exp.RespectNulls: lambda node: f"{emit(node.this)} RESPECT NULLS",
    exp.Column: _column,
    exp.Identifier: _identifier,
    exp.Star: _star,
    exp.Dot: _paired("{}.{}"),
    exp.Alias: _alias,
    exp.Aliases: lambda node: f"{emit(node.this)} AS ({emit_list(node.expressions)})",
    exp.Literal: _literal,
    exp.HexString: lambda node: f"X'{_word('x' + str(node.this))[1:]}'",
    exp.Boolean: lambda node: "TRUE" if node.this else "FALSE",
    exp.Null: lambda _: "NULL",
    exp.Interval: _interval,
    exp.IntervalSpan: _paired("{} TO {}"),
    exp.Var: lambda node: _word(str(node.this)),
    exp.Tuple: _itemised("({})"),
    exp.Paren: _bracketed(""),
    exp.DataType: _data_type,
    exp.DataTypeParam: _prefixed(""),
    exp.ColumnDef: lambda node: f"{emit(node.this)}: {emit(node.args['kind'])}",
    exp.Anonymous: _call,
    exp.Lambda: _lambda,
    exp.Kwarg: _paired("{} => {}"),
    exp.Cast: lambda node: f"CAST({emit(node.this)} AS {emit(node.args['to'])})",
    exp.TryCast: lambda node: f"TRY_CAST({emit(node.this)} AS {emit(node.args['to'])})",
    exp.Extract: _paired("EXTRACT({} FROM {})"),
    exp.Trim: _trim,
    exp.Substring: _substring,
    exp.StrPosition: lambda node: f"POSITION({emit(node.args.get('substr'))} IN {emit(node.this)})",
    exp.Overlay: _overlay,
    exp.CurrentDate: lambda _: "CURRENT_DATE",
    exp.CurrentTimestamp: lambda _: "CURRENT_TIMESTAMP",
    exp.Localtimestamp: lambda _: "LOCALTIMESTAMP",
    exp.Exists: _bracketed("EXISTS "),
    exp.Case: _case,
    exp.In: lambda node: f"{emit(node.this)} IN {_in_list(node)}",
    exp.Between: lambda node: f"{emit(node.this)} BETWEEN {emit(node.args['low'])} AND {emit(node.args['high'])}",
    exp.Like: _like,
    exp.ILike: _like,
    exp.Any: _quantified("ANY"),
    exp.All: _quantified("ALL"),
    exp.Not: _not,
    exp.Neg: _prefixed("- "),
    exp.BitwiseNot: _prefixed("~ "),
    exp.Bracket: lambda node: f"{emit(node.this)}[{emit_list(node.expressions)}]",
    exp.Collate: _paired("{} COLLATE {}"),
    exp.JSONExtract: _json_extract,
    exp.JSONPath: _json_path,
    **dict.fromkeys(_OPERATORS, _binary),
}
