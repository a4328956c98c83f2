"""The Databricks stand-in: the REST calls that the SDK makes for SQL statements and job runs, over the local lake.

What it has and what it has not: ``docs/reference/databricks-stand-in.md``.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from localhost.services.databricks.engines import EngineName, open_engine
from localhost.services.databricks.jobs_api import JobsApi
from localhost.services.databricks.runs import Runs
from localhost.services.databricks.sql_api import SqlApi
from localhost.services.databricks.state import State
from localhost.services.databricks.statements import Statements
from localhost.services.databricks.wire import ApiError, not_implemented
from localhost.services.databricks.work import Workers
from localhost.services.faults import Faults

logger = logging.getLogger(__name__)

JOB_FILES = Path(__file__).parents[3] / "databricks"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]


def create_app(
    lake: Path, engine: EngineName, faults: Faults, *, state: Path | None = None, job_files: Path = JOB_FILES
) -> Starlette:
    """Return the stand-in over the tables of ``lake``. Any bearer token is accepted, none is not.

    The engine starts with the app's lifespan, in the background, and ends with it. ``state`` is the file in which
    statements and runs outlive the process; without it they end with it.
    """
    runner = open_engine(engine, lake)
    memory = State(state)
    # Runs that take minutes must not keep statements waiting.
    workers, run_workers = Workers(), Workers()
    statements = Statements(runner, workers, faults, memory)
    runs = Runs(runner, run_workers, faults, memory, job_files)

    async def about(_: Request) -> Response:
        return JSONResponse({"service": "databricks", "stand_in": True, "engine": engine, **runner.about()})

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        runner.start()
        try:
            yield
        finally:
            memory.freeze()
            statements.cancel_all()
            runs.cancel_all()
            await asyncio.gather(*(asyncio.to_thread(pool.close) for pool in (workers, run_workers)))
            await asyncio.to_thread(runner.close)

    app = Starlette(
        routes=[
            Route("/_about", about),
            Route("/.well-known/databricks-config", _host_metadata, methods=["GET"]),
            Route("/api/2.0/preview/scim/v2/Me", _me, methods=["GET"]),
            *SqlApi(statements).routes(),
            *JobsApi(runs).routes(),
            Route("/{path:path}", _unknown, methods=_METHODS),
        ],
        middleware=[Middleware(_Authentication), Middleware(_VersionWarning)],
        exception_handlers={ApiError: _api_error},
        lifespan=lifespan,
    )
    return faults.install(app)


async def _me(_: Request) -> Response:
    return JSONResponse({"id": "1", "userName": "stand-in", "displayName": "Local host", "active": True})


async def _host_metadata(request: Request) -> Response:
    return JSONResponse({"oidc_endpoint": f"{request.base_url}oidc"})


async def _unknown(request: Request) -> Response:
    path = request.url.path
    if not path.startswith("/api/"):
        raise ApiError(404, "ENDPOINT_NOT_FOUND", f"No API found for '{request.method} {path}'")
    raise not_implemented(f"'{request.method} {path}'")


def _api_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):
        raise error
    return error.response()


class _Authentication:
    """Refuses calls of the API without a bearer token."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http" and scope["path"].startswith("/api/"):
            scheme, _, token = Request(scope).headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not token.strip():
                message = "Credential was not sent or was of an unsupported type for this API."
                app = ApiError(401, "UNAUTHENTICATED", message).response()
        await app(scope, receive, send)


class _VersionWarning:
    """Says once for each version that a jobs API other than 2.2 is served as 2.2."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._warned: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (match := re.match(r"/api/([\d.]+)/jobs/", scope["path"])):
            version = match[1]
            if version != "2.2" and version not in self._warned:
                self._warned.add(version)
                logger.warning("The Databricks stand-in serves jobs API %s as 2.2", version)
        await self._app(scope, receive, send)
