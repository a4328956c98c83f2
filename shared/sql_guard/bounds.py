"""How large the result of a call can get: what makes strings, lists and rows out of a number is bounded by it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from shared.sql_guard.functions import COLLECTORS, GENERATORS
from shared.sql_guard.patterns import check_pattern
from shared.sql_guard.reasons import refusal
from shared.sql_guard.values import COLLECTED, LISTED, YEARS, Value, combined, joined, low_high

MAX_DIGITS = 100
MAX_ACCURACY = 1_000_000
# Results that are all of their arguments put together.
_JOINING = frozenset(
    """
    concat concat_ws array map struct named_struct array_union array_append array_prepend array_insert arrays_zip
    map_concat map_from_arrays format_string printf overlay to_json to_csv
    """.split()
)
# Each piece of the first may become as large as the last.
_REPLACING = frozenset("replace regexp_replace translate array_join".split())
_LISTING = frozenset(
    "split sentences str_to_map regexp_extract_all json_object_keys map_keys map_values from_json".split()
)
_PATTERNS = {
    "rlike": 1, "regexp": 1, "regexp_like": 1, "regexp_replace": 1, "regexp_extract": 1, "regexp_extract_all": 1,
    "regexp_count": 1, "regexp_instr": 1, "regexp_substr": 1, "split": 1,
}  # fmt: skip
# Numbers whose range follows from the function.
_RANGES: Mapping[str, tuple[int, int]] = {
    "month": (1, 12),
    "quarter": (1, 4),
    "day": (1, 31),
    "dayofmonth": (1, 31),
    "dayofweek": (1, 7),
    "weekday": (0, 6),
    "dayofyear": (1, 366),
    "weekofyear": (1, 53),
    "hour": (0, 23),
    "minute": (0, 59),
    "second": (0, 59),
    "year": YEARS,
    "length": (0, 1000),
    "len": (0, 1000),
    "char_length": (0, 1000),
    "character_length": (0, 1000),
    "instr": (0, 1000),
    "locate": (0, 1000),
    "size": (-1, COLLECTED),
    "cardinality": (-1, COLLECTED),
    "array_size": (0, COLLECTED),
    "sign": (-1, 1),
    "ascii": (0, 1_114_111),
}
# As large as what they choose from.
_CHOOSING = frozenset(
    """
    coalesce ifnull nvl nullif zeroifnull greatest min max any_value first last first_value last_value median mode
    """.split()
)
_ROUNDING = frozenset("round bround floor ceil ceiling int bigint smallint tinyint rint abs negative positive".split())
_DAYS_APART = {"YEAR": 365, "QUARTER": 90, "MONTH": 28, "WEEK": 7, "DAY": 1}
_FRACTIONS_OF_DAY = {"HOUR": 24, "MINUTE": 1440, "SECOND": 86_400}
_NEAR_DATE = frozenset("date to_date trunc date_trunc last_day timestamp to_timestamp next_day".split())
_TODAY = frozenset("current_date current_timestamp now curdate getdate localtimestamp".split())
_ISO_DATE = re.compile(r"\s*(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?")


def days(text: str) -> tuple[int | None, int | None]:
    """Return the day that ``text`` begins with, as bounds in days, or none."""
    match = _ISO_DATE.match(text)
    if match is None:
        return None, None
    try:
        day = date(int(match[1]), int(match[2] or 1), int(match[3] or 1)).toordinal()
    except ValueError:
        return None, None
    return day, day


def today() -> tuple[int, int]:
    """Return bounds for the current date that hold for the life of this code."""
    return date(2020, 1, 1).toordinal(), date(YEARS[1], 1, 1).toordinal()


def bounded_call(
    name: str, values: Sequence[Value], texts: Sequence[str | None], *, step: float | None, limit: int
) -> Value:
    """Return what is known of ``name(values)``, and refuse a call that can make anything out of nothing.

    ``texts`` holds the arguments that are string literals, ``step`` the days or units between two items of a sequence,
    and ``limit`` what a number that makes characters or items out of nothing may be.
    """
    _check_patterns(name, texts)
    maker = _MAKERS.get(name)
    if maker is not None:
        return maker(name, values, texts, limit)
    if name == "sequence":
        return _sequence(values, step, limit)
    if name in _NEAR_DATE and texts and texts[0] is not None:
        return combined(values).with_bounds(*days(texts[0]))
    return _plain(name, values)


def _plain(name: str, values: Sequence[Value]) -> Value:
    result = combined(values)
    if name in _JOINING:
        return joined(values)
    if name in COLLECTORS:
        item = result.size
        return replace(result.with_size(COLLECTED * item, item), gathered=True, constant=False)
    if name in _LISTING:
        return result.with_size(max(LISTED, result.size), max(1, result.size // LISTED))
    if name in _REPLACING and values:
        return result.with_size(values[0].size * values[-1].size)
    if name in _CHOOSING:
        low, high = low_high(values)
        return result.between(low, high)
    return _number(name, values, result)


def _number(name: str, values: Sequence[Value], result: Value) -> Value:
    if name in _RANGES:
        return result.with_bounds(*_RANGES[name])
    if name in _TODAY:
        return result.with_bounds(*today())
    if not values or None in (values[0].low, values[0].high):
        return _capped(name, values, result)
    if name in _ROUNDING:
        return _rounded(name, values[0], result)
    return _dated(name, values[0], result)


def _capped(name: str, values: Sequence[Value], result: Value) -> Value:
    """Bound what is no larger than its other arguments: MOD(x, 10), LEAST(x, 10)."""
    if name in ("mod", "pmod", "try_mod") and len(values) == 2 and values[1].high is not None:
        return result.with_bounds(-abs(values[1].high), abs(values[1].high))
    if name == "least":
        highs = [value.high for value in values if value.high is not None]
        return result.with_bounds(low_high(values)[0], min(highs, default=None))
    return result


def _dated(name: str, first: Value, result: Value) -> Value:
    low, high = first.low or 0, first.high or 0
    if name in _NEAR_DATE:
        return result.with_bounds(low - 366, high + 31)
    if name == "make_date" and 0 < low <= high < 9999:
        return result.with_bounds(date(low, 1, 1).toordinal(), date(high, 12, 31).toordinal())
    return result


def _rounded(name: str, first: Value, result: Value) -> Value:
    if first.low is None or first.high is None:
        return result
    if name == "abs":
        return result.with_bounds(0, max(abs(first.low), abs(first.high)))
    if name == "negative":
        return result.with_bounds(-first.high, -first.low)
    return result.with_bounds(first.low - 1, first.high + 1)


def _high(name: str, value: Value | None, limit: int) -> int:
    if value is None or value.high is None or value.high > limit:
        raise refusal("unbounded_generator", f"Give {name} a number up to {limit}, or bound it: least(..., {limit}).")
    return max(0, value.high)


def _argument(values: Sequence[Value], index: int) -> Value | None:
    return values[index] if index < len(values) else None


def _repeated(name: str, values: Sequence[Value], _texts: Sequence[str | None], limit: int) -> Value:
    """REPEAT(s, n) and ARRAY_REPEAT(x, n)."""
    times = _high(name, _argument(values, 1), limit)
    size = values[0].size * times
    return combined(values).with_size(size, values[0].size if name == "array_repeat" else 1)


def _padded(name: str, values: Sequence[Value], _texts: Sequence[str | None], limit: int) -> Value:
    """LPAD(s, n, p), RPAD(s, n, p): as long as n says."""
    return combined(values).with_size(_high(name, _argument(values, 1), limit))


def _spaced(name: str, values: Sequence[Value], _texts: Sequence[str | None], limit: int) -> Value:
    """SPACE(n), RANDSTR(n)."""
    return combined(values).with_size(_high(name, _argument(values, 0), limit))


def _inserted(name: str, values: Sequence[Value], _texts: Sequence[str | None], limit: int) -> Value:
    """ARRAY_INSERT(a, position, x): what is missing up to the position is filled."""
    place = _argument(values, 1)
    reach = _high(name, place, limit)
    if place is None or place.low is None or place.low < -limit:
        raise refusal("unbounded_generator", f"Give {name} a position that is a number.")
    reach = max(reach, -place.low)
    return combined(values).with_size(sum(value.size for value in values) + reach)


def _formatted(name: str, values: Sequence[Value], texts: Sequence[str | None], limit: int) -> Value:
    """FORMAT_STRING('%5d', x): a width is a number of characters to come."""
    pattern = texts[0] if texts else None
    if pattern is None:
        raise refusal("unbounded_generator", f"Give {name} its format as a string.")
    width = sum(int(digits[:9]) for digits in re.findall(r"\d+", pattern))
    if width > limit:
        raise refusal("unbounded_generator", f"The widths in a format may be {limit} in all.")
    return joined(values)


def _digits(name: str, values: Sequence[Value], texts: Sequence[str | None], limit: int) -> Value:
    """FORMAT_NUMBER(x, digits), ROUND(x, digits)."""
    if len(values) > 1 and texts[1] is None:
        _high(name, values[1], min(limit, MAX_DIGITS))
    result = combined(values)
    return result if name.startswith("format") else _rounded(name, values[0], result) if values else result


def _percentile(name: str, values: Sequence[Value], _texts: Sequence[str | None], _limit: int) -> Value:
    """PERCENTILE_APPROX(x, p, accuracy)."""
    if len(values) > 2:
        _high(name, values[2], MAX_ACCURACY)
    return combined(values)


def _histogram(name: str, values: Sequence[Value], _texts: Sequence[str | None], limit: int) -> Value:
    """HISTOGRAM_NUMERIC(x, bins)."""
    return combined(values).with_size(_high(name, _argument(values, 1), limit))


def _windowed(_name: str, values: Sequence[Value], _texts: Sequence[str | None], _limit: int) -> Value:
    """WINDOW(time, length): with a slide, each row would be in many windows."""
    if len(values) > 2:
        raise refusal("unbounded_generator", "WINDOW is taken with a length and no slide.")
    return combined(values)


_MAKERS: Mapping[str, Callable[[str, Sequence[Value], Sequence[str | None], int], Value]] = {
    "repeat": _repeated,
    "array_repeat": _repeated,
    "lpad": _padded,
    "rpad": _padded,
    "space": _spaced,
    "randstr": _spaced,
    "array_insert": _inserted,
    "format_string": _formatted,
    "printf": _formatted,
    "format_number": _digits,
    "round": _digits,
    "bround": _digits,
    "histogram_numeric": _histogram,
    "percentile_approx": _percentile,
    "approx_percentile": _percentile,
    "window": _windowed,
}


def _sequence(values: Sequence[Value], step: float | None, limit: int) -> Value:
    bounds = [bound for value in values[:2] for bound in (value.low, value.high)]
    if len(values) < 2 or not step or any(bound is None for bound in bounds):
        raise refusal("unbounded_generator", "Give SEQUENCE two numbers or dates, or bounds: least(..., 1000).")
    known = [bound for bound in bounds if bound is not None]
    low, high = min(known), max(known)
    count = int((high - low) / step) + 1
    if count > limit:
        raise refusal("unbounded_generator", f"SEQUENCE may make at most {limit} items here.")
    return combined(values).with_size(count).between(low, high)


def interval_days(amount: str, unit: str) -> float | None:
    """Return the length of an interval in days, not more than it really is, or None when it cannot be told."""
    unit = unit.upper().removesuffix("S")
    try:
        number = abs(float(amount))
    except ValueError:
        return None
    if unit in _DAYS_APART:
        return number * _DAYS_APART[unit]
    return number / _FRACTIONS_OF_DAY[unit] if unit in _FRACTIONS_OF_DAY else None


def generated_rows(name: str, values: Sequence[Value], limit: int) -> int:
    """Return how many rows the generator ``name`` makes of one."""
    if name not in GENERATORS or name == "json_tuple":
        return 1
    if name == "stack":
        return _high(name, _argument(values, 0), limit)
    return max(LISTED, values[0].count) if values else 1


def range_rows(values: Sequence[Value], *, limit: int) -> int:
    """Return how many rows RANGE makes."""
    first, second = _argument(values, 0), _argument(values, 1)
    stop = first if second is None else second
    start = 0 if second is None else (first.low if first is not None else None)
    step = values[2].low if len(values) > 2 else 1
    if stop is None or stop.high is None or start is None or not step:
        raise refusal("unbounded_generator", "Give RANGE plain numbers.")
    rows = abs(stop.high - start) // abs(step) + 1
    if rows > limit:
        raise refusal("unbounded_generator", f"RANGE may make at most {limit} rows.")
    return rows


def _check_patterns(name: str, texts: Sequence[str | None]) -> None:
    index = _PATTERNS.get(name)
    if index is not None and index < len(texts) and (pattern := texts[index]) is not None:
        check_pattern(pattern)
