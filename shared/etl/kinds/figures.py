"""Whole numbers and money, parsed from their digits: no float is ever in between."""

from typing import TYPE_CHECKING, Any

from shared.etl.arrow import Array, arrow, compute, numpy
from shared.etl.kinds.faults import FORMAT, RANGE, Cleaned, mask, matches
from shared.etl.rules import Column, Rules

if TYPE_CHECKING:
    pass


def clean_integer(values: Array, column: Column, rules: Rules) -> Cleaned:
    """Clean whole numbers."""
    pa = arrow()

    whole = matches(values, rules.number.whole)
    units, faults = _units(values, 0, rules)
    faults[(faults == 0) & ~whole] = FORMAT
    faults[(faults == 0) & _outside(units, column, 1)] = RANGE
    return Cleaned(pa.array(units), faults)


def clean_money(values: Array, column: Column, rules: Rules) -> Cleaned:
    """Clean amounts; the values are whole numbers of the smallest unit."""
    pa = arrow()

    units, faults = _units(values, column.scale, rules)
    faults[(faults == 0) & _outside(units, column, 10**column.scale)] = RANGE
    return Cleaned(pa.array(units), faults)


def _units(values: Array, scale: int, rules: Rules) -> tuple[Any, Any]:
    """Return each number times ``10 ** scale``, rounded half away from zero, and what is wrong with it."""
    np = numpy()
    pa = arrow()
    pc = compute()

    faults = np.zeros(len(values), dtype=np.int8)
    faults[~matches(values, rules.number.pattern)] = FORMAT
    values = pc.if_else(pa.array(faults == 0), values, "0")

    digits = pc.utf8_ltrim(values, characters="+-")
    fraction = None
    pointed = pc.match_substring(digits, ".")
    whole = digits
    if pc.any(pointed).as_py():
        parts = pc.split_pattern(pc.if_else(pointed, digits, pc.binary_join_element_wise(digits, "", ".")), ".")
        whole, fraction = pc.list_element(parts, 0), pc.list_element(parts, 1)
    whole = pc.utf8_ltrim(whole, characters="0")
    faults[(faults == 0) & (pc.utf8_length(whole).to_numpy() > rules.number.max_digits)] = RANGE
    whole = pc.if_else(pa.array(faults == 0), whole, "")

    if fraction is None:
        text = pc.binary_join_element_wise("0", whole, "0" * scale, "")
        units = text.cast(pa.int64()).to_numpy(zero_copy_only=False)
    else:
        padded = pc.utf8_rpad(fraction, width=scale + 1, padding="0")
        text = pc.binary_join_element_wise("0", whole, pc.utf8_slice_codeunits(padded, 0, scale), "")
        units = text.cast(pa.int64()).to_numpy(zero_copy_only=False)
        next_digit = pc.utf8_slice_codeunits(padded, scale, scale + 1)
        units = units + mask(pc.greater_equal(next_digit, "5"))
    return np.where(mask(pc.starts_with(values, "-")), -units, units), faults


def _outside(units: Any, column: Column, factor: int) -> Any:
    np = numpy()

    outside = np.zeros(len(units), dtype=bool)
    if column.minimum is not None:
        outside |= units < int(column.minimum * factor)
    if column.maximum is not None:
        outside |= units > int(column.maximum * factor)
    return outside
