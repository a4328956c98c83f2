"""The live part of a hub in memory, and how it comes back from disk.

Every change goes through ``change``: memory is altered at once, the same change goes to disk in order, and whoever
asked is told when it is there. Instances that are over are forgotten as soon as that is on disk.
"""

import asyncio
import itertools
import logging
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from uuid import uuid4

import durabletask.internal.orchestrator_service_pb2 as pb

from localhost.hub.interface import HubError, StorageError, WorkKind
from localhost.hub.sqlite import limits, schema
from localhost.hub.sqlite.changes import Changes
from localhost.hub.sqlite.failpoints import failpoint
from localhost.hub.sqlite.gathering import Gathering
from localhost.hub.sqlite.histories import Histories
from localhost.hub.sqlite.quarantine import Quarantine
from localhost.hub.sqlite.reader import Reader
from localhost.hub.sqlite.ready import Ready
from localhost.hub.sqlite.records import Activity, Dispatch, Entity, Instance
from localhost.hub.sqlite.timers import Timer, TimerKind, Timers
from localhost.hub.sqlite.writer import Writer

log = logging.getLogger(__name__)

WARY_SECONDS = 60.0
DISK_PAUSE = 0.5
"""Seconds without work being handed out after the disk has refused what came of it."""
_PASSED_ON_WHILE_SUSPENDED = ("executionResumed", "executionTerminated", "executionRewound")


