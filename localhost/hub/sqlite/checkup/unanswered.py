"""What an orchestration has asked for and has no answer to, by its history."""

from collections.abc import Iterable, Sequence

import durabletask.internal.orchestrator_service_pb2 as pb
from google.protobuf import timestamp_pb2

type Key = tuple[str, object]

_ANSWERS = {
    "taskCompleted": ("task", "taskScheduledId"),
    "taskFailed": ("task", "taskScheduledId"),
    "timerFired": ("timer", "timerId"),
    "subOrchestrationInstanceCompleted": ("child", "taskScheduledId"),
    "subOrchestrationInstanceFailed": ("child", "taskScheduledId"),
    "entityOperationCompleted": ("call", "requestId"),
    "entityOperationFailed": ("call", "requestId"),
    "entityLockGranted": ("lock", "criticalSectionId"),
}
"""What each event answers, and the field that says which."""


def unanswered(history: Iterable[pb.HistoryEvent]) -> Sequence[str]:
    """Return what is still to come, in words, in the order in which it was asked for."""
    open_: dict[Key, str] = {}
    for event in history:
        kind = event.WhichOneof("eventType") or ""
        if kind in _ANSWERS:
            what, field = _ANSWERS[kind]
            open_.pop((what, getattr(getattr(event, kind), field)), None)
        elif (question := _question(kind, event)) is not None:
            key, words = question
            open_[key] = words
    return list(open_.values())


def _question(kind: str, event: pb.HistoryEvent) -> tuple[Key, str] | None:
    match kind:
        case "taskScheduled":
            return ("task", event.eventId), f"the answer of activity {event.taskScheduled.name!r}"
        case "timerCreated":
            return ("timer", event.eventId), f"the timer that was due at {_clock(event.timerCreated.fireAt)}"
        case "subOrchestrationInstanceCreated":
            child = event.subOrchestrationInstanceCreated.instanceId
            return ("child", event.eventId), f"the end of sub-orchestration {child!r}"
        case "entityOperationCalled":
            called = event.entityOperationCalled
            words = f"the answer of entity {called.targetInstanceId.value!r} to {called.operation!r}"
            return ("call", called.requestId), words
        case "entityLockRequested":
            request = event.entityLockRequested
            return ("lock", request.criticalSectionId), f"the locks of {', '.join(request.lockSet)}"
        case _:
            return None


def _clock(time: timestamp_pb2.Timestamp) -> str:
    return time.ToDatetime().isoformat(sep=" ", timespec="seconds") + " UTC"
