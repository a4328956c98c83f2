"""The service: signature in, answer out, with the headers that clients of Cosmos DB read.

It is a stand-in for one machine. What it does and does not do is in ``docs/reference/cosmos-stand-in.md``; what
it does not do it answers with 501 (an operation) or 400 (a query), naming it.
"""

import base64
import json
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote
from uuid import uuid4

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from localhost.services.cosmos.errors import CosmosError, bad_request, not_supported, too_large
from localhost.services.cosmos.items import MAX_ITEM_BYTES, remove_expired
from localhost.services.cosmos.operations import (
    Answer,
    Request,
    is_read,
    serve_containers,
    serve_databases,
    serve_items,
    serve_ranges,
)
from localhost.services.cosmos.signature import check_signature
from localhost.services.cosmos.store import Store
from localhost.services.faults import Faults

logger = logging.getLogger(__name__)

KNOWN_VERSION = "2020-07-15"
REFUSE_ETAG = "refuse_etag"
"""The effect of a fault that makes a conditional write fail (412) as if somebody else had been first."""
SECONDS_BETWEEN_CLEANUPS = 60.0
MAX_DEPTH = 128
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def create_app(
    database: Path,
    key: str,
    faults: Faults,
    public_url: str | None = None,
    *,
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """Return the service over the file ``database``.

    Args:
        database: where everything is kept; made where it is missing.
        key: the account's key, in base64, as in ``COSMOS_KEY``.
        faults: what tests switch on.
        public_url: the URL that clients use, where it is not the one in their ``Host`` header.
        clock: seconds since 1970; what time to live is counted by.

    Raises:
        StoreInUseError: another process serves this file.
    """
    service = _Service(Store(database), base64.b64decode(key), faults, public_url, clock)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        yield
        service.store.close()

    routes = [Route("/_about", _about), Route("/{path:path}", service.serve, methods=METHODS)]
    return faults.install(Starlette(routes=routes, lifespan=lifespan))


async def _about(_request: HttpRequest) -> Response:
    return JSONResponse({"service": "cosmos", "stand_in": True, "api_version": KNOWN_VERSION})


class _Service:
    """One account."""

    def __init__(
        self, store: Store, key: bytes, faults: Faults, public_url: str | None, clock: Callable[[], float]
    ) -> None:
        self.store = store
        self._key = key
        self._faults = faults
        self._public_url = public_url
        self._clock = clock
        self._cleaned = 0.0
        self._warned: set[str] = set()

    async def serve(self, http: HttpRequest) -> Response:
        try:
            return self._response(http, await self._answer(http))
        except CosmosError as error:
            headers = {"x-ms-substatus": str(error.substatus)} if error.substatus else {}
            body = json.dumps({"code": error.code, "message": error.message})
            return self._response(http, Answer(error.status, body, headers=headers))

    async def _answer(self, http: HttpRequest) -> Answer:
        self._note_version(http.headers.get("x-ms-version", ""))
        path = http.scope["path"].strip("/")
        serve = _operation(tuple(path.split("/")), http.method)
        check_signature(http.method, path, http.headers, self._key)
        if serve is None:
            return Answer(200, self._account(http))
        body = await _json_body(http)
        request = Request(http.method, tuple(path.split("/")), http.headers, body, self._clock())
        if "if-match" in http.headers and self._faults.take(REFUSE_ETAG, f"{http.method} /{path}"):
            raise CosmosError(412, "An injected fault: somebody else was first.", code="PreconditionFailed")
        if is_read(request):
            return await self.store.read(lambda tx: serve(tx, request))
        await self._clean_up(request.now)
        return await self.store.write(lambda tx: serve(tx, request))

    async def _clean_up(self, now: float) -> None:
        """Delete what has expired, now and then; nobody could read it any more."""
        if abs(now - self._cleaned) > SECONDS_BETWEEN_CLEANUPS:
            self._cleaned = now
            await self.store.write(lambda tx: remove_expired(tx, now))

    def _account(self, http: HttpRequest) -> str:
        # Clients go on with the URL that stands here, so it must be the one that brought them.
        url = self._public_url or f"{http.url.scheme}://{http.headers['host']}"
        locations = [{"name": "Local", "databaseAccountEndpoint": f"{url.rstrip('/')}/"}]
        return json.dumps(
            {
                "id": "localhost",
                "_self": "",
                "_rid": "localhost",
                "_dbs": "//dbs/",
                "writableLocations": locations,
                "readableLocations": locations,
                "enableMultipleWriteLocations": False,
                "userConsistencyPolicy": {"defaultConsistencyLevel": "Session"},
            }
        )

    def _note_version(self, version: str) -> None:
        if version > KNOWN_VERSION and version not in self._warned:
            self._warned.add(version)
            logger.warning(
                "A client speaks version %s of the Cosmos DB API, newer than %s; it is served all the same.",
                version,
                KNOWN_VERSION,
            )

    def _response(self, http: HttpRequest, answer: Answer) -> Response:
        minimal = http.headers.get("prefer") == "return=minimal" and http.method != "GET" and answer.status < 300
        headers = {
            "x-ms-activity-id": http.headers.get("x-ms-activity-id", "") or str(uuid4()),
            "x-ms-request-charge": "1" if http.method == "GET" else "6",
            "x-ms-version": KNOWN_VERSION,
            "x-ms-serviceversion": "stand-in",
            **answer.headers,
        }
        if answer.etag:
            headers["etag"] = answer.etag
        if answer.container:
            # One region and one range, whose log sequence number is the time: it only ever grows.
            headers["x-ms-session-token"] = f"0:-1#{time.time_ns() // 1000}"
            headers["x-ms-alt-content-path"] = quote("/".join(http.scope["path"].strip("/").split("/")[:4]))
            headers["x-ms-documentdb-partitionkeyrangeid"] = "0"
        return Response("" if minimal else answer.body, answer.status, headers, "application/json")


type _Serve = Callable[[Any, Request], Answer]


def _operation(path: tuple[str, ...], method: str) -> _Serve | None:
    """Return what serves ``path``; None stands for the account itself."""
    match path:
        case ("",) if method == "GET":
            return None
        case ("dbs",) | ("dbs", _):
            return serve_databases
        case ("dbs", _, "colls") | ("dbs", _, "colls", _):
            return serve_containers
        case ("dbs", _, "colls", _, "pkranges") if method == "GET":
            return serve_ranges
        case ("dbs", _, "colls", _, "docs") | ("dbs", _, "colls", _, "docs", _):
            return serve_items
        case _:
            names = [part if place % 2 == 0 else "{id}" for place, part in enumerate(path)]
            raise not_supported(f"{method} /{'/'.join(names)}")


async def _json_body(http: HttpRequest) -> Any:
    content = bytearray()
    async for chunk in http.stream():
        content += chunk
        if len(content) > MAX_ITEM_BYTES:
            raise too_large(MAX_ITEM_BYTES)
    if not content:
        return None
    try:
        body = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"The request body is not JSON: {error}.") from error
    if content.count(b"{") + content.count(b"[") > MAX_DEPTH and not _within(body, MAX_DEPTH):
        raise bad_request(f"The request body is nested deeper than {MAX_DEPTH} levels.")
    return body


def _within(value: Any, depth: int) -> bool:
    """Tell whether objects and arrays in ``value`` are nested at most ``depth`` deep."""
    if isinstance(value, dict):
        value = list(cast("dict[str, Any]", value).values())
    if not isinstance(value, list):
        return True
    return depth > 0 and all(_within(inner, depth - 1) for inner in cast("list[Any]", value))


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
