"""Starting, showing and steering orchestrations."""

import asyncio
from collections.abc import Sequence

import durabletask.internal.orchestrator_service_pb2 as pb

from localhost.hub.interface import TERMINAL, InstanceStateError, Milestone, UnknownInstanceError
from localhost.hub.sqlite import events, limits
from localhost.hub.sqlite.lifecycle import Lifecycle
from localhost.hub.sqlite.queries import InstanceQueries
from localhost.hub.sqlite.records import Instance, stamp, text
from localhost.hub.sqlite.rewind import Rewind
from localhost.hub.sqlite.state import State


class Instances:
    """The ``InstanceStore`` of the hub. What it tells is on disk: nothing that it says can be unsaid by a crash."""

    def __init__(self, state: State, lifecycle: Lifecycle, rewind: Rewind) -> None:
        self._state = state
        self._lifecycle = lifecycle
        self._rewind = rewind
        self._queries = InstanceQueries(state)

    async def start_instance(self, request: pb.CreateInstanceRequest) -> str:
        """Start an orchestration and return its instance id."""
        instance = await self._state.durably(lambda changes: self._lifecycle.start(changes, request))
        return instance.id

    async def get_instance(self, instance_id: str, *, payloads: bool) -> pb.OrchestrationState | None:
        """Return what is known of an instance."""
        if instance_id in self._state.instances:  # of others, all is on disk
            await self._state.writer.durable()
        return self._show(instance_id, payloads=payloads)

    def _show(self, instance_id: str, *, payloads: bool) -> pb.OrchestrationState | None:
        instance = self._state.reader.instance(instance_id)
        if instance is None:
            return None
        return shown(instance, self._state.reader.payloads(instance_id) if payloads else {})

    async def wait_for_instance(
        self, instance_id: str, milestone: Milestone, *, payloads: bool
    ) -> pb.OrchestrationState | None:
        """Return as ``get_instance`` does, once ``milestone`` is reached."""

        async def reached() -> bool:
            self._state.must_be_read()
            live = self._state.instances.get(instance_id)
            if live is None:
                return True  # over, or unknown
            await self._state.writer.durable()
            live = self._state.instances.get(instance_id)
            return (
                live is None
                or live.completed is not None
                or (milestone == "started" and live.status != pb.ORCHESTRATION_STATUS_PENDING)
            )

        await self._state.wait_while(instance_id, reached)
        return await self.get_instance(instance_id, payloads=payloads)

    async def history(self, instance_id: str) -> Sequence[pb.HistoryEvent]:
        """Return everything that happened to an instance."""
        self._known(instance_id)
        await self._state.writer.durable()
        history, _, _ = self._state.reader.history(instance_id)
        return await asyncio.to_thread(events.unpacked, history)

    async def query_instances(self, query: pb.InstanceQuery) -> pb.QueryInstancesResponse:
        """Return one page of the instances that match, oldest first."""
        await self._state.writer.durable()

        def show(instance: Instance) -> pb.OrchestrationState:
            return shown(instance, self._state.reader.payloads(instance.id) if query.fetchInputsAndOutputs else {})

        return self._queries.page(query, show)

    async def list_instance_ids(self, request: pb.ListInstanceIdsRequest) -> pb.ListInstanceIdsResponse:
        """Return one page of the ids of instances that are over, by the time they ended."""
        await self._state.writer.durable()
        ids, token = self._queries.ended(request)
        return pb.ListInstanceIdsResponse(instanceIds=ids, lastInstanceKey=text(token))

    def _known(self, instance_id: str) -> Instance:
        instance = self._state.find(instance_id)
        if instance is None:
            raise UnknownInstanceError(f"There is no orchestration instance {instance_id!r}.")
        return instance

    async def _tell(self, instance_id: str, event: pb.HistoryEvent) -> None:
        """Give an event to an instance; one that is over has no use for it."""
        instance = self._known(instance_id)
        if instance.completed is None:
            await self._state.durably(lambda changes: self._state.post(changes, instance, event))

    async def raise_event(self, request: pb.RaiseEventRequest) -> None:
        """Deliver an external event."""
        limits.check_payload(f"Event {request.name!r}", request.input)
        raised = pb.EventRaisedEvent(name=request.name, input=request.input if request.HasField("input") else None)
        await self._tell(request.instanceId, events.timed(eventRaised=raised))

    async def suspend(self, request: pb.SuspendRequest) -> None:
        """Hold an instance."""
        reason = request.reason if request.HasField("reason") else None
        suspended = events.timed(executionSuspended=pb.ExecutionSuspendedEvent(input=reason))
        if not self._known(request.instanceId).to_be_suspended:
            await self._tell(request.instanceId, suspended)

    async def resume(self, request: pb.ResumeRequest) -> None:
        """Let a suspended instance go on; what is not suspended could not make sense of that."""
        reason = request.reason if request.HasField("reason") else None
        resumed = events.timed(executionResumed=pb.ExecutionResumedEvent(input=reason))
        if self._known(request.instanceId).to_be_suspended:
            await self._tell(request.instanceId, resumed)

    async def terminate(self, request: pb.TerminateRequest) -> None:
        """End an instance where it stands."""
        limits.check_payload("The output", request.output)
        instance = self._known(request.instanceId)
        output = request.output.value if request.HasField("output") else None
        await self._state.durably(
            lambda changes: self._lifecycle.terminate(changes, instance, output, recursive=request.recursive)
        )

    async def rewind(self, request: pb.RewindInstanceRequest) -> None:
        """Let a failed instance try again."""
        await self._state.writer.durable()
        instance = self._known(request.instanceId)
        if instance.status != pb.ORCHESTRATION_STATUS_FAILED:
            raise InstanceStateError(f"Orchestration instance {instance.id!r} has not failed; only that is rewound.")
        reason = request.reason.value if request.HasField("reason") else None
        await self._state.durably(lambda changes: self._rewind.begin(changes, instance, reason))

    async def restart(self, request: pb.RestartInstanceRequest) -> str:
        """Run an instance again with its input, under its own id only once it is over."""
        await self._state.writer.durable()
        instance = self._known(request.instanceId)
        if instance.status not in TERMINAL and not request.restartWithNewInstanceId:
            raise InstanceStateError(
                f"Orchestration instance {instance.id!r} is not over yet; wait for that, or restart with a new id."
            )
        again = pb.CreateInstanceRequest(
            instanceId="" if request.restartWithNewInstanceId else instance.id,
            name=instance.name,
            version=text(instance.version),
            input=text(self._state.reader.payloads(instance.id).get("input")),
            tags=instance.tags or None,
        )
        return await self.start_instance(again)

    async def purge(self, request: pb.PurgeInstancesRequest) -> pb.PurgeInstancesResponse:
        """Forget instances that are over."""
        return await self._queries.purge(request)


def shown(instance: Instance, payloads: dict[str, str]) -> pb.OrchestrationState:
    """Return an instance as the protocol shows it."""
    state = pb.OrchestrationState(
        instanceId=instance.id,
        name=instance.name,
        version=text(instance.version),
        orchestrationStatus=instance.status,  # pyright: ignore[reportArgumentType]  # an int of the enumeration
        createdTimestamp=stamp(instance.created),
        lastUpdatedTimestamp=stamp(instance.updated),
        input=text(payloads.get("input")),
        output=text(payloads.get("output")),
        customStatus=text(instance.custom_status),
        executionId=text(instance.execution_id),
        tags=instance.tags or None,
    )
    if instance.scheduled is not None:
        state.scheduledStartTimestamp.CopyFrom(stamp(instance.scheduled))
    if instance.completed is not None:
        state.completedTimestamp.CopyFrom(stamp(instance.completed))
    if instance.parent is not None:
        state.parentInstanceId.value = instance.parent.instance_id
    if instance.failure is not None:
        state.failureDetails.MergeFromString(instance.failure)
    return state
