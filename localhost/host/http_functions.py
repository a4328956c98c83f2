"""HTTP triggers: route, authorise, call, answer."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from uuid import uuid4

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from localhost.host import answers
from localhost.host.functions import Function
from localhost.host.http_binding import BodyTooLargeError, read_body, request_datum, response
from localhost.host.keys import Keys
from localhost.host.routes import Found, NoMethod, Routes
from localhost.host.tracing import Trace
from localhost.host.worker import Worker, datum, headline

log = logging.getLogger(__name__)


class HttpFunctions:
    """Answers requests with the app's functions."""

    def __init__(
        self, routes: Routes, worker: Worker, keys: Keys, clients: Callable[[Function], dict[str, object]]
    ) -> None:
        self._routes = routes
        self._worker = worker
        self._keys = keys
        self._clients = clients
        self._running: set[asyncio.Task[Response]] = set()

    async def answer(self, request: Request, path: Sequence[str]) -> Response:
        """Return the response of the function that the request is for."""
        match self._routes.find(request.method, path):
            case None:
                return answers.home() if not path else answers.not_found(request.url.path)
            case NoMethod(allowed):
                return answers.no_method(request.method, allowed)
            case Found(function, parameters):
                key = request.headers.get("x-functions-key") or request.query_params.get("code") or ""
                if not self._keys.opens(key, function.auth_level):
                    return answers.unauthorized(f"Function {function.name!r} needs its key.")
                if why := function.refusal:
                    return answers.not_supported(f"Calling {function.name!r}", why)
                # What began is finished even when nobody waits for the answer any more, as on the platform.
                call = asyncio.create_task(self._call(function, parameters, request))
                self._running.add(call)
                call.add_done_callback(self._running.discard)
                return await asyncio.shield(call)

    async def _call(self, function: Function, parameters: dict[str, str], request: Request) -> Response:
        try:
            body = await read_body(request)
        except BodyTooLargeError:
            return answers.too_large()
        except ClientDisconnect:
            return Response(status_code=499)
        inputs = {
            **self._clients(function),
            str(function.trigger["name"]): request_datum(request, parameters, body),
        }
        metadata = {name: datum(value, "string") for name, value in parameters.items()}
        outcome = await self._worker.invoke(function, inputs, metadata, trace=Trace.of_headers(request.headers))
        details = {
            "function": function.name,
            "seconds": outcome.seconds,
            "request": f"{request.method} {request.url.path}",
        }
        if outcome.error is not None:
            request_id = str(uuid4())
            details["request_id"] = request_id
            log.error("failed: %s", headline(outcome.error), extra={"details": details}, exc_info=outcome.error)
            return answers.function_failed(function.name, request_id)
        answer = response(function, outcome)
        log.info("%s", answer.status_code, extra={"details": details})
        return answer
