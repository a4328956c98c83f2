"""The rules a statement must meet as text, before any parser sees it.

What is dangerous here is what two lexers read differently (nested comments, a backslash that continues a comment,
templates), what Spark replaces before it parses (``${...}``), and what makes a parser slow or overflows its stack.
"""

import re

from shared.errors import SqlRefusedError
from shared.sql_guard.reasons import refusal

MAX_BYTES = 20_000
# Quoted names and escapes make the text that runs longer than what was written.
MAX_BYTES_WRITTEN = 80_000
MAX_NESTING = 40
MAX_PREFIXES = 12
MAX_JOINS = 24
# A parser that looks for the ON of each JOIN further on tries twice as much with every JOIN that has none.
MAX_UNMATCHED_JOINS = 6
MAX_NESTED_TYPES = 8
MAX_COMMENTS = 200
MAX_HINTED = 10_000

# A comment may hold others, to a depth that people use.
_PLAIN = r"(?:(?!/\*|\*/).)"
_INNERMOST = rf"/\*{_PLAIN}*\*/"
_INNER = rf"/\*(?:{_PLAIN}|{_INNERMOST})*\*/"
_COMMENT = rf"/\*(?:{_PLAIN}|{_INNER})*\*/"
# What is not code. In the skeleton of a statement, each becomes one sign that no text may hold.
_LITERAL = re.compile(
    rf"""(?=['"`rR/-])(?:
    (?P<raw>(?<!\w)[rR](?:'[^']*'|"[^"]*"))
  | (?P<text>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*")
  | (?P<name>`(?:[^`]|``)*`)
  | (?P<comment>--[^\r\n]*|{_COMMENT})
    )""",
    re.VERBOSE | re.DOTALL,
)
_TEXT, _NAME = "\x02", "\x03"

# Tab, line feed and carriage return are the only control characters that a query has a use for.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Invisible outside a string, they only serve to make two names look alike.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb]"
)
_HINT = re.compile(r"/\*\+(?:[\w\s,.()`]|'\w*')*\*/")
_STRAY = re.compile(r"['\"`\\{}$@#]|/\*")
_FIRST_WORD = re.compile(r"[\s(]*(\w*)")
_LEXEME = re.compile(r"\w+|[^\w\s]")
_CLOSING = {"(": ")", "[": "]", "case": "end"}
_PREFIXES = frozenset(
    "! - + ~ not case exists distinct any some all interval date timestamp select from with prior".split()
)
_NOTEWORTHY = _PREFIXES | frozenset(f"( ) [ ] < case end join on using {_TEXT}".split())

_WRITES = frozenset(
    "insert update delete merge drop create alter truncate replace copy load upsert import export restore "
    "undrop".split()
)
_ADMIN = frozenset(
    "set reset use cache uncache clear refresh vacuum optimize analyze describe desc explain show add list grant "
    "revoke deny msck repair comment fsck convert sync kill lock unlock start commit rollback apply reorg generate "
    "clone put get remove purge attach detach pragma checkpoint install flush monitor rename".split()
)
_DYNAMIC = frozenset("execute exec declare begin call prepare deallocate fetch open close loop while for if".split())


def check_text(sql: str) -> str:
    """Return ``sql`` without its comments and hints, when its text is plain enough to be parsed.

    Raises:
        SqlRefusedError: it is too long, or holds what no plain query needs.
    """
    check_characters(sql, MAX_BYTES)
    if sql.count("/*") > MAX_COMMENTS:
        raise refusal("comment", f"The SQL has more than {MAX_COMMENTS} comments.")
    skeleton = _LITERAL.sub(_replaced, sql)
    _check_first_word(skeleton)
    _check_signs(skeleton)
    _Structure().check(skeleton)
    return _LITERAL.sub(_without_comment, sql) if "--" in sql or "/*" in sql else sql


def check_characters(sql: str, most: int = MAX_BYTES_WRITTEN) -> str:
    """Return ``sql`` when it is no longer than ``most`` bytes, and holds no control character and no ``${``.

    Raises:
        SqlRefusedError: it is, or it does.
    """
    if len(sql) > most or len(sql.encode("utf-8", "replace")) > most:
        raise refusal("too_long", f"The SQL is longer than {MAX_BYTES} bytes; ask for less at once.")
    if _CONTROL.search(sql):
        raise refusal("control_character", "The SQL holds control characters; write it as plain text.")
    if "${" in sql:
        raise refusal("substitution", "The SQL holds a ${...} reference, which Spark would replace; leave it out.")
    return sql


def _replaced(match: re.Match[str]) -> str:
    kind, lexeme = match.lastgroup, match.group()
    if kind == "comment":
        _check_comment(lexeme)
        return " "
    if kind == "name":
        _check_visible(lexeme)
        return _NAME
    return _TEXT


def _without_comment(match: re.Match[str]) -> str:
    return " " if match.lastgroup == "comment" else match.group()


