"""The part of Cosmos DB's query language that the stand-in reads.

    SELECT [TOP n] * | VALUE COUNT(1) | VALUE expression | expression [AS name], ...
    FROM c [[AS] alias] [WHERE condition] [ORDER BY path [ASC|DESC], ...] [OFFSET n LIMIT m]

A condition is made of paths (``c.a["b"][0]``), literals, ``@parameters``, comparisons, AND, OR, NOT, IN,
IS_DEFINED, CONTAINS, STARTSWITH and ARRAY_CONTAINS. Whatever else a query holds is refused by name: a query that
is only half understood would return the wrong items.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from localhost.services.cosmos import values
from localhost.services.cosmos.errors import bad_request
from localhost.services.cosmos.sql_tokens import Cursor, ended, unsupported

type Expression = Callable[[Any], Any]

_FUNCTIONS: Mapping[str, tuple[Callable[..., Any], int, int]] = {
    "IS_DEFINED": (values.is_defined, 1, 1),
    "CONTAINS": (values.contains, 2, 3),
    "STARTSWITH": (values.starts_with, 2, 3),
    "ARRAY_CONTAINS": (values.array_contains, 2, 3),
}
_LITERALS = {"TRUE": True, "FALSE": False, "NULL": None, "UNDEFINED": values.UNDEFINED}
_CLAUSES = frozenset({"WHERE", "ORDER", "OFFSET", "GROUP", "JOIN", "IN"})


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was understood."""

    where: Expression | None = None
    fields: tuple[tuple[str, Expression], ...] = ()
    """Names and values of the result's properties; empty where the result is ``value``."""
    value: Expression | None = None
    count: bool = False
    order: tuple[tuple[Expression, bool], ...] = ()
    """Sort expressions, each with whether it descends."""
    offset: int = 0
    limit: int | None = None


def parse_query(text: str, parameters: Mapping[str, Any]) -> Query:
    """Return what ``text`` asks for.

    Raises:
        CosmosError: 400, naming what is not supported or not understood.
    """
    try:
        return _Parser(text, parameters).query()
    except RecursionError as error:
        raise bad_request("The query is nested too deeply.") from error


def parse_condition(text: Any) -> Callable[[Mapping[str, Any]], bool] | None:
    """Return the test that ``from c where ...`` describes, as a patch carries it; None where it carries none."""
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        raise bad_request("The condition of a patch is a text.")
    try:
        where = _Parser(text, {}).condition()
    except RecursionError as error:
        raise bad_request("The condition is nested too deeply.") from error
    return lambda item: where(item) is True


