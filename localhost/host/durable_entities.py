"""The HTTP API of Durable Functions for entities: signal, look, list."""

from collections.abc import Sequence
from uuid import uuid4

import durabletask.internal.orchestrator_service_pb2 as pb
from google.protobuf import wrappers_pb2
from starlette.responses import JSONResponse, Response

from localhost.host import answers, durable_json
from localhost.host.durable_client import PATH
from localhost.host.durable_instances import DEFAULT_PAGE
from localhost.host.functions import Function
from localhost.host.host_routes import Call, Endpoint, Guard, endpoint
from localhost.host.http_binding import read_body
from localhost.host.refusals import refusing
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
            endpoint("GET", f"{PATH}/entities/{{name}}/{{key}}", refusing(self._state), allows),
            endpoint("GET", f"{PATH}/entities/{{name?}}", refusing(self._list), allows),
        ]

    async def _signal(self, call: Call) -> Response:
        name = call.values["name"].lower()
        if name not in self._names:
            known = ", ".join(sorted(self._names)) or "none"
            return answers.problem(404, f"There is no entity {name!r}.", "not_found", f"Known: {known}.")
        body = (await read_body(call.request)).decode()
        time = call.query("time")
        await self._hub.signal_entity(
            pb.SignalEntityRequest(
                instanceId=f"@{name}@{call.values['key']}",
                requestId=str(uuid4()),
                name=call.query("op") or "",
                input=wrappers_pb2.StringValue(value=body) if body else None,
                scheduledTime=durable_json.timestamp(time) if time else None,
            )
        )
        return Response(status_code=202)

    async def _state(self, call: Call) -> Response:
        instance_id = f"@{call.values['name'].lower()}@{call.values['key']}"
        found = await self._hub.get_entity(pb.GetEntityRequest(instanceId=instance_id, includeState=True))
        if not found.exists or not found.entity.serializedState.value:
            return answers.problem(404, "There is no such entity.", "not_found", "Signal it, and it will exist.")
        return JSONResponse(durable_json.payload(found.entity.serializedState.value))

    async def _list(self, call: Call) -> Response:
        name, fetch_state = call.values.get("name"), call.flag("fetchState")
        since, until = call.query("lastOperationTimeFrom"), call.query("lastOperationTimeTo")
        token = call.request.headers.get("x-ms-continuation-token")
        query = pb.EntityQuery(
            instanceIdStartsWith=wrappers_pb2.StringValue(value=f"@{name.lower()}@" if name else "@"),
            lastModifiedFrom=durable_json.timestamp(since) if since else None,
            lastModifiedTo=durable_json.timestamp(until) if until else None,
            includeState=fetch_state,
            pageSize=wrappers_pb2.Int32Value(value=int(call.query("top") or DEFAULT_PAGE)),
            continuationToken=wrappers_pb2.StringValue(value=token) if token else None,
        )
        found = await self._hub.query_entities(pb.QueryEntitiesRequest(query=query))
        body = [durable_json.entity(metadata, show_state=fetch_state) for metadata in found.entities]
        headers = {"x-ms-continuation-token": found.continuationToken.value} if found.continuationToken.value else None
        return JSONResponse(body, headers=headers)
