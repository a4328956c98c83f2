"""The one way to the language model: what it is asked, and its replies as typed values.

Chat Completions with tools on the OpenAI v1 route, which Azure OpenAI and every compatible server speak.
"""

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import ModelError, ModelUnavailableError
from shared.settings import settings

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.chat import ChatCompletion, ChatCompletionMessage

    from shared.catalog import Dataset

TIMEOUT_SECONDS = 60
PROMPTS = Path(__file__).parent / "prompts"


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class Proposal(_Arguments):
    """One query that the model wants to run. Nothing has checked it."""

    sql: str = Field(min_length=1)
    purpose: str = ""
    assumptions: list[str] = []
    tables: list[str] = []


class Refusal(_Arguments):
    """The model cannot answer from this dataset."""

    reason: str = Field(min_length=1)
    suggestions: list[str] = []


class PlainAnswer(_Arguments):
    """An answer that needs no query, to a greeting for instance."""

    text: str = Field(min_length=1)


class Failure(TypedDict):
    """A query that did not run, as the model is told of it."""

    sql: str
    error: str


class Evidence(TypedDict):
    """What a query found, as the model is shown it: the first rows and figures over all of them."""

    sql: str
    purpose: str
    assumptions: Sequence[str]
    columns: Sequence[Mapping[str, str]]
    rows: Sequence[Sequence[Any]]
    row_count: int
    truncated: bool
    aggregates: Mapping[str, Mapping[str, Any]]


_TOOLS: tuple[tuple[str, type[_Arguments], str], ...] = (
    ("run_sql", Proposal, "Run one read-only Databricks SQL query over the dataset."),
    ("cannot_answer", Refusal, "Say that the dataset cannot answer this, why, and what it can answer."),
    ("answer", PlainAnswer, "Answer without data: a greeting, or what this assistant can do."),
)


def plan(
    question: str, dataset: "Dataset", language: str, failures: Sequence[Failure] = ()
) -> list[Proposal] | Refusal | PlainAnswer:
    """Ask the model how to answer ``question``.

    Args:
        failures: earlier tries at one query of this question, oldest first; the model is asked to mend the last.

    Raises:
        ModelUnavailableError: it took nothing; worth repeating, after ``retry_after`` seconds where it said so.
        ModelError: its reply cannot be used, or it refused the request.
    """
    prompt = _prompt("plan", dataset=dataset.model_dump_json(by_alias=True, exclude_defaults=True), language=language)
    messages = [{"role": "system", "content": prompt}, {"role": "user", "content": question}]
    for number, failure in enumerate(failures):
        columns = {f"{dataset.namespace}.{table.name}": [c.name for c in table.columns] for table in dataset.tables}
        call: dict[str, Any] = {"sql": failure["sql"], "purpose": "", "assumptions": [], "tables": []}
        messages += _tool_exchange(f"failed_{number}", call, {"error": failure["error"], "columns": columns})
    message = _complete(messages, tools=_tool_schemas(), tool_choice="required")
    return _read_calls(message)


def describe(question: str, language: str, evidence: Sequence[Evidence]) -> str:
    """Ask the model to put what the queries found into words.

    Raises:
        ModelUnavailableError: it took nothing; worth repeating, after ``retry_after`` seconds where it said so.
        ModelError: its reply cannot be used, or it refused the request.
    """
    messages = [{"role": "system", "content": _prompt("answer", language=language)}]
    messages.append({"role": "user", "content": question})
    for number, found in enumerate(evidence):
        asked = ("sql", "purpose", "assumptions")
        call: dict[str, Any] = {**{key: found[key] for key in asked}, "tables": []}
        content = {key: value for key, value in found.items() if key not in asked}
        messages += _tool_exchange(f"query_{number}", call, content)
    text = (_complete(messages).content or "").strip()
    if not text:
        raise ModelError("The model answered with no text; ask again.")
    return text


