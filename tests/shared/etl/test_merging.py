"""Rejects that were corrected: only they run again, and the books still balance."""

import io
import json
from typing import Any

import pytest

from shared.errors import InvalidFieldError
from shared.etl.generate import generate_json_lines
from shared.etl.merging import corrections, merge, rejected_again
from shared.etl.reading import Raw, joined, read_raw, read_records
from shared.etl.rules import load_rules
from shared.etl.silver import Silver, refine

RULES = load_rules()
PLAIN = {"user_id": "u1", "product": "tea", "quantity": 1, "unit_price": "2.50", "order_date": "2026-01-02"}


def silver_of(*records: dict[str, Any]) -> Silver:
    return refine(read_records([{**PLAIN, **record} for record in records], RULES), RULES, "j")


def replay(silver: Silver, *records: dict[str, Any], plain: bool = True) -> Silver:
    raw = read_records([{**PLAIN, **record} for record in records] if plain else list(records), RULES)
    return merge(silver, corrections(raw, silver.rejects), RULES, "j")


def rows(silver: Silver) -> dict[str, Any]:
    """Return which rows are where."""
    return {
        "clean": silver.clean.column("_row").to_pylist(),
        "rejects": silver.rejects.column("_row").to_pylist(),
        "duplicates": dict(
            zip(
                silver.duplicates.column("_row").to_pylist(),
                silver.duplicates.column("kept_row").to_pylist(),
                strict=True,
            )
        ),
    }


def test_a_corrected_row_takes_the_place_of_its_reject() -> None:
    silver = silver_of({"order_id": "a"}, {"order_id": "b", "quantity": "x"}, {"order_id": "c", "quantity": "y"})
    merged = replay(silver, {"order_id": "b", "_row": 1})
    assert rows(merged) == {"clean": [0, 1], "rejects": [2], "duplicates": {}}
    assert merged.counts == {"input": 3, "cleaned": 2, "rejected": 1, "duplicates": 0}
    assert merged.reasons["quantity.format"] == 1


def test_what_is_corrected_into_an_order_that_is_there_is_merged_with_it() -> None:
    """By position, as ever: the later row wins, and who was merged into the earlier one goes with it."""
    silver = silver_of({"order_id": "a"}, {"order_id": "a"}, {"order_id": "z", "age": 5}, {"order_id": "b"})
    assert rows(silver)["duplicates"] == {0: 1}
    merged = replay(silver, {"order_id": "a", "age": 50, "_row": 2})
    assert rows(merged) == {"clean": [2, 3], "rejects": [], "duplicates": {0: 2, 1: 2}}


def test_a_correction_that_is_wrong_itself_is_rejected_again() -> None:
    silver = silver_of({"order_id": "a", "quantity": "x"}, {"order_id": "b"})
    merged = replay(silver, {"order_id": "a", "quantity": 0, "_row": 0})
    assert rows(merged) == {"clean": [1], "rejects": [0], "duplicates": {}}
    assert merged.rejects.column("reasons").to_pylist() == ["quantity.range"]


@pytest.mark.parametrize("row", [None, 1, 99, -1, "x", 1.5, True])
def test_a_correction_must_name_a_reject(row: Any) -> None:
    """Row 1 is clean: nobody changes it through the back door."""
    silver = silver_of({"order_id": "a", "quantity": "x"}, {"order_id": "b"})
    with pytest.raises(InvalidFieldError):
        replay(silver, {"order_id": "a", "_row": row})


def test_a_reject_is_corrected_once() -> None:
    silver = silver_of({"order_id": "a", "quantity": "x"})
    with pytest.raises(InvalidFieldError):
        replay(silver, {"order_id": "a", "_row": 0}, {"order_id": "b", "_row": 0})


def test_other_unknown_fields_of_a_correction_are_kept_aside() -> None:
    silver = silver_of({"order_id": "a", "quantity": "x"})
    merged = replay(silver, {"order_id": "a", "_row": 0, "note": "called her"})
    assert [json.loads(extra) for extra in merged.clean.column("_extra").to_pylist()] == [{"note": "called her"}]


def read(lines: list[bytes]) -> Raw:
    return joined(read_raw(io.BytesIO(b"".join(lines)), "jsonl", RULES))


def test_replaying_everything_as_it_came_changes_nothing() -> None:
    """By the same rules, over records that are dirty in every way: same rows, same checksums, same reasons."""
    silver = refine(read(list(generate_json_lines(2_000, seed=4, dirty=0.4))), RULES, "j")
    assert silver.counts["rejected"] > 100
    merged = merge(silver, rejected_again(silver.rejects, RULES), RULES, "j")
    assert merged.checksums == silver.checksums
    assert (merged.counts, merged.reasons, merged.notes) == (silver.counts, silver.reasons, silver.notes)
    assert rows(merged) == rows(silver)
