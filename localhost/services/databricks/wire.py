"""The common manners of the REST API: errors as JSON, bodies that are checked, times, pages."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

ENGINE_HEADER = "x-stand-in-engine"


class ApiError(Exception):
    """A request that is answered with an error: ``{"error_code", "message"}`` and a status."""

    def __init__(self, status: int, error_code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code

    def response(self) -> JSONResponse:
        """Return the answer."""
        return JSONResponse({"error_code": self.error_code, "message": str(self)}, status_code=self.status)


def invalid(message: str) -> ApiError:
    """Return the error for a request that cannot be served as it is."""
    return ApiError(400, "INVALID_PARAMETER_VALUE", message)


def not_implemented(what: str) -> ApiError:
    """Return the error for what Databricks has and this stand-in has not."""
    message = f"The Databricks stand-in does not have {what}; set DATABRICKS_HOST to use a real workspace."
    return ApiError(501, "NOT_IMPLEMENTED", message)


async def json_body(request: Request) -> dict[str, Any]:
    """Return the body, which has to be a JSON object."""
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise ApiError(400, "MALFORMED_REQUEST", f"Could not parse request object: {error}") from error
    if not isinstance(body, dict):
        raise ApiError(400, "MALFORMED_REQUEST", "Could not parse request object: expected an object.")
    return body  # pyright: ignore[reportUnknownVariableType] - JSON


def number(values: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """Return the whole number ``name`` of a body or a query string; it may only be missing if there is a default."""
    value = values.get(name, default)
    if value is None:
        raise invalid(f"Missing required field: {name}")
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise invalid(f"Expected a number for {name}, got {value!r}.") from error


def page[Item](items: Sequence[Item], token: str | None, size: int) -> tuple[Sequence[Item], str | None]:
    """Return the page of ``items`` that ``token`` stands for, and the token of the next one."""
    try:
        start = int(base64.urlsafe_b64decode(token)) if token else 0
    except (ValueError, binascii.Error) as error:
        raise invalid(f"Invalid page token: {token!r}") from error
    end = start + size
    return items[start:end], base64.urlsafe_b64encode(str(end).encode()).decode() if end < len(items) else None
