"""The HTTP API of Durable Functions for orchestrations: start, look, steer, forget.

Shapes and status codes are those of the Durable Functions extension:
200 an answer or an instance that is over, 202 accepted or still running, 400 unreadable, 404 unknown,
409 the id is taken, 410 too late to steer, 500 failed (where asked for), 501 not in this hub.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb
from google.protobuf import wrappers_pb2
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from localhost.host import answers, durable_json
from localhost.host.durable_client import PATH, DurableClients
from localhost.host.functions import Function
from localhost.host.host_routes import Call, Endpoint, Guard, endpoint
from localhost.host.http_binding import read_body
from localhost.host.refusals import GoneError, refusing
from localhost.hub.interface import TERMINAL, InstanceStore, UnknownInstanceError

DEFAULT_PAGE = 100
LONGEST_WAIT = 230.0
"""Seconds; what the platform's load balancer gives a request."""
RETRY_AFTER = "10"


class InstancesApi:
    """``/runtime/webhooks/durabletask/orchestrators`` and ``/instances``."""

    def __init__(self, hub: InstanceStore, clients: DurableClients, functions: Sequence[Function]) -> None:
        self._hub = hub
        self._clients = clients
        self._orchestrators = {f.task_name.lower(): f.task_name for f in functions if f.kind == "orchestration"}

    def endpoints(self, allows: Guard) -> Sequence[Endpoint]:
        """Return every operation."""
        steering: dict[str, Callable[[Call, str, wrappers_pb2.StringValue | None], Awaitable[object]]] = {
            "terminate": lambda _call, i, reason: self._hub.terminate(
                pb.TerminateRequest(instanceId=i, output=reason, recursive=True)
            ),
            "suspend": lambda _call, i, reason: self._hub.suspend(pb.SuspendRequest(instanceId=i, reason=reason)),
            "resume": lambda _call, i, reason: self._hub.resume(pb.ResumeRequest(instanceId=i, reason=reason)),
        }
        table: list[tuple[str, str, Callable[[Call], Awaitable[Response]]]] = [
            ("POST", "orchestrators/{name}/{id?}", self._start),
            ("GET", "instances", self._list),
            ("DELETE", "instances", self._purge_many),
            ("GET", "instances/{id}", self._status),
            ("DELETE", "instances/{id}", self._purge_one),
            ("POST", "instances/{id}/raiseEvent/{event}", self._raise_event),
            ("POST", "instances/{id}/rewind", self._rewind),
            ("POST", "instances/{id}/restart", self._restart),
            *(("POST", f"instances/{{id}}/{name}", self._steer(do)) for name, do in steering.items()),
        ]
        return [endpoint(method, f"{PATH}/{path}", refusing(handle), allows) for method, path, handle in table]

    async def _start(self, call: Call) -> Response:
        name = self._orchestrators.get(call.values["name"].lower())
        if name is None:
            known = ", ".join(sorted(self._orchestrators.values())) or "none"
            return answers.bad_request(f"There is no orchestrator {call.values['name']!r}.", f"Known: {known}.")
        request = pb.CreateInstanceRequest(
            name=name, instanceId=call.values.get("id", ""), input=await _json_body(call.request)
        )
        instance_id = await self._hub.start_instance(request)
        if timeout := call.query("timeout"):
            seconds = min(max(float(timeout), 0.0), LONGEST_WAIT)
            try:
                async with asyncio.timeout(seconds):
                    state = await self._hub.wait_for_instance(instance_id, "completed", payloads=True)
            except TimeoutError:
                state = None
            if state is not None and state.orchestrationStatus == pb.ORCHESTRATION_STATUS_COMPLETED:
                return JSONResponse(durable_json.payload(state.output.value))
        return self._accepted(call.request, instance_id)

    async def _status(self, call: Call) -> Response:
        instance_id = call.values["id"]
        state = await self._hub.get_instance(instance_id, payloads=True)
        if state is None:
            raise UnknownInstanceError(f"There is no instance {instance_id!r}.")
        show_input = call.flag("showInput", default=True)
        history = None
        if call.flag("showHistory"):
            history = durable_json.history(
                await self._hub.history(instance_id), show_input=show_input, show_output=call.flag("showHistoryOutput")
            )
        body = durable_json.instance(state, show_input=show_input, history=history)
        if state.orchestrationStatus not in TERMINAL:
            return JSONResponse(body, 202, {"Location": str(call.request.url), "Retry-After": RETRY_AFTER})
        failed = state.orchestrationStatus == pb.ORCHESTRATION_STATUS_FAILED
        return JSONResponse(body, 500 if failed and call.flag("returnInternalServerErrorOnFailure") else 200)

    async def _list(self, call: Call) -> Response:
        query = pb.InstanceQuery(
            runtimeStatus=_statuses(call),
            createdTimeFrom=_time(call, "createdTimeFrom"),
            createdTimeTo=_time(call, "createdTimeTo"),
            maxInstanceCount=int(call.query("top") or call.query("pageSize") or DEFAULT_PAGE),
            instanceIdPrefix=_text(call.query("instanceIdPrefix")),
            continuationToken=_text(call.request.headers.get("x-ms-continuation-token")),
            fetchInputsAndOutputs=True,
        )
        found = await self._hub.query_instances(query)
        show_input = call.flag("showInput", default=True)
        headers = {"x-ms-continuation-token": found.continuationToken.value} if found.continuationToken.value else None
        body = [durable_json.instance(state, show_input=show_input) for state in found.orchestrationState]
        return JSONResponse(body, headers=headers)

    async def _raise_event(self, call: Call) -> Response:
        await self._live(call)
        await self._hub.raise_event(
            pb.RaiseEventRequest(
                instanceId=call.values["id"], name=call.values["event"], input=await _json_body(call.request)
            )
        )
        return Response(status_code=202)

    def _steer(
        self, do: Callable[[Call, str, wrappers_pb2.StringValue | None], Awaitable[object]]
    ) -> Callable[[Call], Awaitable[Response]]:
        async def handle(call: Call) -> Response:
            await self._live(call)
            reason = call.query("reason")
            await do(call, call.values["id"], _text(json.dumps(reason) if reason is not None else None))
            return Response(status_code=202)

        return handle

    async def _rewind(self, call: Call) -> Response:
        instance_id = call.values["id"]
        state = await self._hub.get_instance(instance_id, payloads=False)
        if state is not None and state.orchestrationStatus in TERMINAL - {pb.ORCHESTRATION_STATUS_FAILED}:
            raise GoneError(f"Instance {instance_id!r} did not fail; it cannot be rewound.")
        await self._hub.rewind(pb.RewindInstanceRequest(instanceId=instance_id, reason=_text(call.query("reason"))))
        return Response(status_code=202)

    async def _restart(self, call: Call) -> Response:
        anew = call.flag("restartWithNewInstanceId", default=True)
        request = pb.RestartInstanceRequest(instanceId=call.values["id"], restartWithNewInstanceId=anew)
        return self._accepted(call.request, await self._hub.restart(request))

    async def _purge_one(self, call: Call) -> Response:
        purged = await self._hub.purge(pb.PurgeInstancesRequest(instanceId=call.values["id"]))
        return _purged(purged)

    async def _purge_many(self, call: Call) -> Response:
        chosen = pb.PurgeInstanceFilter(
            createdTimeFrom=_time(call, "createdTimeFrom"),
            createdTimeTo=_time(call, "createdTimeTo"),
            runtimeStatus=_statuses(call),
        )
        if not call.query("createdTimeFrom"):
            return answers.bad_request("createdTimeFrom is missing.", "Say from when on instances may be purged.")
        return _purged(await self._hub.purge(pb.PurgeInstancesRequest(purgeInstanceFilter=chosen)))

    async def _live(self, call: Call) -> None:
        state = await self._hub.get_instance(call.values["id"], payloads=False)
        if state is None:
            raise UnknownInstanceError(f"There is no instance {call.values['id']!r}.")
        if state.orchestrationStatus in TERMINAL:
            raise GoneError(f"Instance {call.values['id']!r} is over.")

    def _accepted(self, request: Request, instance_id: str) -> Response:
        urls = self._clients.management(f"{request.url.scheme}://{request.url.netloc}", instance_id)
        return JSONResponse(dict(urls), 202, {"Location": urls["statusQueryGetUri"], "Retry-After": RETRY_AFTER})


async def _json_body(request: Request) -> wrappers_pb2.StringValue | None:
    """Return the body as the payload it is.

    Raises:
        ValueError: it is not JSON.
    """
    body = await read_body(request)
    if not body:
        return None
    json.loads(body)
    return wrappers_pb2.StringValue(value=body.decode())


def _statuses(call: Call) -> Sequence[Any]:
    names = {name.lower(): status for status, name in durable_json.STATUSES.items()}
    wanted = [name.strip() for name in (call.query("runtimeStatus") or "").split(",") if name.strip()]
    if unknown := [name for name in wanted if name.lower() not in names]:
        raise ValueError(f"there is no runtime status {', '.join(unknown)}")
    return [names[name.lower()] for name in wanted]


def _time(call: Call, name: str) -> Any:
    text = call.query(name)
    return durable_json.timestamp(text) if text else None


def _text(value: str | None) -> wrappers_pb2.StringValue | None:
    return wrappers_pb2.StringValue(value=value) if value is not None else None


def _purged(response: pb.PurgeInstancesResponse) -> Response:
    count = response.deletedInstanceCount
    return JSONResponse({"instancesDeleted": count}, 200 if count else 404)
