"""Orchestrations and entities in the JSON of the Durable Functions HTTP API."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb
from azure.durable_functions.internal.compat.history_projection import project_history
from durabletask.internal import history_helpers
from google.protobuf.timestamp_pb2 import Timestamp
from starlette.responses import Response

STATUSES = {
    pb.ORCHESTRATION_STATUS_RUNNING: "Running",
    pb.ORCHESTRATION_STATUS_COMPLETED: "Completed",
    pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW: "ContinuedAsNew",
    pb.ORCHESTRATION_STATUS_FAILED: "Failed",
    pb.ORCHESTRATION_STATUS_CANCELED: "Canceled",
    pb.ORCHESTRATION_STATUS_TERMINATED: "Terminated",
    pb.ORCHESTRATION_STATUS_PENDING: "Pending",
    pb.ORCHESTRATION_STATUS_SUSPENDED: "Suspended",
}


def instance(
    state: pb.OrchestrationState, *, show_input: bool, history: Sequence[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Return the status of an instance; a failed one has its failure as output."""
    failure = state.failureDetails.errorMessage if state.HasField("failureDetails") else None
    output = payload(state.output.value) if state.output.value else failure
    body: dict[str, Any] = {
        "name": state.name,
        "instanceId": state.instanceId,
        "runtimeStatus": STATUSES[state.orchestrationStatus],
        "input": payload(state.input.value) if show_input else None,
        "customStatus": payload(state.customStatus.value),
        "output": output,
        "createdTime": _seconds(state.createdTimestamp),
        "lastUpdatedTime": _seconds(state.lastUpdatedTimestamp),
    }
    if history is not None:
        body["historyEvents"] = list(history)
    return body


def history(events: Sequence[pb.HistoryEvent], *, show_input: bool, show_output: bool) -> Sequence[dict[str, Any]]:
    """Return the history of an instance as the status query shows it."""
    parsed = history_helpers.collect_history_events([pb.HistoryChunk(events=events)], None)
    return project_history(parsed, show_input=show_input, show_history_output=show_output)


def entity(metadata: pb.EntityMetadata, *, show_state: bool) -> dict[str, Any]:
    """Return one line of the list of entities."""
    name, _, key = metadata.instanceId.removeprefix("@").partition("@")
    body: dict[str, Any] = {
        "entityId": {"name": name, "key": key},
        "lastOperationTime": metadata.lastModifiedTime.ToDatetime(tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    if show_state:
        body["state"] = payload(metadata.serializedState.value)
    return body


def payload(text: str) -> Any:
    """Return a payload as JSON where it is JSON, and as text where it is not."""
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return text


def response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer with payloads in it, whatever they are: one strange one must not spoil a whole list.

    A number that JSON does not have is its name, as in Azure, and half a surrogate pair is escaped as it came.
    """
    try:
        content = json.dumps(body, allow_nan=False)
    except ValueError:
        content = json.dumps(_finite(body))
    return Response(content, status, headers, media_type="application/json")


def _finite(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case dict():
            return {key: _finite(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]  # anything that JSON has
        case list():
            return [_finite(item) for item in value]  # pyright: ignore[reportUnknownVariableType]  # the same
        case _:
            return value


def _seconds(timestamp: Timestamp) -> str:
    return timestamp.ToDatetime(tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def timestamp(text: str) -> Timestamp:
    """Read a time of a query string.

    Raises:
        ValueError: it is not an ISO 8601 time.
    """
    # A plus sign that was not encoded arrives as a space.
    moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    value = Timestamp()
    try:
        value.FromDatetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except OverflowError as error:  # before the year 1, or after 9999, once it is in UTC
        raise ValueError(str(error)) from error
    return value
