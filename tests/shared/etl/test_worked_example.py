"""The worked example of docs/etl.md is what happens."""

import json
import re
from pathlib import Path

import pytest

from shared.etl.gold import build_gold
from shared.etl.reading import read_records
from shared.etl.silver import refine

PAGE = Path(__file__).parents[3] / "docs" / "etl.md"


def test_the_worked_example_is_what_happens(rules):
    """The records of the page become the tables of the page, hashes and checksums included."""
    section = PAGE.read_text(encoding="utf-8").split("## A worked example")[1].split("\n## ")[0]
    records, said = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", section, re.DOTALL))

    silver = refine(read_records(records, rules), rules, "job")
    gold = build_gold(silver.clean, rules, "job")

    tables = {"silver": silver.clean, "rejects": silver.rejects, "duplicates": silver.duplicates, **gold.tables}
    assert silver.counts == said.pop("counts")
    checksums = silver.checksums | gold.checksums
    for name, checksum in said.pop("checksums").items():
        assert checksums[name] == checksum
    for name, rows in said.items():
        found = [
            {cell: text(row[cell]) for cell in shown} for row, shown in zip(tables[name].to_pylist(), rows, strict=True)
        ]
        assert found == rows


def text(value):
    return value if value is None or isinstance(value, int) else str(value)


@pytest.mark.parametrize("word", ["type", "missing", "too_long", "format", "range"])
def test_the_page_names_every_reason(word):
    """What a reject can be told is on the page."""
    assert f"`{word}`" in PAGE.read_text(encoding="utf-8")
