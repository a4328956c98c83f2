"""What stands under an answer."""

from decimal import Decimal

import pyarrow as pa

from shared.answers import TABLE_ROWS, answer_table, summarise


def test_rows_become_a_markdown_table() -> None:
    table = answer_table(["film", "votes"], [["Up", 10], [None, 2.5]], row_count=2, truncated=False, language="en")
    assert table == "| film | votes |\n| --- | --- |\n| Up | 10 |\n|  | 2.5 |"


def test_cells_cannot_break_out_of_the_table() -> None:
    """What rows hold is shown, not obeyed: no new cell, no link, no markup."""
    cell = "a|b\n# big <img src=x onerror=1> [x](javascript:1) **b** `c`"
    line = answer_table(["x"], [[cell]], row_count=1, truncated=False, language="en").splitlines()[2]
    assert line.count("|") - line.count("\\|") == 2
    for forbidden in ("<img", " [x]", " **b"):
        assert forbidden not in line


def test_what_is_not_shown_is_said_in_the_language_of_the_answer() -> None:
    rows = [[number] for number in range(TABLE_ROWS + 5)]
    spanish = answer_table(["n"], rows, row_count=1_000, truncated=True, language="es")
    assert f"Se muestran {TABLE_ROWS} de 1000 filas." in spanish
    assert "se cortó" in spanish
    assert len([line for line in spanish.splitlines() if line.startswith("|")]) == TABLE_ROWS + 2


def test_figures_cover_every_row_and_skip_nulls() -> None:
    table = pa.table({"n": pa.array([1, 2, None, 5]), "s": ["a", None, "b", "c"]})
    figures = summarise(table)
    assert figures["n"] == {"nulls": 1, "min": 1, "max": 5, "avg": 8 / 3, "sum": 8}
    assert figures["s"] == {"nulls": 1}


def test_figures_of_no_rows_are_null() -> None:
    assert summarise(pa.table({"n": pa.array([], type=pa.int32())}))["n"]["min"] is None


def test_the_ends_of_decimals_are_the_numbers_that_the_rows_show() -> None:
    table = pa.table({"amount": pa.array([Decimal("339389.60"), Decimal("484869.69"), None], pa.decimal128(28, 2))})
    figures = summarise(table)["amount"]
    assert (str(figures["min"]), str(figures["max"])) == ("339389.6", "484869.69")
