"""What the host itself answers; errors in the product's one shape."""

from collections.abc import Mapping, Sequence

from starlette.responses import HTMLResponse, JSONResponse, Response

from localhost.host.http_binding import MAX_BODY


def problem(
    status: int, error: str, code: str, do: str, *, headers: Mapping[str, str] | None = None, request_id: str = ""
) -> Response:
    """Return an error: one sentence, a stable code, and what to do about it."""
    body = {"status": "error", "error": error, "code": code, "do": do}
    if request_id:
        body["request_id"] = request_id
    return JSONResponse(body, status_code=status, headers=headers)


def home() -> Response:
    """Return the page of an app that has none of its own."""
    return HTMLResponse(
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Functions app</title>"
        "<p>Your Functions app is running. Its functions are listed where the host was started.</p></html>"
    )


def not_found(path: str) -> Response:
    """Say that no function has this path."""
    return problem(404, f"Nothing is served at {path}.", "not_found", "See the list of functions that the host prints.")


def no_method(method: str, allowed: Sequence[str]) -> Response:
    """Refuse a method: a function has this path, for others."""
    headers = {"Allow": ", ".join(allowed)}
    if method == "OPTIONS":
        return Response(status_code=204, headers=headers)
    do = f"Use {' or '.join(allowed)}."
    return problem(405, f"{method} is not allowed here.", "method_not_allowed", do, headers=headers)


def unauthorized(error: str) -> Response:
    """Refuse a call whose key is missing or not the right one."""
    do = "Send the key in the header x-functions-key, or as `code` in the query; keys.json in the data folder has it."
    return problem(401, error, "unauthenticated", do)


def bad_request(error: str, do: str) -> Response:
    """Refuse a request that cannot be read."""
    return problem(400, error, "invalid_request", do)


def too_large() -> Response:
    """Refuse a body that is more than the platform takes."""
    limit = f"{MAX_BODY // 1024 // 1024} MB"
    return problem(413, f"The body is larger than {limit}.", "too_large", "Send less, or a link to it.")


def gone(error: str) -> Response:
    """Refuse to steer an orchestration that is over."""
    return problem(410, error, "gone", "Start it again, or restart it.")


def conflict(error: str) -> Response:
    """Refuse what the state of things does not allow."""
    return problem(409, error, "conflict", "Look at the state of the instance, or use another id.")


def function_failed(function: str, request_id: str) -> Response:
    """Say that a function raised; what it raised stays in the host's log."""
    do = f"Look for request id {request_id} in the output of the host."
    return problem(500, f"Function {function!r} failed.", "internal_error", do, request_id=request_id)


def not_supported(operation: str, why: str) -> Response:
    """Refuse what this host cannot do."""
    return problem(501, f"{operation} is not supported: {why}", "not_supported", "See docs/reference/local-host.md.")
