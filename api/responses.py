"""Answers: JSON, one shape for every error, and nothing in them that is not the caller's to see."""

import functools
import hashlib
import json
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import azure.functions as func
import grpc

from api.requests import header
from shared.errors import (
    HubUnavailableError,
    InvalidFieldError,
    LakehouseError,
    SqlRefusedError,
    UnauthenticatedError,
)

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 2

DO = {
    "invalid_request": "Correct the request; docs/reference/http-api.md shows each one.",
    "unauthenticated": "Send `Authorization: Bearer <token>` with a token from POST /login or Entra ID.",
    "forbidden": "Ask an administrator of this app.",
    "not_found": "Check the id and whose token you send; conversations expire, by default a day after their end.",
    "conflict": "Use a new Idempotency-Key for a new request; of a job, look at its state first.",
    "source_changed": "Start a new job for what the file is now.",
    "no_data": "Run a job with POST /clean_data, and ask once it is completed.",
    "too_large": "Send less; docs/reference/http-api.md has the limits of each route.",
    "unsupported_media_type": "Send `Content-Type: application/json; charset=utf-8`, or what else the route reads.",
    "invalid_field": "Correct the fields listed in `fields`.",
    "rate_limited": "Wait for the seconds in Retry-After, then try again.",
    "sql_refused": "Write one SELECT over the tables of the dataset; `reason` says which rule it broke.",
    "settings_missing": "The operator of this app must complete its settings; see docs/reference/settings.md.",
    "catalog_invalid": "The operator of this app must correct its catalogue.",
    "rules_invalid": "The operator of this app must correct shared/etl/rules.yaml.",
    "gold_invalid": "Tell the operator of this app the id of the job; nothing was published.",
    "rows_lost": "Retry the job; nothing was published.",
    "model_failed": "Ask again, or ask in other words.",
    "model_unavailable": "Try again in a moment.",
    "query_failed": "Ask in other words; the conversation's record has the SQL that was tried.",
    "warehouse_unavailable": "Try again in a moment.",
    "query_timeout": "Ask for less: a shorter period, fewer groups, a filter.",
    "record_failed": "The operator of this app must look at its log, under `request_id`.",
    "record_unavailable": "Try again in a moment.",
    "lake_failed": "Ask again; if it stays, tell the operator of this app the `request_id`.",
    "serving_failed": "The operator of this app must look at the serving database; then retry the job.",
    "serving_unavailable": "Retry the job in a moment.",
    "hub_unavailable": "Try again in a moment.",
    "keys_unavailable": "Try again in a moment.",
    "not_started": "Ask again, or retry the job.",
    "terminated": "Ask again, or retry the job.",
    "cancelled": "Retry the job, if it was not to be cancelled.",
    "quota_exceeded": "Wait for jobs to end, or for the next day (UTC), then retry the job.",
    "queue_full": "Retry the job later.",
    "review_expired": "Retry the job, and decide about its rejects.",
    "review_exhausted": "Correct the records, and start a new job with them.",
    "internal_error": "Try again; if it stays, tell the operator of this app the `request_id`.",
}
"""What a caller can do about each code."""

