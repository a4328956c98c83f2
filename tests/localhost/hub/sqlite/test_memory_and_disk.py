"""Whatever is asked of a hub in whatever order, and whatever the disk refuses: memory holds what the disk holds."""

import asyncio
import random
import sqlite3
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import durabletask.internal.orchestrator_service_pb2 as pb
import pytest
from hub_harness.by_hand import (
    Batch,
    Step,
    Work,
    again,
    call,
    child,
    complete,
    fail,
    lock,
    raised,
    schedule,
    send,
    signal,
    signalled,
    terminated,
    timer,
)

from localhost.hub.interface import HubError
from localhost.hub.sqlite import state, work, writer

IDS = [f"i{number}" for number in range(5)]
ENTITIES = [f"@e@{number}" for number in range(3)]
A_WHILE = 0.003


class Moody:
    """A reading connection on a disk that gives nothing now and then."""

    def __init__(self, connection, refuses):
        self._connection = connection
        self._refuses = refuses

    def execute(self, *query):
        if self._refuses():
            raise sqlite3.OperationalError("disk I/O error")
        return self._connection.execute(*query)

    def close(self):
        self._connection.close()


class Chance:
    """Clients and workers of one hub that do anything at any time, as a seed has it."""

    def __init__(self, hub, seed):
        self.hub = hub
        self.random = random.Random(seed)
        self.numbers = iter(range(1_000_000))

    async def pause(self):
        await asyncio.sleep(self.random.random() * A_WHILE)

    async def asks(self, times):
        requests = [self.starts] * 3 + [self.raises] * 2 + [self.ends] + [self.others] * 2
        for _ in range(times):
            with suppress(HubError):  # refused, for its state or by the disk
                await self.random.choice(requests)(self.random.choice(IDS))
            await self.pause()

    async def starts(self, name):
        request = pb.CreateInstanceRequest(instanceId=name, name="f")
        if self.random.random() < 0.4:
            request.orchestrationIdReusePolicy.replaceableStatus.extend(range(8))
        if self.random.random() < 0.2:
            request.scheduledStartTimestamp.FromDatetime(datetime.now(UTC) + timedelta(seconds=0.02))
        await self.hub.start_instance(request)

    async def raises(self, name):
        await raised(self.hub, name)

    async def ends(self, name):
        await terminated(self.hub, name, recursive=self.random.random() < 0.5)

    async def others(self, name):
        await self.random.choice(
            [
                lambda: self.hub.suspend(pb.SuspendRequest(instanceId=name)),
                lambda: self.hub.resume(pb.ResumeRequest(instanceId=name)),
                lambda: self.hub.purge(pb.PurgeInstancesRequest(instanceId=name, recursive=True)),
                lambda: self.hub.rewind(pb.RewindInstanceRequest(instanceId=name)),
                lambda: self.hub.restart(pb.RestartInstanceRequest(instanceId=name)),
                lambda: self.hub.clean_entities(pb.CleanEntityStorageRequest(removeEmptyEntities=True)),
                lambda: signalled(self.hub, self.random.choice(ENTITIES)),
            ]
        )()

    async def works(self, kind, answer):
        while True:
            item = await self.hub.take(kind)
            await self.pause()
            with suppress(HubError):  # the disk refused it; it comes again
                if self.random.random() < 0.1:
                    await self.hub.abandon(kind, item.completionToken, declined=self.random.random() < 0.5)
                else:
                    await answer(item)

    async def steps(self, item):
        taken = Step(self.hub, item)
        request = item.orchestratorRequest
        if "executionRewound" in taken.kinds:
            kept = [e for e in (*request.pastEvents, *request.newEvents) if not e.HasField("executionCompleted")]
            rewound = pb.RewindOrchestrationAction(newHistory=kept)
            await taken.reply(pb.OrchestratorAction(id=-1, rewindOrchestration=rewound))
            return
        actions = [self.action(next(self.numbers)) for _ in range(self.random.randrange(4))]
        ending = self.random.choices([complete, fail, again, None], [15, 10, 10, 65])[0]
        await taken.reply(*actions, *([ending()] if ending else []))

    def action(self, number):
        entity = self.random.choice(ENTITIES)
        return self.random.choice(
            [
                lambda: schedule(number),
                lambda: timer(number, self.random.random() * 0.02),
                lambda: child(number, self.random.choice(IDS)),
                lambda: send(number, self.random.choice(IDS)),
                lambda: call(number, entity),
                lambda: signal(number, entity, seconds=self.random.choice([0, 0.01])),
                lambda: lock(number, f"section {number}", *self.random.sample(ENTITIES, 2)),
            ]
        )()

    async def runs(self, item):
        await Work(self.hub, item).reply()

    async def serves(self, item):
        starting = pb.StartNewOrchestrationAction(name="f", instanceId=self.random.choice(IDS))
        actions = [pb.OperationAction(startNewOrchestration=starting)] if self.random.random() < 0.2 else []
        await Batch(self.hub, item).reply(self.random.choice([None, "1"]), *actions)


