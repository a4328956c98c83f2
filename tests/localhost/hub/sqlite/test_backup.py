"""A backup is whole or not there, and whoever works on the hub does not notice."""

import shutil
import sqlite3
import stat
from contextlib import closing

import durabletask.internal.orchestrator_service_pb2 as pb
import pytest
from hub_harness.by_hand import activity, begun, finished, schedule, state

from localhost.hub.sqlite import backup, schema
from localhost.hub.sqlite.backup import BackupError, back_up
from localhost.hub.sqlite.hub import SqliteHub
from localhost.hub.sqlite.schema import HubFileError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "hub.db"


@pytest.fixture
def target(tmp_path):
    (tmp_path / "copies").mkdir()
    return tmp_path / "copies" / "copy.db"


async def test_it_holds_what_is_only_in_the_log(hub, path, target):
    """The file itself may know nothing yet; the copy needs no log."""
    await finished(hub, "over")
    await begun(hub, "one", schedule(1))
    back_up(path, target)
    assert [file.name for file in target.parent.iterdir()] == ["copy.db"]
    copy = SqliteHub(target)
    await copy.start()
    assert (await state(copy, "over")).output.value == '"done"'
    assert (await activity(copy)).request.taskId == 1
    await copy.stop()


async def test_it_changes_nothing_of_the_hub(hub, path, target):
    """Neither file nor log: it can neither write nor fold the log, not even when it closes as the last."""
    for number in range(20):
        await finished(hub, str(number))
    files = (path, path.with_name("hub.db-wal"))
    before = [file.read_bytes() for file in files]
    with closing(schema.open_reader(path)) as reader:
        reader.execute("SELECT * FROM instances").fetchall()
        with pytest.raises(sqlite3.OperationalError):
            reader.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    back_up(path, target)
    assert [file.read_bytes() for file in files] == before
    killed = target.parent / "killed"
    killed.mkdir()
    for file in files:
        shutil.copy(file, killed)
    back_up(killed / "hub.db", killed / "copy.db")
    assert [(killed / file.name).read_bytes() for file in files] == before


async def test_it_is_smaller_than_a_file_with_free_pages(hub, path, target):
    """What was purged takes no room in it."""
    for number in range(20):
        await finished(hub, str(number), f'"{"x" * 50_000}"')
    await hub.purge(pb.PurgeInstancesRequest(purgeInstanceFilter=pb.PurgeInstanceFilter()))
    await hub.stop()
    assert back_up(path, target) == target.stat().st_size
    assert target.stat().st_size < path.stat().st_size / 4


async def test_nobody_else_may_read_it(hub, path, target):
    """Inputs and outputs are in it."""
    await finished(hub)
    back_up(path, target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


async def test_it_replaces_nothing(hub, path, target):
    target.write_text("precious")
    with pytest.raises(BackupError, match="replaces nothing"):
        back_up(path, target)
    assert target.read_text() == "precious"


async def test_somebody_else_may_take_the_name_meanwhile(hub, path, target, monkeypatch):
    monkeypatch.setattr(backup, "_examine", lambda staged: target.write_text("precious"))
    with pytest.raises(BackupError, match="replaces nothing"):
        back_up(path, target)
    assert target.read_text() == "precious"
    assert [file.name for file in target.parent.iterdir()] == ["copy.db"]


async def test_what_goes_wrong_leaves_nothing_behind(hub, path, target, monkeypatch, tmp_path):
    """A copy that is not sound, a hub that is damaged, a folder that is none."""
    for number in range(50):
        await finished(hub, str(number), f'"{"x" * 5_000}"')
    await hub.stop()

    def unsound(staged):
        raise BackupError("not sound")

    with monkeypatch.context() as patch:
        patch.setattr(backup, "_examine", unsound)
        with pytest.raises(BackupError, match="not sound"):
            back_up(path, target)
    with pytest.raises(BackupError, match="cannot be written"):
        back_up(path, path / "copy.db")
    content = path.read_bytes()
    path.write_bytes(content[:8192] + bytes(len(content) // 2) + content[8192 + len(content) // 2 :])
    with pytest.raises(HubFileError, match="is damaged"):
        back_up(path, target)
    assert list(target.parent.iterdir()) == []