class _Parser(Cursor):
    """Reads one query or condition, once, from left to right."""

    def __init__(self, text: str, parameters: Mapping[str, Any]) -> None:
        super().__init__(text)
        self.parameters = parameters
        self.alias = self._alias()

    def query(self) -> Query:
        self.need("SELECT")
        limit = self._count() if self.word("TOP") else None
        if self.word("DISTINCT"):
            raise unsupported("DISTINCT")
        found = self._projection()
        self._from()
        where = self._expression() if self.word("WHERE") else None
        self.refuse("GROUP", "GROUP BY")
        order = self._order()
        offset = 0
        if self.word("OFFSET"):
            if limit is not None:
                raise bad_request("TOP and OFFSET cannot be in one query.")
            offset = self._count()
            self.need("LIMIT")
            limit = self._count()
        self.end()
        if found.count and (order or limit is not None):
            raise unsupported("COUNT together with ORDER BY, TOP or OFFSET")
        return Query(where, found.fields, found.value, found.count, order, offset, limit)

    def condition(self) -> Expression:
        self._from()
        self.need("WHERE")
        where = self._expression()
        self.end()
        return where

    def _projection(self) -> Query:
        if self.sign("*"):
            return Query(value=lambda item: item)
        if self.word("VALUE"):
            if self.is_word("COUNT"):
                self.take()
                if [self.take()[1] for _ in range(3)] != ["(", "1", ")"]:
                    raise unsupported("COUNT of anything but 1")
                return Query(count=True)
            return Query(value=self._expression())
        fields: list[tuple[str, Expression]] = []
        while not fields or self.sign(","):
            start = self.at
            value = self._expression()
            last = self.tokens[self.at - 1] if self.at > start else ("", "")
            name = last[1] if last[0] == "word" else f"${len(fields) + 1}"
            if self.word("AS"):
                name = self.name()
            fields.append((name, value))
        return Query(fields=tuple(fields))

    def _alias(self) -> str:
        """Return what paths begin with: they are read before FROM says it."""
        for at, (kind, token) in enumerate(self.tokens):
            if kind == "word" and token.upper() == "FROM" and self.tokens[at - 1][1] != ".":
                following = [token for _, token in self.tokens[at + 1 : at + 4]]
                if len(following) > 1 and following[1].upper() == "AS":
                    return following[-1]
                named = len(following) > 1 and self.tokens[at + 2][0] == "word"
                return following[1 if named and following[1].upper() not in _CLAUSES else 0] if following else ""
        return ""

    def _from(self) -> None:
        self.need("FROM")
        self.name()
        self.refuse("IN", "IN in FROM")
        if self.word("AS") or (self.peek()[0] == "word" and self.peek()[1].upper() not in _CLAUSES):
            self.name()
        self.refuse("JOIN", "JOIN")
        if self.peek()[1] in {".", "[", ","}:
            raise unsupported("FROM of anything but one container")

    def _order(self) -> tuple[tuple[Expression, bool], ...]:
        order: list[tuple[Expression, bool]] = []
        if self.word("ORDER"):
            self.need("BY")
            while not order or self.sign(","):
                if self.peek()[1] != self.alias:
                    raise unsupported("ORDER BY of anything but a path")
                path = self._primary()
                descending = self.word("DESC")
                if not descending:
                    self.word("ASC")
                order.append((path, descending))
        return tuple(order)

    def _expression(self) -> Expression:
        left = self._conjunction()
        while self.word("OR"):
            left = _both(values.disjunction, left, self._conjunction())
        return left

    def _conjunction(self) -> Expression:
        left = self._negation()
        while self.word("AND"):
            left = _both(values.conjunction, left, self._negation())
        return left

    def _negation(self) -> Expression:
        if self.word("NOT"):
            inner = self._negation()
            return lambda item: values.negation(inner(item))
        return self._comparison()

    def _comparison(self) -> Expression:
        left = self._primary()
        kind, token = self.peek()
        if kind == "sign" and token in _COMPARISONS:
            self.take()
            return _both(_COMPARISONS[token], left, self._primary())
        negated = token.upper() == "NOT" and self.word("NOT")
        if self.word("IN"):
            found = self._in(left)
            return (lambda item: values.negation(found(item))) if negated else found
        if negated or self.peek()[1].upper() in {"BETWEEN", "LIKE"}:
            raise unsupported(self.peek()[1].upper() or "NOT")
        return left

    def _in(self, left: Expression) -> Expression:
        choices = self._arguments()

        def among(item: Any) -> Any:
            found: Any = False
            for choice in choices:
                found = values.disjunction(found, values.equal(left(item), choice(item)))
            return found

        return among

    def _primary(self) -> Expression:
        kind, token = self.take()
        if kind == "word":
            return self._named(token)
        if token == "(" and kind == "sign":
            inner = self._expression()
            self.need(")")
            return inner
        if token == "-" and self.peek()[0] == "number":
            return _constant(-json.loads(self.take()[1]))
        return _constant(self._literal(kind, token))

    def _literal(self, kind: str, token: str) -> Any:
        match kind:
            case "number":
                return json.loads(token)
            case "string":
                return _unquoted(token)
            case "parameter":
                return self._parameter(token)
            case "sign" if token in "{[":
                raise unsupported("an object or array in the text")
            case _:
                raise bad_request(f"Syntax error near {token!r}.") if token else ended()

    def _named(self, name: str) -> Expression:
        """Return what begins with ``name``, which was just read."""
        if self.peek()[1] == "(":
            return self._call(name)
        if name == self.alias:
            return self._path()
        if name.upper() in _LITERALS:
            return _constant(_LITERALS[name.upper()])
        raise bad_request(f"Identifier {name!r} could not be resolved; paths begin with {self.alias!r}.")

    def _path(self) -> Expression:
        steps: list[str | int] = []
        while True:
            if self.sign("."):
                steps.append(self.name())
            elif self.sign("["):
                kind, token = self.take()
                if kind not in {"string", "number"}:
                    raise unsupported(f"{token!r} as an index")
                steps.append(_unquoted(token) if kind == "string" else int(token))
                self.need("]")
            else:
                break

        def walk(item: Any) -> Any:
            for step in steps:
                item = values.member(item, step)
            return item

        return walk

    def _call(self, name: str) -> Expression:
        if name.upper() not in _FUNCTIONS:
            raise unsupported(f"the function {name.upper()}")
        function, fewest, most = _FUNCTIONS[name.upper()]
        arguments = self._arguments()
        if not fewest <= len(arguments) <= most:
            raise bad_request(f"{name.upper()} takes {fewest} to {most} arguments, not {len(arguments)}.")
        return lambda item: function(*(argument(item) for argument in arguments))

    def _arguments(self) -> list[Expression]:
        self.need("(")
        arguments = [self._expression()]
        while self.sign(","):
            arguments.append(self._expression())
        self.need(")")
        return arguments

    def _parameter(self, name: str) -> Any:
        if name not in self.parameters:
            raise bad_request(f"The query names {name}, which is not among its parameters.")
        return self.parameters[name]

    def _count(self) -> int:
        kind, token = self.take()
        number: Any = json.loads(token) if kind == "number" else None
        if kind == "parameter":
            number = self._parameter(token)
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise bad_request(f"TOP, OFFSET and LIMIT need a number of items, not {token!r}.")
        return number


def _both(operator: Callable[[Any, Any], Any], left: Expression, right: Expression) -> Expression:
    return lambda item: operator(left(item), right(item))


def _constant(value: Any) -> Expression:
    return lambda _item: value


def _unquoted(token: str) -> str:
    body = token[1:-1].replace("\\'", "'")
    if token[0] == "'":
        body = re.sub(r'(?<!\\)((?:\\\\)*)"', r'\1\\"', body)
    try:
        return cast(str, json.loads(f'"{body}"', strict=False))
    except ValueError as error:
        raise bad_request(f"The string {token} has an escape that is not JSON's.") from error


_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": values.equal,
    "!=": values.unequal,
    "<>": values.unequal,
    "<": values.below,
    ">": lambda left, right: values.below(right, left),
    "<=": lambda left, right: values.negation(values.below(right, left)),
    ">=": lambda left, right: values.negation(values.below(left, right)),
}
