"""Dates in the formats that people send; two readings where there are two."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.etl.arrow import Array, arrow, compute, numpy
from shared.etl.kinds.faults import FORMAT, RANGE, mask, numbers
from shared.etl.rules import Rules

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class Readings:
    """Days since 1970, and faults, with the day first and with the month first; mostly they are the same."""

    day_first: tuple[Any, Any]
    month_first: tuple[Any, Any]


def read_dates(values: Array, rules: Rules) -> Readings:
    """Return both readings of each of ``values``, which are normalised."""
    np = numpy()

    size = len(values)
    year, month, day = (np.zeros(size, dtype=np.int64) for _ in range(3))
    either = np.zeros(size, dtype=bool)
    left = np.arange(size)
    for form in rules.date.formats:
        if not left.size:
            break
        at, groups = _matching(values, left, form.pattern)
        if not at.size:
            continue
        first, second, third = (_figures(group, rules) for group in groups)
        match form.order:
            case "ymd":
                year[at], month[at], day[at] = first, second, third
            case "mdy":
                month[at], day[at], year[at] = first, second, third
            case _:
                day[at], month[at], year[at] = first, second, third
        either[at] = form.order == "either"
        left = np.setdiff1d(left, at, assume_unique=True)

    swap = either & (day <= 12) & (month > 12)  # the only reading has the month first
    day, month = np.where(swap, month, day), np.where(swap, day, month)
    two = either & (day <= 12) & (month <= 12)
    one = _days(year, month, day, rules)
    return Readings(one, _days(year, np.where(two, day, month), np.where(two, month, day), rules) if two.any() else one)


def _matching(values: Array, left: Any, pattern: str) -> tuple[Any, list[Any]]:
    """Return which of ``left`` match, and their three groups."""
    pa = arrow()
    pc = compute()

    names = iter("abc")
    named = ""
    # RE2 extracts by name: the plain groups of the pattern get one each.
    for at, character in enumerate(pattern):
        plain = character == "(" and pattern[at + 1] != "?" and pattern[at - 1 : at] != "\\"
        named += f"(?P<{next(names)}>" if plain else character
    found = pc.extract_regex(values.take(pa.array(left)), named)
    hit = mask(found.is_valid())
    found = found.filter(pa.array(hit))
    return left[hit], [found.field(name) for name in "abc"]


def _figures(group: Array, rules: Rules) -> Any:
    """Return the numbers of a group: digits, or months by name; 0 is no month."""
    pa = arrow()
    pc = compute()

    if mask(pc.ascii_is_decimal(group)).all():
        return numbers(group.cast(pa.int64()))
    months = pa.array(list(rules.date.months), pa.string())
    found = pc.index_in(pc.ascii_lower(group), value_set=months)
    return numbers(pa.array(list(rules.date.months.values()), pa.int64()).take(found))


def _days(year: Any, month: Any, day: Any, rules: Rules) -> tuple[Any, Any]:
    np = numpy()

    faults = np.zeros(len(year), dtype=np.int8)
    possible = (month >= 1) & (month <= 12) & (day >= 1)
    months = (np.where(possible, year, 1970) - 1970) * 12 + np.where(possible, month, 1) - 1
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    length = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) - first
    faults[~possible | (day > length)] = FORMAT
    days = first + day - 1
    low, high = (np.datetime64(limit, "D").astype(np.int64) for limit in (rules.date.minimum, rules.date.maximum))
    faults[(faults == 0) & ((days < low) | (days > high))] = RANGE
    return days, faults
