"""The manifest describes what was made, and Gold that breaks its own constraints is not published."""

import pyarrow as pa
import pytest

from shared.errors import GoldError
from shared.etl.generate import generate_blocks
from shared.etl.gold import build_gold
from shared.etl.hashing import checksum_of
from shared.etl.manifest import check_gold, make_manifest
from shared.etl.parquet_files import parquet_bytes
from shared.etl.reading import read_records
from shared.etl.rules import load_rules
from shared.etl.silver import refine

RULES = load_rules()


@pytest.fixture(scope="module")
def made():
    [block] = generate_blocks(500, seed=1)
    silver = refine(read_records(block, RULES), RULES, "job")
    return silver, build_gold(silver.clean, RULES, "job")


def test_the_manifest_accounts_for_every_row(made):
    """Counts add up, and every table has its rows, schema and checksum."""
    silver, gold = made

    manifest = make_manifest(silver, gold, RULES, job_id="job")

    counts = manifest["counts"]
    assert counts["input"] == 500 == counts["cleaned"] + counts["rejected"] + counts["duplicates"]
    assert list(manifest["tables"]) == ["silver", "rejects", "duplicates", *RULES.gold]
    assert manifest["tables"]["silver"]["rows"] == counts["cleaned"]
    fact = {field["name"]: field["type"] for field in manifest["tables"]["fact_orders"]["fields"]}
    assert fact["amount"] == "decimal(18, 2)"
    assert list(fact)[-2:] == ["_job_id", "_row_hash"]


def test_a_checksum_can_be_checked_from_the_file(made):
    """It is made of the row hashes in the file, whatever their order."""
    _, gold = made
    for name, table in gold.tables.items():
        backwards = table.take(list(range(table.num_rows))[::-1])
        assert checksum_of(backwards.column("_row_hash")) == gold.checksums[name]


def test_equal_input_makes_equal_files(made):
    """The same records under the same job make the same bytes: a step that runs twice writes the same thing."""
    silver, gold = made
    [block] = generate_blocks(500, seed=1)
    again = refine(read_records(block, RULES), RULES, "job")

    assert parquet_bytes(again.clean) == parquet_bytes(silver.clean)
    for name, table in build_gold(again.clean, RULES, "job").tables.items():
        assert parquet_bytes(table) == parquet_bytes(gold.tables[name])


def with_column(table, name, values):
    at = table.column_names.index(name)
    return table.set_column(
        at, table.schema.field(at).with_nullable(nullable=True), pa.array(values, table.schema.field(at).type)
    )


@pytest.mark.parametrize(
    ("table", "column", "change", "what"),
    [
        ("dim_users", "user_key", lambda values: [values[1], *values[1:]], "twice"),
        ("dim_users", "user_id", lambda values: [values[1], *values[1:]], "twice"),
        ("fact_orders", "product", lambda values: [None, *values[1:]], "null"),
        ("fact_orders", "quantity", lambda values: [0, *values[1:]], "below 1"),
        ("fact_orders", "user_key", lambda values: [10**6, *values[1:]], "no row of dim_users"),
        ("agg_user_metrics", "user_key", lambda values: [-1, *values[1:]], "no row of dim_users"),
    ],
)  # fmt: skip
def test_gold_that_breaks_its_constraints_is_refused(made, table, column, change, what):
    """Keys, nulls, minima and references are checked before anybody can read them."""
    _, gold = made
    check_gold(gold.tables, RULES)
    broken = with_column(gold.tables[table], column, change(gold.tables[table].column(column).to_pylist()))

    with pytest.raises(GoldError, match=what):
        check_gold({**gold.tables, table: broken}, RULES)


def test_gold_without_a_table_is_refused(made):
    """Half a star is not published."""
    with pytest.raises(GoldError, match="dim_time"):
        check_gold({name: table for name, table in made[1].tables.items() if name != "dim_time"}, RULES)
