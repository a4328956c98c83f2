"""What can be wrong with a value, as a small number per value."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.etl.arrow import Array, compute, numpy

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    type Faults = npt.NDArray[np.int8]
    type Mask = npt.NDArray[np.bool_]

NAMES = ("", "type", "missing", "too_long", "format", "range")
"""By number; 0 is no fault."""
TYPE, MISSING, TOO_LONG, FORMAT, RANGE = range(1, len(NAMES))


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Clean values, and what is wrong where they are not; a value with a fault means nothing."""

    values: Array
    faults: "Faults"


def mask(values: Any) -> "Mask":
    """Return a boolean Arrow array as a mask; null is False."""
    np = numpy()
    pc = compute()

    filled = pc.fill_null(values, fill_value=False) if values.null_count else values
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=bool)


def matches(values: Array, pattern: str) -> "Mask":
    """Return which values match ``pattern``."""
    pc = compute()

    return mask(pc.match_substring_regex(values, pattern))


def numbers(values: Array) -> Any:
    """Return an integer Arrow array as numpy has it; null is 0."""
    pc = compute()

    return (pc.fill_null(values, 0) if values.null_count else values).to_numpy(zero_copy_only=False)
