"""Results in the lake."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from shared.errors import LakeError
from shared.lake import open_lake, read_rows, read_table, write_rows


def test_what_is_written_twice_stands_there_once(tmp_path: Path) -> None:
    """Activities run at least once, so a result may be written again."""
    url = f"{tmp_path.as_uri()}/results/c/q1-1"
    table = pa.table({"n": [1, 2, 3]})
    write_rows(url, table)
    write_rows(url, table)
    assert read_table(url).num_rows == 3


def test_rows_come_back_as_json_values_in_their_order(tmp_path: Path) -> None:
    url = (tmp_path / "a folder with spaces").as_uri()
    table = pa.table({"d": [date(2024, 1, 2), None], "x": [Decimal("1.50"), None], "f": [float("nan"), 0.5]})
    write_rows(url, table)
    assert read_rows(url, 10) == (["d", "x", "f"], [["2024-01-02", "1.50", None], [None, None, 0.5]])
    assert len(read_rows(url, 1)[1]) == 1


def test_an_empty_result_keeps_its_columns(tmp_path: Path) -> None:
    url = (tmp_path / "none").as_uri()
    write_rows(url, pa.table({"n": pa.array([], type=pa.int32())}))
    assert read_rows(url, 5) == (["n"], [])


def test_a_missing_result_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="could not be used"):
        read_table((tmp_path / "nothing").as_uri())


@pytest.mark.parametrize("url", ["s3://bucket/x", "/etc/passwd", "http://host/x", "abfss://account/x", ""])
def test_only_lakes_are_opened(url: str) -> None:
    with pytest.raises(LakeError, match="not a lake"):
        open_lake(url)