def _complete(messages: list[dict[str, Any]], **options: Any) -> "ChatCompletionMessage":
    create: Any = client().chat.completions.create  # its overloads want literal message types
    with _model_errors():
        completion: ChatCompletion = create(
            model=settings().azure_openai_deployment, messages=messages, temperature=0, **options
        )
    if not completion.choices:
        raise ModelError("The model answered with no choice; ask again.")
    return completion.choices[0].message


def _read_calls(message: "ChatCompletionMessage") -> list[Proposal] | Refusal | PlainAnswer:
    kinds = {name: kind for name, kind, _ in _TOOLS}
    replies: list[_Arguments] = []
    for call in message.tool_calls or []:
        if call.type != "function" or call.function.name not in kinds:
            continue
        try:
            replies.append(kinds[call.function.name].model_validate_json(call.function.arguments))
        except ValidationError as error:
            field = ".".join(str(part) for part in error.errors()[0]["loc"]) or "arguments"
            message_text = f"The model called {call.function.name!r} with arguments that cannot be read ({field})."
            raise ModelError(f"{message_text} Ask again, or in other words.") from error
    if proposals := [reply for reply in replies if isinstance(reply, Proposal)]:
        return proposals
    for reply in replies:
        if isinstance(reply, Refusal | PlainAnswer):
            return reply
    raise ModelError("The model answered without calling a tool; ask again, or in other words.")


def _tool_exchange(call_id: str, arguments: Mapping[str, Any], result: Mapping[str, Any]) -> list[dict[str, Any]]:
    function = {"name": "run_sql", "arguments": json.dumps(arguments, ensure_ascii=False)}
    call = {"id": call_id, "type": "function", "function": function}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call_id, "content": json.dumps(result, ensure_ascii=False)},
    ]


@cache
def _tool_schemas() -> list[dict[str, Any]]:
    tools: list[dict[str, Any]] = []
    for name, kind, description in _TOOLS:
        properties = {
            field: {key: value for key, value in schema.items() if key in {"type", "items"}}
            for field, schema in kind.model_json_schema()["properties"].items()
        }
        # Strict mode wants every property required and none besides.
        parameters = {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
        function = {"name": name, "description": description, "strict": True, "parameters": parameters}
        tools.append({"type": "function", "function": function})
    return tools


def _prompt(name: str, **values: str) -> str:
    text = (PROMPTS / f"{name}.md").read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"{{{key}}}", value)
    return text


@contextmanager
def _model_errors() -> Generator[None]:
    """Raise the SDK's errors as ours: what is worth repeating, and what is not."""
    import openai

    try:
        yield
    except (openai.RateLimitError, openai.InternalServerError) as error:
        message = f"The model service answered {error.status_code}; try again in a moment."
        raise ModelUnavailableError(message, retry_after=_retry_after(error.response.headers)) from error
    except openai.APIConnectionError as error:
        raise ModelUnavailableError("The model service could not be reached; try again in a moment.") from error
    except openai.APIStatusError as error:
        if error.code == "content_filter":
            message = "The model service's content filter stopped this question; put it in other words."
            raise ModelError(message) from error
        message = f"The model service refused the request with {error.status_code}; check AZURE_OPENAI_* settings."
        raise ModelError(message) from error


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        return float(headers.get("retry-after", ""))
    except ValueError:
        return None


@cache
def client() -> "OpenAI":
    """Return the client of the model service, signed in by key or by the managed identity."""
    from openai import OpenAI

    base = settings().azure_openai_endpoint.rstrip("/")
    if not base.endswith("/v1"):
        base += "/openai/v1"
    key: Any = settings().azure_openai_key
    if not key:
        from azure.identity import DefaultAzureCredential, get_bearer_token_provider

        key = get_bearer_token_provider(DefaultAzureCredential(), "https://cognitiveservices.azure.com/.default")
    # The orchestration waits and repeats, durably; a second layer of retries under it would multiply.
    return OpenAI(base_url=f"{base}/", api_key=key, max_retries=0, timeout=TIMEOUT_SECONDS)
