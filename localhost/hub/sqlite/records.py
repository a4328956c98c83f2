"""What the hub knows of live work; everything here is also on disk, or will be with the next commit."""

import time
from collections import deque
from dataclasses import dataclass, field

import durabletask.internal.orchestrator_service_pb2 as pb
from google.protobuf import timestamp_pb2, wrappers_pb2

# What a timestamp of protobuf may say; the number itself may be larger, and larger than a column takes.
_FIRST, _LAST = -62_135_596_800 * 1_000_000, 253_402_300_800 * 1_000_000 - 1


@dataclass(slots=True, frozen=True)
class Parent:
    """Who waits for a sub-orchestration: a task of one run of an instance."""

    instance_id: str
    run: int
    task_id: int


@dataclass(slots=True)
class Instance:
    """An orchestration. A *run* is one life of it: started, started anew, continued as new or rewound."""

    id: str
    name: str
    version: str | None
    run: int
    execution_id: str
    created: int
    updated: int
    status: int = pb.ORCHESTRATION_STATUS_PENDING
    completed: int | None = None
    scheduled: int | None = None
    parent: Parent | None = None
    tags: dict[str, str] = field(default_factory=dict[str, str])
    trace: bytes | None = None
    custom_status: str | None = None
    failure: bytes | None = None
    attempts: int = 0

    # In memory only.
    inbox: list[tuple[int, pb.HistoryEvent]] = field(default_factory=list[tuple[int, pb.HistoryEvent]])
    timers: set[int] = field(default_factory=set[int])
    history: bytes | None = b""  # as ``OrchestratorRequest.pastEvents``; None where it must be read again
    events: int = 0
    size: int = 0
    chunks: int = 0
    token: str | None = None  # of the step that is out
    pace: float = 0.0  # seconds that its last step took
    queued: bool = False
    held: bool = False  # until its scheduled start
    declined: int = 0  # by workers of other versions, since its last step
    suspect: bool = False  # it may have been out when the process died
    sequence: int = 0  # of the last change, to know when it is on disk

    @property
    def to_be_suspended(self) -> bool:
        """Whether it is suspended once it has seen everything that waits for it."""
        suspended = self.status == pb.ORCHESTRATION_STATUS_SUSPENDED
        for _, event in self.inbox:
            kind = event.WhichOneof("eventType")
            suspended = kind == "executionSuspended" or (suspended and kind != "executionResumed")
        return suspended


@dataclass(slots=True)
class Activity:
    """An activity that was scheduled and has not answered."""

    id: int
    instance_id: str
    run: int
    request: pb.ActivityRequest
    attempts: int = 0
    suspect: bool = False


@dataclass(slots=True)
class Entity:
    """An entity, and everything that waits for it: operations and lock requests, in order."""

    id: str
    state: str | None = None
    modified: int = 0
    lock_section: str | None = None
    lock_owner: str | None = None
    attempts: int = 0

    # In memory only.
    queue: deque[tuple[int, pb.HistoryEvent]] = field(default_factory=deque[tuple[int, pb.HistoryEvent]])
    token: str | None = None
    queued: bool = False
    suspect: bool = False
    known: bool = False  # there is a row
    sequence: int = 0

    @property
    def idle(self) -> bool:
        """Whether it may be forgotten and read again later."""
        return not self.queue and self.token is None and self.lock_section is None


@dataclass(slots=True)
class Dispatch:
    """A step or batch that is out: what it was given, and for whom."""

    item: Instance | Entity | Activity
    run: int
    inbox: list[tuple[int, pb.HistoryEvent]]
    events: list[pb.HistoryEvent]
    since: float = field(default_factory=time.monotonic)


def now() -> int:
    """Return the time in microseconds."""
    return time.time_ns() // 1000


def stamp(micros: int) -> timestamp_pb2.Timestamp:
    """Return ``micros`` as the protocol says it."""
    seconds, rest = divmod(micros, 1_000_000)
    return timestamp_pb2.Timestamp(seconds=seconds, nanos=rest * 1000)


def micros(timestamp: timestamp_pb2.Timestamp) -> int:
    """Return a time of the protocol in microseconds, the nearest there is between the years 1 and 9999."""
    return min(max(timestamp.seconds * 1_000_000 + timestamp.nanos // 1000, _FIRST), _LAST)


def text(value: str | None) -> wrappers_pb2.StringValue | None:
    """Wrap a text that may be missing."""
    return None if value is None else wrappers_pb2.StringValue(value=value)
