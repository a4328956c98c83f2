"""What the guard knows of an expression without running it: how large it can get, and what it depends on."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

# The most that one value may hold (list items, or characters made from nothing).
MAX_SIZE = 100_000
# What a number that makes characters or items may be, in a query over a table and in one over none.
MAX_MADE = 2_000
MAX_MADE_ALONE = 50_000
# How many times a row may be multiplied, and the most rows that come from no table.
MAX_FANOUT = 1_000
MAX_ROWS_ALONE = 1_000_000
# What a group's collected list is taken to hold; a second one inside it is then too much.
COLLECTED = 500
# What a list held by one column of one row is taken to hold.
LISTED = 4
YEARS = (1800, 2100)


@dataclass(slots=True)
class Value:
    """Bounds and dependencies of one expression; made anew where anything changes, never altered.

    ``size`` counts list items and made characters, ``item`` those of one item of a list. ``low`` and ``high``
    bound a number, or a date as days; for a list, its items. ``owners`` has a bit for each relation of the innermost
    query that the expression reads, ``outer`` says that it reads the enclosing one, ``constant`` that it is the same
    for all rows, and ``gathered`` that it holds something of any number of rows.
    """

    size: int = 1
    item: int = 1
    low: int | None = None
    high: int | None = None
    owners: int = 0
    outer: bool = False
    constant: bool = True
    gathered: bool = False

    def with_size(self, size: int, item: int = 1) -> "Value":
        """Return it with another size, and no bounds."""
        return Value(max(1, size), max(1, item), None, None, self.owners, self.outer, self.constant, self.gathered)

    def with_bounds(self, low: int | None, high: int | None) -> "Value":
        """Return it as one number within bounds."""
        return Value(1, 1, low, high, self.owners, self.outer, self.constant, self.gathered)

    def between(self, low: int | None, high: int | None) -> "Value":
        """Return it with bounds, as large as it is."""
        return replace(self, low=low, high=high)

    def of(self, owners: int, *, outer: bool = False) -> "Value":
        """Return it as something of the relations ``owners``."""
        return Value(self.size, self.item, self.low, self.high, owners, outer, self.constant, self.gathered)

    @property
    def count(self) -> int:
        """How many items it holds when it is a list."""
        return max(1, self.size // self.item)


def combined(values: Iterable[Value]) -> Value:
    """Return what depends on all of ``values`` and is as large as the largest."""
    size = item = 1
    owners = 0
    outer = gathered = False
    constant = True
    for value in values:
        size = max(size, value.size)
        item = max(item, value.item)
        owners |= value.owners
        outer = outer or value.outer
        gathered = gathered or value.gathered
        constant = constant and value.constant
    return Value(size, item, None, None, owners, outer, constant, gathered)


def joined(values: Iterable[Value]) -> Value:
    """Return what depends on all of ``values`` and is as large as all of them together."""
    values = list(values)
    return combined(values).with_size(sum(value.size for value in values), max((v.item for v in values), default=1))


class Rows(NamedTuple):
    """How many rows a relation has: ``factor``, or that many times a table where ``big``."""

    big: bool
    factor: int


ONE_ROW = Rows(big=False, factor=1)
TABLE_ROWS = Rows(big=True, factor=1)


def low_high(values: Iterable[Value]) -> tuple[int | None, int | None]:
    """Return bounds that hold for each of ``values``."""
    lows = [value.low for value in values]
    highs = [value.high for value in values]
    low = None if any(bound is None for bound in lows) else min((b for b in lows if b is not None), default=None)
    high = None if any(bound is None for bound in highs) else max((b for b in highs if b is not None), default=None)
    return low, high
