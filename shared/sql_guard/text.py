"""The rules a statement must meet as text, before any parser sees it.

What is dangerous here is what two lexers read differently (nested comments, a backslash that continues a comment,
templates), what Spark replaces before it parses (``${...}``), and what makes a parser slow or overflows its stack.
"""

import re

from shared.sql_guard.reasons import refusal

MAX_BYTES = 20_000
MAX_NESTING = 40
MAX_PREFIXES = 12
MAX_JOINS = 24
# A parser that looks for the ON of each JOIN further on tries twice as much with every JOIN that has none.
MAX_UNMATCHED_JOINS = 6
MAX_NESTED_TYPES = 8

_LEXEME = re.compile(
    r"""
    (?P<space>[ \t\r\n]+)
  | (?P<word>\w+)
  | (?P<text>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*")
  | (?P<name>`(?:[^`]|``)*`)
  | (?P<comment>--[^\r\n]*|/\*.*?\*/)
  | (?P<sign>[^\w\s]|\s)
    """,
    re.VERBOSE | re.DOTALL,
)
_RAW_TEXT = re.compile(r"'[^']*'|\"[^\"]*\"")
_HINT = re.compile(r"/\*\+(?:[\w\s,.()`]|'\w*')*\*/")
# Tab, line feed and carriage return are the only control characters that a query has a use for.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Invisible outside a string, they only serve to make two names look alike.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb]"
)
_TEMPLATE = frozenset("{}$@#")
_PREFIXES = frozenset(
    "! - + ~ not case exists distinct any some all interval date timestamp select from with prior".split()
)
_OPENING = {"(": ")", "[": "]"}
_WRITES = frozenset(
    "insert update delete merge drop create alter truncate replace copy load upsert import export restore "
    "undrop".split()
)
_ADMIN = frozenset(
    "set reset use cache uncache clear refresh vacuum optimize analyze describe desc explain show add list grant "
    "revoke deny msck repair comment fsck convert sync kill lock unlock start commit rollback apply".split()
)
_DYNAMIC = frozenset("execute exec declare begin call prepare deallocate fetch open close loop while for if".split())


def check_text(sql: str) -> str:
    """Return ``sql`` when its text is plain enough to be parsed.

    Raises:
        SqlRefusedError: it is too long, or holds what no plain query needs.
    """
    if len(sql) > MAX_BYTES or len(sql.encode("utf-8", "replace")) > MAX_BYTES:
        raise refusal("too_long", f"The SQL is longer than {MAX_BYTES} bytes; ask for less at once.")
    if _CONTROL.search(sql):
        raise refusal("control_character", "The SQL holds control characters; write it as plain text.")
    if "${" in sql:
        raise refusal("substitution", "The SQL holds a ${...} reference, which Spark would replace; leave it out.")
    _Scan(sql).run()
    return sql


