"""The two paths that a job can take, as clients ask about them."""

import asyncio
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from api.job_starting import duration, expected_seconds
from api.people import identify_user
from api.responses import answering, reply
from shared.errors import NotFoundError
from shared.settings import settings

bp = df.Blueprint(http_auth_level=func.AuthLevel.ANONYMOUS)  # who may is decided by `identify_user`


@bp.route(route="routing_config/{path_type}", methods=["GET"])
@answering
async def get_routing_config(req: func.HttpRequest) -> func.HttpResponse:
    """Say what one of the paths takes, and what it promises."""
    await asyncio.to_thread(identify_user, req)
    match str(req.route_params.get("path_type", "")):
        case "small_batch":
            return reply(_small())
        case "large_batch":
            return reply(_large())
        case _:
            raise NotFoundError("There are two paths: small_batch and large_batch.")


def _small() -> dict[str, Any]:
    chosen = settings()
    return {
        "pathType": "small_batch",
        "recordLimit": {"minimum": 0, "maximum": chosen.etl_small_limit},
        "queue": "small-batch-queue",
        "processor": "Azure Functions (pandas)",
        "triggerFrequency": _every(chosen.etl_small_window_seconds),
        "triggerSeconds": chosen.etl_small_window_seconds,
        "expectedDuration": duration(expected_seconds("small")),
        "expected_seconds": expected_seconds("small"),
        "throughput": "5,000 to 10,000 records a batch",
        "maxConcurrency": chosen.etl_small_slots,
        "cost": "low",
        "useCase": "real-time, interactive",
    }


def _large() -> dict[str, Any]:
    chosen = settings()
    return {
        "pathType": "large_batch",
        "recordLimit": {"minimum": chosen.etl_small_limit + 1, "maximum": None},
        "queue": "large-batch-queue",
        "processor": "Azure Databricks (PySpark)",
        "triggerFrequency": _every(chosen.etl_large_window_seconds),
        "triggerSeconds": chosen.etl_large_window_seconds,
        "expectedDuration": duration(expected_seconds("large")),
        "expected_seconds": expected_seconds("large"),
        "throughput": "100,000 records a batch and more",
        "maxConcurrency": chosen.etl_large_slots,
        "cost": "medium",
        "useCase": "batch, overnight",
    }


def _every(seconds: int) -> str:
    """Return how often a window opens; an empty one is skipped, and jobs that ask for no window do not wait."""
    return f"every {duration(seconds).removeprefix('< ')}"
