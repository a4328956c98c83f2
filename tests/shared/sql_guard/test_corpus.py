"""Every statement of the corpora, both ways: our own, and the samples that lie beside the project."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.catalog import load_dataset
from shared.errors import SqlRefusedError
from shared.sql_guard import guard_sql
from shared.sql_guard.reasons import CORRECTABLE, REASONS

OWN = Path(__file__).parent / "corpus"
SAMPLES = Path(__file__).parents[3].parent / "shared" / "attacks"
IMDB = load_dataset("imdb")

# Classes that no rewording makes right, and the reasons that may say so. A statement may also fail earlier, in the
# text or in the parser.
NEVER_MENDED = {"write", "admin", "multi", "file", "network", "secret"}


def lines(*paths: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line) for path in paths if path.exists() for line in path.read_text(encoding="utf-8").splitlines()
    ]


def name(entry: dict[str, Any]) -> str:
    return f"{entry['id']}-{entry.get('class') or entry.get('tag')}"


ATTACKS = lines(OWN / "attacks.jsonl", SAMPLES / "sql_attacks.jsonl")
LEGITIMATE = lines(OWN / "legitimate.jsonl", SAMPLES / "sql_ok.jsonl")


@pytest.mark.parametrize("entry", ATTACKS, ids=name)
def test_an_attack_is_refused_with_a_stable_reason(entry: dict[str, Any]) -> None:
    with pytest.raises(SqlRefusedError) as refused:
        guard_sql(entry["sql"], IMDB, row_limit=1000)
    assert refused.value.reason in REASONS
    assert refused.value.correctable == (refused.value.reason in CORRECTABLE)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("entry", [a for a in ATTACKS if a["class"] in NEVER_MENDED], ids=name)
def test_what_must_never_run_is_not_sent_back_to_be_mended(entry: dict[str, Any]) -> None:
    with pytest.raises(SqlRefusedError) as refused:
        guard_sql(entry["sql"], IMDB, row_limit=1000)
    assert not refused.value.correctable or refused.value.reason in ("syntax", "unknown_function")


@pytest.mark.parametrize("entry", LEGITIMATE, ids=name)
def test_a_legitimate_query_passes_and_passes_again_as_it_was_written(entry: dict[str, Any]) -> None:
    once = guard_sql(entry["sql"], IMDB, row_limit=1000)
    again = guard_sql(once.sql, IMDB, row_limit=1000)
    assert again.sql == once.sql
    assert (again.tables, again.columns) == (once.tables, once.columns)
    assert not again.limited or once.limited
    assert "--" not in once.sql.replace("'", "") or "--" in entry["sql"]


def test_the_corpora_are_large_enough_to_mean_something() -> None:
    assert len(lines(OWN / "attacks.jsonl")) >= 350
    assert len(lines(OWN / "legitimate.jsonl")) >= 200


@pytest.mark.parametrize("entry", lines(SAMPLES / "p2sql_cases.jsonl"), ids=lambda entry: entry["id"])
def test_what_a_model_was_talked_into_is_refused(entry: dict[str, Any]) -> None:
    scripted = entry.get("scripted_second_sql") or entry["scripted_llm_sql"]
    if scripted.startswith("@tool-args:"):
        scripted = json.loads(scripted.removeprefix("@tool-args:"))["sql"]
    with pytest.raises(SqlRefusedError):
        guard_sql(scripted, IMDB, row_limit=1000)
