"""From text to one tree, with every function call kept under the name it was written with.

A parser that knows functions gives them types, and writes them back as it sees fit. The guard wants neither: a name to
look up, and the same call in the SQL that runs. So each name before a bracket gets a mark that no function has, and
loses it again in the tree. Strings are read by Spark's rules here, because that is where two readings would be two
different queries.
"""

import logging
import re
from functools import cache
from typing import NamedTuple

from sqlglot import ErrorLevel, Expr, exp
from sqlglot.dialects.databricks import Databricks
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from shared.sql_guard.nodes import check_nodes
from shared.sql_guard.reasons import refusal

MAX_TOKENS = 4_000
# A control character, so that no statement that passed the text rules holds it.
MARK = "\x01"
# Set in a cast's notes when it was written as DATE '2020-01-01'.
TYPED_LITERAL = "typed_literal"

# The parser warns of what it cannot read, and quotes it; here that is a refusal, and no line in a log.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

_MARKED = frozenset({exp.Anonymous, exp.Identifier, exp.Literal})

_T = TokenType
# Words with a grammar of their own inside the brackets, or none of a function before them.
_NOT_FUNCTIONS = frozenset({"CAST", "TRY_CAST", "EXTRACT", "GROUP", "REPEATABLE", "SETS", "NULLS", "OUTER", "SYSTEM"})
# Functions with a second form that has a keyword in it: TRIM(BOTH 'x' FROM y).
_KEYWORD_FORMS = {
    "TRIM": frozenset({"FROM", "BOTH", "LEADING", "TRAILING"}),
    "SUBSTRING": frozenset({"FROM"}),
    "SUBSTR": frozenset({"FROM"}),
    "POSITION": frozenset({"IN"}),
    "OVERLAY": frozenset({"PLACING"}),
}
# Keywords and types that are functions too, when a bracket follows.
_FUNCTION_TOKENS = frozenset({
    _T.CURRENT_DATE, _T.CURRENT_TIME, _T.CURRENT_TIMESTAMP, _T.CURRENT_USER, _T.FIRST, _T.IDENTIFIER, _T.INSERT,
    _T.LEFT, _T.LOCALTIMESTAMP, _T.RANGE, _T.REPLACE, _T.RIGHT, _T.SEQUENCE, _T.SESSION_USER, _T.TRUNCATE, _T.VAR,
    _T.WINDOW,
})  # fmt: skip
# After these a type is a type: CAST(x AS CHAR(3)). Elsewhere it is a call, CHAR(65), or nothing that Spark knows.
_BEFORE_TYPE = frozenset({_T.ALIAS, _T.DCOLON, _T.QDCOLON, _T.LT, _T.COLON})
_TYPES = frozenset(Databricks.Parser.TYPE_TOKENS) - {_T.UNION, _T.INTERVAL, _T.NULL, _T.UNKNOWN, _T.VAR, _T.IDENTIFIER}
_LITERAL_TYPES = frozenset({_T.DATE, _T.TIMESTAMP, _T.TIMESTAMPTZ, _T.TIMESTAMPLTZ, _T.TIMESTAMPNTZ})
_SIZED_TYPES = frozenset({"DECIMAL", "DEC", "NUMERIC", "VARCHAR"})
_AMBIGUOUS = frozenset({_T.EXISTS, _T.ANY, _T.SOME, _T.FILTER})
_COMPARISONS = frozenset({
    _T.LIKE, _T.ILIKE, _T.RLIKE, _T.EQ, _T.NEQ, _T.GT, _T.GTE, _T.LT, _T.LTE, _T.NULLSAFE_EQ,
})  # fmt: skip
_QUERY_WORDS = frozenset({"SELECT", "WITH", "FROM", "VALUES", "TABLE"})

_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2}|.)", re.DOTALL)
_ESCAPED = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a", "%": "\\%", "_": "\\_"}


