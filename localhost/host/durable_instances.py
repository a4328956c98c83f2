"""The HTTP API of Durable Functions for orchestrations: start, look, steer, forget.

Shapes and status codes are those of the Durable Functions extension:
200 an answer or an instance that is over, 202 accepted or still running, 400 unreadable, 404 unknown,
409 the id is taken, 410 too late to steer, 412 too early to forget, 500 failed (where asked for),
501 not in this hub.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence

import durabletask.internal.orchestrator_service_pb2 as pb
from google.protobuf import wrappers_pb2
from starlette.responses import Response

from localhost.host import answers, durable_json
from localhost.host import durable_requests as asked
from localhost.host.durable_client import PATH, DurableClients
from localhost.host.functions import Function
from localhost.host.host_routes import Call, Endpoint, Guard, endpoint
from localhost.host.http_binding import url_of
from localhost.host.refusals import GoneError, refusing
from localhost.host.tracing import Trace
from localhost.hub.interface import TERMINAL, InstanceStore, UnknownInstanceError

# Seconds after which a caller asks again: longer after a start than while it is followed.
RETRY_STARTED = "10"
RETRY_RUNNING = "5"


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
            own = (
                known for known in self._orchestrators.values() if not known.startswith("BuiltIn__")
            )  # not the SDK's
            known = ", ".join(sorted(own)) or "none"
            return answers.bad_request(f"There is no orchestrator {call.values['name']!r}.", f"Known: {known}.")
        instance_id = call.values.get("id", "")
        if instance_id.startswith("@"):
            return answers.bad_request("An instance id cannot begin with @.", "Such ids are those of entities.")
        patience = asked.patience(call)
        trace = Trace.of_headers(call.request.headers)
        request = pb.CreateInstanceRequest(
            name=name,
            instanceId=instance_id,
            version=asked.text(call.query("version")),
            input=await asked.json_body(call.request),
            parentTraceContext=trace.message() if trace else None,
        )
        return await self._started(call, await self._hub.start_instance(request), patience)

    async def _started(self, call: Call, instance_id: str, patience: float | None) -> Response:
        """Answer with the URLs to follow, or with the end where the caller waits and it comes in time."""
        state = None
        if patience is not None:
            try:
                async with asyncio.timeout(patience):
                    state = await self._hub.wait_for_instance(instance_id, "completed", payloads=True)
            except TimeoutError:
                state = None
        if state is None:
            urls = self._clients.management(f"{call.request.url.scheme}://{call.request.url.netloc}", instance_id)
            return durable_json.response(
                dict(urls), 202, {"Location": urls["statusQueryGetUri"], "Retry-After": RETRY_STARTED}
            )
        if state.orchestrationStatus == pb.ORCHESTRATION_STATUS_COMPLETED:
            return durable_json.response(durable_json.payload(state.output.value))
        return durable_json.response(durable_json.instance(state, show_input=True))

    async def _status(self, call: Call) -> Response:
        instance_id = call.values["id"]
        state = await self._known(instance_id, payloads=True)
        show_input = call.flag("showInput", default=True)
        history = None
        if call.flag("showHistory"):
            history = durable_json.history(
                await self._hub.history(instance_id), show_input=show_input, show_output=call.flag("showHistoryOutput")
            )
        body = durable_json.instance(state, show_input=show_input, history=history)
        if state.orchestrationStatus not in TERMINAL:
            return durable_json.response(body, 202, {"Location": url_of(call.request), "Retry-After": RETRY_RUNNING})
        failed = state.orchestrationStatus == pb.ORCHESTRATION_STATUS_FAILED
        return durable_json.response(body, 500 if failed and call.flag("returnInternalServerErrorOnFailure") else 200)

    async def _list(self, call: Call) -> Response:
        show_input = call.flag("showInput", default=True)
        query = pb.InstanceQuery(
            runtimeStatus=asked.statuses(call),
            createdTimeFrom=asked.time(call, "createdTimeFrom"),
            createdTimeTo=asked.time(call, "createdTimeTo"),
            maxInstanceCount=asked.page_size(call),
            instanceIdPrefix=asked.text(call.query("instanceIdPrefix")),
            continuationToken=asked.continuation(call),
            fetchInputsAndOutputs=True,
        )
        found = await self._hub.query_instances(query)
        body = [durable_json.instance(state, show_input=show_input) for state in found.orchestrationState]
        return durable_json.response(body, headers=asked.next_page(found.continuationToken))

    async def _raise_event(self, call: Call) -> Response:
        await self._live(call)
        if not asked.is_json(call.request):
            return answers.bad_request("An event is sent as JSON.", "Say Content-Type: application/json.")
        await self._hub.raise_event(
            pb.RaiseEventRequest(
                instanceId=call.values["id"], name=call.values["event"], input=await asked.json_body(call.request)
            )
        )
        return Response(status_code=202)

    def _steer(
        self, do: Callable[[Call, str, wrappers_pb2.StringValue | None], Awaitable[object]]
    ) -> Callable[[Call], Awaitable[Response]]:
        async def handle(call: Call) -> Response:
            await self._live(call)
            reason = call.query("reason")
            await do(call, call.values["id"], asked.text(json.dumps(reason) if reason is not None else None))
            return Response(status_code=202)

        return handle

    async def _rewind(self, call: Call) -> Response:
        instance_id = call.values["id"]
        state = await self._hub.get_instance(instance_id, payloads=False)
        if state is not None and state.orchestrationStatus in TERMINAL - {pb.ORCHESTRATION_STATUS_FAILED}:
            raise GoneError(f"Instance {instance_id!r} did not fail; it cannot be rewound.")
        await self._hub.rewind(
            pb.RewindInstanceRequest(instanceId=instance_id, reason=asked.text(call.query("reason")))
        )
        return Response(status_code=202)

    async def _restart(self, call: Call) -> Response:
        anew, patience = call.flag("restartWithNewInstanceId", default=True), asked.patience(call)
        request = pb.RestartInstanceRequest(instanceId=call.values["id"], restartWithNewInstanceId=anew)
        return await self._started(call, await self._hub.restart(request), patience)

    async def _purge_one(self, call: Call) -> Response:
        instance_id = call.values["id"]
        state = await self._known(instance_id, payloads=False)
        if state.orchestrationStatus not in TERMINAL:
            status = durable_json.STATUSES[state.orchestrationStatus]
            error = f"Instance {instance_id!r} is {status.lower()}; only what is over can be purged."
            return answers.problem(412, error, "not_over", "Wait for its end, or terminate it.")
        return _purged(await self._hub.purge(pb.PurgeInstancesRequest(instanceId=instance_id)))

    async def _purge_many(self, call: Call) -> Response:
        chosen = pb.PurgeInstanceFilter(
            createdTimeFrom=asked.time(call, "createdTimeFrom"),
            createdTimeTo=asked.time(call, "createdTimeTo"),
            runtimeStatus=asked.statuses(call),
        )
        if not chosen.HasField("createdTimeFrom"):
            return answers.bad_request("createdTimeFrom is missing.", "Say from when on instances may be purged.")
        return _purged(await self._hub.purge(pb.PurgeInstancesRequest(purgeInstanceFilter=chosen)))

    async def _known(self, instance_id: str, *, payloads: bool) -> pb.OrchestrationState:
        state = await self._hub.get_instance(instance_id, payloads=payloads)
        if state is None:
            raise UnknownInstanceError(f"There is no instance {instance_id!r}.")
        return state

    async def _live(self, call: Call) -> None:
        state = await self._known(call.values["id"], payloads=False)
        if state.orchestrationStatus in TERMINAL:
            raise GoneError(f"Instance {call.values['id']!r} is over.")


def _purged(response: pb.PurgeInstancesResponse) -> Response:
    count = response.deletedInstanceCount
    return durable_json.response({"instancesDeleted": count}, 200 if count else 404)
