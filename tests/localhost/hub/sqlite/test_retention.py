"""What is over is forgotten when its time has come; nothing else is."""

import asyncio
from datetime import timedelta

import durabletask.internal.orchestrator_service_pb2 as pb
import pytest
from hub_harness.by_hand import (
    activity,
    again,
    begun,
    child,
    complete,
    fail,
    finished,
    schedule,
    start,
    step,
    terminated,
    until,
)

from localhost.hub.sqlite import retention
from localhost.hub.sqlite.hub import SqliteHub
from localhost.hub.sqlite.records import now
from localhost.hub.sqlite.retention import Retention
from localhost.hub.sqlite.writer import StorageError

TABLES = ("instances", "payloads", "history", "inbox", "activities", "timers")


async def purge(hub, limit=None):
    """Purge what has ended by ``limit``, or by now."""
    return await Retention(timedelta(1), hub._rows, hub.purge).purge_until(limit if limit is not None else now())


def ids(hub):
    return [row[0] for row in hub._rows("SELECT id FROM instances ORDER BY id", ())]


def left(hub):
    return {table: count for table in TABLES if (count := hub._rows(f"SELECT count(*) FROM {table}", ())[0][0])}


async def gone(hub, instance_id):
    """Wait until an instance is forgotten."""
    await until(lambda: instance_id not in ids(hub))


async def test_what_is_over_goes_with_all_it_had(hub):
    """Completed, failed and terminated alike, with inputs, outputs and histories; the live stay as they are."""
    await start(hub, "completed", payload='"input"')
    await (await step(hub)).reply(complete('"output"'))
    await begun(hub, "failed", fail())
    await begun(hub, "terminated")
    await terminated(hub, "terminated")
    assert await purge(hub) == 3
    assert left(hub) == {}
    await begun(hub, "alive", schedule(1))
    assert await purge(hub) == 0
    await (await activity(hub)).reply()
    await (await step(hub)).reply(complete())


async def test_only_what_ended_long_enough_ago_goes(hub):
    """The end counts, not the start."""
    await begun(hub, "early")
    await finished(hub, "first")
    between = now()
    await terminated(hub, "early")
    assert await purge(hub, between) == 1
    assert ids(hub) == ["early"]


async def test_a_sub_orchestration_stays_with_its_parent(hub):
    """Until the parent is over and due itself; then the whole tree goes, however deep."""
    await begun(hub, "root", child(1, "middle"))
    await (await step(hub)).reply(child(1, "leaf"))
    await (await step(hub)).reply(complete('"leaf"'))
    await (await step(hub)).reply(complete('"middle"'))
    assert await purge(hub) == 0
    assert ids(hub) == ["leaf", "middle", "root"]
    between = now()
    await (await step(hub)).reply(complete('"root"'))
    assert await purge(hub, between) == 0
    assert await purge(hub) == 3
    assert left(hub) == {}


async def test_a_live_child_outlives_its_parent(hub):
    """A parent that ended first is forgotten alone; the child goes on, and goes in its own time."""
    await begun(hub, "root", child(1, "child"))
    running = await step(hub)
    await terminated(hub, "root")
    assert await purge(hub) == 1
    assert ids(hub) == ["child"]
    await running.reply(complete())
    assert await purge(hub) == 1


async def test_an_eternal_parent_does_not_keep_the_children_of_earlier_runs(hub):
    """Continued as new, it can never come back to them."""
    await begun(hub, "eternal", child(1, "child"))
    await (await step(hub)).reply(complete())
    assert await purge(hub) == 0
    await (await step(hub)).reply(again())
    assert await purge(hub) == 1
    assert ids(hub) == ["eternal"]


async def test_an_instance_that_is_rewound_meanwhile_stays(hub):
    """What was chosen is looked at again when it is forgotten."""
    await begun(hub, "one", fail())

    async def rewound_first(request):
        await hub.rewind(pb.RewindInstanceRequest(instanceId="one"))
        return await hub.purge(request)

    assert await Retention(timedelta(1), hub._rows, rewound_first).purge_until(now()) == 0
    assert ids(hub) == ["one"]


async def test_a_hub_that_starts_purges_what_fell_due_while_it_was_down(tmp_path):
    """When an instance ended is on disk: restarts neither hasten nor delay it."""
    before = SqliteHub(tmp_path / "hub.db")
    await before.start()
    await finished(before, "old")
    await before.stop()
    after = SqliteHub(tmp_path / "hub.db", retention=timedelta(milliseconds=1))
    await after.start()
    await gone(after, "old")
    await after.stop()
    keeps = SqliteHub(tmp_path / "hub.db", retention=timedelta(days=30))
    await keeps.start()
    await finished(keeps, "new")
    await asyncio.sleep(0.05)
    assert ids(keeps) == ["new"]
    await keeps.stop()


async def test_what_ends_later_is_purged_when_it_is_due(tmp_path, monkeypatch):
    """It sleeps until then; nothing has to happen on the hub to wake it."""
    monkeypatch.setattr(retention, "SHORTEST_SLEEP", 0.01)
    hub = SqliteHub(tmp_path / "hub.db", retention=timedelta(seconds=0.3))
    await hub.start()
    await finished(hub, "first")
    await gone(hub, "first")
    await finished(hub, "second")
    await gone(hub, "second")
    await hub.stop()


@pytest.mark.parametrize(("batch", "size"), [(7, 1 << 30), (1000, 20_000)])
async def test_much_goes_in_small_commits_between_those_of_others(hub, monkeypatch, batch, size):
    """Bounded by number and by bytes; work that arrives meanwhile does not wait for the end."""
    monkeypatch.setattr(retention, "BATCH", batch)
    monkeypatch.setattr(retention, "BATCH_BYTES", size)
    for number in range(40):
        await finished(hub, f"old-{number}", f'"{"x" * 5_000}"')
    sizes = []

    async def counted(request):
        sizes.append(len(request.instanceBatch.instanceIds))
        return await hub.purge(request)

    purging = asyncio.create_task(Retention(timedelta(1), hub._rows, counted).purge_until(now()))
    for number in range(5):
        await finished(hub, f"new-{number}")
    assert await purging >= 40
    assert max(sizes) <= 7
    assert not [name for name in ids(hub) if name.startswith("old")]


async def test_the_pages_of_what_is_gone_are_used_again(hub, tmp_path):
    """The file does not grow while as much is purged as is added."""

    async def generation(number):
        for one in range(20):
            await finished(hub, f"{number}-{one}", f'"{"x" * 20_000}"')
        assert await purge(hub) == 20
        hub._state.writer._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return (tmp_path / "hub.db").stat().st_size

    first = await generation(0)
    assert [await generation(number) for number in range(1, 4)] == pytest.approx([first] * 3, rel=0.1)


async def test_a_disk_that_refuses_is_tried_again(tmp_path, monkeypatch):
    """Retention survives an error and goes on when it is over."""
    monkeypatch.setattr(retention, "SHORTEST_SLEEP", 0.01)
    monkeypatch.setattr(retention, "LONGEST_SLEEP", 0.01)
    hub = SqliteHub(tmp_path / "hub.db", retention=timedelta(milliseconds=1))
    await hub.start()
    purge, refused = hub.purge, []

    async def refusing(request):
        if not refused:
            refused.append(request)
            raise StorageError("full")
        return await purge(request)

    hub._retention._purge = refusing
    await finished(hub, "one")
    await gone(hub, "one")
    assert refused
    await hub.stop()
