"""DuckDB's errors as Databricks would put them: the same classes, near enough the same words."""

import re
from collections.abc import Callable

import duckdb

from localhost.services.databricks.engine import QueryFailedError

type Words = Callable[[re.Match[str]], str]


def _column(match: re.Match[str]) -> str:
    names = ", ".join(f"`{name}`" for name in re.findall(r'"([^"]+)"', match["candidates"] or ""))
    hint = f" Did you mean one of the following? [{names}]." if names else ""
    kind = "WITH_SUGGESTION" if names else "WITHOUT_SUGGESTION"
    return (
        f"[UNRESOLVED_COLUMN.{kind}] A column, variable, or function parameter with name `{match['name']}` "
        f"cannot be resolved.{hint} SQLSTATE: 42703"
    )


_PATTERNS: list[tuple[str, Words]] = [
    (r"(?P<message>\[[A-Z_]{4,}\].*)", lambda m: m["message"]),
    (
        r'Referenced column "(?P<name>[^"]+)" not found in FROM(?:.*?Candidate bindings: (?P<candidates>[^\n]*))?',
        _column,
    ),
    (
        r'"[^"]+" does not have a column named "(?P<name>[^"]+)"(?:.*?Candidate bindings: (?P<candidates>[^\n]*))?',
        _column,
    ),
    (
        r'Referenced table "(?P<name>[^"]+)" not found',
        lambda m: (
            f"[UNRESOLVED_COLUMN.WITHOUT_SUGGESTION] A column, variable, or function parameter with name "
            f"`{m['name']}` cannot be resolved. SQLSTATE: 42703"
        ),
    ),
    (
        r"Table with name (?P<name>\S+) does not exist",
        lambda m: (
            f"[TABLE_OR_VIEW_NOT_FOUND] The table or view `{m['name']}` cannot be found. Verify the spelling and "
            "correctness of the schema and catalog. SQLSTATE: 42P01"
        ),
    ),
    (
        r"(?:Function|Macro) with name (?P<name>\S+) does not exist",
        lambda m: (
            f"[UNRESOLVED_ROUTINE] Cannot resolve routine `{m['name']}` on search path [`system`.`builtin`, "
            "`system`.`session`, `spark_catalog`.`default`]. SQLSTATE: 42883"
        ),
    ),
    (
        r'[Cc]olumn "?(?P<name>[^"\s]+)"? must appear in the GROUP BY clause',
        lambda m: (
            f'[MISSING_AGGREGATION] The non-aggregating expression "{m["name"]}" is based on columns which are '
            "not participating in the GROUP BY clause. SQLSTATE: 42803"
        ),
    ),
    (
        r'Ambiguous reference to (?:column name|table) "(?P<name>[^"]+)"(?P<rest>[^\n]*)',
        lambda m: f"[AMBIGUOUS_REFERENCE] Reference `{m['name']}` is ambiguous{m['rest']}. SQLSTATE: 42704",
    ),
    (
        r"(?P<what>Could not convert [^\n]*|invalid \w+ field format[^\n]*)",
        lambda m: f"[CAST_INVALID_INPUT] {m['what']}. SQLSTATE: 22018",
    ),
    (
        r"(?P<what>[^\n]*[Oo]verflow[^\n]*|[^\n]*out of range[^\n]*)",
        lambda m: f"[ARITHMETIC_OVERFLOW] {m['what']}. SQLSTATE: 22003",
    ),
    (
        r"(?P<what>No function matches [^\n]*?\.|Cannot compare values of type[^\n]*|Cannot mix values of type[^\n]*)",
        lambda m: f"[DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE] {m['what']} SQLSTATE: 42K09",
    ),
    (
        r"syntax error at or near (?P<near>\S+)",
        lambda m: f"[PARSE_SYNTAX_ERROR] Syntax error at or near {m['near']}. SQLSTATE: 42601",
    ),
]
_BY_TYPE: dict[type[duckdb.Error], tuple[str, str]] = {
    duckdb.PermissionException: ("INSUFFICIENT_PERMISSIONS", "42501"),
    duckdb.OutOfMemoryException: ("UNSUPPORTED_BY_STAND_IN.OUT_OF_MEMORY", "53200"),
    duckdb.ParserException: ("PARSE_SYNTAX_ERROR", "42601"),
}


def in_databricks_words(error: duckdb.Error, sql: str) -> QueryFailedError:
    """Return ``error``, which came of ``sql``, as the failure that Databricks would report."""
    text = str(error)
    kind, sql_state = _BY_TYPE.get(type(error), ("UNSUPPORTED_BY_STAND_IN", "0A000"))
    message = f"[{kind}] {text.splitlines()[0]} SQLSTATE: {sql_state}"
    if type(error) not in _BY_TYPE:
        for pattern, words in _PATTERNS:
            if match := re.search(pattern, text, re.DOTALL | re.MULTILINE):
                message = words(match)
                break
    if message.startswith("[TABLE_OR_VIEW_NOT_FOUND]"):
        message = _with_schema(message, sql)
    elif not re.search(r"\bGROUP\s+BY\b", sql, re.IGNORECASE):
        message = message.replace("[MISSING_AGGREGATION]", "[MISSING_GROUP_BY]")
    state = re.search(r"SQLSTATE: (\w{5})", message)
    return QueryFailedError(message, state[1] if state else None)


def _with_schema(message: str, sql: str) -> str:
    """Put the schema, which DuckDB leaves out and ``sql`` has, before the table's name."""

    def qualified(name: re.Match[str]) -> str:
        written = re.search(rf'([\w"]+)\s*\.\s*"?{re.escape(name[1])}\b', sql, re.IGNORECASE)
        return f"`{written[1].strip(chr(34))}`.`{name[1]}`" if written else name[0]

    return re.sub(r"`([^`]+)`", qualified, message, count=1)
