"""What the disk refuses is said in the words of each door, and a message that nobody knows harms nobody."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from types import SimpleNamespace

import durabletask.internal.orchestrator_service_pb2 as pb
import grpc
import pytest
from hub_harness.by_hand import (
    COMPLETED,
    Batch,
    activity,
    batch,
    begun,
    call,
    child,
    complete,
    raised,
    schedule,
    signalled,
    start,
    state,
    step,
)
from hub_harness.served import served, stub_of

from localhost.host.refusals import refusing
from localhost.hub.interface import StorageError
from localhost.hub.sqlite import state as live
from localhost.hub.sqlite import writer
from localhost.hub.sqlite.hub import SqliteHub
from localhost.hub.sqlite.schema import HubFileError


class Full:
    """A connection on a disk that is full."""

    def __init__(self, connection):
        self._connection = connection

    def execute(self, sql, *values):
        if sql == "COMMIT":
            raise sqlite3.OperationalError("database or disk is full")
        return self._connection.execute(sql, *values)

    def __getattr__(self, name):
        return getattr(self._connection, name)


async def test_over_grpc_a_full_disk_is_unavailable_until_there_is_room(hub):
    real = hub._state.writer._connection
    async with served(hub) as address, stub_of(address) as stub:
        hub._state.writer._connection = Full(real)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.StartInstance(pb.CreateInstanceRequest(instanceId="one", name="f"))
        hub._state.writer._connection = real
        await stub.StartInstance(pb.CreateInstanceRequest(instanceId="one", name="f"))
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "disk is full" in refused.value.details()


class Unreadable:
    """A connection on a disk that gives nothing."""

    error = sqlite3.OperationalError("disk I/O error")

    def execute(self, *_):
        raise self.error


class Torn(Unreadable):
    """A connection to a file with a page that makes no sense."""

    error = sqlite3.DatabaseError("database disk image is malformed")


async def test_over_grpc_a_disk_that_gives_nothing_is_unavailable(hub, monkeypatch):
    await start(hub, "one")
    async with served(hub) as address, stub_of(address) as stub:
        with monkeypatch.context() as patched:
            patched.setattr(hub._state.reader, "_connection", Unreadable())
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.GetInstance(pb.GetInstanceRequest(instanceId="one"))
        assert (await stub.GetInstance(pb.GetInstanceRequest(instanceId="one"))).exists
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "disk I/O error" in refused.value.details()


async def test_a_disk_that_neither_takes_nor_gives_is_asked_again(hub, monkeypatch):
    """What was refused is read again; a hub that gave up would know nothing until it is restarted."""
    monkeypatch.setattr(live, "DISK_PAUSE", 0.01)
    await start(hub, "one")
    with monkeypatch.context() as patched:
        patched.setattr(hub._state.writer, "_connection", Full(hub._state.writer._connection))
        patched.setattr(hub._state.reader, "_connection", Unreadable())
        with pytest.raises(StorageError):
            await start(hub, "two")
    assert (await step(hub)).instance == "one"
    await start(hub, "two")
    assert (await step(hub)).instance == "two"


@pytest.mark.parametrize("action", [child(1), call(1)])
async def test_a_step_whose_outcome_needs_what_the_disk_does_not_give_is_made_again(hub, monkeypatch, action):
    """Nothing of it has happened: no child has failed for it, and nothing of the step stays in memory alone."""
    monkeypatch.setattr(live, "DISK_PAUSE", 0.01)
    await start(hub)
    taken = await step(hub)
    with monkeypatch.context() as patched:
        patched.setattr(hub._state.reader, "_connection", Unreadable())
        with pytest.raises(StorageError):
            await taken.reply(action)
    made_again = await step(hub)
    assert made_again.kinds == ["executionStarted"]
    await made_again.reply(complete())
    assert (await state(hub)).orchestrationStatus == COMPLETED


async def test_what_an_entity_starts_is_not_lost_where_the_disk_gives_nothing(hub, monkeypatch):
    monkeypatch.setattr(live, "DISK_PAUSE", 0.01)
    starting = pb.OperationAction(startNewOrchestration=pb.StartNewOrchestrationAction(name="f", instanceId="one"))
    await signalled(hub)
    taken = await batch(hub)
    with monkeypatch.context() as patched:
        patched.setattr(hub._state.reader, "_connection", Unreadable())
        with pytest.raises(StorageError):
            await taken.reply("1", starting)
    made_again: Batch = await batch(hub)
    assert (made_again.operations, made_again.state) == (["op"], None)
    await made_again.reply("1", starting)
    assert (await step(hub)).instance == "one"


@pytest.mark.parametrize("disk", [Unreadable, Torn])
async def test_nobody_takes_for_over_what_could_not_be_read(hub, monkeypatch, disk):
    """Until memory is read anew it is empty; whoever asks meanwhile is refused, and whoever waits goes on waiting."""
    monkeypatch.setattr(live, "DISK_PAUSE", 0.01)
    await begun(hub)
    await start(hub, "two")
    waiting = asyncio.create_task(hub.wait_for_instance("one", "completed", payloads=False))
    await asyncio.sleep(0)
    with monkeypatch.context() as patched:
        patched.setattr(hub._state.reader, "_connection", disk())
        hub._state.writer.abort()
    with pytest.raises(StorageError):
        await raised(hub)
    with pytest.raises(StorageError):
        await hub.wait_for_instance("one", "completed", payloads=False)
    assert (await step(hub)).instance == "two"
    await raised(hub)
    await (await step(hub)).reply(complete())
    assert (await waiting).orchestrationStatus == COMPLETED


async def test_a_log_that_cannot_be_looked_at_stops_no_commit(hub, monkeypatch):
    """What is on disk is not said to be refused, and the thread that commits lives on."""
    monkeypatch.setattr(writer, "FEW", -1)
    used = hub._state.writer._log.used

    def stale():
        if threading.current_thread() is hub._state.writer._thread:
            raise OSError("stale file handle")
        return used()

    monkeypatch.setattr(hub._state.writer._log, "used", stale)
    await start(hub, "one")
    await start(hub, "two")
    assert hub._state.writer._thread.is_alive()


async def test_what_comes_while_the_hub_closes_is_written_or_refused(hub, monkeypatch):
    """Nothing is handed to the thread that has ended: the event loop would wait for it for ever."""
    monkeypatch.setattr(writer, "FEW", -1)
    late = []
    await begun(hub)

    async def meanwhile(join):
        join()
        hub._state.writer._begun = None  # whoever looks whether the thread has begun waits in vain
        late.append(asyncio.create_task(raised(hub)))
        await asyncio.sleep(0.01)

    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "to_thread", meanwhile)
        await hub.stop()
    await late.pop()
    with pytest.raises(StorageError):
        await start(hub, "two")
    await hub.start()
    assert (await step(hub)).kinds == ["eventRaised"]


async def test_over_http_a_full_disk_is_503(hub):
    real = hub._state.writer._connection

    async def begin(_call):
        await start(hub)

    hub._state.writer._connection = Full(real)
    answer = await refusing(begin)(SimpleNamespace())
    hub._state.writer._connection = real
    assert answer.status_code == 503
    assert b"disk is full" in answer.body


async def test_a_hub_where_nothing_can_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(HubFileError, match="cannot be opened"):
        await SqliteHub(tmp_path / "file" / "hub.db").start()


async def test_a_disk_that_is_full_at_the_start_is_a_refusal(hub, monkeypatch):
    await hub.stop()
    real = writer.Writer._commit

    def full(_self):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(writer.Writer, "_commit", full)
    with pytest.raises(StorageError, match="disk is full"):
        await hub.start()
    monkeypatch.setattr(writer.Writer, "_commit", real)


async def test_messages_of_an_unknown_kind_are_left_where_they_are(hub, tmp_path):
    """As a later version may have written them; a worker that skipped one would do the next one twice."""
    await begun(hub)
    await signalled(hub)
    await hub.stop()
    unknown = pb.HistoryEvent(eventId=-1).SerializeToString() + b"\xba\x3e\x02hi"  # field 999
    with closing(sqlite3.connect(tmp_path / "hub.db")) as connection, connection:
        connection.execute("INSERT INTO inbox VALUES (0, 'one', ?)", [unknown])
        connection.execute("INSERT INTO operations VALUES (0, '@e@1', ?)", [unknown])
    await hub.start()
    assert (await batch(hub)).operations == ["op"]
    await start(hub, "two")
    assert (await step(hub)).instance == "two"
    assert hub._state.reader.rows("SELECT count(*) FROM inbox WHERE id=0") == [(1,)]


async def test_a_disk_that_is_full_after_a_crash_does_not_end_the_taking_of_work(hub, crash, monkeypatch):
    """What was out at the crash is counted before it goes out; a host whose takers die of a refusal would be idle."""
    monkeypatch.setattr(live, "DISK_PAUSE", 0.01)
    await begun(hub, "one", schedule(1))
    await activity(hub)
    async with crash() as after:
        real = after._state.writer._connection
        after._state.writer._connection = Full(real)
        taken = await activity(after)
        after._state.writer._connection = real
        await taken.reply()
        assert (await step(after)).kinds == ["taskCompleted"]
