"""What a question asks for, independent of the words it was asked in and of the SQL that answers it."""

from dataclasses import dataclass, replace
from typing import Literal

from localhost.services.model.vocabulary import Ref

type Aggregate = Literal["count", "avg", "sum", "min", "max", "median"]
type Operator = Literal[
    "=",
    ">=",
    ">",
    "<=",
    "<",
    "between",
    "null",
    "not null",
    "contains",
    "starts",
    "ends",
    "is",
    "named",
    "linked",
    "has",
]
type Bin = Literal["year", "decade", "month"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure over rows; without ``ref`` the rows are counted. A count with ``ref`` is of its different values."""

    aggregate: Aggregate
    ref: Ref | None = None


@dataclass(frozen=True, slots=True)
class Dimension:
    """What rows are grouped by: a column, a period of a time column, or the name of a subject."""

    ref: Ref
    subject: str = ""
    bin: Bin | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """One test of a row. ``named`` compares the name of ``subject``; ``has`` looks into a list column."""

    ref: Ref
    operator: Operator
    values: tuple[str | float, ...] = ()
    negated: bool = False
    subject: str = ""


type Clause = tuple[Condition, ...]
"""Conditions of which one must hold."""


@dataclass(frozen=True, slots=True)
class Having:
    """One test of a group."""

    measure: Measure
    operator: Operator
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """What rows are ordered by, before the label that settles ties."""

    by: Measure | Dimension | Ref
    descending: bool = True


type Form = Literal[
    "list", "total", "group", "share", "lookup", "best_of_each", "count_groups", "average_of_groups", "person"
]


@dataclass(frozen=True, slots=True)
class Query:
    """One query. ``subject`` names what its rows are; ``clauses`` must all hold."""

    form: Form
    subject: str
    clauses: tuple[Clause, ...] = ()
    share: tuple[Clause, ...] = ()
    measures: tuple[Measure, ...] = ()
    dimensions: tuple[Dimension, ...] = ()
    havings: tuple[Having, ...] = ()
    orders: tuple[Order, ...] = ()
    limit: int | None = None
    show: tuple[Ref | Dimension, ...] = ()
    among: Clause = ()
    """The only values of the first dimension that are wanted: what a comparison compares."""
    names: tuple[str, ...] = ()
    """Whom or what a lookup is about, closest reading first."""

    def with_(self, **changes: object) -> "Query":
        """Return a copy with ``changes``."""
        return replace(self, **changes)  # pyright: ignore[reportArgumentType] - the caller names the fields
