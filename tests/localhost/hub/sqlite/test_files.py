"""Files that are not what a hub expects are refused, and left as they were."""

import asyncio
import os
import shutil
import sqlite3
import struct
from contextlib import closing

import pytest
from hub_harness.by_hand import begun, call, finished, raised, schedule, start, state, step, timer

from localhost.hub.sqlite import schema
from localhost.hub.sqlite.checkup.examine import examine
from localhost.hub.sqlite.hub import SqliteHub
from localhost.hub.sqlite.schema import HubFileError

PAGE = 4096


def bytes_of(folder):
    """What is in the file and its log; SQLite leaves an empty log behind."""
    contents = {path.name: path.read_bytes() for path in (folder / "hub.db", folder / "hub.db-wal") if path.exists()}
    return {name: content for name, content in contents.items() if content}


async def refused(path, match):
    before = bytes_of(path.parent)
    with pytest.raises(HubFileError, match=match):
        await SqliteHub(path).start()
    assert bytes_of(path.parent) == before


async def filled(path, instances=100):
    """Make a hub that was stopped in order: everything is in one file."""
    hub = SqliteHub(path)
    await hub.start()
    for number in range(instances):
        await finished(hub, str(number), f'"{"x" * 6_000}"')
    await hub.stop()
    assert not path.with_name(path.name + "-wal").exists()


def roots(path):
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT name, rootpage FROM sqlite_master WHERE rootpage > 0").fetchall())


