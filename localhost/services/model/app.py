"""The stand-in's HTTP face: OpenAI's Chat Completions on the v1 route, answered by the planner and the wording.

It says that it is a stand-in in ``/_about``, in the model's name and in every refusal. What it lacks is a 501.
"""

import json
from collections.abc import Sequence

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from localhost.services.faults import Fault, Faults
from localhost.services.model import chat
from localhost.services.model.planner import ToolCall, answer_language, plan
from localhost.services.model.wording import Finding, describe

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_ERRORS = {401: "authentication_error", 501: "not_implemented_error"}


def create_app(faults: Faults) -> Starlette:
    """Return the app. A fault with effect ``reply`` scripts the next planning reply."""

    async def complete(request: Request) -> Response:
        if not _has_key(request):
            return _no_key()
        try:
            asked = chat.Request.model_validate_json(await request.body())
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"][:1])
            return _error(400, f"{field or 'body'}: {first['msg']}", "invalid_request", field or None)
        model = request.path_params.get("deployment") or asked.model
        whole = chat.completion(asked, _reply(asked, faults), model)
        if asked.stream:
            usage = asked.stream_options is not None and asked.stream_options.include_usage
            return StreamingResponse(chat.events(whole, usage=usage), media_type="text/event-stream")
        return JSONResponse(whole)

    routes = [Route("/_about", _about)]
    for prefix in ("/openai/v1", "/v1"):
        routes += [Route(f"{prefix}/chat/completions", complete, methods=["POST"]), Route(f"{prefix}/models", _models)]
    routes.append(Route("/openai/deployments/{deployment}/chat/completions", complete, methods=["POST"]))
    routes.append(Route("/{rest:path}", _missing, methods=_METHODS))
    return faults.install(Starlette(routes=routes))


def _about(_request: Request) -> Response:
    return JSONResponse(
        {
            "service": "model",
            "stand_in": True,
            "model": chat.MODEL,
            "says": "A rule-based planner over the catalogue, not a language model.",
            "real": "Set AZURE_OPENAI_ENDPOINT to use a real model.",
        }
    )


def _models(request: Request) -> Response:
    if not _has_key(request):
        return _no_key()
    entry = {"id": chat.MODEL, "object": "model", "created": 0, "owned_by": "localhost"}
    return JSONResponse({"object": "list", "data": [entry]})


def _missing(request: Request) -> Response:
    operation = f"{request.method} {request.url.path}"
    return _error(501, f"The model stand-in does not have {operation}.", "not_implemented")


def _has_key(request: Request) -> bool:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return bool(request.headers.get("api-key", "").strip()) or (scheme.lower() == "bearer" and bool(token.strip()))


def _no_key() -> Response:
    return _error(401, "Send a key as a bearer token or as `api-key`; any will do.", "invalid_api_key")


def _error(status: int, message: str, code: str, param: str | None = None) -> Response:
    kind = _ERRORS.get(status, "invalid_request_error")
    return JSONResponse({"error": {"message": message, "type": kind, "param": param, "code": code}}, status_code=status)


def _reply(asked: chat.Request, faults: Faults) -> chat.Reply:
    """Put results into words where no tool is offered; otherwise plan, or say what a test has scripted."""
    if not asked.offered:
        return describe(_findings(asked), answer_language(asked.system))
    if scripted := faults.take("reply", asked.question):
        return _scripted(scripted)
    calls = plan(asked.system, asked.question, _failures(asked))
    return [call for call in calls if call.name in asked.offered] or "None of the tools offered fits this question."


def _scripted(fault: Fault) -> str | Sequence[ToolCall]:
    detail = fault.detail
    if "sql" in detail:
        return [ToolCall("run_sql", {"sql": detail["sql"], "purpose": "scripted", "assumptions": [], "tables": []})]
    if "cannot_answer" in detail:
        return [ToolCall("cannot_answer", {"reason": detail["cannot_answer"], "suggestions": []})]
    if "arguments_raw" in detail:
        return [ToolCall("run_sql", str(detail["arguments_raw"]))]
    return str(detail.get("text", ""))


def _failures(asked: chat.Request) -> list[tuple[str, str]]:
    """Return the statements that did not run, with their errors."""
    failures: list[tuple[str, str]] = []
    for arguments, content in asked.results:
        error = _field(content, "error")
        if error:
            failures.append((_field(arguments, "sql"), error))
    return failures


def _findings(asked: chat.Request) -> list[Finding]:
    findings: list[Finding] = []
    for arguments, content in asked.results:
        try:
            findings.append(Finding.read(content, _field(arguments, "sql")))
        except (AttributeError, TypeError, ValueError):
            continue  # not a result: an error that was kept in the conversation
    return findings


def _field(content: str, name: str) -> str:
    """Return a text field of a JSON object; "" where there is none."""
    try:
        return str(json.loads(content).get(name) or "")
    except (AttributeError, ValueError):
        return ""
