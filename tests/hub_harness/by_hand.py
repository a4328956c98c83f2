"""A worker whose every answer the test writes itself."""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import durabletask.internal.orchestrator_service_pb2 as pb
from durabletask.internal import helpers
from google.protobuf import wrappers_pb2

from localhost.hub.interface import TaskHub, WorkKind
from localhost.hub.sqlite.hub import SqliteHub

PATIENCE = 600.0  # against hanging alone: a machine may be slow, and a process stopped for minutes
A_MOMENT = 0.03  # long enough for anything that happens at once, on a machine that has nothing else to do
TURNS = 20  # of the event loop: more than anything takes that happens at once

COMPLETED = pb.ORCHESTRATION_STATUS_COMPLETED
FAILED = pb.ORCHESTRATION_STATUS_FAILED
TERMINATED = pb.ORCHESTRATION_STATUS_TERMINATED
RUNNING = pb.ORCHESTRATION_STATUS_RUNNING
PENDING = pb.ORCHESTRATION_STATUS_PENDING
SUSPENDED = pb.ORCHESTRATION_STATUS_SUSPENDED


@dataclass
class Step:
    """A step of an orchestration that was handed to the test."""

    hub: TaskHub
    item: pb.WorkItem

    @property
    def instance(self) -> str:
        return self.item.orchestratorRequest.instanceId

    @property
    def past(self) -> list[str]:
        return [kind(event) for event in self.item.orchestratorRequest.pastEvents]

    @property
    def news(self) -> list[pb.HistoryEvent]:
        """What is new, without the marker that begins every step."""
        return [e for e in self.item.orchestratorRequest.newEvents if not e.HasField("orchestratorStarted")]

    @property
    def kinds(self) -> list[str]:
        return [kind(event) for event in self.news]

    async def reply(self, *actions: pb.OrchestratorAction, status: str | None = None) -> None:
        response = pb.OrchestratorResponse(
            instanceId=self.instance, completionToken=self.item.completionToken, actions=actions
        )
        if status is not None:
            response.customStatus.value = status
        await self.hub.complete_orchestration(response)


@dataclass
class Work:
    """An activity that was handed to the test."""

    hub: TaskHub
    item: pb.WorkItem

    @property
    def request(self) -> pb.ActivityRequest:
        return self.item.activityRequest

    async def reply(self, result: str = "null", *, error: str = "") -> None:
        response = pb.ActivityResponse(
            instanceId=self.request.orchestrationInstance.instanceId,
            taskId=self.request.taskId,
            completionToken=self.item.completionToken,
        )
        if error:
            response.failureDetails.CopyFrom(pb.TaskFailureDetails(errorType="Boom", errorMessage=error))
        else:
            response.result.value = result
        await self.hub.complete_activity(response)


@dataclass
class Batch:
    """Operations of an entity that were handed to the test."""

    hub: TaskHub
    item: pb.WorkItem

    @property
    def entity(self) -> str:
        return self.item.entityRequestV2.instanceId

    @property
    def state(self) -> str | None:
        request = self.item.entityRequestV2
        return request.entityState.value if request.HasField("entityState") else None

    @property
    def operations(self) -> list[str]:
        requests = self.item.entityRequestV2.operationRequests
        return [e.entityOperationSignaled.operation or e.entityOperationCalled.operation for e in requests]

    async def reply(
        self, state: str | None, *actions: pb.OperationAction, results: Sequence[str] | None = None, error: str = ""
    ) -> None:
        result = pb.EntityBatchResult(completionToken=self.item.completionToken, actions=actions)
        if state is not None:
            result.entityState.value = state
        for text in results if results is not None else ["null"] * len(self.operations):
            one = pb.OperationResult()
            if error:
                one.failure.failureDetails.CopyFrom(pb.TaskFailureDetails(errorType="Boom", errorMessage=error))
            else:
                one.success.result.value = text
            result.results.append(one)
        await self.hub.complete_entity(result)


async def step(hub: TaskHub) -> Step:
    """Take the next step of an orchestration."""
    return Step(hub, await asyncio.wait_for(hub.take("orchestration"), PATIENCE))


