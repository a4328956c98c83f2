"""Arrow, pandas and numpy, imported where they are used and typed as they are: not at all.

Their stubs know a part of the compute kernels and give the wrong generics for others; an honest ``Any`` says more than
four hundred casts. Tables and schemas, which callers hold, keep their types.
"""

from functools import cache
from typing import Any

type Array = Any
"""A ``pyarrow.Array``, mostly of text."""
type Numbers = Any
"""A ``numpy.ndarray`` of integers."""


@cache
def arrow() -> Any:
    """Return ``pyarrow``, on an allocator that gives back what it frees: 25 MB of a job of 10,000 records."""
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())
    return pa


def compute() -> Any:
    """Return ``pyarrow.compute``."""
    from pyarrow import compute

    return compute


def parquet() -> Any:
    """Return ``pyarrow.parquet``."""
    from pyarrow import parquet

    return parquet


def numpy() -> Any:
    """Return ``numpy``."""
    import numpy as np

    return np


def pandas() -> Any:
    """Return ``pandas``."""
    import pandas as pd

    return pd


def encoded(table: Any, name: str) -> Any:
    """Return a column of ``table`` as one dictionary of its different values, and their places."""
    return table.column(name).combine_chunks().dictionary_encode()