class Statement(NamedTuple):
    """One statement as a tree, and all of its nodes."""

    tree: Expr
    nodes: list[Expr]


def read_statement(sql: str) -> Statement:
    """Return the one statement in ``sql``, which met the text rules; it is made of nothing but what is listed.

    Raises:
        SqlRefusedError: it does not parse, is more than one statement, or holds what is not listed.
    """
    dialect = _databricks()
    try:
        tokens = _prepared(dialect.tokenize(sql), sql)
        trees = dialect.parser(error_level=ErrorLevel.RAISE).parse(tokens, sql)
    except SqlglotError as error:
        raise refusal("syntax", f"The SQL does not parse: {_first_line(error)}") from error
    except RecursionError as error:
        raise refusal("too_deep", "The SQL is nested too deeply.") from error
    except (ValueError, TypeError, AttributeError, KeyError, IndexError, AssertionError) as error:
        # The parser's own slips on input that is no SQL; whatever it is, it does not run.
        raise refusal("syntax", "The SQL does not parse.") from error
    # A comment after the last semicolon is a statement of its own to the parser.
    statements = [tree for tree in trees if tree is not None and not isinstance(tree, exp.Semicolon)]
    if not statements:
        raise refusal("empty", "There is no SQL in it.")
    if len(statements) > 1:
        raise refusal("several_statements", "Send one statement only.")
    nodes = check_nodes(statements[0])
    _unmark(nodes)
    return Statement(statements[0], nodes)


@cache
def _databricks() -> Databricks:
    return Databricks()


def _first_line(error: Exception) -> str:
    return re.sub(r"\x1b\[\d+m|\x01", "", str(error)).split("\n", 1)[0][:200]


def _prepared(tokens: list[Token], sql: str) -> list[Token]:
    if len(tokens) > MAX_TOKENS:
        raise refusal("too_long", f"The SQL has more than {MAX_TOKENS} words and signs; ask for less at once.")
    prepared: list[Token] = []
    for index, token in enumerate(tokens):
        kind = token.token_type
        if kind in (_T.STRING, _T.RAW_STRING):
            text = _text(token, sql)
            if MARK in text:
                raise refusal("control_character", "A string holds a control character.")
            previous = prepared[-1] if prepared else None
            if previous is not None and previous.token_type is _T.STRING:
                # 'it''s' is one string with a quote in it, 'it' 's' is two that Spark puts together.
                doubled = previous.end + 1 == token.start and sql[token.start] == sql[previous.end]
                glue = sql[token.start] if doubled and kind is _T.STRING else ""
                prepared[-1] = _token(previous, previous.text + glue + text, _T.STRING, end=token.end)
            else:
                # DATE '2020-01-01' keeps its form: an unnamed column is called after what was written.
                typed = previous is not None and previous.token_type in _LITERAL_TYPES
                prepared.append(_token(token, MARK + text if typed else text, _T.STRING))
        elif index + 1 < len(tokens) and tokens[index + 1].token_type is _T.L_PAREN and _is_call(tokens, index):
            prepared.append(_token(token, MARK + token.text, _T.VAR if kind is not _T.IDENTIFIER else kind))
        else:
            prepared.append(token)
    return prepared


def _token(token: Token, text: str, kind: TokenType, *, end: int | None = None) -> Token:
    return Token(kind, text, token.line, token.col, token.start, token.end if end is None else end)


def _text(token: Token, sql: str) -> str:
    """Return the string as Spark reads it, whatever the tokenizer made of its escapes."""
    source = sql[token.start : token.end + 1]
    if source[:1] in "rR":
        return source[2:-1]
    return _ESCAPE.sub(_unescaped, source[1:-1])


def _unescaped(match: re.Match[str]) -> str:
    escape = match.group(1)
    if len(escape) == 1:
        return _ESCAPED.get(escape, escape)
    if escape[0] in "uU":
        code = int(escape[1:], 16)
        # Half a character, or none: nothing that runs may hold it.
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise refusal("control_character", "A string holds an escape that is no character.")
        return chr(code)
    return chr(int(escape, 8))