def _check_comment(comment: str) -> None:
    if comment.startswith("--"):
        # Spark goes on with the comment on the next line; other lexers do not.
        if comment.endswith("\\"):
            raise refusal("comment", "A comment may not end in a backslash.")
    elif comment.startswith("/*+"):
        if not _HINT.fullmatch(comment):
            raise refusal("comment", "A hint holds names and numbers only.")
        if any(int(number[:9]) > MAX_HINTED for number in re.findall(r"\d+", comment)):
            raise refusal("unbounded_generator", f"A hint asks for at most {MAX_HINTED} partitions.")
    elif "/*+" in comment:
        # Spark does not count a hint as the opening of a comment in a comment; other lexers do.
        raise refusal("comment", "A comment may not hold a hint.")


def _check_visible(code: str) -> None:
    if not code.isascii() and _INVISIBLE.search(code):
        raise refusal("control_character", "The SQL holds invisible characters outside its strings.")


def _check_first_word(skeleton: str) -> None:
    if not skeleton.strip(" \t\r\n;"):
        raise refusal("empty", "There is no SQL in it.")
    match = _FIRST_WORD.match(skeleton)
    word = match[1].lower() if match else ""
    if word in _WRITES:
        raise refusal("write", "Only queries that read are run.")
    if word in _ADMIN:
        raise refusal("admin", "Only queries that read are run.")
    if word in _DYNAMIC:
        raise refusal("dynamic", "Only one plain query is run, no script.")


def _check_signs(skeleton: str) -> None:
    _check_visible(skeleton)
    if skeleton.partition(";")[2].strip():
        raise refusal("several_statements", "Send one statement only.")
    stray = _STRAY.search(skeleton)
    if stray is not None:
        raise _refused_sign(stray.group())


def _refused_sign(sign: str) -> SqlRefusedError:
    if sign in "'\"`":
        return refusal("syntax", "The SQL has a string or a quoted name that does not end.")
    if sign == "/*":
        return refusal("comment", "There is a comment that does not end.")
    if sign == "\\":
        return refusal("syntax", "There is a backslash outside a string.")
    return refusal("parameter", f"The SQL holds {sign!r}; parameters, variables and templates are not taken.")


class _Structure:
    """What makes a parser work hard: brackets in brackets, prefixes of prefixes, joins whose ON is far away."""

    def __init__(self) -> None:
        self._expected: list[str] = []
        self._prefixes = 0
        self._joins = 0
        self._unmatched_joins = 0
        self._nested_types = 0

    def check(self, skeleton: str) -> None:
        """Refuse more of it than a query needs, and brackets that do not close."""
        lexemes: list[str] = _LEXEME.findall(skeleton.lower())
        previous = ""
        for lexeme in lexemes:
            if lexeme in _NOTEWORTHY:
                self._note(lexeme, previous)
            else:
                self._prefixes = 0
            previous = lexeme
        if self._expected:
            raise refusal("syntax", f"The SQL misses a {self._expected[-1]!r}.")

    def _note(self, lexeme: str, previous: str) -> None:
        self._prefixes = self._prefixes + 1 if lexeme in _PREFIXES else 0
        if self._prefixes > MAX_PREFIXES:
            raise refusal("too_deep", "The SQL repeats a prefix operator too often.")
        if lexeme in _CLOSING:
            if previous != ".":
                self._open(lexeme)
        elif lexeme in (")", "]", "end"):
            if previous != ".":
                self._close(lexeme)
        elif lexeme in ("join", "on", "using"):
            self._join(lexeme, previous)
        elif lexeme == "<" and previous in ("array", "map", "struct"):
            self._nested_types += 1
            if self._nested_types > MAX_NESTED_TYPES:
                raise refusal("too_deep", "The SQL has too many nested types.")
        elif lexeme == _TEXT and previous == "using":
            raise refusal("code", "Programs are not run from SQL.")

    def _open(self, bracket: str) -> None:
        self._expected.append(_CLOSING[bracket])
        if len(self._expected) > MAX_NESTING:
            raise refusal("too_deep", f"The SQL is nested deeper than {MAX_NESTING}; use WITH.")

    def _close(self, bracket: str) -> None:
        if self._expected and self._expected[-1] == bracket:
            self._expected.pop()
        elif bracket != "end":
            raise refusal("syntax", f"The SQL has a {bracket!r} too many.")

    def _join(self, word: str, previous: str) -> None:
        if word != "join":
            self._unmatched_joins = max(0, self._unmatched_joins - 1)
            return
        self._joins += 1
        self._unmatched_joins += previous not in ("cross", "natural")
        if self._unmatched_joins > MAX_UNMATCHED_JOINS:
            raise refusal("join_without_equality", "Give every JOIN its ON, with an equality between the two sides.")
        if self._joins > MAX_JOINS:
            raise refusal("too_many_relations", f"The SQL has more than {MAX_JOINS} joins; ask for less at once.")
