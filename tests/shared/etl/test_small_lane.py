"""The small lane against the oracle: same rows, values, types, reasons, keys and checksums."""

import json
import random
from decimal import Decimal

import pytest
from etl_checks import assert_as_the_oracle
from etl_samples import BASE, SAMPLES, awkward, patched
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import LakehouseError
from shared.etl.generate import generate_blocks
from shared.etl.gold import build_gold
from shared.etl.manifest import check_gold
from shared.etl.reading import Raw, read_records
from shared.etl.rules import load_rules
from shared.etl.silver import refine

RULES = load_rules()


def check(raw, rules=RULES):
    silver = refine(raw, rules, "job")
    gold = build_gold(silver.clean, rules, "job")
    check_gold(gold.tables, rules)
    assert_as_the_oracle(raw, silver, gold, rules)
    return silver


def one(**fields):
    """Return the clean row that one record becomes, or the reasons it is rejected for."""
    silver = refine(read_records([BASE | fields], RULES), RULES, "job")
    return silver.clean.to_pylist()[0] if silver.clean.num_rows else silver.rejects.to_pylist()[0]["reasons"]


@pytest.mark.parametrize("seed", range(6))
def test_generated_records_become_what_the_oracle_says(seed):
    """Dirty data of every kind, resent orders included, is cleaned as the rules say."""
    [block] = generate_blocks(1500, seed=seed, dirty=0.1 * (seed + 1))

    silver = check(read_records(block, RULES))

    assert silver.counts["rejected"] > 30
    assert silver.counts["duplicates"] > 10


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_records(count):
    """No record is a job too: every table is there, with its schema."""
    [block] = list(generate_blocks(count, dirty=0)) or [[]]

    assert check(read_records(block, RULES)).counts["input"] == count


def test_each_awkward_value_alone():
    """Every value of the list, in a record that is otherwise good, ends as the oracle says."""
    records = [
        BASE | {"order_id": f"o-{name}-{at}", name: value} for name in BASE for at, value in enumerate(awkward(name))
    ]

    silver = check(read_records(records, RULES))

    assert silver.counts["input"] == len(records)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                name: st.sampled_from(awkward(name)) | st.just(BASE[name]) | st.text(max_size=8) for name in BASE
            },
        ),
        max_size=25,
    )
)
def test_any_mixture_of_awkward_values(records):
    """Rows do not influence each other, but as duplicates; fields may be missing, and texts are any Unicode."""
    check(read_records(records, RULES))


@pytest.mark.parametrize(
    "change",
    [
        {"duplicates": {"key": ["user_id", "product"], "winner": "first"}},
        {"duplicates": {"key": ["email"], "winner": "last"}},
        {"date": RULES.date.model_dump() | {"ambiguous": "month_first", "month_first_in": []}},
        {"phone": RULES.phone.model_dump() | {"default_region": "HU"}},
    ],
    ids=["first-wins", "null-keys", "month-first", "region"],
)
def test_other_rules_are_followed(change):
    """The rules are data: with others the engine does otherwise, and still what they say."""
    rules = type(RULES).model_validate(RULES.model_dump() | change)
    [block] = generate_blocks(600, seed=5, dirty=0.3)

    check(read_records([*block, BASE | {"email": None}, BASE | {"email": None, "order_id": "o-2"}], rules), rules)


def test_the_order_of_the_raw_rows_does_not_matter():
    """Their numbers do: who wins among duplicates, and which record a reject came from."""
    [block] = generate_blocks(400, seed=2, dirty=0.4)
    raw = read_records(block, RULES)
    order = random.Random(1).sample(range(400), 400)
    shuffled = Raw(raw.table.take(order), lambda positions: raw.records([order[at] for at in positions]))

    found, expected = refine(shuffled, RULES, "job"), check(raw)

    assert found.clean.equals(expected.clean)
    assert found.rejects.equals(expected.rejects)
    assert found.duplicates.equals(expected.duplicates)


def test_a_sum_may_pass_64_bits():
    """Ten thousand of the largest orders there can be are summed exactly."""
    record = BASE | {"quantity": 1_000_000, "unit_price": 9_999_999.99}
    raw = read_records([record | {"order_id": f"o-{at}"} for at in range(10_000)], RULES)

    gold = build_gold(refine(raw, RULES, "job").clean, RULES, "job")

    assert gold.tables["agg_user_metrics"].column("revenue").to_pylist() == [Decimal("9999999.99") * 10**10]


