"""The file: who may open it, what happens when the disk refuses, and what is left after a damaged log."""

import asyncio
import shutil
import sqlite3
import subprocess
import sys

import pytest
from hub_harness.by_hand import (
    activity,
    begun,
    complete,
    finished,
    nothing,
    raised,
    schedule,
    start,
    state,
    step,
    timer,
)

from localhost.hub.sqlite import log_file, writer
from localhost.hub.sqlite.hub import SqliteHub
from localhost.hub.sqlite.schema import HubFileError
from localhost.hub.sqlite.writer import StorageError


async def test_a_hub_is_open_once(hub, tmp_path):
    with pytest.raises(HubFileError, match="open in another host"):
        await SqliteHub(tmp_path / "hub.db").start()


async def test_a_hub_that_another_process_has_is_refused(tmp_path):
    program = (
        "import asyncio, sys; from pathlib import Path; from localhost.hub.sqlite.hub import SqliteHub\n"
        "async def main():\n hub = SqliteHub(Path(sys.argv[1])); await hub.start(); print('up', flush=True)\n"
        " await asyncio.to_thread(sys.stdin.read)\n"
        "asyncio.run(main())"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "hub.db")]
    process = await asyncio.to_thread(
        lambda: subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    )
    with process:
        assert process.stdout.readline() == "up\n"
        with pytest.raises(HubFileError, match=f"process {process.pid}"):
            await SqliteHub(tmp_path / "hub.db").start()
        process.kill()
    hub = SqliteHub(tmp_path / "hub.db")
    await hub.start()
    await hub.stop()


async def test_a_closed_hub_can_be_opened_again(hub):
    await begun(hub, "one", schedule(1))
    await hub.stop()
    await hub.start()
    assert (await activity(hub)).request.taskId == 1


async def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "hub.db").write_bytes(b"SQLite format 3\0" + b"x" * 8192)
    with pytest.raises(HubFileError, match=r"cannot be opened|damaged"):
        await SqliteHub(tmp_path / "hub.db").start()


async def test_a_file_of_a_later_version_is_refused(hub, tmp_path):
    await hub.stop()
    with sqlite3.connect(tmp_path / "hub.db") as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(HubFileError, match="format 99"):
        await SqliteHub(tmp_path / "hub.db").start()
    with sqlite3.connect(tmp_path / "hub.db") as connection:
        connection.execute("PRAGMA user_version=1")
    connection.close()
    await hub.start()


async def test_every_commit_waits_for_the_disk(hub):
    connection = hub._state.writer._connection
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
    assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)


async def test_readers_cannot_write(hub):
    with pytest.raises(StorageError, match="readonly"):
        hub._state.reader.rows("DELETE FROM instances")


async def test_changes_share_commits(hub):
    before = hub._state.writer._round
    await asyncio.gather(*[start(hub, str(n)) for n in range(100)])
    assert hub._state.writer._round - before < 10


async def test_the_log_is_folded_into_the_file(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "CHECKPOINT_BYTES", 100_000)
    for number in range(30):
        await start(hub, str(number), payload="x" * 20_000)
    assert hub._state.writer._log.used() < 300_000
    assert (tmp_path / "hub.db").stat().st_size > 300_000


async def test_the_log_is_long_before_it_is_needed_and_stays_so(hub, tmp_path, monkeypatch):
    """Commits overwrite it: the file system need not write down its length each time."""
    log = tmp_path / "hub.db-wal"
    length = log.stat().st_size
    assert length == log_file.PREPARED_BYTES
    monkeypatch.setattr(writer, "CHECKPOINT_BYTES", 100_000)
    used = []
    for number in range(30):
        await start(hub, str(number), payload="x" * 20_000)
        used.append(hub._state.writer._log.used())
    assert used != sorted(used)  # it begins again
    assert log.stat().st_size == length