async def activity(hub: TaskHub) -> Work:
    """Take the next activity."""
    return Work(hub, await asyncio.wait_for(hub.take("activity"), PATIENCE))


async def batch(hub: TaskHub) -> Batch:
    """Take the next batch of an entity."""
    return Batch(hub, await asyncio.wait_for(hub.take("entity"), PATIENCE))


async def soon(hub: SqliteHub, what: WorkKind) -> pb.WorkItem | None:
    """Take the next item of a kind if there is one, or one comes at once.

    However slow the machine: on one that is, the moment alone would be over before anything had happened.
    """
    taking = asyncio.create_task(hub.take(what))
    await asyncio.wait({taking}, timeout=A_MOMENT)
    for _ in range(TURNS):
        if not taking.done():
            await hub._state.writer.durable()
            await asyncio.sleep(0)
    taking.cancel()
    await asyncio.wait({taking})
    return None if taking.cancelled() else taking.result()


async def nothing(hub: SqliteHub, what: WorkKind) -> bool:
    """Whether there is nothing of a kind to hand out."""
    item = await soon(hub, what)
    if item is not None:
        await hub.abandon(what, item.completionToken)
    return item is None


async def until(true: Callable[[], object]) -> None:
    """Wait for something that nobody tells of."""
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.01)


async def start(hub: TaskHub, instance_id: str = "one", name: str = "f", payload: str | None = None) -> str:
    """Start an orchestration."""
    request = pb.CreateInstanceRequest(instanceId=instance_id, name=name)
    if payload is not None:
        request.input.value = payload
    return await hub.start_instance(request)


async def begun(hub: TaskHub, instance_id: str = "one", *actions: pb.OrchestratorAction) -> None:
    """Start an orchestration and answer its first step."""
    await start(hub, instance_id)
    await (await step(hub)).reply(*actions)


async def finished(hub: TaskHub, instance_id: str = "one", output: str = '"done"') -> None:
    """Start an orchestration and complete it."""
    await begun(hub, instance_id, complete(output))


async def raised(hub: TaskHub, instance_id: str = "one", name: str = "e", data: str | None = None) -> None:
    """Raise an event."""
    request = pb.RaiseEventRequest(instanceId=instance_id, name=name)
    if data is not None:
        request.input.value = data
    await hub.raise_event(request)


async def signalled(hub: TaskHub, entity: str = "@e@1", operation: str = "op", data: str | None = None) -> None:
    """Signal an entity."""
    request = pb.SignalEntityRequest(instanceId=entity, name=operation, requestId="r")
    if data is not None:
        request.input.value = data
    await hub.signal_entity(request)


async def terminated(hub: TaskHub, instance_id: str = "one", *, recursive: bool = False) -> None:
    """Terminate an orchestration."""
    output = wrappers_pb2.StringValue(value='"why"')
    await hub.terminate(pb.TerminateRequest(instanceId=instance_id, output=output, recursive=recursive))


async def state(hub: TaskHub, instance_id: str = "one") -> pb.OrchestrationState:
    """Return what is known of an orchestration."""
    found = await hub.get_instance(instance_id, payloads=True)
    assert found is not None
    return found


async def entity(hub: TaskHub, entity_id: str = "@e@1") -> pb.EntityMetadata:
    """Return what is known of an entity, even of one that does not exist yet."""
    response = await hub.get_entity(pb.GetEntityRequest(instanceId=entity_id, includeState=True))
    assert response.HasField("entity")
    return response.entity


async def history(hub: TaskHub, instance_id: str = "one") -> list[str]:
    """Return the kinds of the events of an orchestration."""
    return [kind(event) for event in await hub.history(instance_id)]


def kind(event: pb.HistoryEvent) -> str:
    """Return what an event is."""
    return event.WhichOneof("eventType") or ""