def test_a_date_is_read_by_the_country_of_its_row():
    """03/04/2024 is 3 April, and 4 March where the month comes first."""
    assert str(one(order_date="03/04/2024", country="GB")["order_date"]) == "2024-04-03"
    assert str(one(order_date="03/04/2024", country="US")["order_date"]) == "2024-03-04"


def test_a_phone_number_is_dialled_from_the_country_of_its_row():
    """A national number loses its trunk prefix and gains the country's code."""
    assert one(phone="020 7946 0958")["phone"] == "+442079460958"
    assert one(phone="(212) 555 0199", country=None)["phone"] == "+12125550199"
    assert one(phone="06 1 234 5678", country="HU")["phone"] == "+3612345678"


def test_unknown_fields_are_kept_aside():
    """They become no column, and are not lost."""
    row = one(role="admin", _job_id="mine")

    assert json.loads(row["_extra"]) == {"_job_id": "mine", "role": "admin"}
    assert row["_job_id"] == "job"
    assert "role" not in row


def test_a_value_that_became_null_leaves_a_note():
    """What the rules empty is said, row by row."""
    assert one(phone="call me", signup_date="never")["_notes"] == "phone.format,signup_date.format"


def shared_samples():
    """Return all but the one about the size of a job, which the tests of whole jobs ask for."""
    lines = SAMPLES.read_text().splitlines() if SAMPLES.exists() else []
    return [sample for sample in map(json.loads, lines) if sample["kind"] != "gen_rows"]


@pytest.mark.skipif(not SAMPLES.exists(), reason="the shared samples are not here")
@pytest.mark.parametrize(
    "sample",
    shared_samples(),
    ids=lambda sample: sample["id"],
)
def test_the_shared_samples_end_as_documented(sample, read):
    """A hostile record between two good ones is rejected, cleaned or merged as it should be, and they are untouched."""
    good = [json.dumps(BASE | {"order_id": f"o-good-{at}", "user_id": "u-good"}) for at in (1, 2)]
    text = sample_text(sample)
    batch = (
        b'{"records":%s}' % text.encode()
        if sample["kind"] == "batch_value"
        else f"[{good[0]},{text},{good[1]}]".encode()
    )
    if sample["expect"] == "batch_4xx":
        with pytest.raises(LakehouseError) as refused:
            read(batch)
        assert refused.value.http_status in sample["codes"]
        return

    silver = check(read(batch))

    rows = [row for row in silver.clean.to_pylist() if not row["order_id"].startswith("o-good")]
    assert silver.clean.num_rows - len(rows) == 2
    assert not {*sample.get("never_columns", [])} & {*silver.clean.column_names}
    assert_ended(sample, rows, silver.rejects.to_pylist())


def sample_text(sample):
    match sample["kind"]:
        case "record":
            return json.dumps(patched(sample["patch"]))
        case "raw_record":
            return sample["raw"]
        case "batch":
            return ",".join(map(json.dumps, sample["records"]))
        case _:
            return json.dumps(sample["value"])


def assert_ended(sample, rows, rejected):
    match sample["expect"]:
        case "rejected":
            assert rows == []
        case "cleaned":
            assert rejected == []
            as_expected(sample, rows[0])
        case "rejected_or_null":
            assert all(row[sample["field"]] is None for row in rows)
        case "deduplicated" | "kept" | "mixed":
            assert len(rows) == sample["rows"]
    if rejected and "reason" in sample:
        kinds = {reason.split(".")[1] for row in rejected for reason in row["reasons"].split(",")}
        assert kinds <= {*sample["reason"], "missing"}
    for name, values in sample.get("never", {}).items():
        assert all(row[name] not in values for row in rows)


def as_expected(sample, row):
    for name, values in sample.get("cleaned", {}).items():
        assert row[name] in values
    for name, digits in sample.get("cleaned_digits", {}).items():
        assert digits in row[name]
    for name, start in sample.get("cleaned_prefix", {}).items():
        assert str(row[name]).startswith(start)
    for name in sample.get("cleaned_null", []):
        assert row[name] is None
