"""What the host needs of a task hub: the one seam between it and whatever keeps the orchestrations.

Requests and answers are the messages of ``TaskHubSidecarService``, so a hub speaks the words of the protocol and
``localhost.hub.service`` can serve any hub over gRPC without translating.

    HubError
    ├── UnknownInstanceError     there is no such instance
    ├── InstanceConflictError    the id is taken
    │   └── InstanceStateError   the instance is not in a state that allows this
    ├── InvalidRequestError      the request makes no sense to this hub
    ├── PayloadTooLargeError     an input, event or signal is larger than this hub takes
    ├── StorageError             the disk refused; nothing of what was asked has happened
    └── UnsupportedError         this hub cannot do it; the message names the operation
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol

import durabletask.internal.orchestrator_service_pb2 as pb

type WorkKind = Literal["orchestration", "activity", "entity"]
type Milestone = Literal["started", "completed"]
type Wanted = Callable[[str, str], bool]
"""Whether a taker wants an item of this name and version."""

TERMINAL = frozenset(
    {
        pb.ORCHESTRATION_STATUS_COMPLETED,
        pb.ORCHESTRATION_STATUS_FAILED,
        pb.ORCHESTRATION_STATUS_TERMINATED,
        pb.ORCHESTRATION_STATUS_CANCELED,
    }
)
"""An instance in one of these states is over: it never changes again, and its id may be used anew."""

TAKERS = 8
"""How many should take work of a kind at once. After a crash each item is counted on disk before it is handed out, and
so many are counted with one commit."""


class HubError(Exception):
    """The hub did not do what was asked; the message is one line for the caller."""


class UnknownInstanceError(HubError):
    """There is no such instance."""


class InstanceConflictError(HubError):
    """The id is taken."""


class InstanceStateError(InstanceConflictError):
    """The instance is not in a state that allows this."""


class InvalidRequestError(HubError):
    """The request makes no sense to this hub."""


class PayloadTooLargeError(HubError):
    """An input, event or signal is larger than this hub takes."""


class StorageError(HubError):
    """The disk refused; nothing of what was asked has happened, and it may be asked again."""


class UnsupportedError(HubError):
    """The hub cannot do it."""


class WorkSource(Protocol):
    """Hands out work, and takes back what came of it.

    Work is handed out at least once. A completion carries the token of the item it answers; one that comes too
    late (the instance was replaced, or the item handed out again) changes nothing. It is taken at once; await what is
    returned where somebody must be told that it is on disk. What the disk refuses (``StorageError``) has not happened,
    and the item is handed out again after a pause, whether anybody awaits it or not.
    """

    async def take(self, kind: WorkKind, wanted: Wanted | None = None) -> pb.WorkItem:
        """Wait for the next item of ``kind``, or for the next that is ``wanted``; the others stay for others.

        Raises:
            UnsupportedError: this hub gives everything to everyone.
        """
        ...

    def complete_orchestration(self, response: pb.OrchestratorResponse) -> Awaitable[None]:
        """Commit one step of an orchestration: its actions, status and, at the end, its output."""
        ...

    def complete_activity(self, response: pb.ActivityResponse) -> Awaitable[None]:
        """Deliver an activity's result or failure to the orchestration that waits for it."""
        ...

    def complete_entity(self, result: pb.EntityBatchResult) -> Awaitable[None]:
        """Commit an entity's new state, its results and the signals it sent."""
        ...

    async def abandon(self, kind: WorkKind, token: str, *, declined: bool = False) -> None:
        """Give an item back untouched, to be handed out again.

        What was ``declined`` is well, and for another worker; anything else may be what its worker died of.
        """
        ...


class InstanceStore(Protocol):
    """Starts, shows and steers orchestrations."""

    async def start_instance(self, request: pb.CreateInstanceRequest) -> str:
        """Start an orchestration and return its instance id.

        The id of an instance that is over may be used again; that of a live one may not.

        Raises:
            InstanceConflictError: an instance with this id is live.
            PayloadTooLargeError: its input is.
        """
        ...

    async def get_instance(self, instance_id: str, *, payloads: bool) -> pb.OrchestrationState | None:
        """Return what is known of an instance, with input and output where ``payloads``."""
        ...

    async def wait_for_instance(
        self, instance_id: str, milestone: Milestone, *, payloads: bool
    ) -> pb.OrchestrationState | None:
        """Return as ``get_instance`` does, once ``milestone`` is reached; holds no thread meanwhile."""
        ...

    async def history(self, instance_id: str) -> Sequence[pb.HistoryEvent]:
        """Return everything that happened to an instance, oldest first."""
        ...

    async def query_instances(self, query: pb.InstanceQuery) -> pb.QueryInstancesResponse:
        """Return one page of the instances that match, oldest first."""
        ...

    async def list_instance_ids(self, request: pb.ListInstanceIdsRequest) -> pb.ListInstanceIdsResponse:
        """Return one page of the ids of instances that are over, by the time they ended."""
        ...

    async def raise_event(self, request: pb.RaiseEventRequest) -> None:
        """Deliver an external event."""
        ...

    async def terminate(self, request: pb.TerminateRequest) -> None:
        """End an instance where it stands, and what it started if ``recursive``."""
        ...

    async def suspend(self, request: pb.SuspendRequest) -> None:
        """Hold an instance; what happens meanwhile is kept for later."""
        ...

    async def resume(self, request: pb.ResumeRequest) -> None:
        """Let a suspended instance go on."""
        ...

    async def rewind(self, request: pb.RewindInstanceRequest) -> None:
        """Let a failed instance try again from its last good step."""
        ...

    async def restart(self, request: pb.RestartInstanceRequest) -> str:
        """Run an instance that is over again with its input; return the id it has now."""
        ...

    async def purge(self, request: pb.PurgeInstancesRequest) -> pb.PurgeInstancesResponse:
        """Forget instances that are over."""
        ...


class EntityStore(Protocol):
    """Shows and signals entities."""

    async def signal_entity(self, request: pb.SignalEntityRequest) -> None:
        """Send an operation to an entity without waiting for its result."""
        ...

    async def get_entity(self, request: pb.GetEntityRequest) -> pb.GetEntityResponse:
        """Return an entity's state and metadata; one without a state does not exist, whatever is known of it."""
        ...

    async def query_entities(self, request: pb.QueryEntitiesRequest) -> pb.QueryEntitiesResponse:
        """Return one page of the entities that match."""
        ...

    async def clean_entities(self, request: pb.CleanEntityStorageRequest) -> pb.CleanEntityStorageResponse:
        """Remove empty entities and release the locks of orchestrations that are gone."""
        ...


class TaskHub(WorkSource, InstanceStore, EntityStore, Protocol):
    """Everything together, with a life of its own."""

    kind: str
    """What this hub is, for the banner: ``in memory``, ``SQLite at ...``."""

    async def start(self) -> None:
        """Open the hub; nothing else may be called before."""
        ...

    async def clear(self) -> None:
        """Forget everything: instances, entities, timers, and what is out."""
        ...

    async def stop(self) -> None:
        """Close the hub; whoever waits in ``take`` or ``wait_for_instance`` is cancelled by its own side first."""
        ...
