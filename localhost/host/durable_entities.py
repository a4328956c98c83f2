"""The HTTP API of Durable Functions for entities: signal, delete, look, list."""

import json
from collections.abc import Sequence
from uuid import uuid4

import durabletask.internal.orchestrator_service_pb2 as pb
from durabletask.entities import EntityInstanceId
from google.protobuf import wrappers_pb2
from starlette.responses import Response

from localhost.host import answers, durable_json
from localhost.host import durable_requests as asked
from localhost.host.durable_client import PATH
from localhost.host.functions import Function
from localhost.host.host_routes import Call, Endpoint, Guard, endpoint
from localhost.host.http_binding import read_body
from localhost.host.refusals import refusing
from localhost.host.tracing import Trace
from localhost.hub.interface import EntityStore


class EntitiesApi:
    """``/runtime/webhooks/durabletask/entities``."""

    def __init__(self, hub: EntityStore, functions: Sequence[Function]) -> None:
        self._hub = hub
        self._names = {f.task_name.lower() for f in functions if f.kind == "entity"}

    def endpoints(self, allows: Guard) -> Sequence[Endpoint]:
        """Return every operation."""
        return [
            endpoint("POST", f"{PATH}/entities/{{name}}/{{key}}", refusing(self._signal), allows),
            endpoint("DELETE", f"{PATH}/entities/{{name}}/{{key}}", refusing(self._delete), allows),
            endpoint("GET", f"{PATH}/entities/{{name}}/{{key}}", refusing(self._state), allows),
            endpoint("GET", f"{PATH}/entities/{{name?}}", refusing(self._list), allows),
        ]

    async def _signal(self, call: Call) -> Response:
        body = (await read_body(call.request)).decode()
        if body and asked.is_json(call.request):
            asked.check_json(body)
        elif body:
            body = json.dumps(body)  # as in Azure, what does not say that it is JSON is text
        return await self._send(call, call.query("op") or "", body)

    async def _delete(self, call: Call) -> Response:
        return await self._send(call, "delete", "")

    async def _send(self, call: Call, operation: str, payload: str) -> Response:
        name = call.values["name"].lower()
        if name not in self._names:
            known = ", ".join(sorted(self._names)) or "none"
            return answers.problem(404, f"There is no entity {name!r}.", "not_found", f"Known: {known}.")
        trace = Trace.of_headers(call.request.headers)
        await self._hub.signal_entity(
            pb.SignalEntityRequest(
                instanceId=_instance_id(call),
                requestId=str(uuid4()),
                name=operation,
                input=asked.text(payload or None),
                scheduledTime=asked.time(call, "time"),
                parentTraceContext=trace.message() if trace else None,
            )
        )
        return Response(status_code=202)

    async def _state(self, call: Call) -> Response:
        found = await self._hub.get_entity(pb.GetEntityRequest(instanceId=_instance_id(call), includeState=True))
        if not found.exists:
            return answers.problem(404, "There is no such entity.", "not_found", "Signal it, and it will exist.")
        return durable_json.response(durable_json.payload(found.entity.serializedState.value))

    async def _list(self, call: Call) -> Response:
        name, fetch_state = call.values.get("name"), call.flag("fetchState")
        query = pb.EntityQuery(
            instanceIdStartsWith=asked.text(f"@{name.lower()}@" if name else "@"),
            lastModifiedFrom=asked.time(call, "lastOperationTimeFrom"),
            lastModifiedTo=asked.time(call, "lastOperationTimeTo"),
            includeState=fetch_state,
            pageSize=wrappers_pb2.Int32Value(value=asked.page_size(call)),
            continuationToken=asked.continuation(call),
        )
        found = await self._hub.query_entities(pb.QueryEntitiesRequest(query=query))
        body = [durable_json.entity(metadata, show_state=fetch_state) for metadata in found.entities]
        return durable_json.response(body, headers=asked.next_page(found.continuationToken))


def _instance_id(call: Call) -> str:
    """Return the id that the path names.

    Raises:
        ValueError: it is not one that the SDK can serve. A dollar sign stands for the empty key, which is none.
    """
    key = call.values["key"]
    return str(EntityInstanceId(call.values["name"], "" if key == "$" else key))
