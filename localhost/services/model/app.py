"""The stand-in's HTTP face: OpenAI's Chat Completions on the v1 route, answered by the planner and the wording.

It says that it is a stand-in in ``/_about``, in the model's name and in every refusal. What it lacks is a 501.
"""

import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from localhost.services.faults import Fault, Faults
from localhost.services.model.planner import ToolCall, answer_language, plan
from localhost.services.model.wording import Finding, describe

MODEL = "stand-in-planner"
_CHARACTERS_A_TOKEN = 4  # OpenAI's own rule of thumb for English


class _BadRequestError(Exception):
    """The request is not one of Chat Completions; ``param`` names the field."""

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.param = param


def create_app(faults: Faults) -> Starlette:
    """Return the app. A fault with effect ``reply`` scripts the next planning reply (see ``docs/reference``)."""

    async def complete(request: Request) -> Response:
        if not _has_key(request):
            return _error(401, "Send a key as a bearer token or as `api-key`; any will do.", "invalid_api_key")
        try:
            body = await request.json()
            reply = _reply(body, faults)
        except _BadRequestError as error:
            return _error(400, str(error), "invalid_request", error.param)
        except ValueError:
            return _error(400, "The body is not JSON.", "invalid_request")
        completion = _completion(body, reply, request.path_params.get("deployment"))
        if body.get("stream"):
            options: Mapping[str, Any] = body.get("stream_options") or {}
            chunks = _chunks(completion, usage=bool(options.get("include_usage")))
            return StreamingResponse(chunks, media_type="text/event-stream")
        return JSONResponse(completion)

    def models(request: Request) -> Response:
        if not _has_key(request):
            return _error(401, "Send a key as a bearer token or as `api-key`; any will do.", "invalid_api_key")
        entry = {"id": MODEL, "object": "model", "created": 0, "owned_by": "localhost"}
        return JSONResponse({"object": "list", "data": [entry]})

    def about(_request: Request) -> Response:
        return JSONResponse(
            {
                "service": "model",
                "stand_in": True,
                "model": MODEL,
                "says": "A rule-based planner over the catalogue, not a language model.",
                "real": "Set AZURE_OPENAI_ENDPOINT (and AZURE_OPENAI_KEY or a managed identity) to use a real model.",
            }
        )

    def missing(request: Request) -> Response:
        operation = f"{request.method} {request.url.path}"
        return _error(501, f"The model stand-in does not have {operation}.", "not_implemented")

    every = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    routes = [Route("/_about", about)]
    for prefix in ("/openai/v1", "/v1"):
        routes += [
            Route(f"{prefix}/chat/completions", complete, methods=["POST"]),
            Route(f"{prefix}/models", models),
        ]
    routes.append(Route("/openai/deployments/{deployment}/chat/completions", complete, methods=["POST"]))
    routes.append(Route("/{rest:path}", missing, methods=every))
    return faults.install(Starlette(routes=routes))


def _has_key(request: Request) -> bool:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return bool(request.headers.get("api-key", "").strip()) or (scheme.lower() == "bearer" and bool(token.strip()))


def _error(status: int, message: str, code: str, param: str | None = None) -> JSONResponse:
    kind = {401: "authentication_error", 501: "not_implemented_error"}.get(status, "invalid_request_error")
    return JSONResponse({"error": {"message": message, "type": kind, "param": param, "code": code}}, status_code=status)


def _reply(body: Any, faults: Faults) -> str | list[ToolCall]:
    """Return text, or the tools called."""
    if not isinstance(body, dict):
        raise _BadRequestError("The body is not a JSON object.", "body")
    messages: Any = body.get("messages")  # pyright: ignore[reportUnknownVariableType] - JSON
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):  # pyright: ignore[reportUnknownVariableType] - JSON
        raise _BadRequestError("`messages` is a list of at least one message.", "messages")
    if not body.get("model"):  # pyright: ignore[reportUnknownMemberType] - JSON
        body["model"] = MODEL
    return _answer(messages, body.get("tools") or [], body.get("tool_choice"), faults)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType] - JSON


