"""What callers of the Durable Functions HTTP API send: read, or refused with a reason.

Everything here raises ``ValueError`` where a request cannot be read; its text is for the caller.
"""

import json
import math
from collections.abc import Sequence
from typing import Any

from google.protobuf import wrappers_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from starlette.requests import Request

from localhost.host import durable_json
from localhost.host.host_routes import Call
from localhost.host.http_binding import read_body

DEFAULT_PAGE = 100
LONGEST_WAIT = 230.0
"""Seconds; what the platform's load balancer gives a request."""
CONTINUATION = "x-ms-continuation-token"


def is_json(request: Request) -> bool:
    """Whether the body says that it is JSON."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower() == "application/json"


async def json_body(request: Request) -> wrappers_pb2.StringValue | None:
    """Return the body as the payload it is; none where there is none."""
    body = (await read_body(request)).decode()
    if not body:
        return None
    check_json(body)
    return wrappers_pb2.StringValue(value=body)


def check_json(body: str) -> None:
    """Let pass what is JSON that can be read."""
    try:
        json.loads(body)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def statuses(call: Call) -> Sequence[Any]:
    """Return the runtime statuses asked for, with commas, as several parameters, or both."""
    names = {name.lower(): status for status, name in durable_json.STATUSES.items()}
    wanted = [name.strip() for name in call.queries("runtimeStatus") if name.strip()]
    if unknown := [name for name in wanted if name.lower() not in names]:
        raise ValueError(f"there is no runtime status {', '.join(unknown)}")
    return [names[name.lower()] for name in wanted]


def time(call: Call, name: str) -> Timestamp | None:
    """Return a time of the query."""
    given = call.query(name)
    if not given:
        return None
    try:
        return durable_json.timestamp(given)
    except ValueError as error:
        raise ValueError(f"{name} is {given!r}, which is no ISO 8601 time") from error


def page_size(call: Call) -> int:
    """Return how many entries a page may have."""
    given = call.query("top") or call.query("pageSize") or str(DEFAULT_PAGE)
    if not given.isdecimal() or not 0 < int(given) < 2**31:
        raise ValueError(f"top is {given!r}, which is no number of entries")
    return int(given)


def patience(call: Call) -> float | None:
    """Return how many seconds the caller waits for an end; none, and it does not."""
    given = call.query("timeout")
    if not given:
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise ValueError(f"timeout is {given!r}, which is no number of seconds")
    return min(seconds, LONGEST_WAIT)


def text(value: str | None) -> wrappers_pb2.StringValue | None:
    """Return a text as the hub takes it."""
    return wrappers_pb2.StringValue(value=value) if value is not None else None


def continuation(call: Call) -> wrappers_pb2.StringValue | None:
    """Return where the last page ended."""
    return text(call.request.headers.get(CONTINUATION))


def next_page(token: wrappers_pb2.StringValue) -> dict[str, str]:
    """Return the header that leads to the next page, where there is one."""
    return {CONTINUATION: token.value} if token.value else {}
