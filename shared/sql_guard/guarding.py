"""The guard's steps, in order. Imported when first used, because it brings the parser with it."""

import re

from sqlglot import Expr, exp

from shared.catalog import Dataset
from shared.errors import SqlRefusedError
from shared.sql_guard import GuardedSql
from shared.sql_guard.calls import call_name
from shared.sql_guard.emit import emit
from shared.sql_guard.functions import HIDDEN, check_function
from shared.sql_guard.queries import Queries
from shared.sql_guard.reading import Statement, read_statement
from shared.sql_guard.reasons import refusal
from shared.sql_guard.text import check_characters, check_text

_WRITES = re.compile(
    r"\b(?:insert\s+(?:into|overwrite)|delete\s+from|update\s+\S+\s+set|into\s+outfile"
    r"|(?:drop|create|alter|truncate)\s+(?:or\s+replace\s+)?(?:table|view|schema|database|function))\b",
    re.IGNORECASE,
)


def guarded(sql: str, dataset: Dataset, row_limit: int) -> GuardedSql:
    """Return ``sql`` as it may run, or refuse it."""
    tree, limited = _limited(_read(check_text(sql)).tree, row_limit)
    written = emit(tree)
    # What runs is checked, not what it was made from: the text is read again, and has to say the same.
    again = read_statement(check_characters(written))
    if emit(again.tree) != written:
        raise refusal("unsupported", "That can be read in two ways; write a plainer query.")
    queries = Queries(dataset)
    queries.check(again.tree)
    _check_nothing_was_passed_over(again.nodes, queries)
    return GuardedSql(written, tuple(queries.tables), tuple(queries.columns), row_limit, limited)


def _check_nothing_was_passed_over(nodes: list[Expr], queries: Queries) -> None:
    """Refuse a table, a call or a hidden column in a place that the analysis did not look at."""
    for node in nodes:
        kind = type(node)
        if kind is exp.Table and id(node) not in queries.seen:
            raise refusal("table", "A table stands where none is expected; write a plainer query.")
        if kind is exp.Anonymous and type(node.parent) is not exp.Table:
            check_function(call_name(node))
        if kind is exp.Identifier and node.name.lower() == HIDDEN:
            raise refusal("hidden_column", f"{HIDDEN} tells of files, and is not read.")


def _read(sql: str) -> Statement:
    try:
        return read_statement(sql)
    except SqlRefusedError as refused:
        # What the parser cannot follow may still be plain to see: then it is no slip to be mended.
        if refused.reason == "syntax" and _WRITES.search(sql):
            raise refusal("write", "Only queries that read are run.") from refused
        raise


def _limited(tree: Expr, row_limit: int) -> tuple[Expr, bool]:
    """Return ``tree`` with a LIMIT of at most ``row_limit``, and whether its own was looser."""
    limit = tree.args.get("limit")
    count = limit.expression if limit is not None else None
    bound = exp.Limit(expression=exp.Literal.number(row_limit))
    if count is None or isinstance(count, exp.Var):
        tree.set("limit", bound)
        return tree, True
    if isinstance(count, exp.Literal) and not count.is_string and count.name.isdigit():
        asked = int(count.name) if len(count.name) < 12 else row_limit + 1
        if asked > row_limit:
            tree.set("limit", bound)
        return tree, asked > row_limit
    # LIMIT 2 + 3: what it comes to is Spark's to say, so a second limit goes around it. The order stays.
    inner = exp.Subquery(this=tree, alias=exp.TableAlias(this=exp.to_identifier("limited")))
    around = exp.Select(expressions=[exp.Star()], from_=exp.From(this=inner), limit=bound)
    return around, True