SECURITY_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def _every(kind: type[LakehouseError]) -> Iterator[type[LakehouseError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _every(child)


STATUSES = {kind.code: kind.http_status for kind in _every(LakehouseError)}
"""The HTTP status of each code."""

ENDINGS = {
    "cancelled": HTTPStatus.CONFLICT,
    "quota_exceeded": HTTPStatus.TOO_MANY_REQUESTS,
    "queue_full": HTTPStatus.TOO_MANY_REQUESTS,
    "review_expired": HTTPStatus.CONFLICT,
    "review_exhausted": HTTPStatus.CONFLICT,
}
"""The HTTP status of ends that a job alone can have, for those who wait for it; of any other it is 500."""

type Handler[**P] = Callable[P, Awaitable[func.HttpResponse]]


def answering[**P](handler: Handler[P]) -> Handler[P]:
    """Make every end of ``handler`` an answer: what it raises becomes the error body that callers know."""

    @functools.wraps(handler)
    async def answer(*args: P.args, **kwargs: P.kwargs) -> func.HttpResponse:
        request_id = _request_id(next(arg for arg in (*args, *kwargs.values()) if isinstance(arg, func.HttpRequest)))
        try:
            response = await handler(*args, **kwargs)
        except LakehouseError as error:
            if error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                logger.exception("%s: %s", request_id, error.code)
            response = problem(error, request_id)
        except grpc.aio.AioRpcError:
            logger.exception("%s: the task hub did not answer", request_id)
            response = problem(HubUnavailableError("The task hub cannot be reached now."), request_id)
        except Exception:  # the last resort: a caller gets an id and the log the rest
            logger.exception("%s: unexpected", request_id)
            response = problem(LakehouseError("Something unexpected went wrong."), request_id)
        response.headers["X-Request-Id"] = request_id
        return response

    return answer


def reply(
    body: Mapping[str, Any], status: int = HTTPStatus.OK, *, headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    """Return ``body`` as JSON that no cache keeps."""
    return func.HttpResponse(
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode(),
        status_code=int(status),
        headers=SECURITY_HEADERS | dict(headers or {}),
        mimetype="application/json",
    )


def standing(req: func.HttpRequest, body: Mapping[str, Any], *, processing: bool) -> func.HttpResponse:
    """Return ``body`` to somebody who polls: 304 if it is what they have, and when to ask again while it goes on."""
    headers = {"ETag": f'"{hashlib.sha256(json.dumps(body).encode()).hexdigest()[:32]}"'}
    if processing:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if headers["ETag"] in (header(req, "if-none-match") or ""):
        return func.HttpResponse(status_code=304, headers=SECURITY_HEADERS | headers)
    return reply(body, headers=headers)


class ConversationFailedError(LakehouseError):
    """A conversation that was waited for ended without an answer; ``ended_by`` is the code to answer with."""

    def __init__(self, conversation_id: str, ended_by: str, message: str) -> None:
        super().__init__(message)
        self.conversation_id = conversation_id
        self.ended_by = ended_by


class JobFailedError(LakehouseError):
    """A job that was waited for ended without its Gold; ``ended_by`` is the code to answer with."""

    def __init__(self, job_id: str, ended_by: str, message: str) -> None:
        super().__init__(message)
        self.job_id = job_id
        self.ended_by = ended_by


def problem(error: LakehouseError, request_id: str) -> func.HttpResponse:
    """Return the error body of ``error``, and the headers that go with it."""
    code = error.ended_by if isinstance(error, ConversationFailedError | JobFailedError) else error.code
    status = STATUSES.get(code) or ENDINGS.get(code, HTTPStatus.INTERNAL_SERVER_ERROR)
    body: dict[str, Any] = {
        "status": "error",
        "error": str(error),
        "code": code,
        "do": DO.get(code, DO["internal_error"]),
        "request_id": request_id,
    }
    headers: dict[str, str] = {}
    match error:
        case InvalidFieldError():
            body["fields"] = [{"field": name, "problem": text} for name, text in error.problems.items()]
        case SqlRefusedError():
            body["reason"] = error.reason
        case ConversationFailedError():
            body["conversation_id"] = error.conversation_id
        case JobFailedError():
            body["jobId"] = error.job_id
        case UnauthenticatedError():
            headers["WWW-Authenticate"] = "Bearer"
        case _:
            pass
    retry_after: float | None = getattr(error, "retry_after", None)
    if retry_after is None and status == HTTPStatus.SERVICE_UNAVAILABLE:
        retry_after = RETRY_AFTER_SECONDS
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, round(retry_after)))
    return reply(body, status, headers=headers)


def _request_id(req: func.HttpRequest) -> str:
    """Return the caller's own id of the request if it is fit for a log line, or a new one."""
    given = header(req, "x-request-id") or ""
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
