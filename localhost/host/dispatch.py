"""Work from the hub to the app, and what came of it back to the hub."""

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import chain

import durabletask.internal.orchestrator_service_pb2 as pb
from durabletask.internal import helpers
from google.protobuf import wrappers_pb2
from google.protobuf.message import Message

from localhost.host.functions import Function, TriggerKind
from localhost.host.tracing import Trace
from localhost.host.worker import Outcome, Worker, datum, headline
from localhost.hub.interface import TAKERS, WorkKind, WorkSource

log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds without new work of a kind after the host failed on an item of it."""

type Run = Callable[[pb.WorkItem, "_Place"], Awaitable[None]]


class _Place:
    """One of the places that a kind of work has; who has done the work frees it before the outcome is on disk."""

    __slots__ = ("_room",)

    def __init__(self, room: asyncio.Semaphore) -> None:
        self._room: asyncio.Semaphore | None = room

    def free(self) -> None:
        """Let the next one begin; to free a place twice changes nothing."""
        if self._room is not None:
            self._room.release()
            self._room = None


class Dispatcher:
    """Runs what the hub hands out, each kind within its own bound, so that none keeps another waiting."""

    def __init__(
        self,
        hub: WorkSource,
        worker: Worker,
        functions: Sequence[Function],
        *,
        bounds: dict[WorkKind, int],
        clients: Callable[[Function], dict[str, object]],
    ) -> None:
        self._hub = hub
        self._worker = worker
        self._bounds = bounds
        self._clients = clients
        self._functions = {(f.kind, f.task_name.lower()): f for f in functions if not f.refusal}
        self._refusals = {(f.kind, f.task_name.lower()): f.refusal for f in functions if f.refusal}
        self._pumps: list[asyncio.Task[None]] = []
        self._work: set[asyncio.Task[None]] = set()
        self._pauses: dict[WorkKind, float] = {}

    def start(self) -> None:
        """Begin to take work."""
        runs: dict[WorkKind, Run] = {
            "orchestration": self._orchestrate,
            "activity": self._act,
            "entity": self._operate,
        }
        for kind, run in runs.items():
            room = asyncio.Semaphore(self._bounds[kind])
            self._pumps += [asyncio.create_task(self._pump(kind, run, room)) for _ in range(TAKERS)]

    async def stop(self, patience: float) -> None:
        """Take no more work, and give what runs ``patience`` seconds to end; the rest goes back to the hub."""
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        if self._work:
            _done, late = await asyncio.wait(self._work, timeout=patience)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _pump(self, kind: WorkKind, run: Run, room: asyncio.Semaphore) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await room.acquire()
            try:
                await self._calm(kind)
                item = await self._hub.take(kind)
            except BaseException:
                room.release()
                raise
            task = asyncio.Task(self._run(kind, item, run, _Place(room)), loop=loop, eager_start=True)
            if not task.done():
                self._work.add(task)
                task.add_done_callback(self._work.discard)

    async def _calm(self, kind: WorkKind) -> None:
        """Wait where the host failed on an item of ``kind`` just now."""
        left = self._pauses.get(kind, 0.0) - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.sleep(left)

    async def _run(self, kind: WorkKind, item: pb.WorkItem, run: Run, place: "_Place") -> None:
        try:
            await run(item, place)
        except asyncio.CancelledError:
            await self._hub.abandon(kind, item.completionToken)
            raise
        except Exception:  # whatever it was, the other work goes on
            log.exception("The host failed on an item of kind %s; it is handed out again.", kind)
            self._pauses[kind] = asyncio.get_running_loop().time() + PAUSE
            await asyncio.sleep(PAUSE)
            await self._hub.abandon(kind, item.completionToken)
        finally:
            place.free()

    def _find(self, kind: TriggerKind, name: str) -> Function | None:
        return self._functions.get((kind, name.lower()))

    def _unknown(self, kind: TriggerKind, name: str) -> pb.TaskFailureDetails:
        if why := self._refusals.get((kind, name.lower())):
            return pb.TaskFailureDetails(errorType="BindingNotServed", errorMessage=why, isNonRetriable=True)
        known = ", ".join(sorted(f"'{f.task_name}'" for (k, _), f in self._functions.items() if k == kind)) or "none"
        message = f"The {kind} function '{name}' doesn't exist, is disabled, or is of another kind. Known: {known}."
        return pb.TaskFailureDetails(errorType="FunctionNotFound", errorMessage=message, isNonRetriable=True)

    async def _orchestrate(self, item: pb.WorkItem, place: "_Place") -> None:
        request = item.orchestratorRequest
        name = _orchestrator_name(request)
        function = self._find("orchestration", name)
        if function is None:
            response = _failed(self._unknown("orchestration", name))
        else:
            response = await self._step(function, request)
        response.instanceId = request.instanceId
        response.completionToken = item.completionToken
        place.free()
        self._hub.complete_orchestration(response)

    async def _step(self, function: Function, request: pb.OrchestratorRequest) -> pb.OrchestratorResponse:
        outcome = await self._through_sdk(function, request, self._worker.step, pb.OrchestratorResponse)
        _report(function, request.instanceId, outcome, level=logging.DEBUG)
        return outcome.value if outcome.error is None else _failed(failure(outcome.error))

    async def _through_sdk[Request: Message](
        self,
        function: Function,
        request: Request,
        directly: Callable[[Function, Request], Awaitable[Outcome]],
        answer: type[Message],
    ) -> Outcome:
        """Have an orchestrator or entity answer a request: directly, or encoded, as its trigger wants it."""
        if self._worker.is_direct(function):
            return await directly(function, request)
        body = base64.b64encode(request.SerializeToString()).decode()
        outcome = await self._worker.invoke(function, {function.trigger["name"]: datum(body, "string")})
        if outcome.error is not None:
            return outcome
        return replace(outcome, value=answer.FromString(base64.b64decode(outcome.value.value)))

    async def _act(self, item: pb.WorkItem, place: "_Place") -> None:
        request = item.activityRequest
        response = pb.ActivityResponse(
            instanceId=request.orchestrationInstance.instanceId,
            taskId=request.taskId,
            completionToken=item.completionToken,
        )
        function = self._find("activity", request.name)
        if function is None:
            response.failureDetails.CopyFrom(self._unknown("activity", request.name))
        else:
            inputs = {
                **self._clients(function),
                function.trigger["name"]: datum(request.input.value or "null", "json"),
            }
            trace = Trace.of_message(request.parentTraceContext)
            outcome = await self._worker.invoke(function, inputs, trace=trace)
            _report(function, response.instanceId, outcome)
            if outcome.error is None:
                value = outcome.value.value if outcome.value is not None else None
                response.result.CopyFrom(wrappers_pb2.StringValue(value=value or "null"))
            else:
                response.failureDetails.CopyFrom(failure(outcome.error))
        place.free()
        self._hub.complete_activity(response)

    async def _operate(self, item: pb.WorkItem, place: "_Place") -> None:
        batch, infos = helpers.convert_to_entity_batch_request(item.entityRequestV2)
        entity = batch.instanceId.removeprefix("@").split("@", maxsplit=1)[0]
        function = self._find("entity", entity)
        if function is None:
            result = _refused(batch, self._unknown("entity", entity))
        else:
            result = await self._batch(function, batch)
        result.completionToken = item.completionToken
        del result.operationInfos[:]
        result.operationInfos.extend(infos[: len(result.results)])
        place.free()
        self._hub.complete_entity(result)

    async def _batch(self, function: Function, batch: pb.EntityBatchRequest) -> pb.EntityBatchResult:
        outcome = await self._through_sdk(function, batch, self._worker.batch, pb.EntityBatchResult)
        _report(function, batch.instanceId, outcome, level=logging.DEBUG)
        return outcome.value if outcome.error is None else _refused(batch, failure(outcome.error))


def failure(error: BaseException) -> pb.TaskFailureDetails:
    """Say of an error what Azure passes on: the bare class name and the first line of its message."""
    name = type(error).__name__
    first_line = next(iter(str(error).splitlines()), "").strip()
    return pb.TaskFailureDetails(errorType=name, errorMessage=first_line or name)


def _report(function: Function, instance_id: str, outcome: Outcome, *, level: int = logging.INFO) -> None:
    if outcome.error is None and not log.isEnabledFor(level):
        return
    details = {"function": function.name, "instance": instance_id, "seconds": outcome.seconds}
    if outcome.error is None:
        log.log(level, "succeeded", extra={"details": details})
    else:
        log.warning("failed: %s", headline(outcome.error), extra={"details": details}, exc_info=outcome.error)


def _orchestrator_name(request: pb.OrchestratorRequest) -> str:
    events = chain(request.pastEvents, request.newEvents)
    return next((event.executionStarted.name for event in events if event.HasField("executionStarted")), "")


def _failed(details: pb.TaskFailureDetails) -> pb.OrchestratorResponse:
    action = pb.CompleteOrchestrationAction(orchestrationStatus=pb.ORCHESTRATION_STATUS_FAILED, failureDetails=details)
    return pb.OrchestratorResponse(actions=[pb.OrchestratorAction(id=-1, completeOrchestration=action)])


def _refused(batch: pb.EntityBatchRequest, details: pb.TaskFailureDetails) -> pb.EntityBatchResult:
    """Fail every operation of a batch; the state stays as it was."""
    results = [pb.OperationResult(failure=pb.OperationResultFailure(failureDetails=details)) for _ in batch.operations]
    return pb.EntityBatchResult(results=results, entityState=batch.entityState)
