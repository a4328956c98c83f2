"""What the disk refuses is said in the words of each door, and a message that nobody knows harms nobody."""

import sqlite3
from contextlib import closing
from types import SimpleNamespace

import durabletask.internal.orchestrator_service_pb2 as pb
import grpc
import pytest
from hub_harness.by_hand import activity, batch, begun, schedule, signalled, start, step
from hub_harness.served import served, stub_of

from localhost.host.refusals import refusing
from localhost.hub.interface import StorageError
from localhost.hub.sqlite import state
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

    def execute(self, *_):
        raise sqlite3.OperationalError("disk I/O error")


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
    monkeypatch.setattr(state, "DISK_PAUSE", 0.01)
    await start(hub, "one")
    with monkeypatch.context() as patched:
        patched.setattr(hub._state.writer, "_connection", Full(hub._state.writer._connection))
        patched.setattr(hub._state.reader, "_connection", Unreadable())
        with pytest.raises(StorageError):
            await start(hub, "two")
    assert (await step(hub)).instance == "one"
    await start(hub, "two")
    assert (await step(hub)).instance == "two"


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
    from localhost.hub.sqlite import writer

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
    monkeypatch.setattr(state, "DISK_PAUSE", 0.01)
    await begun(hub, "one", schedule(1))
    await activity(hub)
    async with crash() as after:
        real = after._state.writer._connection
        after._state.writer._connection = Full(real)
        taken = await activity(after)
        after._state.writer._connection = real
        await taken.reply()
        assert (await step(after)).kinds == ["taskCompleted"]
