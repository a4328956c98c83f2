"""What an examination says about hubs that are well, and about those that are not."""

import asyncio
import os
import shutil
import sqlite3
from collections import Counter
from contextlib import closing

import durabletask.internal.orchestrator_service_pb2 as pb
import pytest
from hub_harness.by_hand import (
    PATIENCE,
    Batch,
    Step,
    activity,
    batch,
    begun,
    call,
    child,
    complete,
    fail,
    finished,
    lock,
    raised,
    schedule,
    signalled,
    start,
    state,
    step,
    terminated,
    timer,
    unlock,
)

from localhost.hub.sqlite import limits, schema
from localhost.hub.sqlite.checkup import examine as examination
from localhost.hub.sqlite.checkup import oversized, stuck
from localhost.hub.sqlite.checkup.examine import examine
from localhost.hub.sqlite.checkup.poisoned import SUSPICIOUS
from localhost.hub.sqlite.checkup.repair import repair
from localhost.hub.sqlite.schema import HubFileError

HOUR = 3600 * 1_000_000


@pytest.fixture
def path(tmp_path):
    return tmp_path / "hub.db"


def told(report, *severities):
    return {(f.kind, f.severity, f.subject) for f in report.findings if not severities or f.severity in severities}


async def damaged(hub, path, *statements):
    """Stop the hub, do to its file what no host does, and examine it."""
    await hub.stop()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for sql in statements:
            connection.execute(sql)
    return examine(path)


def host_since(path, hours):
    """Say that the host has been up for so long."""
    then = path.with_name(path.name + ".lock").stat().st_mtime - hours * 3600
    os.utime(path.with_name(path.name + ".lock"), (then, then))


async def every_kind_of_work(hub):
    """Bring about all that may be under way on a hub that is well."""
    await finished(hub, "completed")
    await begun(hub, "failed", fail())
    await begun(hub, "terminated")
    await terminated(hub, "terminated")
    await begun(hub, "busy", schedule(1), timer(2, 3600))
    await begun(hub, "parent", child(1, "child"))
    await (await step(hub)).reply(timer(1, 3600))
    await begun(hub, "caller", call(1, "@e@1"))
    await begun(hub, "holder", lock(1, "section", "@e@2"))
    await (await step(hub)).reply(timer(2, 3600))
    await begun(hub, "queueing", lock(1, "other", "@e@2"))
    await begun(hub, "later", timer(1, 3600))
    await start(hub, "new")


async def test_a_hub_that_is_well_has_no_findings(hub, path):
    """Whatever is under way, and whether or not a host is there."""
    await every_kind_of_work(hub)
    report = examine(path)
    assert report.findings == []
    assert not report.needs_doing
    assert report.counts == {"Running": 7, "Completed": 1, "Failed": 1, "Terminated": 1, "Pending": 1}
    assert report.host is not None
    assert report.host.process == os.getpid()
    await hub.stop()
    report = examine(path)
    assert (report.findings, report.host, report.stopped) == ([], None, True)


async def test_reading_leaves_the_files_as_they_are(hub, path, tmp_path):
    """Neither a running hub's nor one that was killed: no byte of file and log changes."""
    await every_kind_of_work(hub)

    def contents(folder):
        return [(folder / name).read_bytes() for name in ("hub.db", "hub.db-wal")]

    before = contents(tmp_path)
    examine(path)
    assert contents(tmp_path) == before
    killed = tmp_path / "killed"
    killed.mkdir()
    for name in ("hub.db", "hub.db-wal"):
        shutil.copy(tmp_path / name, killed / name)
    assert examine(killed / "hub.db").counts == examine(path).counts
    assert contents(killed) == before


