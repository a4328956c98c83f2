"""Handing out work and taking back what came of it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

import durabletask.internal.orchestrator_service_pb2 as pb
from google.protobuf.message import DecodeError

from localhost.hub.interface import HubError, StorageError, Wanted, WorkKind
from localhost.hub.sqlite import events, limits
from localhost.hub.sqlite.changes import Changes
from localhost.hub.sqlite.entities import Entities
from localhost.hub.sqlite.failpoints import failpoint
from localhost.hub.sqlite.lifecycle import Lifecycle
from localhost.hub.sqlite.ready import Ready
from localhost.hub.sqlite.records import Activity, Dispatch, Entity, Instance, now, text
from localhost.hub.sqlite.state import DISK_PAUSE, State
from localhost.hub.sqlite.steps import Steps

log = logging.getLogger(__name__)

# What comes back unanswered is handed out again at once, then after growing pauses.
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 30.0
# A step that a worker declines for its version waits for another worker, as long as that takes.
LONGEST_PAUSE_OF_DECLINED = 2.0
_ITEMS: dict[WorkKind, type[Instance | Activity | Entity]] = {
    "orchestration": Instance, "activity": Activity, "entity": Entity
}  # fmt: skip


class Work:
    """The ``WorkSource`` of the hub.

    A step of an orchestration may leave before the events that it is given are on disk: it has no effect of its own,
    and its outcome is written after them. Activities and entities, which may have effects, leave after the commit.
    In the first minute after a kill steps leave after it, too: one that kills the host has to be known to be counted.
    """

    def __init__(self, state: State, lifecycle: Lifecycle, entities: Entities, steps: Steps) -> None:
        self._state = state
        self._lifecycle = lifecycle
        self._entities = entities
        self._steps = steps

    async def take(self, kind: WorkKind, wanted: Wanted | None = None) -> pb.WorkItem:
        """Wait for the next item of ``kind``, and only for one that is ``wanted`` by name and version."""
        while True:
            try:
                match kind:
                    case "orchestration":
                        item = await self._take(self._state.orchestrations, self._hand_out_step, wanted)
                    case "activity":
                        item = await self._take(self._state.activities, self._hand_out_activity, wanted)
                    case "entity":
                        item = await self._take(self._state.ready_entities, self._hand_out_batch, wanted)
            except StorageError:  # what can be neither counted nor read is not handed out, until the disk is well again
                await asyncio.sleep(DISK_PAUSE)
                continue
            if item is not None:
                failpoint(f"dispatch.{kind}")
                return item

    async def _take[Item: Instance | Activity | Entity](
        self,
        ready: Ready[Item],
        hand_out: Callable[[Item, int], Awaitable[pb.WorkItem | None]],
        wanted: Wanted | None,
    ) -> pb.WorkItem | None:
        item = await ready.take(wanted)
        epoch = self._state.epoch
        if (pause := self._state.resting_until - time.monotonic()) > 0:
            self._put_back(ready, item, epoch)
            await asyncio.sleep(pause)
            return None
        if not self._state.quarantine.admits(item, lambda: self._put_back(ready, item, epoch)):
            return None
        handed: pb.WorkItem | None = None
        try:
            handed = await hand_out(item, epoch)
        finally:
            if handed is None:
                self._state.quarantine.leave(item)
        return handed

    async def _hand_out_step(self, instance: Instance, epoch: int) -> pb.WorkItem | None:
        try:
            history = await self._state.histories.of(instance)
            allowed = await self._allow(instance)
            if self._state.wary:
                await self._state.writer.durable(instance.sequence)
        except BaseException:
            self._put_back(self._state.orchestrations, instance, epoch)
            raise
        if self._state.instances.get(instance.id) is not instance or instance.completed is not None:
            return None
        instance.queued = False
        if not allowed:
            await self._fail(instance, limits.poisoned(f"A step of orchestration {instance.id!r}", instance.size))
            return None
        inbox = list(instance.inbox)
        if not inbox:
            return None
        if inbox[0][1].HasField("executionRewound"):
            del inbox[1:]  # the worker rewrites the history and looks at nothing else
        elif instance.to_be_suspended:
            # What comes after its suspension waits with it: a worker that continues as new would lose it.
            last = max((n for n, (_, event) in enumerate(inbox) if event.HasField("executionSuspended")), default=None)
            del inbox[len(inbox) if last is None else last + 1 :]
        news = [event for _, event in inbox]
        if not news[0].HasField("orchestratorStarted"):
            news.insert(0, events.timed(orchestratorStarted=pb.OrchestratorStartedEvent()))
        instance.token = self._state.issue(Dispatch(instance, instance.run, inbox, news))
        item = pb.WorkItem(completionToken=instance.token)
        request = pb.OrchestratorRequest(
            instanceId=instance.id, executionId=text(instance.execution_id), newEvents=news
        )
        try:
            item.orchestratorRequest.MergeFromString(history + request.SerializeToString())
        except DecodeError:  # it ends; whoever takes work must not
            await self._fail(instance, limits.unreadable(instance.id))
            return None
        return item

    async def _fail(self, instance: Instance, details: pb.TaskFailureDetails) -> None:
        status = pb.ORCHESTRATION_STATUS_FAILED
        await self._state.durably(lambda c: self._lifecycle.end(c, instance, status, failure=details))

    async def _hand_out_activity(self, activity: Activity, epoch: int) -> pb.WorkItem | None:
        try:
            allowed = await self._allow(activity)
        except BaseException:
            self._put_back(self._state.activities, activity, epoch)
            raise
        if epoch != self._state.epoch:
            return None
        token = self._state.issue(Dispatch(activity, activity.run, [], []))
        if not allowed:
            details = limits.poisoned(f"Activity {activity.request.name!r}")
            await self.complete_activity(pb.ActivityResponse(completionToken=token, failureDetails=details))
            return None
        return pb.WorkItem(completionToken=token, activityRequest=activity.request)

    async def _hand_out_batch(self, entity: Entity, epoch: int) -> pb.WorkItem | None:
        try:
            allowed = await self._allow(entity)
        except BaseException:
            self._put_back(self._state.ready_entities, entity, epoch)
            raise
        if self._state.entities.get(entity.id) is not entity:
            return None
        entity.queued = False
        if not allowed:
            details = limits.poisoned(f"A batch of entity {entity.id!r}")
            await self._state.durably(lambda c: self._entities.refuse(c, entity, details))
            return None
        batch = self._entities.batch(entity)
        if not batch:
            return None
        requests = [event for _, event in batch]
        entity.token = self._state.issue(Dispatch(entity, 0, batch, requests))
        request = pb.EntityRequest(instanceId=entity.id, entityState=text(entity.state), operationRequests=requests)
        return pb.WorkItem(completionToken=entity.token, entityRequestV2=request)

    def _put_back[Item: Instance | Activity | Entity](self, ready: Ready[Item], item: Item, epoch: int) -> None:
        if epoch == self._state.epoch:
            ready.put(item, first=True)

    async def _allow(self, item: Instance | Activity | Entity) -> bool:
        """Count another attempt, on disk before it is made, where an earlier one may have gone wrong."""
        if not item.suspect:
            return True
        if item.attempts + 1 >= limits.MAX_ATTEMPTS:
            return False
        item.attempts += 1
        item.suspect = False
        self._state.writer.hurry()
        await self._state.durably(lambda changes: changes.count_attempt(item))
        return True

    def complete_orchestration(self, response: pb.OrchestratorResponse) -> Awaitable[None]:
        """Commit one step of an orchestration."""
        dispatch = self._state.redeem(response.completionToken, Instance)
        if dispatch is not None:
            with self._state.change() as changes:
                self._steps.complete(changes, dispatch, response)
        return self._state.writer.written()

    def complete_activity(self, response: pb.ActivityResponse) -> Awaitable[None]:
        """Deliver an activity's result or failure to the run that scheduled it; to a later one it is nothing."""
        dispatch = self._state.redeem(response.completionToken, Activity)
        if dispatch is None:
            return self._state.writer.written()
        activity = dispatch.item
        assert isinstance(activity, Activity)  # noqa: S101  # it was asked for
        if too_large := limits.payload_too_large(
            f"What activity {activity.request.name!r} returned", response.result.value
        ):
            response = pb.ActivityResponse(failureDetails=too_large)
        instance = self._state.instances.get(activity.instance_id)
        task_id = activity.request.taskId
        with self._state.change() as changes:
            changes.delete_activity(activity.id)
            self._state.gathering.answered(activity.run)
            if instance is not None and instance.run == activity.run and instance.completed is None:
                instance.updated = now()
                if response.HasField("failureDetails"):
                    details = limits.cut(response.failureDetails)
                    failed = pb.TaskFailedEvent(taskScheduledId=task_id, failureDetails=details)
                    self._state.post(changes, instance, events.timed(taskFailed=failed))
                else:
                    result = response.result if response.HasField("result") else None
                    completed = pb.TaskCompletedEvent(taskScheduledId=task_id, result=result)
                    self._state.post(changes, instance, events.timed(taskCompleted=completed))
        return self._state.writer.written()

    def complete_entity(self, result: pb.EntityBatchResult) -> Awaitable[None]:
        """Commit an entity's new state, its results and what it sent and started."""
        dispatch = self._state.redeem(result.completionToken, Entity)
        if dispatch is not None:
            with self._state.change() as changes:
                for action in self._entities.complete(changes, dispatch, result):
                    if action.HasField("sendSignal"):
                        self._entities.send(changes, action.sendSignal)
                    elif action.HasField("startNewOrchestration"):
                        self._start_for_entity(changes, action.startNewOrchestration)
        return self._state.writer.written()

    def _start_for_entity(self, changes: Changes, start: pb.StartNewOrchestrationAction) -> None:
        request = pb.CreateInstanceRequest(
            instanceId=start.instanceId,
            name=start.name,
            version=start.version if start.HasField("version") else None,
            input=start.input if start.HasField("input") else None,
            scheduledStartTimestamp=start.scheduledTime if start.HasField("scheduledTime") else None,
            parentTraceContext=start.parentTraceContext if start.HasField("parentTraceContext") else None,
        )
        try:
            self._lifecycle.start(changes, request)
        except StorageError:
            raise
        except HubError as error:
            log.warning("An entity could not start an orchestration: %s", error)

    async def abandon(self, kind: WorkKind, token: str, *, declined: bool = False) -> None:
        """Give an item back untouched, to be handed out again: at once the first time, later when it goes on."""
        dispatch = self._state.redeem(token, _ITEMS[kind])
        if dispatch is None:
            return
        item, epoch = dispatch.item, self._state.epoch
        if declined and isinstance(item, Instance):
            item.declined += 1
            times, longest = item.declined - 1, LONGEST_PAUSE_OF_DECLINED
        else:
            item.suspect = True
            times, longest = item.attempts, LONGEST_PAUSE
        if times == 0:
            self._return(item, token, epoch)
        else:
            pause = min(FIRST_PAUSE * 2 ** min(times - 1, 16), longest)
            asyncio.get_running_loop().call_later(pause, self._return, item, token, epoch)

    def _return(self, item: Instance | Activity | Entity, token: str, epoch: int) -> None:
        if epoch != self._state.epoch:
            return
        match item:
            case Activity():
                self._state.activities.put(item, first=True)
            case Instance() if item.token == token:
                item.token = None
                self._state.wake(item)
            case Entity() if item.token == token:
                item.token = None
                self._entities.wake(item)
            case _:
                pass
