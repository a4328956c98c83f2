"""What operators look at: single orchestrations, and whether all is well."""

import asyncio
import json
import logging
from typing import Any

import azure.durable_functions as df
import azure.functions as func
from durabletask.client import OrchestrationState

from api.dependencies import health
from api.following import read_record
from api.instances import ENDED
from api.job_following import read_job
from api.requests import not_found, read_id
from api.responses import RETRY_AFTER_SECONDS, SECURITY_HEADERS, answering, reply
from shared.errors import ForbiddenError, NotFoundError
from shared.identity import Caller, identify

bp = df.Blueprint(http_auth_level=func.AuthLevel.ANONYMOUS)  # who may is decided by `identify`
logger = logging.getLogger(__name__)


@bp.route(route="api/instances/{instance_id}", methods=["GET"])
@bp.durable_client_input(client_name="client")
@answering
async def get_instance(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Return an orchestration of the caller's in the shape of Durable Functions' own status route."""
    caller = await asyncio.to_thread(identify, req.headers)
    instance_id = read_id(req, "instance_id")
    await _check_own(caller, instance_id)
    orchestration = await client.get_orchestration_state(instance_id)
    if orchestration is None:
        raise not_found()
    body = _instance(orchestration)
    if orchestration.runtime_status.name in ENDED:
        return reply(body)
    location = f"/api/instances/{instance_id}"
    return reply(body, 202, headers={"Location": location, "Retry-After": str(RETRY_AFTER_SECONDS)})


@bp.route(route="api/instances/{instance_id}/management", methods=["GET"])
@bp.durable_client_input(client_name="client")
@answering
async def get_instance_management(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Return Durable Functions' own management URLs. They carry the system key: for administrators only."""
    caller = await asyncio.to_thread(identify, req.headers)
    instance_id = read_id(req, "instance_id")
    if not caller.is_admin:
        await _check_own(caller, instance_id)  # what is not theirs, they are not told of
        raise ForbiddenError("Only administrators may see the management URLs.")
    if await client.get_orchestration_state(instance_id, fetch_payloads=False) is None:
        raise not_found()
    logger.warning("Audit: %s was given the management URLs of %s.", caller.owner, instance_id)
    return reply(json.loads(str(client.create_http_management_payload(req, instance_id))))


@bp.route(route="health", methods=["GET"])
@answering
async def get_health(req: func.HttpRequest) -> func.HttpResponse:
    """Say that the app is alive; without ``?live`` also how what it depends on is."""
    return reply({"status": "ok"} if "live" in req.params else await health())


@bp.route(route="{ignored:maxlength(0)?}", methods=["GET"])  # an empty route would mean the function's name
@answering
async def get_start(req: func.HttpRequest) -> func.HttpResponse:
    """Say where to start."""
    del req
    return reply(
        {
            "name": "durable-lakehouse",
            "ask": {"method": "POST", "url": "/api/chat/start", "body": {"question": "How many films are there?"}},
            "docs": "/docs",
            "health": "/health",
        }
    )


@bp.route(route="favicon.ico", methods=["GET"])
async def get_favicon(req: func.HttpRequest) -> func.HttpResponse:
    """Keep browsers from logging an error."""
    del req
    return func.HttpResponse(status_code=204, headers=SECURITY_HEADERS | {"Cache-Control": "max-age=86400"})


async def _check_own(caller: Caller, instance_id: str) -> None:
    """Let pass the ids of the caller's conversations and jobs alone.

    Raises:
        NotFoundError: it is neither.
    """
    try:
        await read_record(caller, instance_id)
    except NotFoundError:
        await read_job(caller, instance_id)


def _instance(state: OrchestrationState) -> dict[str, Any]:
    failed = state.failure_details
    return {
        "name": state.name,
        "instanceId": state.instance_id,
        "runtimeStatus": state.runtime_status.name.title().replace("_", ""),
        "input": None,
        "customStatus": state.get_custom_status(),
        # Of a failure only its kind: what an exception says may hold anything.
        "output": failed.error_type if failed else state.get_output(),
        "createdTime": _time(state.created_at),
        "lastUpdatedTime": _time(state.last_updated_at),
    }


def _time(at: Any) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
