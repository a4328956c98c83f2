"""Synthetic records: the same seed, the same bytes; as dirty as asked; in bounded memory."""

import hashlib
import json

import pytest

from shared.etl.generate import BLOCK, generate_blocks, generate_json, generate_json_lines
from shared.etl.reading import read_records
from shared.etl.silver import refine


def test_the_same_seed_gives_the_same_bytes():
    """On every machine and in every version: this is the digest of seed 7."""
    made = b"".join(generate_json(1000, seed=7))

    assert made == b"".join(generate_json(1000, seed=7)) != b"".join(generate_json(1000, seed=8))
    assert hashlib.sha256(made).hexdigest() == "be08e1173c5c13243e4dc4467bea07edda6b27eb6e6f0994b411e7f90b1fb6eb"


def test_lines_and_array_say_the_same():
    """Two ways to write the same records, over the edge of a block."""
    count = BLOCK + 3
    array = json.loads(b"".join(generate_json(count, seed=1)))

    assert len(array) == count
    assert array == [json.loads(line) for line in b"".join(generate_json_lines(count, seed=1)).splitlines()]
    assert json.loads(b"".join(generate_json(0))) == []


@pytest.mark.parametrize(("dirty", "least", "most"), [(0, 0, 0), (0.1, 0.02, 0.1), (1, 0.3, 1)])
def test_records_are_as_dirty_as_asked(rules, dirty, least, most):
    """Nothing is rejected of clean ones; of dirty ones about the half of what was asked breaks a rule that rejects."""
    [block] = generate_blocks(2000, seed=3, dirty=dirty)

    counts = refine(read_records(block, rules), rules, "job").counts

    assert least <= counts["rejected"] / counts["input"] <= most
    assert counts["duplicates"] > 10
