"""What was parsed a moment ago: taken once, and never much of it."""

import pyarrow as pa
import pytest

from shared import parsed_rows as module
from shared.etl.reading import Raw
from shared.parsed_rows import MAX_BYTES, MAX_ROWS, ParsedRows


def rows(count: int) -> tuple[Raw, ...]:
    return (Raw(pa.table({"_row": range(count)}), lambda positions: ["" for _ in positions]),)


def test_rows_are_taken_once_by_their_bytes_and_format() -> None:
    kept, mine = ParsedRows(), rows(3)
    kept.keep("sum", "json", mine, 10)

    assert kept.take("other", "json") is None
    assert kept.take("sum", "csv") is None
    assert kept.take("sum", "json") is mine
    assert kept.take("sum", "json") is None


@pytest.mark.parametrize(("count", "size"), [(MAX_ROWS // 2, 10), (1, MAX_BYTES // 2)])
def test_the_oldest_make_room(count: int, size: int) -> None:
    """Many rows as well as few long ones."""
    kept = ParsedRows()
    for name in ("a", "b", "c"):
        kept.keep(name, "json", rows(count), size)

    assert [kept.take(name, "json") is None for name in ("a", "b", "c")] == [True, False, False]


def test_what_is_too_much_alone_is_not_kept() -> None:
    kept = ParsedRows()
    kept.keep("a", "json", rows(MAX_ROWS + 1), 10)

    assert kept.take("a", "json") is None


def test_nothing_is_kept_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of people do not stay in memory because their job waits."""
    kept = ParsedRows()
    kept.keep("a", "json", rows(1), 10)
    later = module.time.monotonic() + module.KEPT_SECONDS
    monkeypatch.setattr(module.time, "monotonic", lambda: later)

    assert kept.take("a", "json") is None
