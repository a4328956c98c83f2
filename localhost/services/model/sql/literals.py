"""Pieces of SQL text: literals, patterns, tests, lists of columns."""

import re
from collections.abc import Iterable, Sequence

from localhost.services.model.text import fold

type Column = tuple[str, str]
"""An expression and what it is called."""

_ACCENTS = "áàâäãåéèêëíìîïóòôöõúùûüñç", "aaaaaaeeeeiiiiooooouuuunc"


def literal(value: str | float) -> str:
    """Return ``value`` as a literal; a backslash escapes, as Spark reads it."""
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    return str(int(value)) if float(value).is_integer() else str(float(value))


def pattern(text: str) -> str:
    """Return ``text`` for LIKE; its wildcards match any one letter, since engines differ in how to escape them."""
    return re.sub(r"[%\\]", "_", fold(text))


def folded(column: str) -> str:
    """Return ``column`` in lower case and without accents, as ``text.fold`` makes text."""
    return f"translate(lower({column}), {literal(_ACCENTS[0])}, {literal(_ACCENTS[1])})"


def among_texts(texts: Sequence[str]) -> str:
    """Return the test for being one of ``texts``."""
    return f"= {literal(texts[0])}" if len(texts) == 1 else f"IN ({', '.join(map(literal, texts))})"


def compare(expression: str, operator: str, values: Sequence[str | float]) -> str:
    """Return the test of ``expression`` against ``values``."""
    if operator == "between":
        return f"{expression} BETWEEN {literal(values[0])} AND {literal(values[1])}"
    return f"{expression} {operator} {literal(values[0])}"


def select(columns: Iterable[Column], *clauses: str) -> str:
    """Return a SELECT of ``columns``; the first clause is its FROM, empty ones are left out."""
    named = ", ".join(expression if expression == name else f"{expression} AS {name}" for expression, name in columns)
    return " ".join(["SELECT", named, *(clause for clause in clauses if clause)])


def same(columns: Iterable[Column]) -> list[Column]:
    """Return the columns as a query around theirs selects them: by name."""
    return [(name, name) for _, name in columns]


def order_by(terms: Iterable[str]) -> str:
    """Return the ORDER BY clause; a term said twice is said once."""
    return f"ORDER BY {', '.join(dict.fromkeys(terms))}"


def limit(count: int | None) -> str:
    """Return the LIMIT clause, if any."""
    return f"LIMIT {count}" if count else ""
