"""HTTP requests as functions see them, and what functions return as HTTP responses."""

import json
from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from localhost.host.functions import Function
from localhost.host.worker import Outcome, datum

MAX_BODY = 100 * 1024 * 1024
"""What the platform takes."""

# The connection belongs to the server, not to the function.
_HOP_BY_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"}


class BodyTooLargeError(Exception):
    """The body of a request is larger than ``MAX_BODY``."""


async def read_body(request: Request) -> bytes:
    """Return the body of ``request``.

    Raises:
        BodyTooLargeError: it is larger than the platform takes; the rest is not read.
        ClientDisconnect: nobody is there any more.
    """
    if int(request.headers.get("content-length") or 0) > MAX_BODY:
        raise BodyTooLargeError
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise BodyTooLargeError
    return bytes(body)


def request_datum(request: Request, parameters: Mapping[str, str], body: bytes) -> Any:
    """Return ``request`` for the worker.

    As on the platform, a header or query parameter that comes several times is one value with commas, and an
    empty query parameter does not come at all.
    """
    query: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        query.setdefault(name, []).append(value)
    headers: dict[str, list[str]] = {}
    for name, value in request.headers.items():
        headers.setdefault(name.lower(), []).append(value)
    return datum(
        {
            "method": datum(request.method, "string"),
            "url": datum(url_of(request), "string"),
            "headers": {name: datum(",".join(values), "string") for name, values in headers.items()},
            "params": {name: datum(value, "string") for name, value in parameters.items()},
            "query": {name: datum(text, "string") for name, values in query.items() if (text := ",".join(values))},
            "body": datum(body, "bytes"),
        },
        "http",
    )


def response(function: Function, outcome: Outcome) -> Response:
    """Return the response that a function gave, by its return value or by an output binding of type ``http``."""
    outputs = [str(b["name"]) for b in function.bindings if str(b["type"]).lower() == "http"]
    value = next((outcome.outputs[name] for name in outputs if name in outcome.outputs), outcome.value)
    if value is None or value.value is None:
        return Response(status_code=204)
    if value.type != "http":
        return _plain(value)
    content: Mapping[str, Any] = value.value
    answer = Response(content["body"].value, status_code=int(content["status_code"].value))
    for name, header in content["headers"].items():
        if name.lower() not in _HOP_BY_HOP:
            answer.headers[name] = header.value
    for cookies in content.get("cookies") or ():
        _add_cookies(answer, cookies)
    return answer


def _plain(value: Any) -> Response:
    match value.type:
        case "bytes":
            return Response(value.value, media_type="application/octet-stream")
        case "string":
            return Response(value.value, media_type="text/plain")
        case "json":
            return Response(value.value, media_type="application/json")
        case _:
            return Response(json.dumps(value.value), media_type="application/json")


def _add_cookies(answer: Response, cookies: SimpleCookie) -> None:
    for morsel in cookies.values():
        answer.headers.append("set-cookie", morsel.OutputString())


def url_of(request: Request) -> str:
    """Return the URL as it was asked for: a path is not decoded and encoded again."""
    raw_path = request.scope.get("raw_path") or request.scope["path"].encode()
    query = request.scope["query_string"]
    path = raw_path.decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
    return f"{request.url.scheme}://{request.headers.get('host') or request.url.netloc}{path}"


__all__ = ["MAX_BODY", "BodyTooLargeError", "ClientDisconnect", "read_body", "request_datum", "response", "url_of"]
