"""The door to the language model, through the real SDK against the stand-in."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from serving import serving

from localhost.services.faults import Fault, Faults
from localhost.services.model.app import create_app
from shared import model
from shared.catalog import load_dataset
from shared.errors import ModelError, ModelUnavailableError
from shared.model import Evidence, PlainAnswer, Proposal, Refusal, describe, plan
from shared.settings import settings

COMPLETIONS = "/chat/completions"


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """A stand-in that the settings lead to, and its faults."""
    faults = Faults()
    with serving(create_app(faults)) as url:
        given = {"DATABRICKS_HOST": "-", "COSMOS_ENDPOINT": "-", "LAKE_URL": "-", "AZURE_OPENAI_KEY": "k"}
        for name, value in {**given, "AZURE_OPENAI_ENDPOINT": url}.items():
            monkeypatch.setenv(name, value)
        _forget()
        yield faults
        model.client().close()
        _forget()


def _forget() -> None:
    settings.cache_clear()
    model.client.cache_clear()


def ask(question: str, **options: Any) -> Any:
    return plan(question, load_dataset("imdb"), "en", **options)


def test_a_question_becomes_typed_proposals(faults: Faults) -> None:
    [proposal] = ask("How many films are there?")
    assert isinstance(proposal, Proposal)
    assert "count" in proposal.sql.lower()


def test_what_the_dataset_does_not_hold_is_refused_with_suggestions(faults: Faults) -> None:
    reply = ask("What is the box office of Titanic?")
    assert isinstance(reply, Refusal)
    assert len(reply.suggestions) == 3


def test_a_greeting_needs_no_query(faults: Faults) -> None:
    assert isinstance(ask("hello"), PlainAnswer)


def test_a_failed_query_is_told_with_its_error(faults: Faults) -> None:
    failure = {"sql": "SELECT nope FROM imdb.title_basics", "error": "[UNRESOLVED_COLUMN] nope"}
    [proposal] = ask("How many films are there?", failures=[failure])
    assert "nope" not in proposal.sql


@pytest.mark.parametrize(
    "arguments",
    ['{"sql": 5}', '{"sql": ""}', "{", "[]", '{"purpose": "x"}', '{"sql": "SELECT 1", "tables": "x"}'],
)
def test_arguments_that_cannot_be_read_are_a_typed_error(faults: Faults, arguments: str) -> None:
    """A model may send anything; nothing of it is guessed at."""
    faults.add(Fault(effect="reply", detail={"arguments_raw": arguments}))
    with pytest.raises(ModelError, match="cannot be read"):
        ask("How many films are there?")


def test_a_reply_without_a_tool_is_a_typed_error(faults: Faults) -> None:
    faults.add(Fault(effect="reply", detail={"text": "Sure! SELECT 1"}))
    with pytest.raises(ModelError, match="without calling a tool"):
        ask("How many films are there?")


@pytest.mark.parametrize(
    ("fault", "after"),
    [
        (Fault(match=COMPLETIONS, status=429, headers={"Retry-After": "7"}, body={"error": {"message": "slow"}}), 7),
        (Fault(match=COMPLETIONS, status=500, body={"error": {"message": "x"}}), None),
        (Fault(match=COMPLETIONS, drop=True), None),
    ],
    ids=["429", "500", "dropped"],
)
def test_a_busy_model_is_left_to_the_orchestration_at_once(faults: Faults, fault: Fault, after: float | None) -> None:
    """The SDK's own retries would multiply with the durable ones."""
    faults.add(fault)
    with pytest.raises(ModelUnavailableError) as raised:
        ask("How many films are there?")
    assert raised.value.retry_after == after
    assert len(faults.calls()) == 1


def test_the_content_filter_is_said_as_such(faults: Faults) -> None:
    body = {"error": {"message": "filtered", "code": "content_filter"}}
    faults.add(Fault(match=COMPLETIONS, status=400, body=body))
    with pytest.raises(ModelError, match="content filter"):
        ask("How many films are there?")


def test_findings_become_words_that_hold_their_values(faults: Faults) -> None:
    evidence: Evidence = {
        "sql": "SELECT count(*) AS number_of_films FROM imdb.title_basics",
        "purpose": "",
        "assumptions": [],
        "columns": [{"name": "number_of_films", "type": "BIGINT"}],
        "rows": [[3200]],
        "row_count": 1,
        "truncated": False,
        "aggregates": {"number_of_films": {"min": 3200, "max": 3200, "avg": 3200, "sum": 3200, "nulls": 0}},
    }
    assert "3200" in describe("How many films are there?", "en", [evidence])
    assert "3200" in describe("¿Cuántas películas hay?", "es", [evidence])


def test_the_tools_are_strict(faults: Faults) -> None:
    """Strict mode wants every property required and none besides, in every schema."""
    tools: list[dict[str, Any]] = model._tool_schemas()
    assert [tool["function"]["name"] for tool in tools] == ["run_sql", "cannot_answer", "answer"]
    for tool in tools:
        parameters = tool["function"]["parameters"]
        assert tool["function"]["strict"] is True
        assert parameters["additionalProperties"] is False
        assert parameters["required"] == list(parameters["properties"])
        assert "default" not in json.dumps(parameters)
