"""``/admin``: what runs here, for its owner."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from typing import Any
from uuid import uuid4

from starlette.responses import JSONResponse, Response

from localhost.host import answers
from localhost.host.functions import Function
from localhost.host.host_routes import Call, Endpoint, Guard, endpoint
from localhost.host.routes import Routes

HOST_VERSION = "4.0.0-localhost"
"""The platform's generation that this host behaves like."""


class AdminApi:
    """The state of the host and its functions."""

    def __init__(
        self,
        functions: Sequence[Function],
        disabled: Sequence[Function],
        routes: Routes,
        base_url: str,
        run_timer: Callable[[Function], Awaitable[None]],
    ) -> None:
        self._run_timer = run_timer
        self._runs: set[asyncio.Future[None]] = set()
        self._functions = {f.name.lower(): f for f in (*functions, *disabled)}
        self._disabled = {f.name for f in disabled}
        self._routes = routes
        self._base_url = base_url
        self._id = str(uuid4())
        self._began = time.monotonic()

    def endpoints(self, master: Guard) -> Sequence[Endpoint]:
        """Return every operation; only ``ping`` is for all."""
        return [
            endpoint("GET", "admin/host/ping", self._ping, lambda _call: True),
            endpoint("POST", "admin/host/ping", self._ping, lambda _call: True),
            endpoint("GET", "admin/host/status", self._status, master),
            endpoint("GET", "admin/functions", self._list, master),
            endpoint("GET", "admin/functions/{name}", self._one, master),
            endpoint("POST", "admin/functions/{name}", self._run, master),
        ]

    async def _ping(self, _call: Call) -> Response:
        return Response(status_code=200)

    async def _status(self, _call: Call) -> Response:
        status = {
            "id": self._id,
            "state": "Running",
            "version": HOST_VERSION,
            "versionDetails": f"azure-functions-runtime {version('azure-functions-runtime')}",
            "processUptime": round((time.monotonic() - self._began) * 1000),
            "functionAppContentEditingState": "NotAllowed",
            "platformVersion": "localhost",
            "processId": os.getpid(),
        }
        return JSONResponse(status)

    async def _list(self, _call: Call) -> Response:
        return JSONResponse([self.describe(function) for function in self._functions.values()])

    async def _one(self, call: Call) -> Response:
        function = self._functions.get(call.values["name"].lower())
        return JSONResponse(self.describe(function)) if function else answers.not_found(call.request.url.path)

    async def _run(self, call: Call) -> Response:
        function = self._functions.get(call.values["name"].lower())
        if function is None:
            return answers.not_found(call.request.url.path)
        if function.kind != "timer" or function.refusal or function.name in self._disabled:
            why = function.refusal or "only timer functions that are not disabled can be."
            return answers.not_supported(f"Running {function.name!r} by hand", why)
        run = asyncio.ensure_future(self._run_timer(function))
        self._runs.add(run)
        run.add_done_callback(self._runs.discard)
        return Response(status_code=202)

    def describe(self, function: Function) -> dict[str, Any]:
        """Return a function in the shape of the platform's administration API."""
        http = function.kind == "http"
        return {
            "name": function.name,
            "script_href": None,
            "config": {"name": function.name, "language": "python", "bindings": list(function.bindings)},
            "href": f"{self._base_url}/admin/functions/{function.name}",
            "invoke_url_template": f"{self._base_url}{self._routes.url_path(function)}" if http else None,
            "language": "python",
            "isDisabled": function.name in self._disabled,
        }