def _is_call(tokens: list[Token], index: int) -> bool:
    """Say whether the word at ``index``, which a bracket follows, is read as a function's name."""
    token = tokens[index]
    kind, word = token.token_type, token.text.upper()
    after = tokens[index + 2] if index + 2 < len(tokens) else None
    if kind in _AMBIGUOUS or word == "TRANSFORM":
        return _is_function(tokens, index)
    if word in _NOT_FUNCTIONS:
        return False
    if kind in _TYPES:
        before = tokens[index - 1].token_type if index else None
        sized = after is not None and after.token_type is _T.NUMBER
        return before not in _BEFORE_TYPE and not (sized and word in _SIZED_TYPES)
    if word in _KEYWORD_FORMS:
        return not _holds(tokens, index + 1, _KEYWORD_FORMS[word])
    return kind in _FUNCTION_TOKENS


def _is_function(tokens: list[Token], index: int) -> bool:
    """Tell EXISTS(xs, x -> ...), ANY(x), FILTER(xs, ...) and TRANSFORM(xs, ...) from the clauses of these names."""
    kind = tokens[index].token_type
    after = tokens[index + 2] if index + 2 < len(tokens) else None
    if kind is _T.EXISTS:
        return after is not None and after.text.upper() not in _QUERY_WORDS and after.token_type is not _T.L_PAREN
    if kind in (_T.ANY, _T.SOME):
        return index == 0 or tokens[index - 1].token_type not in _COMPARISONS
    if kind is _T.FILTER:
        return after is None or after.token_type is not _T.WHERE
    return not _is_script(tokens, index + 1)


def _holds(tokens: list[Token], start: int, words: frozenset[str]) -> bool:
    """Say whether the bracket that opens at ``start`` holds one of ``words`` at its own level."""
    level = 0
    for token in tokens[start : _closing(tokens, start)]:
        if token.token_type is _T.L_PAREN:
            level += 1
        elif token.token_type is _T.R_PAREN:
            level -= 1
        elif level == 1 and token.text.upper() in words:
            return True
    return False


def _is_script(tokens: list[Token], start: int) -> bool:
    """TRANSFORM (x) USING 'program' is a clause that runs one; TRANSFORM(xs, x -> ...) is a function."""
    end = _closing(tokens, start)
    return any(token.token_type is _T.USING or token.text.upper() == "ROW" for token in tokens[end + 1 : end + 2])


def _closing(tokens: list[Token], start: int) -> int:
    """Return where the bracket that opens at ``start`` closes."""
    level = 0
    for index in range(start, len(tokens)):
        kind = tokens[index].token_type
        level += (kind is _T.L_PAREN) - (kind is _T.R_PAREN)
        if level == 0:
            return index
    return len(tokens)


def _unmark(nodes: list[Expr]) -> None:
    """Take the marks off."""
    for node in nodes:
        kind = type(node)
        if kind in _MARKED:
            text = node.args.get("this")
            if isinstance(text, str) and MARK in text:
                node.set("this", text.replace(MARK, ""))
                if kind is exp.Literal and isinstance(node.parent, exp.Cast):
                    node.parent.meta[TYPED_LITERAL] = True
        elif kind is exp.Add:
            _bracket_interval(node)


def _bracket_interval(node: Expr) -> None:
    """Keep INTERVAL 1 YEAR 2 MONTHS one value where it stands beside an operator."""
    if (
        isinstance(node.this, exp.Interval)
        and isinstance(node.expression, exp.Interval)
        and isinstance(node.parent, exp.Binary | exp.Unary)
        and not isinstance(node.parent, exp.Paren)
        and node.arg_key == "expression"
    ):
        node.replace(exp.Paren(this=node.copy()))