def damage(path, page):
    content = bytearray(path.read_bytes())
    content[(page - 1) * PAGE : page * PAGE] = bytes(range(256)) * (PAGE // 256)
    path.write_bytes(content)


async def test_a_file_that_a_tool_is_writing_to_is_refused_in_a_sentence(tmp_path):
    """And can be opened once the tool has ended."""
    path = tmp_path / "hub.db"
    await filled(path, 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as tool:
        tool.execute("BEGIN IMMEDIATE")
        with pytest.raises(HubFileError, match="cannot be opened: database is locked"):
            await SqliteHub(path).start()
    hub = SqliteHub(path)
    await hub.start()
    await hub.stop()


@pytest.mark.parametrize("table", ["instances", "history", "payloads"])
async def test_a_damaged_page_in_the_middle_is_found_at_the_start(tmp_path, table):
    path = tmp_path / "hub.db"
    await filled(path)
    damage(path, roots(path)[table])
    await refused(path, f"{path}' is damaged.*backup")


async def test_a_damaged_page_of_a_payload_is_found_at_the_start(tmp_path):
    path = tmp_path / "hub.db"
    await filled(path)
    content = path.read_bytes()
    pages = [n for n in range(2, len(content) // PAGE) if content[n * PAGE + 4 : n * PAGE + 3_000].strip(b"x") == b""]
    damage(path, pages[len(pages) // 2] + 1)
    await refused(path, f"{path}' is damaged.*backup")


@pytest.mark.parametrize("part", [0.5, 0.98])
async def test_a_file_that_was_cut_short_is_refused(tmp_path, part):
    path = tmp_path / "hub.db"
    await filled(path)
    os.truncate(path, int(path.stat().st_size * part) // PAGE * PAGE)
    await refused(path, f"{path}' is damaged.*backup")


async def test_an_empty_file_is_not_taken_for_a_new_hub(tmp_path):
    """Beginning anew on it would hide that everything is lost."""
    path = tmp_path / "hub.db"
    await filled(path)
    os.truncate(path, 0)
    await refused(path, "is empty.*backup")


async def test_a_log_without_its_file_is_refused(hub, tmp_path):
    """It holds what was acknowledged; a new hub would throw it away."""
    await finished(hub)
    (tmp_path / "rest").mkdir()
    shutil.copy(tmp_path / "hub.db-wal", tmp_path / "rest" / "hub.db-wal")
    await refused(tmp_path / "rest" / "hub.db", "is gone.*Put the file back")


@pytest.mark.parametrize("version", [0, 1, 7])
async def test_another_programs_database_is_refused(tmp_path, version):
    path = tmp_path / "hub.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE films(title)")
        connection.execute(f"PRAGMA user_version={version}")
    await refused(path, "no task hub.*--data")


async def test_what_is_no_database_is_refused(tmp_path):
    (tmp_path / "hub.db").write_text("Dear diary,\n" * 1000)
    await refused(tmp_path / "hub.db", "no SQLite file")


async def test_a_crash_while_a_hub_is_made_leaves_none(tmp_path):
    """What was begun is thrown away by the next start."""
    (tmp_path / "hub.db.new").write_bytes(struct.pack("<I", 7) * 500)
    await filled(tmp_path / "hub.db", 1)
    assert not (tmp_path / "hub.db.new").exists()


async def test_a_hub_is_open_once_whatever_it_is_called(hub, tmp_path):
    """A link to the file is the same hub, with the same lock and the same log."""
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "linked.db"
    link.symlink_to(tmp_path / "hub.db")
    await refused(link, f"process {os.getpid()}")
    await finished(hub)
    await hub.stop()
    through_link = SqliteHub(link)
    await through_link.start()
    assert (await state(through_link)).output.value == '"done"'
    await through_link.stop()


async def test_who_has_a_hub_can_be_asked_without_being_in_the_way(hub, tmp_path):
    """While it is open, and no longer."""
    found = schema.holder(tmp_path / "hub.db")
    assert found is not None
    assert found.process == os.getpid()
    (tmp_path / "hub.db.lock").write_text(" 4194304999")
    assert schema.holder(tmp_path / "hub.db") is None
    assert schema.holder(tmp_path / "none.db") is None


WOUNDS = {
    "a message": "UPDATE inbox SET event=x'ffffffff'",
    "a message that is text": "UPDATE inbox SET event='abc'",
    "an operation": "UPDATE operations SET event=x'ffffffff'",
    "an activity": "UPDATE activities SET request=x'ffffffff'",
    "a timer": "UPDATE timers SET event=x'ffffffff'",
    "a timer's kind": "UPDATE timers SET kind='nonsense'",
    "a timer's time": "UPDATE timers SET due='soon'",
    "tags": "UPDATE instances SET tags='{'",
    "a name": "UPDATE instances SET name=CAST(x'ff' AS TEXT)",
    "an id": "UPDATE instances SET id=x'00ff'",
    "a column": "ALTER TABLE instances DROP COLUMN trace",
}


@pytest.mark.parametrize("wound", WOUNDS)
async def test_a_row_that_no_host_wrote_is_told_in_a_sentence(tmp_path, wound):
    """By the host, which lets go of the file, and by who examines it; both ended with a traceback."""
    path = tmp_path / "hub.db"
    hub = SqliteHub(path)
    await hub.start()
    await begun(hub, "one", schedule(1), timer(2, 1_000), call(3))
    await raised(hub)
    await hub.stop()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(WOUNDS[wound])
    await refused(path, r"damaged|cannot be opened")
    with pytest.raises(HubFileError, match=r"damaged|cannot be opened"):
        examine(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for table in ("timers", "inbox", "operations", "activities"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute("DELETE FROM instances")
    if wound != "a column":
        await hub.start()  # the file that was refused is not held
        await hub.stop()


async def test_a_history_that_cannot_be_read_ends_its_instance_alone(tmp_path):
    """Whoever took it died of it, and took nothing any more."""
    path = tmp_path / "hub.db"
    hub = SqliteHub(path)
    await hub.start()
    await begun(hub)
    await raised(hub)
    await hub.stop()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE history SET events=x'ffffffff'")
    await hub.start()
    try:
        taking = asyncio.create_task(step(hub))
        await hub.wait_for_instance("one", "completed", payloads=False)
        assert (await state(hub)).failureDetails.errorType == "HistoryUnreadable"
        await start(hub, "two")
        assert (await taking).instance == "two"
    finally:
        await hub.stop()
