"""Fault injection for the stand-in services: what tests switch on to see how the product takes it.

Two kinds. *Transport* faults (``effect`` empty) are applied here, whatever the service: an answer comes late, is
an error, or does not come. *Semantic* faults have an ``effect`` that the service asks for by name with
``Faults.take`` (a run that fails, a model that replies nonsense).

    POST   /_faults   a fault or a list of them, as JSON; appended
    GET    /_faults   those that still have something to do
    DELETE /_faults   none from now on
    GET    /_calls    the last 1,000 requests: method, path, status (null where the connection was dropped), at
    DELETE /_calls

Paths that begin with ``/_`` are the stand-in's own: they are neither hit by a fault nor written down.
"""

import asyncio
import re
from collections import deque
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CALLS_KEPT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to misbehave. The first fault that matches is the one that is applied."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - pydantic reads it off the class; a misspelt field is an error

    match: str = ""
    """Regular expression searched in ``METHOD /path`` (transport) or in the subject the service gives (effect)."""
    times: int = 1
    """How often it is applied; 0 = for ever."""
    skip: int = 0
    """How many matches are let through before."""
    latency: float = 0.0
    """Seconds to wait before anything else."""
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: Any = None
    """Body of the answer with ``status``: a string as it is, anything else as JSON, None for an empty one."""
    drop: bool = False
    """Close the connection without an answer."""
    effect: str = ""
    detail: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        try:
            re.compile(self.match)
        except re.error as error:
            raise ValueError(f"`match` is not a regular expression: {error}") from error


_READER = TypeAdapter(list[Fault])


class Faults:
    """The faults and the journal of one service. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._faults: list[Fault] = []
        self._calls: deque[dict[str, Any]] = deque(maxlen=CALLS_KEPT)

    def add(self, *faults: Fault) -> None:
        """Append ``faults`` to those that are waiting for a match."""
        with self._lock:
            self._faults.extend(faults)

    def clear(self) -> None:
        """Drop every fault."""
        with self._lock:
            self._faults.clear()

    def waiting(self) -> list[Fault]:
        """Return the faults that still have something to do, with what is left of ``times`` and ``skip``."""
        with self._lock:
            return list(self._faults)

    def calls(self) -> list[dict[str, Any]]:
        """Return the journal, oldest first."""
        with self._lock:
            return list(self._calls)

    def take(self, effect: str, subject: str = "") -> Fault | None:
        """Return the first fault with ``effect`` that matches ``subject`` and use it up once, or None."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.effect != effect or not re.search(fault.match, subject):
                    continue
                if fault.skip:
                    self._faults[index] = replace(fault, skip=fault.skip - 1)
                    continue
                if fault.times == 1:
                    del self._faults[index]
                elif fault.times:
                    self._faults[index] = replace(fault, times=fault.times - 1)
                return fault
        return None

    def install(self, app: Starlette) -> Starlette:
        """Put the faults around everything in ``app``, Starlette's own handling of errors included."""
        app.middleware_stack = self.middleware(app.build_middleware_stack())
        return app

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """Return ``app`` behind the faults. It has to be the outermost layer, or a connection cannot be dropped:
        for a Starlette app use ``install``.
        """

        async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
            elif scope["path"] == "/_faults":
                await (await self._control_faults(Request(scope, receive)))(scope, receive, send)
            elif scope["path"] == "/_calls":
                await self._control_calls(scope["method"])(scope, receive, send)
            elif scope["path"].startswith("/_"):
                await app(scope, receive, send)
            else:
                await self._serve(app, scope, receive, send)

        return faulty

    async def _serve(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        call: dict[str, Any] = {"method": method, "path": path, "status": None, "at": datetime.now(UTC).isoformat()}
        with self._lock:
            self._calls.append(call)

        async def noting_status(message: Message) -> None:
            if message["type"] == "http.response.start":
                call["status"] = message["status"]
            await send(message)

        fault = self.take("", f"{method} {path}") or Fault()
        if fault.latency:
            await asyncio.sleep(fault.latency)
        if fault.drop:
            await _drop(receive, send)
        elif fault.status is not None:
            await _response(fault, fault.status)(scope, receive, noting_status)
        else:
            await app(scope, receive, noting_status)

    async def _control_faults(self, request: Request) -> Response:
        if request.method == "GET":
            return JSONResponse([asdict(fault) for fault in self.waiting()])
        if request.method == "DELETE":
            self.clear()
            return Response(status_code=204)
        try:
            content = await request.json()
            self.add(*_READER.validate_python(content if isinstance(content, list) else [content]))
        except (ValidationError, ValueError) as error:
            return JSONResponse({"error": f"not a fault: {error}"}, status_code=400)
        return Response(status_code=204)

    def _control_calls(self, method: str) -> Response:
        if method != "DELETE":
            return JSONResponse(self.calls())
        with self._lock:
            self._calls.clear()
        return Response(status_code=204)


def _response(fault: Fault, status: int) -> Response:
    if fault.body is None or isinstance(fault.body, str):
        return Response(fault.body, status_code=status, headers=fault.headers, media_type="text/plain")
    return JSONResponse(fault.body, status_code=status, headers=fault.headers)


async def _drop(receive: Receive, send: Send) -> None:
    """Cut the connection, as a machine that dies does. ASGI has no word for it, so the server's transport is asked."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionAbortedError("connection dropped by an injected fault")
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass  # the server takes an early return for a bug of the app and logs it
