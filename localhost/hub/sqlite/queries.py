"""Pages of instances, and forgetting them."""

import asyncio
import re
import time
from collections.abc import Callable, Iterable

import durabletask.internal.orchestrator_service_pb2 as pb
from google.protobuf import timestamp_pb2, wrappers_pb2
from google.protobuf.message import Message

from localhost.hub.interface import InvalidRequestError
from localhost.hub.sqlite import limits
from localhost.hub.sqlite.changes import Changes
from localhost.hub.sqlite.records import Instance, micros, text
from localhost.hub.sqlite.state import State

_HIGHEST = "\U0010ffff"
_BATCH = 200


class Where:
    """The conditions of a query and their values."""

    def __init__(self) -> None:
        self._conditions: list[str] = []
        self.values: list[object] = []

    def add(self, condition: str, *values: object) -> None:
        """Add a condition with its values."""
        self._conditions.append(condition)
        self.values.extend(values)

    def status(self, statuses: Iterable[int]) -> None:
        """Accept these states only, where there are any."""
        if wanted := set(statuses):
            self.add(f"status IN ({','.join('?' * len(wanted))})", *wanted)

    def times(self, column: str, request: object, start: str, end: str) -> None:
        """Accept times from ``start`` on and before ``end``, where the request has them."""
        for field, comparison in ((start, ">="), (end, "<")):
            if request.HasField(field):  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # a message
                limit = getattr(request, field)
                assert isinstance(limit, timestamp_pb2.Timestamp)  # noqa: S101  # by its name
                self.add(f"{column} {comparison} ?", micros(limit))

    def prefix(self, prefix: str) -> None:
        """Accept ids that begin with ``prefix``."""
        if prefix:
            self.add("id >= ? AND id < ?", prefix, prefix + _HIGHEST)

    def after(self, column: str, token: str) -> None:
        """Go on behind the last of the page before."""
        if not token:
            return
        position, _, last = token.partition("|")
        if not re.fullmatch(r"\d{1,18}", position, re.ASCII):
            raise InvalidRequestError(f"{token!r} is not a continuation token of this hub.")
        self.add(f"({column} > ? OR ({column} = ? AND id > ?))", int(position), int(position), last)

    def __str__(self) -> str:
        return f"WHERE {' AND '.join(self._conditions)}" if self._conditions else ""


def page_size(asked: int) -> int:
    """Return how many a page may have at most."""
    return min(asked, limits.MOST_IN_PAGE) if asked > 0 else limits.PAGE


def fitting[Shown: Message](found: Iterable[Shown]) -> list[Shown]:
    """Return the first of ``found`` that fit into one message, and at least one."""
    page: list[Shown] = []
    size = 0
    for one in found:
        size += one.ByteSize()
        if page and size > limits.PAGE_BYTES:
            break
        page.append(one)
    return page


class InstanceQueries:
    """Finds and purges instances on disk."""

    def __init__(self, state: State) -> None:
        self._state = state

    def page(
        self, query: pb.InstanceQuery, show: Callable[[Instance], pb.OrchestrationState]
    ) -> pb.QueryInstancesResponse:
        """Return one page in order of creation, as far as it fits into one message."""
        where = Where()
        where.status(query.runtimeStatus)
        where.times("created", query, "createdTimeFrom", "createdTimeTo")
        where.prefix(query.instanceIdPrefix.value)
        where.after("created", query.continuationToken.value)
        size = page_size(query.maxInstanceCount)
        found = self._state.reader.instances(f"{where} ORDER BY created, id LIMIT ?", [*where.values, size + 1])
        states = fitting(show(instance) for instance in found[:size])
        token = None
        if len(found) > len(states):
            last = found[len(states) - 1]
            token = f"{last.created}|{last.id}"
        return pb.QueryInstancesResponse(orchestrationState=states, continuationToken=text(token))

    def ended(self, request: pb.ListInstanceIdsRequest) -> tuple[list[str], str | None]:
        """Return one page of ids in order of completion, and the token of the next."""
        where = Where()
        where.add("completed IS NOT NULL")
        where.status(request.runtimeStatus)
        where.times("completed", request, "completedTimeFrom", "completedTimeTo")
        where.after("completed", request.lastInstanceKey.value)
        size = page_size(request.pageSize)
        rows = self._state.reader.rows(
            f"SELECT id, completed FROM instances {where} ORDER BY completed, id LIMIT ?",  # noqa: S608  # fixed texts
            [*where.values, size + 1],
        )
        page = rows[:size]
        return [row[0] for row in page], f"{page[-1][1]}|{page[-1][0]}" if len(rows) > size else None

    async def purge(self, request: pb.PurgeInstancesRequest) -> pb.PurgeInstancesResponse:
        """Forget instances that are over, a few with each commit, until none is left or the time is up."""
        await self._state.writer.durable()
        deleted, complete = 0, True
        match request.WhichOneof("request"):
            case "instanceId":
                deleted = await self._forget([request.instanceId], recursive=request.recursive)
            case "instanceBatch":
                deleted = await self._forget(list(request.instanceBatch.instanceIds), recursive=request.recursive)
            case "purgeInstanceFilter":
                deleted, complete = await self._purge_matching(request)
            case _:
                raise InvalidRequestError("Say what to purge: an id, ids, or a filter.")
        return pb.PurgeInstancesResponse(
            deletedInstanceCount=deleted, isComplete=wrappers_pb2.BoolValue(value=complete)
        )

    async def _purge_matching(self, request: pb.PurgeInstancesRequest) -> tuple[int, bool]:
        wanted = request.purgeInstanceFilter
        where = Where()
        where.add("completed IS NOT NULL")
        where.status(wanted.runtimeStatus)
        where.times("created", wanted, "createdTimeFrom", "createdTimeTo")
        patience = wanted.timeout.seconds + wanted.timeout.nanos / 1_000_000_000
        deadline = time.monotonic() + patience
        deleted = 0
        while rows := self._state.reader.rows(
            f"SELECT id FROM instances {where} ORDER BY created LIMIT {_BATCH}",  # noqa: S608  # fixed texts
            where.values,
        ):
            deleted += await self._forget([row[0] for row in rows], recursive=request.recursive)
            if patience and time.monotonic() > deadline:
                return deleted, False
            await asyncio.sleep(0)
        return deleted, True

    async def _forget(self, ids: list[str], *, recursive: bool) -> int:
        def forget(changes: Changes) -> int:
            return self._forget_family(changes, ids, recursive=recursive)

        deleted = await self._state.durably(forget)
        for instance_id in ids:
            self._state.tell(instance_id)
        return deleted

    def _forget_family(self, changes: Changes, ids: list[str], *, recursive: bool) -> int:
        """Forget instances, each once: what is read meanwhile still has them all."""
        forgotten: set[str] = set()
        family = list(ids)
        for instance_id in family:
            instance = None if instance_id in forgotten else self._state.find(instance_id)
            if instance is None or instance.completed is None:
                continue
            forgotten.add(instance_id)
            changes.delete_instance(instance_id)
            if recursive:
                children = self._state.reader.rows("SELECT id FROM instances WHERE parent_id=?", [instance_id])
                family += [child for (child,) in children]
        return len(forgotten)