class _Scan:
    """One pass over the lexemes."""

    def __init__(self, sql: str) -> None:
        self._sql = sql
        self._open: list[str] = []
        self._first = ""
        self._ended = False
        self._previous = ""
        self._prefixes = 0
        self._joins = 0
        self._unmatched_joins = 0
        self._nested_types = 0

    def run(self) -> None:
        position = 0
        while position < len(self._sql):
            match = _LEXEME.match(self._sql, position)
            if match is None:
                raise refusal("syntax", "The SQL cannot be read.")
            position = match.end()
            kind, lexeme = match.lastgroup, match.group()
            if kind == "space":
                continue
            if kind == "comment":
                _check_comment(lexeme)
                continue
            if self._ended:
                raise refusal("several_statements", "Send one statement only.")
            if lexeme in ("r", "R") and self._sql[position : position + 1] in ("'", '"'):
                position = self._raw_text(position)
            self._code(kind or "", lexeme.lower())
        if self._open:
            raise refusal("syntax", "The SQL has an open bracket or CASE.")
        if not self._first:
            raise refusal("empty", "There is no SQL in it.")

    def _raw_text(self, position: int) -> int:
        match = _RAW_TEXT.match(self._sql, position)
        if match is None:
            raise refusal("syntax", "The SQL has a string that does not end.")
        return match.end()

    def _code(self, kind: str, lexeme: str) -> None:
        if kind == "sign":
            self._sign(lexeme)
        elif kind == "word":
            self._word(lexeme)
        elif kind == "text" and self._previous == "using":
            raise refusal("code", "Programs are not run from SQL.")
        if kind != "text" and _INVISIBLE.search(lexeme):
            raise refusal("control_character", "The SQL holds invisible characters outside its strings.")
        self._prefixes = self._prefixes + 1 if lexeme in _PREFIXES else 0
        if self._prefixes > MAX_PREFIXES:
            raise refusal("too_deep", "The SQL repeats a prefix operator too often.")
        if lexeme != "(":
            self._first = self._first or lexeme
        self._previous = lexeme

    def _word(self, word: str) -> None:
        if not self._first:
            _check_first_word(word)
        if word == "case" and self._previous != ".":
            self._nest("end")
        elif word == "end" and self._open and self._open[-1] == "end" and self._previous != ".":
            self._open.pop()
        elif word == "join":
            self._join()
        elif word in ("on", "using"):
            self._unmatched_joins = max(0, self._unmatched_joins - 1)

    def _join(self) -> None:
        self._joins += 1
        self._unmatched_joins += self._previous not in ("cross", "natural")
        if self._joins > MAX_JOINS:
            raise refusal("too_many_relations", f"The SQL has more than {MAX_JOINS} joins; ask for less at once.")
        if self._unmatched_joins > MAX_UNMATCHED_JOINS:
            raise refusal("join_without_equality", "Give every JOIN its ON, with an equality between the two sides.")

    def _sign(self, sign: str) -> None:
        if sign in "'\"`":
            raise refusal("syntax", "The SQL has a string or a quoted name that does not end.")
        if sign == "\\":
            raise refusal("syntax", "There is a backslash outside a string.")
        if sign == "*" and self._previous == "/":
            raise refusal("comment", "There is a comment that does not end.")
        if sign in _TEMPLATE:
            raise refusal("parameter", f"The SQL holds {sign!r}; parameters, variables and templates are not taken.")
        if sign == ";":
            self._ended = True
        elif sign in _OPENING:
            self._nest(_OPENING[sign])
        elif sign in ")]":
            if not self._open or self._open[-1] != sign:
                raise refusal("syntax", f"The SQL has a {sign!r} too many.")
            self._open.pop()
        elif sign == "<" and self._previous in ("array", "map", "struct"):
            self._nested_types += 1
            if self._nested_types > MAX_NESTED_TYPES:
                raise refusal("too_deep", "The SQL has too many nested types.")

    def _nest(self, closing: str) -> None:
        self._open.append(closing)
        if len(self._open) > MAX_NESTING:
            raise refusal("too_deep", f"The SQL is nested deeper than {MAX_NESTING}; use WITH.")


def _check_comment(comment: str) -> None:
    if comment.startswith("--"):
        # Spark goes on with the comment on the next line; other lexers do not.
        if comment.endswith("\\"):
            raise refusal("comment", "A comment may not end in a backslash.")
    elif comment.startswith("/*+"):
        if not _HINT.fullmatch(comment):
            raise refusal("comment", "A hint holds names and numbers only.")
    elif "/*" in comment[2:]:
        raise refusal("comment", "A comment may not hold another.")


def _check_first_word(word: str) -> None:
    if word in _WRITES:
        raise refusal("write", "Only queries that read are run.")
    if word in _ADMIN:
        raise refusal("admin", "Only queries that read are run.")
    if word in _DYNAMIC:
        raise refusal("dynamic", "Only one plain query is run, no script.")
