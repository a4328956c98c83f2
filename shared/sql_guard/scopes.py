"""What names mean where: relations, their columns, and the queries around them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.errors import SqlRefusedError
from shared.sql_guard.reasons import refusal
from shared.sql_guard.values import Rows, Value


@dataclass(slots=True)
class Relation:
    """One thing in FROM.

    ``is_open`` says that it may have columns which are not known here, ``multiplies`` that each row of what stands
    before it becomes as many as it has itself.
    """

    alias: str
    columns: dict[str, Value]
    rows: Rows
    is_open: bool = False
    table: str = ""
    hidden: bool = False
    multiplies: bool = False


@dataclass(slots=True)
class Result:
    """What a query returns: its columns in order (an empty name where Spark makes one up), and how much it reads."""

    columns: list[tuple[str, Value]]
    rows: Rows
    tables_read: int
    is_open: bool = False

    def renamed(self, names: Sequence[str]) -> "Result":
        """Return it with its columns called ``names``, where there are any."""
        if not names:
            return self
        columns = [
            (name, self.columns[i][1] if i < len(self.columns) else Value(constant=False))
            for i, name in enumerate(names)
        ]
        return Result(columns, self.rows, self.tables_read)

    def relation(self, alias: str) -> Relation:
        """Return it as a relation called ``alias``."""
        columns = {name: value for name, value in self.columns if name}
        is_open = self.is_open or any(not name for name, _ in self.columns)
        return Relation(alias, columns, self.rows, is_open=is_open)


type Ctes = Mapping[str, Result]


@dataclass(slots=True)
class Scope:
    """The names one SELECT can use."""

    ctes: Ctes
    outer: "Scope | None" = None
    relations: list[Relation] = field(default_factory=list[Relation])
    merged: set[str] = field(default_factory=set[str])
    aliases: dict[str, Value] = field(default_factory=dict[str, Value])
    # ORDER BY sees what is selected before what it was selected from.
    aliases_first: bool = False
    parameters: list[dict[str, Value]] = field(default_factory=list[dict[str, Value]])
    # Pairs of sets of relations that an equality ties together.
    links: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    fanout: int = 1
    # Whether it makes rows out of a list that was collected from any number of them.
    spreads: bool = False
    aggregated: bool = False
    # Relations of this query that a query inside it reads.
    touched: int = 0
    reads_outer: bool = False
    # How many tables it reads, those of its inner queries included.
    tables_read: int = 0
    tied_to_outer: bool = False

    @property
    def is_big(self) -> bool:
        return any(relation.rows.big for relation in self.relations)

    def knows(self, name: str) -> bool:
        """Say whether a column or alias has this name, here or around, so that Spark does not take it for a call."""
        if name in self.aliases or any(name in r.columns and not r.hidden for r in self.relations):
            return True
        return self.outer.knows(name) if self.outer else False

    def parameter(self, name: str) -> Value | None:
        """Return the lambda parameter called ``name``, the innermost first."""
        for names in reversed(self.parameters):
            if name in names:
                return names[name]
        return self.outer.parameter(name) if self.outer else None


@dataclass(slots=True)
class Found:
    """A column, and the base table it is of (empty for what a query made)."""

    value: Value
    table: str = ""
    column: str = ""


def find_column(scope: Scope, names: list[str]) -> Found:
    """Return what the dotted ``names`` (lower case) mean in ``scope``.

    Raises:
        SqlRefusedError: nothing in scope can have that name, or two things have it.
    """
    found = _in_scope(scope, names)
    if found is not None:
        return found
    outer = scope.outer
    while outer is not None:
        found = _in_scope(outer, names)
        if found is not None:
            outer.touched |= found.value.owners
            scope.reads_outer = True
            return Found(found.value.of(0, outer=True), found.table, found.column)
        outer = outer.outer
    raise _unknown(scope, names)


def _in_scope(scope: Scope, names: list[str]) -> Found | None:
    if len(names) == 1:
        if scope.aliases_first and names[0] in scope.aliases:
            return Found(scope.aliases[names[0]])
        return _unqualified(scope, names[0])
    return _qualified(scope, names) or _field_of(scope, names[0])


def _unqualified(scope: Scope, name: str) -> Found | None:
    holders = [i for i, relation in enumerate(scope.relations) if not relation.hidden and name in relation.columns]
    if holders and (len(holders) == 1 or name in scope.merged):
        return _found(scope, holders[0], name)
    if holders:
        relations = " and ".join(sorted(scope.relations[i].alias or "a subquery" for i in holders))
        raise refusal("ambiguous_column", f"The column {name!r} is in {relations}; write which one is meant.")
    if name in scope.aliases:
        return Found(scope.aliases[name])
    owners = sum(1 << i for i, relation in enumerate(scope.relations) if relation.is_open)
    return Found(Value(owners=owners, constant=False)) if owners else None


def _qualified(scope: Scope, names: list[str]) -> Found | None:
    missing: tuple[str, Relation] | None = None
    for index, relation in enumerate(scope.relations):
        if relation.hidden:
            continue
        if relation.alias and relation.alias == names[0]:
            column = names[1]
        elif relation.table and relation.table == f"{names[0]}.{names[1]}" and len(names) > 2:
            # imdb.title_basics.tconst, where the table has no other name.
            if relation.alias != names[1]:
                continue
            column = names[2]
        else:
            continue
        if column in relation.columns:
            return _found(scope, index, column)
        if relation.is_open:
            return Found(Value(owners=1 << index, constant=False))
        missing = missing or (column, relation)
    if missing is None or (len(names) == 2 and _field_of(scope, names[0]) is not None):
        return None
    column, relation = missing
    raise refusal("unknown_column", f"{names[0]} has no column {column!r}; it has: {_columns(relation)}.")


def _field_of(scope: Scope, name: str) -> Found | None:
    """Return the struct column ``name``: a dotted name may also be a field of one."""
    if name in scope.merged or sum(name in r.columns and not r.hidden for r in scope.relations) == 1:
        return _unqualified(scope, name)
    if name in scope.aliases:
        return Found(scope.aliases[name])
    owners = sum(1 << i for i, relation in enumerate(scope.relations) if relation.is_open)
    return Found(Value(owners=owners, constant=False)) if owners else None


def _found(scope: Scope, index: int, name: str) -> Found:
    relation = scope.relations[index]
    return Found(relation.columns[name].of(1 << index), relation.table, name)


def _unknown(scope: Scope, names: list[str]) -> SqlRefusedError:
    written = ".".join(names)[:80]
    if len(names) > 1:
        known = ", ".join(sorted(relation.alias for relation in scope.relations if relation.alias))
        return refusal("unknown_column", f"{written!r} is of no table or alias here; there is: {known or 'none'}.")
    known = ", ".join(_columns(relation) for relation in scope.relations)
    return refusal("unknown_column", f"There is no column {written!r} here; there is: {known or 'none'}.")


def _columns(relation: Relation) -> str:
    return ", ".join(sorted(relation.columns))[:400]
