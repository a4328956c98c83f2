"""The rule file: it holds together, or it is refused with the reason; and what other engines rely on."""

import json
import re

import pytest

from shared.errors import RulesError
from shared.etl.rules import RULES_PATH, Rules, load_rules, rules_hash, rules_json
from tools.rules_schema import PATH, rules_schema


def test_the_published_schema_is_that_of_the_code():
    """Editors check a rule file by what the code reads; `python -m tools.rules_schema` writes it anew."""
    assert json.loads(PATH.read_text(encoding="utf-8")) == rules_schema()


def test_the_json_for_spark_says_all_there_is(rules):
    """It is the same rules with every default filled in."""
    said = json.loads(rules_json(rules))

    assert Rules.model_validate(said) == rules
    assert set(said) == set(Rules.model_fields)
    assert rules_hash(Rules.model_validate(said)) == rules_hash(rules)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("version: 1", "version: one", "version"),
        ("missing: reject", "missing: maybe", "missing"),
        ("key: [order_id]", "key: [order]", "duplicates.key"),
        ("default_region: US", "default_region: XX", "default_region"),
        ("name: age", "name: name", "twice"),
        ('"^([0-9]{4})([0-9]{2})([0-9]{2})$"', '"^[0-9]{8}$"', "three groups"),
        ("references: dim_time", "references: dim_times", "dim_times"),
        ("key: [time_key]", "key: [time]", "dim_time.key"),
        ("winner: last", "winner: last\n  looser: first", "looser"),
        ("version: 1", "version: [", "rules.yaml"),
    ],
)  # fmt: skip
def test_rules_that_do_not_hold_together_are_refused(tmp_path, old, new, what):
    """One line names the file and what is wrong in it."""
    text = RULES_PATH.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "rules.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")

    with pytest.raises(RulesError, match=what) as refused:
        load_rules(path)

    assert "\n" not in str(refused.value)


def test_patterns_keep_to_what_all_engines_read(rules):
    """No look-around, back-reference, class by letter, or escape that RE2, Java and Python read differently."""
    patterns = [
        rules.text.blank, rules.identifier.pattern, rules.email.pattern, rules.number.pattern, rules.number.whole,
        rules.phone.separators, rules.phone.digits, rules.phone.e164, *(form.pattern for form in rules.date.formats),
    ]  # fmt: skip
    for pattern in patterns:
        re.compile(pattern)
        assert not re.search(r"\(\?[^:]|\\[^.+*?()\[\]{}|^$/-]", pattern), pattern
