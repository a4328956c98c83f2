"""What the model stand-in answers to the real OpenAI client."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from serving import serving

from localhost.services.faults import Fault, Faults
from localhost.services.model.app import create_app
from shared.catalog import load_dataset

TOOLS: Any = [
    {"type": "function", "function": {"name": name, "strict": True, "parameters": {"type": "object"}}}
    for name in ("run_sql", "cannot_answer", "answer")
]


@pytest.fixture(scope="module")
def faults() -> Faults:
    return Faults()


@pytest.fixture(scope="module")
def url(faults: Faults) -> Iterator[str]:
    with serving(create_app(faults)) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/openai/v1/", api_key="any", max_retries=0) as client:
        yield client


def planning(question: str, language: str = "en") -> Any:
    dataset = load_dataset("imdb").model_dump_json(by_alias=True, exclude_defaults=True)
    system = f"Call tools.\n\n<dataset>\n{dataset}\n</dataset>\nAnswer in: {language}\n"
    return [{"role": "system", "content": system}, {"role": "user", "content": question}]


def call_of(completion: Any) -> tuple[str, dict[str, Any]]:
    [call] = completion.choices[0].message.tool_calls
    return call.function.name, json.loads(call.function.arguments)


def ask(client: openai.OpenAI, messages: Any, **options: Any) -> Any:
    return client.chat.completions.create(
        model="gpt", messages=messages, tools=TOOLS, tool_choice="required", **options
    )


def test_plans_with_a_tool_call(client: openai.OpenAI) -> None:
    """A question becomes a call of run_sql with every argument of its schema, and the usage is counted."""
    completion = ask(client, planning("How many films are there?"))

    name, arguments = call_of(completion)
    assert name == "run_sql"
    assert arguments["sql"].startswith("SELECT COUNT(*) AS number_of_films FROM imdb.title_basics")
    assert arguments["tables"] == ["imdb.title_basics"]
    assert set(arguments) == {"sql", "purpose", "assumptions", "tables"}
    assert completion.choices[0].finish_reason == "tool_calls"
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens


def test_answers_from_rows(client: openai.OpenAI) -> None:
    """Without tools, the rows of the conversation are put into words in the language asked for."""
    sql = "SELECT COUNT(*) AS `número_de_películas` FROM imdb.title_basics"
    call = {"id": "c1", "type": "function", "function": {"name": "run_sql", "arguments": json.dumps({"sql": sql})}}
    found = {
        "columns": [{"name": "número_de_películas", "type": "BIGINT"}],
        "rows": [[3200]],
        "row_count": 1,
        "truncated": False,
        "aggregates": {},
    }
    messages: Any = [
        {"role": "system", "content": "Put it into words.\n\nAnswer in: es\n"},
        {"role": "user", "content": "¿Cuántas películas hay?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": json.dumps(found)},
    ]

    completion = client.chat.completions.create(model="gpt", messages=messages)

    assert completion.choices[0].message.content == "El número de películas es 3200."
    assert completion.choices[0].finish_reason == "stop"


def test_streams_tool_calls_and_usage(client: openai.OpenAI) -> None:
    """A stream adds up to the same call as the answer in one piece."""
    whole = call_of(ask(client, planning("best films")))
    with ask(client, planning("best films"), stream=True, stream_options={"include_usage": True}) as stream:
        chunks = list(stream)

    calls = [call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or []]
    assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == [whole]
    assert chunks[-1].usage.total_tokens > 0


def test_streams_text(client: openai.OpenAI) -> None:
    """Text streams too."""
    with client.chat.completions.create(
        model="gpt", messages=[{"role": "system", "content": "Answer in: en"}], stream=True
    ) as stream:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)

    assert text == "Nothing in the data matches that."


def test_greets_and_refuses_with_the_right_tool(client: openai.OpenAI) -> None:
    """A greeting is an answer; what the data does not hold is a refusal that names the setting for a real model."""
    assert call_of(ask(client, planning("hello")))[0] == "answer"
    name, arguments = call_of(ask(client, planning("What is the box office of Titanic?")))
    assert name == "cannot_answer"
    assert "AZURE_OPENAI_ENDPOINT" in arguments["reason"]
    assert arguments["suggestions"]


def test_does_without_a_column_that_is_not_there(client: openai.OpenAI) -> None:
    """Told that a column does not exist, it plans again without it; told of anything else, it says the same again."""
    messages = planning("tell me about the film Titanic")
    _, first = call_of(ask(client, messages))
    assert "numVotes" in first["sql"]

    def retried(error: str) -> str:
        call = {"id": "f", "type": "function", "function": {"name": "run_sql", "arguments": json.dumps(first)}}
        failed = [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "f", "content": json.dumps({"error": error, "columns": {}})},
        ]
        return call_of(ask(client, [*messages, *failed]))[1]["sql"]

    missing = "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column `title_ratings`.`numVotes` cannot be resolved."
    assert "numVotes" not in retried(missing)
    assert retried("The cluster was restarted.") == first["sql"]


@pytest.mark.parametrize(
    ("detail", "name", "arguments"),
    [
        ({"sql": "DROP TABLE x"}, "run_sql", '"DROP TABLE x"'),
        ({"arguments_raw": '{"sql": oops'}, "run_sql", '{"sql": oops'),
        ({"cannot_answer": "No."}, "cannot_answer", '"No."'),
    ],
)
def test_replies_as_scripted(
    client: openai.OpenAI, faults: Faults, detail: dict[str, Any], name: str, arguments: str
) -> None:
    """A test can put a planning reply into its mouth, once, for one question."""
    faults.add(Fault(effect="reply", match="horror", detail=detail))

    [call] = ask(client, planning("horror films")).choices[0].message.tool_calls
    assert call.function.name == name
    assert arguments in call.function.arguments
    [after] = ask(client, planning("horror films")).choices[0].message.tool_calls
    assert arguments not in after.function.arguments


def test_replies_with_text_as_scripted(client: openai.OpenAI, faults: Faults) -> None:
    """A model may also answer in plain text where a tool was required."""
    faults.add(Fault(effect="reply", detail={"text": "I would rather not."}))

    message = ask(client, planning("horror films")).choices[0].message
    assert (message.content, message.tool_calls) == ("I would rather not.", None)


def test_wants_a_key(url: str) -> None:
    """No key is a 401 in OpenAI's shape; either header will do."""
    body = {"model": "gpt", "messages": planning("hello"), "tools": TOOLS}
    route = f"{url}/openai/v1/chat/completions"

    assert httpx2.get(f"{url}/v1/models").status_code == 401
    refused = httpx2.post(route, json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
    assert httpx2.post(route, json=body, headers={"api-key": "any"}).status_code == 200


def test_serves_the_older_azure_route(url: str) -> None:
    """The route with a deployment in it, and any api-version, answers as the v1 route does."""
    with openai.AzureOpenAI(azure_endpoint=url, api_version="2030-01-01", api_key="any", max_retries=0) as client:
        completion: Any = client.chat.completions.create(
            model="my-deployment", messages=planning("hello"), tools=TOOLS, tool_choice="required"
        )

    assert completion.model == "my-deployment"
    assert call_of(completion)[0] == "answer"


def test_fails_as_asked(client: openai.OpenAI, faults: Faults) -> None:
    """A transport fault reaches the client as the real service's error would."""
    faults.add(Fault(match="chat/completions", status=429, headers={"retry-after": "7"}))

    with pytest.raises(openai.RateLimitError) as caught:
        ask(client, planning("hello"))
    assert caught.value.response.headers["retry-after"] == "7"


def test_says_what_is_wrong_with_a_request(client: openai.OpenAI) -> None:
    """A request that is none is a 400 naming the field."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="gpt", messages=[])
    assert caught.value.param == "messages"


def test_says_what_it_lacks(client: openai.OpenAI, url: str) -> None:
    """What it does not have is a 501 by name; that it is a stand-in, it says itself."""
    with pytest.raises(openai.InternalServerError, match=r"POST /openai/v1/embeddings") as caught:
        client.embeddings.create(model="gpt", input="text")
    assert caught.value.status_code == 501
    assert httpx2.get(f"{url}/_about").json()["stand_in"] is True
    assert [model.id for model in client.models.list()] == ["stand-in-planner"]
