"""What a job's tables show: pages that lose nothing, parts of bounded size, masks."""

import json
import random

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from api import job_tables
from api.job_tables import as_csv, mask, masked_record, part, read_rejects

ROWS = [3, 5, 8, 13, 21, 34, 55]


@pytest.fixture
def rejects(monkeypatch):
    """Rejects in several files, in any order."""
    shuffled = random.Random(1).sample(ROWS, len(ROWS))
    table = pa.table({"_row": shuffled, "reasons": ["age.type"] * 7, "record": ['{"age": "x"}'] * 7})
    monkeypatch.setattr(job_tables, "_rejects", lambda _: ds.dataset([ds.dataset(table[:3]), ds.dataset(table[3:])]))


@pytest.mark.parametrize("limit", range(1, 9))
def test_pages_of_rejects_lose_nothing(rejects, limit):
    """Every row is on one page, in its order, whatever the order in the files."""
    seen: list[int] = []
    while page := read_rejects({}, after=seen[-1] if seen else -1, limit=limit):
        assert len(page) <= limit
        seen += [row["_row"] for row in page]

    assert seen == ROWS


def test_a_part_is_what_was_asked_for():
    """Any offset and limit, over batches of any size."""
    rows = ds.dataset(pa.table({"n": pa.chunked_array([[1, 2], [], [3], [4, 5, 6]])}))

    for offset in range(8):
        for limit in range(8):
            assert part(rows, offset=offset, limit=limit).column("n").to_pylist() == [1, 2, 3, 4, 5, 6][offset:][:limit]


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "\r1", "\n1", " =1", "\uff1d1", "\uff20x"])
def test_no_text_of_a_csv_file_is_a_formula(text):
    """Also not behind white space, nor in the wide forms that a spreadsheet takes for the narrow ones."""
    lines = as_csv(pa.table({"text": [text, None, "plain"], "number": [-1, 2, 3]})).decode()

    assert lines.startswith(f'"text","number"\n"\'{text}",-1\n')
    assert lines.endswith('\n,2\n"plain",3\n')


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("not json", None),
        ('"text"', None),
        ("[1]", None),
        ('{"name": 5, "age": "old", "secret": "x"}', {"name": "***", "age": "old"}),
        ('{"city": "call 030 901 8203 now", "quantity": 1e999}', {"city": "c***", "quantity": "***"}),
        ('{"user_id": {"email": "a@b.example"}}', {"user_id": "***"}),
        ('{"name": "\\udfff", "product": "x\\udfff"}', {"name": "?***", "product": "x?"}),
    ],
)
def test_what_is_shown_of_a_record(text, shown):
    """Known fields alone, as JSON that can be sent."""
    found = masked_record(text)

    assert found == shown
    json.dumps(found, ensure_ascii=False, allow_nan=False).encode()


def test_a_mask_keeps_no_more_than_a_hint():
    assert mask(" ada@example.com ") == "a***@e***"
    assert mask("Ada") == "A***"
    assert mask("") == "***"
