"""History events that the hub itself writes, with the time on them."""

import durabletask.internal.orchestrator_service_pb2 as pb

from localhost.hub.sqlite.records import Instance, now, stamp, text


def timed(**event: object) -> pb.HistoryEvent:
    """Return an event that happens now; ``event`` is its one field, and its id where it confirms an action."""
    event.setdefault("eventId", -1)
    return pb.HistoryEvent(timestamp=stamp(now()), **event)  # pyright: ignore[reportArgumentType]  # one field of the message


def packed(events: list[pb.HistoryEvent]) -> bytes:
    """Return events in the form in which histories are kept: it can be appended to, and sent without reading it."""
    return pb.OrchestratorRequest(pastEvents=events).SerializeToString()


def unpacked(history: bytes) -> list[pb.HistoryEvent]:
    """Return the events of a history."""
    return list(pb.OrchestratorRequest.FromString(history).pastEvents)


def execution_started(instance: Instance, encoded_input: str | None, parent_name: str | None = None) -> pb.HistoryEvent:
    """Return the event that begins a run."""
    started = pb.ExecutionStartedEvent(
        name=instance.name,
        version=text(instance.version),
        input=text(encoded_input),
        orchestrationInstance=pb.OrchestrationInstance(instanceId=instance.id, executionId=text(instance.execution_id)),
        tags=instance.tags or None,
    )
    if instance.parent is not None:
        started.parentInstance.CopyFrom(
            pb.ParentInstanceInfo(
                taskScheduledId=instance.parent.task_id,
                name=text(parent_name),
                orchestrationInstance=pb.OrchestrationInstance(instanceId=instance.parent.instance_id),
            )
        )
    if instance.scheduled is not None:
        started.scheduledStartTimestamp.CopyFrom(stamp(instance.scheduled))
    if instance.trace is not None:
        started.parentTraceContext.MergeFromString(instance.trace)
    return timed(executionStarted=started)


def sub_orchestration_ended(child: Instance, task_id: int, output: str | None) -> pb.HistoryEvent:
    """Return what a parent learns of its sub-orchestration's end."""
    if child.status == pb.ORCHESTRATION_STATUS_COMPLETED:
        completed = pb.SubOrchestrationInstanceCompletedEvent(taskScheduledId=task_id, result=text(output))
        return timed(subOrchestrationInstanceCompleted=completed)
    if child.failure is not None:
        return sub_orchestration_failed(task_id, pb.TaskFailureDetails.FromString(child.failure))
    details = pb.TaskFailureDetails(
        errorType="OrchestrationTerminated", errorMessage=f"Sub-orchestration {child.id!r} was terminated."
    )
    return sub_orchestration_failed(task_id, details)


def sub_orchestration_failed(task_id: int, details: pb.TaskFailureDetails) -> pb.HistoryEvent:
    """Return the failure of a sub-orchestration, or of starting it."""
    failed = pb.SubOrchestrationInstanceFailedEvent(taskScheduledId=task_id, failureDetails=details)
    return timed(subOrchestrationInstanceFailed=failed)