class Crash:
    """A hub as it would be found if the process had died at this moment: opened on a copy of its files."""

    def __init__(self, hub: SqliteHub, folder: Path) -> None:
        self._hub = hub
        self._folder = folder

    async def __aenter__(self) -> SqliteHub:
        await self._hub._state.writer.durable()
        number = len(list(self._folder.glob("after-*")))
        target = self._folder / f"after-{number}" / "hub.db"
        target.parent.mkdir(parents=True)
        source = self._hub._state.path
        for suffix in ("", "-wal"):
            if source.with_name(source.name + suffix).exists():
                shutil.copy(source.with_name(source.name + suffix), target.with_name(target.name + suffix))
        self.after = SqliteHub(target)
        await self.after.start()
        return self.after

    async def __aexit__(self, *_: object) -> None:
        await self.after.stop()


# Actions


def schedule(task_id: int, name: str = "a", payload: str | None = None) -> pb.OrchestratorAction:
    """Schedule an activity."""
    return helpers.new_schedule_task_action(task_id, name, payload, None)


def timer(task_id: int, seconds: float) -> pb.OrchestratorAction:
    """Create a timer."""
    return helpers.new_create_timer_action(task_id, datetime.now(UTC) + timedelta(seconds=seconds))


def child(
    task_id: int, instance_id: str = "child", name: str = "g", payload: str | None = None
) -> pb.OrchestratorAction:
    """Start a sub-orchestration."""
    return helpers.new_create_sub_orchestration_action(task_id, name, instance_id, payload, None)


def send(task_id: int, target: str, name: str = "e", data: str | None = None) -> pb.OrchestratorAction:
    """Send an event to another orchestration."""
    return helpers.new_send_event_action(task_id, target, name, data)


def complete(output: str | None = None, status: pb.OrchestrationStatus = COMPLETED) -> pb.OrchestratorAction:
    """End the orchestration."""
    return helpers.new_complete_orchestration_action(99, status, output)


def fail(message: str = "no") -> pb.OrchestratorAction:
    """Fail the orchestration."""
    details = pb.TaskFailureDetails(errorType="Boom", errorMessage=message)
    return helpers.new_complete_orchestration_action(99, FAILED, None, details)


def again(payload: str | None = None, carry: Sequence[pb.HistoryEvent] = ()) -> pb.OrchestratorAction:
    """Continue as new."""
    status = pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW
    return helpers.new_complete_orchestration_action(99, status, payload, None, list(carry))


def call(task_id: int, entity_id: str = "@e@1", operation: str = "op") -> pb.OrchestratorAction:
    """Call an entity."""
    called = pb.EntityOperationCalledEvent(requestId=f"call-{task_id}", operation=operation)
    called.targetInstanceId.value = entity_id
    return _message(task_id, entityOperationCalled=called)


def signal(task_id: int, entity_id: str = "@e@1", operation: str = "op", seconds: float = 0) -> pb.OrchestratorAction:
    """Signal an entity."""
    signaled = pb.EntityOperationSignaledEvent(requestId=f"signal-{task_id}", operation=operation)
    signaled.targetInstanceId.value = entity_id
    if seconds:
        signaled.scheduledTime.FromDatetime(datetime.now(UTC) + timedelta(seconds=seconds))
    return _message(task_id, entityOperationSignaled=signaled)


def lock(task_id: int, section: str, *entity_ids: str) -> pb.OrchestratorAction:
    """Ask for the locks of entities."""
    return _message(
        task_id, entityLockRequested=pb.EntityLockRequestedEvent(criticalSectionId=section, lockSet=entity_ids)
    )


def unlock(task_id: int, section: str, entity_id: str) -> pb.OrchestratorAction:
    """Release the lock of an entity."""
    unlocked = pb.EntityUnlockSentEvent(criticalSectionId=section)
    unlocked.targetInstanceId.value = entity_id
    return _message(task_id, entityUnlockSent=unlocked)


def _message(task_id: int, **message: object) -> pb.OrchestratorAction:
    action = pb.SendEntityMessageAction(**message)  # pyright: ignore[reportArgumentType]  # one field of the message
    return pb.OrchestratorAction(id=task_id, sendEntityMessage=action)
