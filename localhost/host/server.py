"""Everything the host serves over HTTP, as one ASGI application."""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from localhost.host import answers
from localhost.host.host_routes import HostRoutes
from localhost.host.http_functions import HttpFunctions
from localhost.host.routes import BadPathError, segments

log = logging.getLogger(__name__)

HOST_FOLDERS = {"admin", "runtime"}
"""The first segments that are the host's own, as on the platform."""


class Server:
    """Sends a request to the host's own endpoints or to a function."""

    def __init__(self, host: HostRoutes, functions: HttpFunctions, headers: Mapping[str, str]) -> None:
        self._host = host
        self._functions = functions
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # The platform has no WebSockets either.
            await send({"type": "websocket.close", "code": 1000})
            return
        request = Request(scope, receive)
        answer = await self._answer(request)
        for name, value in self._headers.items():
            answer.headers.setdefault(name, value)
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            path = segments(request.scope.get("raw_path") or request.scope["path"].encode())
            if path and path[0].lower() in HOST_FOLDERS:
                return await self._host.answer(request, path)
            return await self._functions.answer(request, path)
        except BadPathError as error:
            return answers.bad_request(str(error), "Encode the path as UTF-8.")
        except asyncio.CancelledError:
            raise
        except Exception:  # the caller gets no trace; the log does
            log.exception("The host failed on %s.", request.method)
            return answers.problem(500, "The host failed.", "internal_error", "Look at the output of the host.")


def with_cors(app: ASGIApp, origins: Sequence[str], *, credentials: bool) -> ASGIApp:
    """Let pages of ``origins`` call ``app``; no origins, no CORS."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=list(origins),
        allow_methods=["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"],
        allow_headers=["*"],
        expose_headers=["*"],
        allow_credentials=credentials,
    )
