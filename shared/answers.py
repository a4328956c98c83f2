"""What stands under an answer: the rows as a table, and figures over a whole result for the model."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

TABLE_ROWS = 100
"""Enough for a century of years; what is longer is in the lake, whole."""

_MORE = {
    "en": "{shown} of {total} rows shown.",
    "es": "Se muestran {shown} de {total} filas.",
}
_CUT = {
    "en": "The result was cut at {total} rows.",
    "es": "El resultado se cortó en {total} filas.",
}
_SPECIAL = str.maketrans({"|": "\\|", "\n": " ", "\r": " ", "`": "\\`", "<": "&lt;", "*": "\\*", "[": "\\["})


def answer_table(
    names: Sequence[str], rows: Sequence[Sequence[Any]], *, row_count: int, truncated: bool, language: str
) -> str:
    """Return ``rows`` as a Markdown table of at most ``TABLE_ROWS`` rows, and a line for what is not shown.

    Cells are data: whatever Markdown or HTML they hold is shown, not obeyed.
    """
    shown = rows[:TABLE_ROWS]
    lines = [_line(names), _line(["---"] * len(names)), *(_line([_cell(value) for value in row]) for row in shown)]
    notes: list[str] = []
    if row_count > len(shown):
        notes.append(_MORE.get(language, _MORE["en"]).format(shown=len(shown), total=row_count))
    if truncated:
        notes.append(_CUT.get(language, _CUT["en"]).format(total=row_count))
    return "\n".join([*lines, *(["", " ".join(notes)] if notes else [])])


def summarise(table: "pa.Table") -> dict[str, dict[str, Any]]:
    """Return ``{column: {min, max, avg, sum, nulls}}`` over all rows; of a text column only ``nulls``."""
    import pyarrow as pa
    import pyarrow.compute as pc

    figures: dict[str, dict[str, Any]] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        facts: dict[str, Any] = {"nulls": column.null_count}
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
            numbers = column.cast(pa.float64()) if pa.types.is_decimal(column.type) else column
            # The float nearest to the decimal, as Python makes it: Arrow's may be the one beside it.
            ends = {"min": pc.min(column).as_py(), "max": pc.max(column).as_py()}
            facts |= {end: float(value) if isinstance(value, Decimal) else value for end, value in ends.items()}
            facts |= {"avg": pc.mean(numbers).as_py(), "sum": pc.sum(numbers).as_py()}
        figures[name] = facts
    return figures


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: Any) -> str:
    return "" if value is None else str(value).translate(_SPECIAL)
