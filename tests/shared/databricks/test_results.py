"""Cells of the statement API as typed columns."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa

from shared.databricks.results import distinct_names, to_table


def test_cells_take_the_type_that_the_manifest_names() -> None:
    columns = [
        {"name": "i", "type": "INT"},
        {"name": "l", "type": "BIGINT"},
        {"name": "d", "type": "DOUBLE"},
        {"name": "m", "type": "DECIMAL(10,2)"},
        {"name": "b", "type": "BOOLEAN"},
        {"name": "t", "type": "DATE"},
        {"name": "z", "type": "TIMESTAMP"},
        {"name": "s", "type": "STRING"},
        {"name": "a", "type": "ARRAY<STRING>"},
    ]
    row = ["7", "9007199254740993", "8.5", "12.50", "true", "2024-01-02", "2024-01-02T03:04:05.000Z", "7", '["x"]']
    [read] = to_table(columns, [row]).to_pylist()
    assert read["i"] == 7
    assert read["l"] == 9007199254740993, "no detour through floating point"
    assert read["d"] == 8.5
    assert read["m"] == Decimal("12.50")
    assert read["b"] is True
    assert read["t"] == date(2024, 1, 2)
    assert read["z"] == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert read["s"] == "7"
    assert read["a"] == '["x"]'


def test_null_is_null_and_no_rows_keep_their_types() -> None:
    columns = [{"name": "n", "type": "INT"}]
    assert to_table(columns, [[None]]).to_pylist() == [{"n": None}]
    assert to_table(columns, []).schema.field("n").type == pa.int32()


def test_a_cell_that_does_not_read_as_its_type_says_stays_text() -> None:
    table = to_table([{"name": "n", "type": "INT"}], [["12"], ["many"]])
    assert table.column("n").to_pylist() == ["12", "many"]


def test_names_that_repeat_are_told_apart() -> None:
    assert distinct_names(["n", "n", "n_2", "n"]) == ["n", "n_2", "n_2_2", "n_3"]
