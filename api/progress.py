"""Everything of a user that runs or ended lately, and what is left of their allowance."""

import asyncio
from typing import Any

import azure.durable_functions as df
import azure.functions as func
from durabletask.entities import EntityInstanceId

from api.people import identify_user
from api.responses import answering, reply
from shared.etl_paths import BRONZE, user_segment
from shared.settings import settings

bp = df.Blueprint(http_auth_level=func.AuthLevel.ANONYMOUS)  # who may is decided by `identify_user`


@bp.route(route="api/me/progress", methods=["GET"])
@bp.durable_client_input(client_name="client")
@answering
async def get_my_progress(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Return the caller's conversations and jobs, what was heard of last first, and their quota of the day."""
    caller = await asyncio.to_thread(identify_user, req)
    items, quota = await asyncio.gather(
        _state(client, EntityInstanceId("user_progress", caller.owner)),
        _state(client, EntityInstanceId("user_quota", caller.owner)),
    )
    return reply(
        {
            "user": caller.owner,
            "bronze": f"{BRONZE}/{user_segment(caller.owner)}/",
            "items": items or [],
            "quota": _quota(quota or {}),
        }
    )


async def _state(client: df.DurableFunctionsClient, entity: EntityInstanceId) -> Any:
    found = await client.get_entity(entity)
    return found.get_typed_state() if found is not None else None


def _quota(state: dict[str, Any]) -> dict[str, Any]:
    """Return what is used, set aside and allowed; what was used on an earlier day does not count any more."""
    from datetime import UTC, datetime

    chosen = settings()
    reserved = list(state.get("reserved", {}).values())
    today = state.get("day") == datetime.now(UTC).date().isoformat()
    limits = {"rows": chosen.etl_rows_per_day, "databricks_seconds": chosen.etl_databricks_seconds_per_day}
    daily = {
        name: {
            "used": state.get(name, 0) if today else 0,
            "reserved": sum(one[name] for one in reserved),
            "limit": limit,
        }
        for name, limit in limits.items()
    }
    return {"concurrent_jobs": {"used": len(reserved), "limit": chosen.etl_concurrent_jobs}, **daily}