def _answer(
    messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]], choice: Any, faults: Faults
) -> str | list[ToolCall]:
    system = "\n".join(_text(m) for m in messages if m.get("role") in {"system", "developer"})
    question = next((_text(m) for m in messages if m.get("role") == "user"), "")
    offered = {str(tool.get("function", {}).get("name")) for tool in tools}
    if not offered or choice == "none":
        return describe(_findings(messages), answer_language(system))
    if scripted := faults.take("reply", question):
        return _scripted(scripted)
    calls = [call for call in plan(system, question, _failures(messages)) if call.name in offered]
    forced = choice.get("function", {}).get("name") if isinstance(choice, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType] - JSON
    calls = [call for call in calls if forced in {None, call.name}]
    return calls or "None of the tools offered fits this question."


def _scripted(fault: Fault) -> str | list[ToolCall]:
    """Return the reply that a test has asked for."""
    detail = fault.detail
    if "sql" in detail:
        return [ToolCall("run_sql", {"sql": detail["sql"], "purpose": "scripted", "assumptions": [], "tables": []})]
    if "cannot_answer" in detail:
        return [ToolCall("cannot_answer", {"reason": detail["cannot_answer"], "suggestions": []})]
    if "arguments_raw" in detail:
        return [ToolCall("run_sql", {"": detail["arguments_raw"]})]
    return str(detail.get("text", ""))


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content)


def _exchanges(messages: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the statement and the result of every query among the messages."""
    statements: dict[str, str] = {}
    found: list[tuple[str, str]] = []
    for message in messages:
        for call in message.get("tool_calls") or []:
            try:
                arguments = json.loads(call["function"]["arguments"])
            except (KeyError, TypeError, ValueError):
                arguments = {}
            statements[str(call.get("id"))] = str(arguments.get("sql", ""))
        if message.get("role") == "tool":
            found.append((statements.get(str(message.get("tool_call_id")), ""), _text(message)))
    return found


def _failures(messages: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    failures: list[tuple[str, str]] = []
    for sql, content in _exchanges(messages):
        try:
            error = json.loads(content).get("error")
        except (AttributeError, ValueError):
            error = content
        if error:
            failures.append((sql, str(error)))
    return failures


def _findings(messages: Sequence[dict[str, Any]]) -> list[Finding]:
    findings: list[Finding] = []
    for sql, content in _exchanges(messages):
        try:
            findings.append(Finding.read(content, sql))
        except (AttributeError, TypeError, ValueError):
            continue  # not a result: an error kept in the conversation
    return findings


def _completion(body: dict[str, Any], reply: str | list[ToolCall], deployment: str | None) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    if isinstance(reply, str):
        message["content"] = reply
    else:
        message["tool_calls"] = [
            {
                "id": f"call_{uuid4().hex[:24]}",
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(call)},
            }
            for call in reply
        ]
    prompt = _tokens(json.dumps([body["messages"], body.get("tools") or []], ensure_ascii=False))
    said = _tokens(json.dumps(message, ensure_ascii=False))
    return {
        "id": f"chatcmpl-{uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": deployment or body["model"],
        "system_fingerprint": MODEL,
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": None,
                "finish_reason": "stop" if isinstance(reply, str) else "tool_calls",
            }
        ],
        "usage": {"prompt_tokens": prompt, "completion_tokens": said, "total_tokens": prompt + said},
    }


def _arguments(call: ToolCall) -> str:
    """Return the arguments as JSON; those of a scripted malformed call stand under an empty key, as they are."""
    raw = call.arguments.get("")
    return str(raw) if raw is not None else json.dumps(call.arguments, ensure_ascii=False)


def _tokens(text: str) -> int:
    return max(1, len(text) // _CHARACTERS_A_TOKEN)


async def _chunks(completion: dict[str, Any], *, usage: bool) -> AsyncIterator[str]:
    """Yield the completion as server-sent events: the role, the content or the tool calls, the end."""
    head = {key: completion[key] for key in ("id", "created", "model", "system_fingerprint")}
    message: dict[str, Any] = completion["choices"][0]["message"]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "" if message["content"] is not None else None}]
    if message["content"] is not None:
        deltas += [{"content": piece} for piece in message["content"].splitlines(keepends=True)]
    deltas += [{"tool_calls": [{"index": i, **call}]} for i, call in enumerate(message.get("tool_calls", []))]
    ends: list[tuple[dict[str, Any], str | None]] = [(delta, None) for delta in deltas]
    ends.append(({}, completion["choices"][0]["finish_reason"]))
    for delta, reason in ends:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        yield _event({**head, "object": "chat.completion.chunk", "choices": [choice]})
    if usage:
        yield _event({**head, "object": "chat.completion.chunk", "choices": [], "usage": completion["usage"]})
    yield "data: [DONE]\n\n"


def _event(content: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n"