class State:
    """What is alive: instances, entities, activities, timers, and what is ready or out."""

    def __init__(self, path: Path, *, fire: Callable[[list[Timer]], None], loaded: Callable[[], None]) -> None:
        self.path = path
        self._loaded = loaded
        self._open = False
        self._unread = False  # the disk has refused to be read: memory is empty, and says nothing about what there is
        self._wary_until = 0.0
        self.resting_until = 0.0
        self.instances: dict[str, Instance] = {}
        self.children: dict[str, set[str]] = {}
        self.entities: dict[str, Entity] = {}
        self.locked: dict[str, set[str]] = {}  # entities by the instance that holds or wants their locks
        self.dispatched: dict[str, Dispatch] = {}
        self.quarantine = Quarantine()
        self.steps: set[str] = set()  # the tokens of orchestrations among them
        self._life = uuid4().hex
        self._tokens = itertools.count(1)
        self.orchestrations = Ready[Instance](lambda instance: (instance.name, instance.version or ""))
        self.activities = Ready[Activity](lambda activity: (activity.request.name, activity.request.version.value))
        self.ready_entities = Ready[Entity](lambda entity: (entity.id[1:].split("@", maxsplit=1)[0], ""))
        self.timers = Timers(fire)
        self.gathering = Gathering(self._make_ready)
        self.epoch = 0  # counts how often memory went back to what is on disk
        self._idle = OrderedDict[str, Entity]()
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    # A life

    def open(self) -> None:
        """Open the file and take up what was under way."""
        self._lock = schema.FileLock(self.path)
        self._lock.acquire()
        with ExitStack() as refused:
            refused.callback(self._lock.release)
            connection = schema.open_writer(self.path)
            refused.callback(connection.close)
            self.reader = Reader(self.path)
            refused.callback(self.reader.close)
            try:
                self.writer = Writer(
                    connection, self.path, failed=self._reload, more_soon=self._steps_coming, busy=self._has_work
                )
            except sqlite3.Error as error:
                raise schema.unreadable(self.path, error) from error
            refused.pop_all()
        self.histories = Histories(self.reader, self.writer)
        self._forget_everything()  # of an earlier opening
        try:
            killed = not self.reader.clean_stop()
            self._load(suspect=killed)
        except BaseException as error:
            self._give_up()
            if isinstance(error, sqlite3.DatabaseError | StorageError):
                raise schema.unreadable(self.path, error) from error
            if isinstance(error, schema.NO_SENSE):
                raise schema.unreadable_row(self.path, error) from error
            raise
        self._wary_until = time.monotonic() + WARY_SECONDS if killed else 0.0
        self._open = True
        with self.change() as changes:
            changes.set_meta("stopped", 0)

    def _give_up(self) -> None:
        """Let go of a file that could be opened and not be read."""
        self._forget_everything()
        self.reader.close()
        self.writer.discard()
        self._lock.release()

    @property
    def wary(self) -> bool:
        """Whether the host was killed just now, perhaps by something that is handed out again."""
        return time.monotonic() < self._wary_until

    async def close(self) -> None:
        """Write that the stop was orderly, and close the file; one that never opened has nothing to close."""
        if not self._open:
            return
        self._open = False
        self.timers.clear()
        self.gathering.clear()
        with Change(self.writer) as changes:
            changes.set_meta("stopped", 1)
        self.reader.close()
        await self.writer.close()
        self._lock.release()

    def _steps_coming(self) -> bool:
        """Whether one step of an orchestration is out or about to be: its outcome will want a commit.

        Where there are several, the next commit has company without waiting, and waiting holds up whoever answered.
        """
        return len(self.steps) + len(self.orchestrations) == 1

    def _has_work(self) -> bool:
        """Whether anything is out or ready."""
        return bool(self.dispatched or len(self.orchestrations) or len(self.activities) or len(self.ready_entities))

    def _reload(self) -> None:
        """Go back to what is on disk; what was out is handed out again, and late answers to it count for nothing."""
        self.resting_until = time.monotonic() + DISK_PAUSE
        self._forget_everything()
        try:
            if self._open:
                self._load(suspect=False)
        except Exception as error:  # half of what there is must not stay
            log.error("%s", error, exc_info=None if isinstance(error, StorageError) else error)  # noqa: TRY400  # a StorageError's sentence says all
            self._forget_everything()
            self._unread = True
            asyncio.get_running_loop().call_later(DISK_PAUSE, self._reload_again, self.epoch)
            return  # whoever waits for an instance would find none, and take it to be over
        self._tell_everyone()

    def _reload_again(self, epoch: int) -> None:
        if self._open and epoch == self.epoch:
            self._reload()

    def must_be_read(self) -> None:
        """Make sure that what is not in memory is not alive.

        Raises:
            StorageError: the disk could not be read, and is asked again in a moment.
        """
        if self._unread:
            raise StorageError("The task hub cannot read what is under way. Look after the disk and try again.")

    async def clear(self) -> None:
        """Forget everything, on disk too; what was out counts for nothing when it comes back."""
        self.writer.silence()
        with self.change() as changes:
            changes.delete_everything()
        self._forget_everything()
        await self.writer.durable()
        self._tell_everyone()

    def _forget_everything(self) -> None:
        self.epoch += 1
        self.instances.clear()
        self.children.clear()
        self.entities.clear()
        self.locked.clear()
        self.dispatched.clear()
        self.quarantine.clear()
        self.steps.clear()
        for ready in (self.orchestrations, self.activities, self.ready_entities):
            ready.clear()
        self.timers.clear()
        self.gathering.clear()
        self.histories.clear()
        self._idle.clear()

    def _tell_everyone(self) -> None:
        for instance_id in list(self._waiting):
            self.tell(instance_id)

    def _load(self, *, suspect: bool) -> None:
        """Read everything that is alive. Where the last host was killed, any of it may be what killed it."""
        first_id, first_run = self.reader.next_numbers()
        self.next_id = itertools.count(first_id).__next__
        self.next_run = itertools.count(first_run).__next__
        sizes = self.reader.history_sizes()
        for instance in self.reader.instances("WHERE completed IS NULL"):
            instance.events, instance.size, instance.chunks = sizes.get(instance.id, (0, 0, 0))
            instance.suspect = suspect
            self.adopt(instance)
        for message_id, instance_id, event in self.reader.messages("inbox"):
            if instance_id in self.instances:
                self.instances[instance_id].inbox.append((message_id, event))
        for entity in self.reader.entities("WHERE lock_section IS NOT NULL"):
            self.entities[entity.id] = entity
            self.locked.setdefault(entity.lock_owner or "", set()).add(entity.id)
        for message_id, entity_id, event in self.reader.messages("operations"):
            entity = self.entity(entity_id)
            entity.suspect = suspect
            entity.queue.append((message_id, event))
            if event.HasField("entityLockRequested"):
                owner = event.entityLockRequested.parentInstanceId.value
                self.locked.setdefault(owner, set()).add(entity_id)
        for timer in self.reader.timers():
            self._wait_for(timer)
        for activity in self.reader.activities():
            activity.suspect = suspect
            self.gathering.scheduled(activity.run)
            self.activities.put(activity)
        for instance in self.instances.values():
            self.wake(instance)
        self._unread = False
        self._loaded()
        failpoint("loaded")

    # Changing

    def change(self) -> "Change":
        """Collect one change, and submit it. After an error in the middle, memory goes back to what is on disk.

        Raises:
            StorageError: there is nothing in memory to change.
        """
        self.must_be_read()
        return Change(self.writer)

    async def durably[Result](self, action: Callable[[Changes], Result]) -> Result:
        """Do ``action`` as one change and return once it is on disk."""
        with self.change() as changes:
            result = action(changes)
        await self.writer.durable()
        return result

    def add_timer(
        self, changes: Changes, kind: TimerKind, due: int, target: str, run: int, event: pb.HistoryEvent | None
    ) -> None:
        """Have ``event`` delivered to ``target`` at ``due``."""
        timer = Timer(self.next_id(), due, kind, target, run, event)
        changes.insert_timer(timer.id, due, kind, target, run, event)
        self._wait_for(timer)

    def _wait_for(self, timer: Timer) -> None:
        instance = self.instances.get(timer.target)
        if instance is not None and timer.kind != "signal":
            instance.timers.add(timer.id)
            if timer.kind == "start":
                instance.held = True
        self.timers.add(timer)

    def cancel_timers(self, changes: Changes, instance: Instance) -> None:
        """Forget all timers of an instance."""
        for timer_id in instance.timers:
            changes.delete_timer(timer_id)
            self.timers.cancel(timer_id)
        instance.timers.clear()

    # Instances

    def adopt(self, instance: Instance) -> None:
        """Keep a live instance."""
        self.instances[instance.id] = instance
        if instance.parent is not None:
            self.children.setdefault(instance.parent.instance_id, set()).add(instance.id)

    def disown(self, instance: Instance) -> None:
        """Forget an instance that is over, once that is on disk."""
        if instance.completed is None:
            return  # rewound meanwhile
        self.histories.drop(instance)
        if self.instances.get(instance.id) is not instance:
            return  # its id is another's by now, and so may be its place among its parent's children
        del self.instances[instance.id]
        if instance.parent is not None:
            siblings = self.children.get(instance.parent.instance_id, set())
            siblings.discard(instance.id)
            if not siblings:
                self.children.pop(instance.parent.instance_id, None)

    def find(self, instance_id: str) -> Instance | None:
        """Return an instance, live or over."""
        self.must_be_read()
        return self.instances.get(instance_id) or self.reader.instance(instance_id)

    def post(self, changes: Changes, instance: Instance, event: pb.HistoryEvent) -> None:
        """Put an event into an instance's inbox."""
        message_id = self.next_id()
        changes.insert_inbox(message_id, instance.id, event)
        instance.inbox.append((message_id, event))
        self.wake(instance)

    def wake(self, instance: Instance) -> None:
        """Make an instance ready when it has something to do, may do it and waits for nothing more."""
        if self._may_go_on(instance) and not self.gathering.waits(instance):
            self._make_ready(instance)

    def _make_ready(self, instance: Instance) -> None:
        if self._may_go_on(instance):
            instance.queued = True
            self.orchestrations.put(instance)

    def _may_go_on(self, instance: Instance) -> bool:
        if instance.queued or instance.held or instance.token is not None or not instance.inbox:
            return False
        return instance.status != pb.ORCHESTRATION_STATUS_SUSPENDED or any(
            event.WhichOneof("eventType") in _PASSED_ON_WHILE_SUSPENDED for _, event in instance.inbox
        )

    # Entities

    def entity(self, entity_id: str) -> Entity:
        """Return an entity; one that is not known yet is empty."""
        entity = self.entities.get(entity_id) or self._idle.pop(entity_id, None)
        if entity is None:
            entity = self.reader.entity(entity_id) or Entity(entity_id)
        self.entities[entity_id] = entity
        return entity

    def rest(self, entity: Entity) -> None:
        """Let an entity go from the live ones when nothing waits for it; the latest are kept at hand."""
        if entity.idle and self.entities.get(entity.id) is entity:
            del self.entities[entity.id]
            self._idle[entity.id] = entity
            while len(self._idle) > limits.ENTITY_CACHE:
                entity_id, oldest = self._idle.popitem(last=False)
                if oldest.sequence > self.writer.committed:
                    self._idle[entity_id] = oldest  # not on disk yet
                    break

    def drop_entity(self, entity_id: str) -> None:
        """Forget an entity that was removed."""
        self.entities.pop(entity_id, None)
        self._idle.pop(entity_id, None)

    # Handing out

    def issue(self, dispatch: Dispatch) -> str:
        """Return the token for something that is handed out; an answer with another one counts for nothing."""
        token = f"{self._life}-{next(self._tokens)}"
        self.dispatched[token] = dispatch
        if isinstance(dispatch.item, Instance):
            self.steps.add(token)
        return token

    def redeem(self, token: str, kind: type[Instance | Activity | Entity] | None = None) -> Dispatch | None:
        """Return what was handed out under ``token``, once, and only if it is of ``kind`` where one is named."""
        if kind is not None and token in self.dispatched and not isinstance(self.dispatched[token].item, kind):
            return None
        self.steps.discard(token)
        dispatch = self.dispatched.pop(token, None)
        if dispatch is not None:
            self.quarantine.leave(dispatch.item)
        return dispatch

    def ready(self, kind: WorkKind) -> Ready[Instance] | Ready[Activity] | Ready[Entity]:
        """Return what is ready of a kind."""
        return {"orchestration": self.orchestrations, "activity": self.activities, "entity": self.ready_entities}[kind]

    # Waiting

    async def wait_while(self, instance_id: str, check: Callable[[], Awaitable[bool]]) -> None:
        """Wait for changes of an instance until ``check`` says that it is enough."""
        while not await check():
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            waiting = self._waiting.setdefault(instance_id, set())
            waiting.add(future)
            try:
                await future
            finally:
                waiting.discard(future)
                if not waiting and self._waiting.get(instance_id) is waiting:
                    del self._waiting[instance_id]

    def tell(self, instance_id: str) -> None:
        """Tell whoever waits for an instance that it has changed."""
        for future in self._waiting.pop(instance_id, ()):
            if not future.done():
                future.set_result(None)


class Change:
    """Collects a change in a ``with`` block, and submits it at its end."""

    __slots__ = ("_changes", "_writer")

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._changes = Changes()

    def __enter__(self) -> Changes:
        return self._changes

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._writer.submit(self._changes)
        elif isinstance(error, StorageError):  # memory has what was done before it came to that
            log.error("A change to the hub is taken back: %s", error)
            self._writer.abort()
        elif isinstance(error, Exception) and not isinstance(error, HubError):
            log.error("A change to the hub failed halfway and is taken back.", exc_info=error)
            self._writer.abort()
