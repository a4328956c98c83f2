"""Single files of the lake on a disk: whole or not there, and the first one stays."""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest

from shared import lake_files
from shared.errors import LakeError, LostRowsError, NotFoundError
from shared.staging import Staged, is_staged, note_staged, read_staged, stage_tables, table_of


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "a lake"
    monkeypatch.setattr(lake_files, "settings", lambda: SimpleNamespace(lake_url=folder.as_uri()))
    return folder


def files(lake: Path) -> list[str]:
    return sorted(path.relative_to(lake).as_posix() for path in lake.rglob("*") if path.is_file())


def test_of_many_who_create_a_file_one_is_first(lake: Path) -> None:
    """What makes a Gold the published one: the others are told, and change nothing."""
    won: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: won.append(n) if lake_files.create_bytes("m.json", b"%d" % n) else None)
        for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert lake_files.read_bytes("m.json") == b"%d" % won[0]
    assert files(lake) == ["m.json"]


def test_a_write_that_breaks_leaves_what_was_there(lake: Path) -> None:
    """And no half of a file beside it."""

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"a": [1]})
        raise OSError("no space left")

    lake_files.write_bytes("x/y.txt", b"old")
    with pytest.raises(LakeError):
        lake_files.write_batches("x/y.txt", batches(), pa.schema({"a": pa.int64()}))
    assert lake_files.read_bytes("x/y.txt") == b"old"
    assert files(lake) == ["x/y.txt"]


def test_what_is_not_there_is_said_so(lake: Path) -> None:
    assert lake_files.facts_of("none") is None
    assert not lake_files.exists("none")
    lake_files.remove("none")
    with pytest.raises(NotFoundError):
        lake_files.read_bytes("none")


def test_a_changed_file_has_other_facts(lake: Path) -> None:
    lake_files.write_bytes("f", b"one")
    before = lake_files.facts_of("f"), lake_files.sha256_of("f")
    lake_files.write_bytes("f", b"other")
    after = lake_files.facts_of("f"), lake_files.sha256_of("f")
    assert before[0] is not None
    assert before[0].bytes == 3
    assert before[0] != after[0]
    assert before[1] != after[1]


def staged(**counts: int) -> Staged:
    table = pa.table({"a": [1, 2, 3]})
    tables = stage_tables("staging/t", {"silver": table}, {"silver": "c"})
    return Staged(engine="pandas", rules="r", counts=counts, reasons={}, notes={}, tables=tables)


def test_a_folder_counts_once_it_is_noted(lake: Path) -> None:
    """Its tables alone are half of an attempt."""
    made = staged(input=3, cleaned=3, rejected=0, duplicates=0)
    assert not is_staged("staging/t")
    note_staged("staging/t", made)
    assert read_staged("staging/t") == made
    assert table_of(made["tables"]["silver"]).to_pylist() == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_books_that_do_not_balance_are_not_noted(lake: Path) -> None:
    """One row is missing, so nothing of it may ever be published."""
    with pytest.raises(LostRowsError):
        note_staged("staging/t", staged(input=4, cleaned=3, rejected=0, duplicates=0))
    assert not is_staged("staging/t")


def test_a_table_is_copied_as_it_is(lake: Path) -> None:
    """Byte for byte where it is one file; a folder of files is for others to copy, and nothing is written."""
    lake_files.write_table("staged/a.parquet", pa.table({"a": [1, 2, 3]}))
    assert lake_files.copy_parquet("staged/a.parquet", "gold/a.parquet") == 3
    assert (lake / "gold" / "a.parquet").read_bytes() == (lake / "staged" / "a.parquet").read_bytes()
    assert lake_files.copy_parquet("staged", "gold/b.parquet") is None
    assert not (lake / "gold" / "b.parquet").exists()
