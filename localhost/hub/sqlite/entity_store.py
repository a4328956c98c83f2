"""Showing and signalling entities."""

import re

import durabletask.internal.orchestrator_service_pb2 as pb

from localhost.hub.interface import InvalidRequestError
from localhost.hub.sqlite import limits
from localhost.hub.sqlite.changes import Changes
from localhost.hub.sqlite.entities import Entities
from localhost.hub.sqlite.queries import Where, fitting, page_size
from localhost.hub.sqlite.records import Entity, stamp, text
from localhost.hub.sqlite.state import State


class EntityViews:
    """The ``EntityStore`` of the hub."""

    def __init__(self, state: State, entities: Entities) -> None:
        self._state = state
        self._entities = entities

    async def signal_entity(self, request: pb.SignalEntityRequest) -> None:
        """Send an operation to an entity without waiting for its result."""
        if not re.match(r"@[^@]+@", request.instanceId):  # a worker could not read it, and would answer nothing
            raise InvalidRequestError(f"{request.instanceId!r} is no entity; their ids are @NAME@KEY.")
        limits.check_payload(f"Signal {request.name!r}", request.input)
        signaled = pb.EntityOperationSignaledEvent(
            requestId=request.requestId,
            operation=request.name,
            input=request.input if request.HasField("input") else None,
            scheduledTime=request.scheduledTime if request.HasField("scheduledTime") else None,
        )
        signaled.targetInstanceId.value = request.instanceId
        await self._state.durably(lambda changes: self._entities.signal(changes, request.instanceId, signaled))

    async def get_entity(self, request: pb.GetEntityRequest) -> pb.GetEntityResponse:
        """Return an entity's state and metadata; as in Azure, one without a state does not exist."""
        await self._state.writer.durable()
        entity = self._state.reader.entity(request.instanceId)
        if entity is None:
            return pb.GetEntityResponse(exists=False)
        shown = self._shown(entity, state=request.includeState)
        return pb.GetEntityResponse(exists=entity.state is not None, entity=shown)

    async def query_entities(self, request: pb.QueryEntitiesRequest) -> pb.QueryEntitiesResponse:
        """Return one page of the entities that match, by id; those without a state only if asked for."""
        await self._state.writer.durable()
        query = request.query
        where = Where()
        where.prefix(query.instanceIdStartsWith.value)
        where.times("modified", query, "lastModifiedFrom", "lastModifiedTo")
        if not query.includeTransient:
            where.add("state IS NOT NULL")
        if query.continuationToken.value:
            where.add("id > ?", query.continuationToken.value)
        size = page_size(query.pageSize.value)
        found = self._state.reader.entities(f"{where} ORDER BY id LIMIT ?", [*where.values, size + 1])
        shown = fitting(self._shown(entity, state=query.includeState) for entity in found[:size])
        token = found[len(shown) - 1].id if len(found) > len(shown) else None
        return pb.QueryEntitiesResponse(entities=shown, continuationToken=text(token))

    async def clean_entities(self, request: pb.CleanEntityStorageRequest) -> pb.CleanEntityStorageResponse:
        """Remove empty entities, and release the locks of orchestrations that are gone."""
        await self._state.writer.durable()

        def clean(changes: Changes) -> tuple[int, int]:
            released = self._release_orphans(changes) if request.releaseOrphanedLocks else 0
            removed = self._remove_empty(changes) if request.removeEmptyEntities else 0
            return removed, released

        removed, released = await self._state.durably(clean)
        return pb.CleanEntityStorageResponse(emptyEntitiesRemoved=removed, orphanedLocksReleased=released)

    def _release_orphans(self, changes: Changes) -> int:
        """Release what instances that are over hold, and take their requests out of every queue."""
        released = 0
        for owner in [owner for owner in self._state.locked if owner not in self._state.instances]:
            released += sum(self._state.entity(held).lock_owner == owner for held in self._state.locked[owner])
            self._entities.release_all(changes, owner)
        return released

    def _remove_empty(self, changes: Changes) -> int:
        removed = 0
        for found in self._state.reader.entities("WHERE state IS NULL AND lock_section IS NULL"):
            entity = self._state.entity(found.id)
            if entity.idle and entity.state is None:  # it may have got one since it was last on disk
                self._state.drop_entity(found.id)
                changes.delete_entity(found.id)
                removed += 1
            else:
                self._state.rest(entity)
        return removed

    def _shown(self, entity: Entity, *, state: bool) -> pb.EntityMetadata:
        live = self._state.entities.get(entity.id)
        backlog = sum(not event.HasField("entityLockRequested") for _, event in live.queue) if live is not None else 0
        return pb.EntityMetadata(
            instanceId=entity.id,
            lastModifiedTime=stamp(entity.modified),
            backlogQueueSize=backlog,
            lockedBy=text(entity.lock_owner),
            serializedState=text(entity.state) if state else None,
        )