async def test_a_reader_that_stays_keeps_the_log_but_stops_nobody(hub, tmp_path, monkeypatch):
    """What it reads stays as it was; once it is gone, the log is folded."""
    monkeypatch.setattr(writer, "CHECKPOINT_BYTES", 100_000)
    monkeypatch.setattr(writer, "CHECKPOINT_PAUSE", 0.0)
    await start(hub, "first")
    reader = sqlite3.connect(tmp_path / "hub.db", isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM instances").fetchone() == (1,)
    for number in range(30):
        await start(hub, str(number), payload="x" * 20_000)
    assert reader.execute("SELECT count(*) FROM instances").fetchone() == (1,)
    assert hub._state.writer._log.used() > 600_000
    reader.execute("COMMIT")
    reader.close()
    for number in range(30, 33):
        await start(hub, str(number))
    assert hub._state.writer._log.used() < 300_000


class Refusing:
    """A connection on a disk that is full."""

    def __init__(self, connection, refuse):
        self._connection = connection
        self._refuse = refuse

    def execute(self, sql, *values):
        if self._refuse(sql):
            raise sqlite3.OperationalError("database or disk is full")
        return self._connection.execute(sql, *values)

    def __getattr__(self, name):
        return getattr(self._connection, name)


@pytest.mark.parametrize("where", ["BEGIN", "INSERT INTO instances", "COMMIT"])
async def test_what_the_disk_refuses_has_not_happened(hub, where):
    await start(hub, "before")
    real = hub._state.writer._connection
    hub._state.writer._connection = Refusing(real, lambda sql: sql.startswith(where))
    with pytest.raises(StorageError, match="disk is full"):
        await start(hub, "during")
    hub._state.writer._connection = real
    assert await hub.get_instance("during", payloads=False) is None
    await start(hub, "during")
    assert {(await step(hub)).instance, (await step(hub)).instance} == {"before", "during"}


async def test_work_that_was_out_when_the_disk_refused_comes_again(hub):
    await begun(hub, "one", schedule(1))
    work = await activity(hub)
    real = hub._state.writer._connection
    hub._state.writer._connection = Refusing(real, lambda sql: sql == "COMMIT")
    with pytest.raises(StorageError):
        await work.reply()
    hub._state.writer._connection = real
    await work.reply('"late"')
    await (await activity(hub)).reply('"right"')
    taken = await step(hub)
    assert [e.taskCompleted.result.value for e in taken.news] == ['"right"']
    await taken.reply(complete('"done"'))
    assert (await state(hub)).output.value == '"done"'


async def test_an_error_halfway_through_a_change_is_taken_back(hub, monkeypatch):
    await begun(hub)
    await raised(hub)
    taken = await step(hub)

    def broken(*_):
        raise RuntimeError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(hub._steps, "set_timer", broken)
        with pytest.raises(RuntimeError):
            await taken.reply(schedule(1), timer(2, 0))
    assert await nothing(hub, "activity")
    taken = await step(hub)
    assert taken.kinds == ["eventRaised"]
    await taken.reply(complete("1"))
    assert (await state(hub)).output.value == "1"


@pytest.mark.parametrize("cut", range(12))
async def test_a_log_that_was_cut_short_opens_with_whole_commits(hub, tmp_path, cut):
    for number in range(10):
        await begun(hub, str(number), schedule(1))
    await hub._state.writer.durable()
    copy = tmp_path / f"cut-{cut}"
    copy.mkdir()
    shutil.copy(tmp_path / "hub.db", copy / "hub.db")
    log = (tmp_path / "hub.db-wal").read_bytes()[: hub._state.writer._log.used()]
    (copy / "hub.db-wal").write_bytes(log[: len(log) * cut // 12 + cut * 7])
    after = SqliteHub(copy / "hub.db")
    await after.start()
    rows = after._state.reader.rows
    assert rows("PRAGMA integrity_check") == [("ok",)]
    # Of each start and each step, all is there or nothing: an instance without history still has its first event.
    started = rows("SELECT count(*) FROM instances")[0][0]
    stepped = rows("SELECT count(*) FROM history")[0][0]
    assert started - stepped == rows("SELECT count(*) FROM inbox")[0][0]
    assert stepped == rows("SELECT count(*) FROM activities")[0][0]
    await after.stop()


async def test_a_damaged_last_frame_loses_that_commit_alone(hub, tmp_path):
    await finished(hub)
    await start(hub, "two")
    copy = tmp_path / "damaged"
    copy.mkdir()
    shutil.copy(tmp_path / "hub.db", copy / "hub.db")
    log = bytearray((tmp_path / "hub.db-wal").read_bytes())
    log[hub._state.writer._log.used() - 100] ^= 0xFF
    (copy / "hub.db-wal").write_bytes(log)
    after = SqliteHub(copy / "hub.db")
    await after.start()
    assert (await state(after)).output.value == '"done"'
    assert await after.get_instance("two", payloads=False) is None
    await after.stop()


async def test_a_log_that_cannot_be_folded_loses_nothing(hub, monkeypatch, crash):
    monkeypatch.setattr(writer, "CHECKPOINT_BYTES", 0)
    real = hub._state.writer._connection
    hub._state.writer._connection = Refusing(real, lambda sql: "checkpoint" in sql)
    await start(hub)
    hub._state.writer._connection = real
    async with crash() as after:
        assert (await step(after)).instance == "one"


async def test_a_backup_of_a_running_hub_is_a_hub(hub, tmp_path):
    await finished(hub, "over")
    await begun(hub, "one", schedule(1))
    starting = [asyncio.create_task(start(hub, f"more-{n}")) for n in range(50)]
    await hub.backup(tmp_path / "backup.db")
    await asyncio.gather(*starting)
    after = SqliteHub(tmp_path / "backup.db")
    await after.start()
    assert (await state(after, "over")).output.value == '"done"'
    assert (await activity(after)).request.taskId == 1
    await after.stop()


async def test_a_hub_that_could_not_start_can_be_stopped(hub, tmp_path):
    second = SqliteHub(tmp_path / "hub.db")
    with pytest.raises(HubFileError):
        await second.start()
    await second.stop()