def differences(state):
    """Return what is in memory and not on disk, or the other way."""
    disk = {one.id: one for one in state.reader.instances("WHERE completed IS NULL")}
    live = {name: one for name, one in state.instances.items() if one.completed is None}
    inbox = {name: [] for name in disk}
    for number, name, _event in state.reader.messages("inbox"):
        inbox.setdefault(name, []).append(number)
    operations = {}
    for number, name, _event in state.reader.messages("operations"):
        operations.setdefault(name, []).append(number)

    def fields(one):
        return one.status, one.run, one.execution_id, one.version, one.custom_status, one.parent

    def lock_of(one):
        return one.state, one.lock_section, one.lock_owner

    pairs = {
        "instances": ({n: fields(o) for n, o in disk.items()}, {n: fields(o) for n, o in live.items()}),
        "messages": (inbox, {n: [number for number, _ in o.inbox] for n, o in live.items()}),
        "operations": (operations, {n: [m[0] for m in e.queue] for n, e in state.entities.items() if e.queue}),
        "timers": ({one.id for one in state.reader.timers()}, set(state.timers._timers)),
        "children": (
            {(one.parent.instance_id, n) for n, one in disk.items() if one.parent},
            {(parent, n) for parent, names in state.children.items() for n in names if n in live},
        ),
        "locks": (
            {e.id: lock_of(e) for e in state.reader.entities("WHERE lock_section IS NOT NULL")},
            {n: lock_of(e) for n, e in state.entities.items() if e.lock_section is not None},
        ),
        "holders": (
            {e.lock_owner for e in state.reader.entities("WHERE lock_section IS NOT NULL")} - set(disk),
            set[str](),
        ),
    }
    return {what: pair for what, pair in pairs.items() if pair[0] != pair[1]}


@pytest.mark.parametrize("seed", range(6))
async def test_memory_holds_what_the_disk_holds(hub, monkeypatch, caplog, seed):
    """Every path that changes one and not the other shows here, sooner or later, and with it the seed."""
    monkeypatch.setattr(writer, "FEW", -1 if seed % 2 else 4)  # commits in a thread, or on the event loop
    monkeypatch.setattr(state, "DISK_PAUSE", 0.001)
    monkeypatch.setattr(work, "LONGEST_PAUSE", 0.001)
    chance, disk = Chance(hub, seed), hub._state.writer
    refusing, commit = [0.05], disk._commit

    def maybe():
        if chance.random.random() < refusing[0]:
            raise sqlite3.OperationalError("disk is full")
        commit()

    monkeypatch.setattr(disk, "_commit", maybe)
    reading = Moody(hub._state.reader._connection, lambda: chance.random.random() < refusing[0])
    monkeypatch.setattr(hub._state.reader, "_connection", reading)
    answers = [("orchestration", chance.steps)] * 3 + [("activity", chance.runs), ("entity", chance.serves)] * 2
    workers = [asyncio.create_task(chance.works(*answer)) for answer in answers]
    for _ in range(3):
        refusing[0] = 0.05
        await asyncio.gather(*[chance.asks(40) for _ in range(4)])
        refusing[0] = 0.0
        with suppress(HubError):  # a commit that was under way may yet be refused
            await disk.durable()
        while disk.committed != disk._submitted or hub._state._unread:
            await chance.pause()
        assert differences(hub._state) == {}
        assert not [one for one in workers if one.done()]
    for one in workers:
        one.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    assert "failed halfway" not in caplog.text