async def test_work_goes_on_while_a_hub_is_examined(hub, path):
    """A reader is in nobody's way."""
    await begun(hub, "one", schedule(1))
    with closing(schema.open_reader(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM instances").fetchall()
        await (await activity(hub)).reply()
        await (await step(hub)).reply(complete('"done"'))
    assert (await state(hub)).output.value == '"done"'


async def test_at_no_moment_of_its_work_is_a_hub_called_ill(hub, path, monkeypatch):
    """Whatever is between two commits, what an orchestration waits for is always somewhere."""
    for patience in ("LATE_TIMER", "NOT_TAKEN"):  # the whole process may be stopped for longer
        monkeypatch.setattr(stuck, patience, PATIENCE)
    ways = [
        [schedule(1), timer(2, 0.01)],
        [child(3, "child-of-{}")],
        [call(4, "@e@1")],
        [lock(5, "section-{}", "@e@1", "@e@2")],
        [call(6, "@e@2")],
        [unlock(7, "section-{}", "@e@1"), unlock(8, "section-{}", "@e@2"), schedule(9)],
        [complete('"done"')],
    ]
    steps = Counter()

    def healthy():
        assert told(examine(path), "error", "warning") == set()

    async def answer(take):
        while True:
            work = await take(hub)
            healthy()
            if not isinstance(work, Step):
                await (work.reply("1") if isinstance(work, Batch) else work.reply())
            elif work.instance.startswith("child"):
                await work.reply(complete())
            else:
                way = ways[min(steps[work.instance], len(ways) - 1)]
                steps[work.instance] += 1
                await work.reply(*[named(action, work.instance) for action in way])
            healthy()

    working = [asyncio.create_task(answer(take)) for take in (step, activity, batch)]
    for number in range(5):
        await start(hub, str(number))
    for number in range(5):
        await hub.wait_for_instance(str(number), "completed", payloads=False)
    for task in working:
        task.cancel()
    assert [task for task in working if task.done() and not task.cancelled() and task.exception()] == []
    healthy()


def named(action, instance_id):
    """Return an action with the instance's name in its ids."""
    return type(action).FromString(action.SerializeToString().replace(b"{}", instance_id.encode().ljust(2, b"_")))


# Waiting and stuck


async def test_waiting_for_an_event_is_not_stuck(hub, path):
    """It is said since when, and which call raises an event; nothing needs doing."""
    await begun(hub, "one")
    [finding] = examine(path).findings
    assert (finding.kind, finding.severity, finding.subject) == ("waiting", "note", "one")
    assert "external event" in finding.problem
    assert finding.since is not None
    assert finding.call is not None
    assert (finding.call.method, finding.call.operation) == ("POST", "raiseEvent/EVENT")
    assert not examine(path).needs_doing


async def test_a_suspended_instance_waits(hub, path):
    await begun(hub, "one", schedule(1))
    await hub.suspend(pb.SuspendRequest(instanceId="one"))
    await (await step(hub)).reply()
    [finding] = examine(path).findings
    assert (finding.kind, finding.call.operation) == ("waiting", "resume")


@pytest.mark.parametrize(
    ("action", "lost", "said"),
    [
        (schedule(1, "fetch"), "DELETE FROM activities", "activity 'fetch'"),
        (timer(1, 3600), "DELETE FROM timers", "the timer that was due at"),
        (child(1, "child"), "DELETE FROM instances WHERE id='child'", "sub-orchestration 'child'"),
        (call(1, "@e@1", "add"), "DELETE FROM operations", "entity '@e@1' to 'add'"),
        (lock(1, "section", "@e@1", "@e@2"), "DELETE FROM inbox", "the locks of @e@1, @e@2"),
    ],
)
async def test_an_instance_that_nothing_will_answer_is_stuck(hub, path, action, lost, said):
    """What its history waits for is named; terminating is the way out."""
    await begun(hub, "one", action)
    report = await damaged(hub, path, lost)
    [finding] = [f for f in report.findings if f.subject == "one"]
    assert (finding.kind, finding.severity) == ("stuck", "error")
    assert said in finding.problem
    assert finding.call.operation.startswith("terminate")
    assert report.needs_doing


async def test_what_was_answered_is_not_missed(hub, path):
    """Results, failures and fired timers count as answers, wherever they stand in the history."""
    await begun(hub, "one", schedule(1), schedule(2), timer(3, 0))
    await (await activity(hub)).reply()
    await (await activity(hub)).reply(error="no")
    await (await step(hub)).reply()
    assert told(examine(path)) == {("waiting", "note", "one")}


async def test_an_instance_without_its_first_message_never_begins(hub, path):
    await start(hub, "one")
    report = await damaged(hub, path, "DELETE FROM inbox")
    assert told(report) == {("stuck", "error", "one")}
    assert "never began" in report.findings[0].problem


async def test_messages_that_nobody_takes_are_told_after_a_while(hub, path):
    """An orchestrator that is no longer in the app is named; what waits for no host is nobody's fault."""
    await start(hub, "one", "renamed")
    await signalled(hub, "@gone@1")
    for table in ("inbox", "operations"):
        rows = hub._rows(f"SELECT id, event FROM {table}", ())
        for number, blob in rows:
            event = pb.HistoryEvent.FromString(blob)
            event.timestamp.seconds -= 3600
            values = (event.SerializeToString(), number)
            hub._state.writer._connection.execute(f"UPDATE {table} SET event=? WHERE id=?", values)
    assert examine(path).findings == []
    host_since(path, 1)
    report = examine(path)
    assert told(report) == {("stuck", "warning", "one"), ("stuck", "warning", "@gone@1")}
    assert any("'renamed'" in finding.fix for finding in report.findings)
    assert any("'gone'" in finding.fix for finding in report.findings)
    await hub.stop()
    assert examine(path).findings == []


async def test_an_activity_that_is_out_for_very_long_is_told(hub, path, monkeypatch):
    await begun(hub, "one", schedule(1, "slow"))
    await activity(hub)
    assert examine(path).findings == []
    host_since(path, 2)
    monkeypatch.setattr(stuck, "LONG_ACTIVITY", 0.0)
    [finding] = examine(path).findings
    assert (finding.kind, finding.severity, finding.subject) == ("stuck", "warning", "one")
    assert "'slow'" in finding.problem


async def test_timers_that_a_host_does_not_fire_are_told(hub, path):
    """Without a host they are late, not stuck."""
    await begun(hub, "one", timer(1, 3600))
    hub._state.writer._connection.execute(f"UPDATE timers SET due = due - {2 * HOUR}")
    host_since(path, 2)
    [finding] = examine(path).findings
    assert finding.subject == "the hub"
    assert str(os.getpid()) in finding.problem
    await hub.stop()
    assert examine(path).findings == []


# Orphaned


async def test_a_child_whose_parent_is_over_is_told(hub, path):
    """For information while it goes on by itself; when it only waits, somebody must end it."""
    await begun(hub, "one", child(1, "child"))
    await (await step(hub)).reply(timer(1, 3600))
    await begun(hub, "two", child(1, "waiting"))
    await (await step(hub)).reply()
    await terminated(hub, "one")
    await terminated(hub, "two")
    assert told(examine(path)) == {
        ("orphaned", "note", "child"),
        ("orphaned", "warning", "waiting"),
        ("waiting", "note", "waiting"),
    }


async def test_the_answer_to_an_instance_that_is_over_is_told(hub, path):
    await begun(hub, "one", schedule(1))
    await activity(hub)
    await terminated(hub, "one")
    assert told(examine(path)) == {("orphaned", "note", "one")}


async def test_what_belongs_to_nobody_is_found_and_repaired(hub, path):
    """Messages, timers, payloads, histories and locks; whoever is alive and waited for such a lock gets it."""
    await begun(hub, "over", lock(1, "section", "@e@1"))
    await (await step(hub)).reply()
    await begun(hub, "queueing", lock(1, "other", "@e@1"))
    await begun(hub, "queueing-too", lock(1, "another", "@e@1"))
    report = await damaged(
        hub,
        path,
        "UPDATE instances SET completed=1, status=1 WHERE id IN ('over', 'queueing')",
        "INSERT INTO inbox VALUES (1000, 'nobody', x'')",
        "INSERT INTO timers VALUES (1001, 0, 'timer', 'nobody', 1, NULL)",
        "INSERT INTO payloads VALUES ('nobody', 'input', '1')",
        "INSERT INTO history VALUES ('nobody', 0, 0, x'')",
    )
    assert told(report, "error", "warning") == {("orphaned", "error", "@e@1"), ("orphaned", "warning", "nobody")}
    assert len(report.findings) == 6
    assert all(finding.repairable for finding in report.findings)
    assert await repair(path) == {"messages": 1, "timers": 1, "payloads": 1, "histories": 1, "locks": 2}
    assert examine(path).findings == []
    await hub.start()
    assert (await step(hub)).kinds == ["entityLockGranted"]


async def test_an_index_that_disagrees_is_found_and_made_anew(hub, path):
    """Pages that are sound may contradict each other; a host would start on them."""
    await finished(hub, "one")
    await hub.stop()

    def write(*statements):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA writable_schema=ON")
            return [connection.execute(*statement).fetchone() for statement in statements]

    where = "FROM sqlite_master WHERE name='instances_by_creation'"
    [index, _] = write((f"SELECT * {where}",), (f"DELETE {where}",))
    write(("UPDATE instances SET created = created + 5",))
    write(("INSERT INTO sqlite_master VALUES (?,?,?,?,?)", index))
    assert ("integrity", "error", "the hub") in told(examine(path))
    assert await repair(path) == {"indexes": 1}
    assert examine(path).findings == []


async def test_a_hub_that_a_host_has_is_not_repaired(hub, path):
    with pytest.raises(HubFileError, match="open in another host"):
        await repair(path)


# Poisoned


async def test_what_is_given_back_again_and_again_is_told_before_it_is_given_up(hub, path):
    """Steps, activities and entities; how often, and how often is too often."""
    await begun(hub, "stepping")
    await raised(hub, "stepping")
    await begun(hub, "working", schedule(1, "deadly"))
    await signalled(hub)
    for _ in range(SUSPICIOUS + 1):
        assert examine(path).findings == []
        for take, kind in ((step, "orchestration"), (activity, "activity"), (batch, "entity")):
            await hub.abandon(kind, (await take(hub)).item.completionToken)
    report = examine(path)
    assert told(report) == {("poisoned", "warning", subject) for subject in ("stepping", "working", "@e@1")}
    assert all(f"out {SUSPICIOUS} times" in finding.problem for finding in report.findings)


@pytest.mark.parametrize("passed_on", [False, True])
async def test_an_instance_that_failed_from_poison_can_be_rewound(hub, path, passed_on):
    """Also where the orchestrator passed the activity's failure on under its own name."""
    details = limits.poisoned("Activity 'deadly'")
    if passed_on:
        details.errorType = "TaskFailedError"
        details.errorMessage = f"Activity task #1 failed: {details.errorMessage}"
    await begun(hub, "one", complete(None, pb.ORCHESTRATION_STATUS_FAILED))
    await begun(hub, "plain", fail())
    hub._state.writer._connection.execute(
        "UPDATE instances SET failure=? WHERE id='one'", (details.SerializeToString(),)
    )
    [finding] = examine(path).findings
    assert (finding.kind, finding.subject) == ("poisoned", "one")
    assert finding.call.operation.startswith("rewind")


# Oversized


async def test_large_histories_payloads_and_states_are_told(hub, path):
    """Of live instances before they are failed, of those that are over for information."""
    large = f'"{"x" * oversized.LARGE_PAYLOAD}"'
    await start(hub, "input", payload=large)
    await (await step(hub)).reply(timer(1, 3600))
    await finished(hub, "output", large)
    await begun(hub, "events", timer(1, 3600))
    await begun(hub, "near", timer(1, 3600))
    for instance, count in (("events", 20_000), ("near", 45_000)):
        hub._state.writer._connection.execute("UPDATE history SET count=? WHERE instance=?", (count, instance))
    await signalled(hub)
    await (await batch(hub)).reply(large)
    report = examine(path)
    assert told(report) == {
        ("oversized", "warning", "input"),
        ("oversized", "note", "output"),
        ("oversized", "warning", "events"),
        ("oversized", "error", "near"),
        ("oversized", "warning", "@e@1"),
    }
    assert report.findings[0].subject == "near"


async def test_a_long_log_and_many_free_pages_are_told(hub, path, monkeypatch):
    for number in range(20):
        await finished(hub, str(number), f'"{"x" * 100_000}"')
    monkeypatch.setattr(oversized, "LARGE_LOG", 100_000)
    monkeypatch.setattr(oversized, "MUCH_FREE", 100_000)
    assert told(examine(path)) == {("oversized", "warning", "the hub")}
    await hub.purge(pb.PurgeInstancesRequest(purgeInstanceFilter=pb.PurgeInstanceFilter()))
    await hub.stop()
    assert told(examine(path)) == {("oversized", "note", "the hub")}


async def test_only_what_holds_commits_counts_as_log(hub, path):
    """The file is made longer than it needs to be, and is not cut when it has been folded."""
    assert 0 < examine(path).log_bytes < 100_000
    await start(hub, "one", payload="x" * 1_000_000)
    assert 2_000_000 < examine(path).log_bytes < 2_300_000
    assert path.with_name(path.name + "-wal").stat().st_size > 3_000_000
    hub._state.writer._connection.execute("PRAGMA wal_checkpoint(RESTART)")
    await start(hub, "two")
    assert examine(path).log_bytes < 100_000


async def test_many_findings_are_counted_and_the_gravest_told(hub, path, monkeypatch):
    monkeypatch.setattr(examination, "MOST", 3)
    for number in range(5):
        await begun(hub, f"waits-{number}")
    report = examine(path)
    assert len(report.findings) == 3
    assert report.left_out == {"waiting": 2}


# Unreadable


async def test_what_cannot_be_read_is_said(hub, path, tmp_path):
    """One sentence each: missing, empty, no database, somebody else's, of a later version, damaged."""

    def said(target):
        with pytest.raises(HubFileError) as caught:
            examine(target)
        return str(caught.value)

    for number in range(50):
        await finished(hub, str(number), f'"{"x" * 10_000}"')
    await hub.stop()
    assert "no host has run there" in said(tmp_path / "missing.db")
    (tmp_path / "empty.db").write_bytes(b"")
    assert "is empty" in said(tmp_path / "empty.db")
    (tmp_path / "text.db").write_text("Dear diary,\n" * 100)
    assert "no SQLite file" in said(tmp_path / "text.db")
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE films(title)")
    assert "no task hub" in said(tmp_path / "other.db")
    shutil.copy(path, tmp_path / "cut.db")
    os.truncate(tmp_path / "cut.db", 20_480)
    assert "is damaged" in said(tmp_path / "cut.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=99")
    assert "format 99" in said(path)
