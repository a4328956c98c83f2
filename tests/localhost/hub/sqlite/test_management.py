"""Starting, finding, listing, restarting and purging orchestrations, and what they may weigh."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

import durabletask.internal.orchestrator_service_pb2 as pb
import pytest
from hub_harness.by_hand import (
    COMPLETED,
    FAILED,
    PENDING,
    RUNNING,
    SUSPENDED,
    TERMINATED,
    activity,
    batch,
    begun,
    child,
    complete,
    entity,
    fail,
    finished,
    history,
    nothing,
    raised,
    schedule,
    signalled,
    start,
    state,
    step,
    terminated,
    timer,
)

from localhost.hub.interface import HubError, InstanceConflictError
from localhost.hub.sqlite import limits

# Starting


async def test_an_id_is_made_up_where_none_is_given(hub):
    first, second = [await hub.start_instance(pb.CreateInstanceRequest(name="f")) for _ in range(2)]
    assert first != second


async def test_a_new_instance_is_pending_then_running(hub):
    await start(hub)
    assert (await state(hub)).orchestrationStatus == PENDING
    await (await step(hub)).reply()
    assert (await state(hub)).orchestrationStatus == RUNNING


async def test_everything_given_at_the_start_is_kept(hub, crash):
    request = pb.CreateInstanceRequest(instanceId="one", name="f", tags={"k": "v"})
    request.version.value = "1.2"
    request.input.value = '"in"'
    request.parentTraceContext.traceParent = "00-a-b-01"
    await hub.start_instance(request)
    async with crash() as after:
        found = await state(after)
        assert (found.version.value, dict(found.tags), found.input.value) == ("1.2", {"k": "v"}, '"in"')
        started = (await step(after)).news[0].executionStarted
        assert (started.version.value, dict(started.tags)) == ("1.2", {"k": "v"})
        assert started.parentTraceContext.traceParent == "00-a-b-01"


async def test_a_live_id_cannot_be_used_again(hub):
    await start(hub)
    with pytest.raises(InstanceConflictError, match="'one' already exists: PENDING"):
        await start(hub)


@pytest.mark.parametrize("ending", [complete(), fail()])
async def test_the_id_of_an_instance_that_is_over_can_be_used_again(hub, crash, ending):
    await begun(hub, "one", ending)
    await start(hub, payload="2")
    async with crash() as after:
        found = await state(after)
        assert (found.orchestrationStatus, found.input.value) == (PENDING, "2")
        assert not found.HasField("output")
        assert await history(after) == []


@pytest.mark.parametrize(
    ("allowed", "ok"), [([COMPLETED], True), ([FAILED], False), ([FAILED, TERMINATED, COMPLETED], True)]
)
async def test_the_reuse_policy_decides(hub, allowed, ok):
    await finished(hub)
    request = pb.CreateInstanceRequest(instanceId="one", name="g")
    request.orchestrationIdReusePolicy.replaceableStatus.extend(allowed)
    if ok:
        await hub.start_instance(request)
    else:
        with pytest.raises(InstanceConflictError):
            await hub.start_instance(request)
    assert (await state(hub)).name == ("g" if ok else "f")


async def test_a_policy_may_replace_a_live_instance_with_all_it_has(hub, crash, clock):
    await begun(hub, "one", schedule(1), timer(2, 3600))
    await raised(hub)
    request = pb.CreateInstanceRequest(instanceId="one", name="g")
    request.orchestrationIdReusePolicy.replaceableStatus.append(RUNNING)
    await hub.start_instance(request)
    async with crash() as after:
        clock.forward(3700)
        for current in (hub, after):
            taken = await step(current)
            assert taken.kinds == ["executionStarted"]
            await taken.reply()
            await (await activity(current)).reply()
            assert await nothing(current, "orchestration")


async def test_a_parent_learns_that_its_live_child_was_replaced(hub):
    """It waited for ever."""
    await begun(hub, "one", child(1))
    request = pb.CreateInstanceRequest(instanceId="child", name="g")
    request.orchestrationIdReusePolicy.replaceableStatus.append(PENDING)
    await hub.start_instance(request)
    steps = {taken.instance: taken for taken in [await step(hub), await step(hub)]}
    [news] = steps["one"].news
    assert news.subOrchestrationInstanceFailed.failureDetails.errorType == "OrchestrationTerminated"
    await steps["child"].reply(complete())
    assert (await state(hub, "child")).orchestrationStatus == COMPLETED


async def test_one_of_many_starts_with_one_id_wins(hub):
    results = await asyncio.gather(*[start(hub) for _ in range(10)], return_exceptions=True)
    assert results.count("one") == 1
    assert sum(isinstance(r, InstanceConflictError) for r in results) == 9


async def test_a_thousand_starts_at_once_are_all_kept(hub, crash):
    await asyncio.gather(*[start(hub, f"i{n}") for n in range(1000)])
    async with crash() as after:
        query = pb.InstanceQuery(maxInstanceCount=5000)
        assert len((await after.query_instances(query)).orchestrationState) == 1000


# Finding and waiting


async def test_an_unknown_instance_is_not_found(hub):
    assert await hub.get_instance("no", payloads=True) is None
    assert await hub.wait_for_instance("no", "completed", payloads=True) is None


async def test_payloads_are_shown_on_demand(hub):
    await start(hub, payload="1")
    await (await step(hub)).reply(complete("2"))
    found = await hub.get_instance("one", payloads=False)
    assert not found.HasField("input")
    assert not found.HasField("output")
    found = await state(hub)
    assert (found.input.value, found.output.value) == ("1", "2")


async def test_custom_status_is_shown(hub, crash):
    await start(hub)
    await (await step(hub)).reply(status='"half"')
    async with crash() as after:
        assert (await state(after)).customStatus.value == '"half"'


@pytest.mark.parametrize("milestone", ["started", "completed"])
async def test_waiting_ends_with_the_milestone(hub, milestone):
    await start(hub)
    waiting = [asyncio.create_task(hub.wait_for_instance("one", milestone, payloads=True)) for _ in range(200)]
    await (await step(hub)).reply(*([complete("1")] if milestone == "completed" else []))
    states = await asyncio.gather(*waiting)
    assert {s.orchestrationStatus for s in states} == {COMPLETED if milestone == "completed" else RUNNING}


async def test_waiting_for_what_is_over_ends_at_once(hub):
    await finished(hub)
    assert (await hub.wait_for_instance("one", "completed", payloads=True)).output.value == '"done"'


async def test_waiting_ends_when_the_instance_is_purged(hub):
    await begun(hub)
    waiting = asyncio.create_task(hub.wait_for_instance("one", "completed", payloads=True))
    await asyncio.sleep(0)
    await terminated(hub)
    await hub.purge(pb.PurgeInstancesRequest(instanceId="one"))
    found = await waiting
    assert found is None or found.orchestrationStatus == TERMINATED


async def test_what_is_told_is_on_disk(hub, crash):
    await start(hub)
    taken = await step(hub)
    replying = asyncio.create_task(taken.reply(complete("1")))
    found = await hub.wait_for_instance("one", "completed", payloads=True)
    async with crash() as after:
        assert (await state(after)) == found
    await replying


# Listing


async def ids(hub, **fields):
    found, query = [], pb.InstanceQuery(**fields)
    while True:
        page = await hub.query_instances(query)
        found.append([s.instanceId for s in page.orchestrationState])
        if not page.HasField("continuationToken"):
            return found
        query.continuationToken.value = page.continuationToken.value


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
async def test_pages_hold_everything_once_in_order(hub, size):
    for number in range(7):
        await start(hub, f"i{number}")
    pages = await ids(hub, maxInstanceCount=size)
    assert all(len(page) <= size for page in pages)
    assert [i for page in pages for i in page] == [f"i{n}" for n in range(7)]


async def test_a_page_is_not_disturbed_by_what_starts_meanwhile(hub):
    for number in range(4):
        await start(hub, f"i{number}")
    query = pb.InstanceQuery(maxInstanceCount=2)
    first = await hub.query_instances(query)
    await start(hub, "late")
    query.continuationToken.value = first.continuationToken.value
    second = await hub.query_instances(query)
    assert [s.instanceId for s in second.orchestrationState] == ["i2", "i3"]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([COMPLETED], ["c"]),
        ([FAILED], ["f"]),
        ([RUNNING], ["r"]),
        ([PENDING], ["p"]),
        ([TERMINATED], ["t"]),
        ([SUSPENDED], []),
        ([COMPLETED, FAILED], ["c", "f"]),
    ],
)
async def test_instances_are_listed_by_status(hub, statuses, expected):
    await begun(hub, "c", complete())
    await begun(hub, "f", fail())
    await begun(hub, "r")
    await begun(hub, "t")
    await terminated(hub, "t")
    await start(hub, "p")
    assert await ids(hub, runtimeStatus=statuses) == [expected]


@pytest.mark.parametrize("prefix", ["a", "a%", "a_", "á", "", "a\\"])
async def test_a_prefix_is_taken_literally(hub, prefix):
    names = ["a1", "a%1", "a_1", "b", "á1", "a\\1"]
    for name in names:
        await start(hub, name)
    query = pb.InstanceQuery()
    query.instanceIdPrefix.value = prefix
    found = [s.instanceId for s in (await hub.query_instances(query)).orchestrationState]
    assert found == [name for name in names if name.startswith(prefix)]


@pytest.mark.parametrize(("hours", "expected"), [(-1, ["one"]), (1, [])])
async def test_instances_are_listed_by_time(hub, hours, expected):
    await start(hub)
    query = pb.InstanceQuery()
    query.createdTimeFrom.FromDatetime(datetime.now(UTC) + timedelta(hours=hours))
    assert [s.instanceId for s in (await hub.query_instances(query)).orchestrationState] == expected
    query = pb.InstanceQuery()
    query.createdTimeTo.FromDatetime(datetime.now(UTC) + timedelta(hours=-hours))
    assert [s.instanceId for s in (await hub.query_instances(query)).orchestrationState] == expected


async def test_a_foreign_continuation_token_is_refused(hub):
    query = pb.InstanceQuery()
    query.continuationToken.value = "nonsense"
    with pytest.raises(HubError, match="nonsense"):
        await hub.query_instances(query)


async def test_ids_of_ended_instances_are_listed_in_order_of_their_end(hub):
    for name in "abc":
        await begun(hub, name)
    for name in "bca":
        await terminated(hub, name)
    await start(hub, "live")
    request = pb.ListInstanceIdsRequest(pageSize=2)
    first = await hub.list_instance_ids(request)
    request.lastInstanceKey.value = first.lastInstanceKey.value
    second = await hub.list_instance_ids(request)
    assert ([*first.instanceIds], [*second.instanceIds]) == (["b", "c"], ["a"])
    assert not second.HasField("lastInstanceKey")


async def collected(query, of):
    """Ask for page after page, and return everything with the sizes of the pages."""
    found, sizes = [], []
    while True:
        response = await query()
        sizes.append(response.ByteSize())
        found += of(response)
        if not response.HasField("continuationToken"):
            return found, sizes
        query.keywords["query"].continuationToken.value = response.continuationToken.value


async def test_a_page_with_payloads_fits_into_a_message(hub):
    """A client takes 4 MiB a message; a list of what is large failed as a whole, however it was asked for."""
    for number in range(12):
        await start(hub, f"i{number:02}", payload="x" * 700_000)
    query = pb.InstanceQuery(maxInstanceCount=2**31 - 1, fetchInputsAndOutputs=True)
    found, sizes = await collected(partial(hub.query_instances, query=query), lambda r: r.orchestrationState)
    assert [one.instanceId for one in found] == [f"i{number:02}" for number in range(12)]
    assert max(sizes) < 4 * 2**20
    assert len(sizes) < 12


async def test_a_page_of_entities_fits_into_a_message(hub):
    for number in range(8):
        await signalled(hub, f"@e@{number}")
        await (await batch(hub)).reply("x" * 700_000)

    async def page(query):
        return await hub.query_entities(pb.QueryEntitiesRequest(query=query))

    found, sizes = await collected(partial(page, query=pb.EntityQuery(includeState=True)), lambda r: r.entities)
    assert [one.instanceId for one in found] == [f"@e@{number}" for number in range(8)]
    assert max(sizes) < 4 * 2**20


# Restarting


@pytest.mark.parametrize("new_id", [True, False])
async def test_a_restart_runs_the_same_again(hub, new_id):
    await start(hub, payload="1")
    await (await step(hub)).reply(complete("2"))
    instance_id = await hub.restart(pb.RestartInstanceRequest(instanceId="one", restartWithNewInstanceId=new_id))
    assert (instance_id != "one") == new_id
    started = (await step(hub)).news[0].executionStarted
    assert (started.name, started.input.value) == ("f", "1")


async def test_a_live_instance_is_not_restarted(hub):
    await start(hub)
    with pytest.raises(InstanceConflictError):
        await hub.restart(pb.RestartInstanceRequest(instanceId="one"))


async def test_a_live_instance_may_be_run_a_second_time(hub):
    """Under an id of its own (durabletask-dotnet RestartAsync)."""
    await start(hub, payload="1")
    again = await hub.restart(pb.RestartInstanceRequest(instanceId="one", restartWithNewInstanceId=True))
    assert {one.instanceId: one.input.value for one in [await state(hub), await state(hub, again)]} == {
        "one": "1",
        again: "1",
    }


# Purging


async def test_a_purged_instance_leaves_nothing(hub, crash):
    await start(hub, payload="1")
    await (await step(hub)).reply(schedule(1), complete("2"))
    await (await activity(hub)).reply()
    response = await hub.purge(pb.PurgeInstancesRequest(instanceId="one"))
    assert response.deletedInstanceCount == 1
    async with crash() as after:
        assert await after.get_instance("one", payloads=True) is None
        for table in ("instances", "payloads", "history", "inbox", "activities", "timers"):
            assert after._state.reader.rows(f"SELECT * FROM {table}") == []


@pytest.mark.parametrize("instance_id", ["one", "unknown"])
async def test_what_lives_or_is_unknown_is_not_purged(hub, instance_id):
    await start(hub)
    response = await hub.purge(pb.PurgeInstancesRequest(instanceId=instance_id))
    assert response.deletedInstanceCount == 0
    assert await hub.get_instance("one", payloads=False) is not None


@pytest.mark.parametrize(("recursive", "count"), [(True, 3), (False, 1)])
async def test_purging_reaches_descendants_only_when_recursive(hub, recursive, count):
    await begun(hub, "one", child(1))
    await (await step(hub)).reply(child(1, "grandchild"))
    await (await step(hub)).reply(complete())
    await (await step(hub)).reply(complete())
    await (await step(hub)).reply(complete())
    response = await hub.purge(pb.PurgeInstancesRequest(instanceId="one", recursive=recursive))
    assert response.deletedInstanceCount == count


async def test_purging_by_filter_takes_what_matches(hub):
    await begun(hub, "c", complete())
    await begun(hub, "f", fail())
    await start(hub, "p")
    wanted = pb.PurgeInstanceFilter(runtimeStatus=[FAILED, PENDING])
    response = await hub.purge(pb.PurgeInstancesRequest(purgeInstanceFilter=wanted))
    assert (response.deletedInstanceCount, response.isComplete.value) == (1, True)
    assert await ids(hub) == [["c", "p"]]


@pytest.mark.parametrize(
    "chosen", [{"purgeInstanceFilter": {}}, {"instanceBatch": {"instanceIds": ["one", "child"] * 2}}]
)
async def test_what_is_purged_twice_over_is_counted_once(hub, chosen):
    """A sub-orchestration goes with its parent, and is chosen itself."""
    await begun(hub, "one", child(1))
    await (await step(hub)).reply(complete())
    await (await step(hub)).reply(complete())
    response = await hub.purge(pb.PurgeInstancesRequest(recursive=True, **chosen))
    assert response.deletedInstanceCount == 2


async def test_a_deep_family_is_terminated_and_purged_as_a_whole(hub):
    depth = 1_000
    await start(hub, "0")
    for number in range(depth):
        await (await step(hub)).reply(child(1, str(number + 1)))
    await terminated(hub, "0", recursive=True)
    assert {(await state(hub, str(number))).orchestrationStatus for number in (0, 500, depth)} == {TERMINATED}
    response = await hub.purge(pb.PurgeInstancesRequest(instanceId="0", recursive=True))
    assert response.deletedInstanceCount == depth + 1


async def test_purging_a_family_that_is_its_own_descendant_comes_to_an_end(hub):
    """An id that is over may be used again by what its first life started."""
    await begun(hub, "one", child(1))
    taken = await step(hub)
    await terminated(hub)
    await taken.reply(child(1, "one"))
    await (await step(hub)).reply()
    await terminated(hub, recursive=True)
    assert {(await state(hub, name)).orchestrationStatus for name in ("one", "child")} == {TERMINATED}
    response = await hub.purge(pb.PurgeInstancesRequest(instanceId="one", recursive=True))
    assert response.deletedInstanceCount == 2


async def test_purging_by_time(hub):
    await finished(hub)
    wanted = pb.PurgeInstanceFilter()
    wanted.createdTimeTo.FromDatetime(datetime.now(UTC) - timedelta(hours=1))
    assert (await hub.purge(pb.PurgeInstancesRequest(purgeInstanceFilter=wanted))).deletedInstanceCount == 0
    wanted.createdTimeTo.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    assert (await hub.purge(pb.PurgeInstancesRequest(purgeInstanceFilter=wanted))).deletedInstanceCount == 1


async def test_purging_a_list_of_ids(hub):
    for name in "abc":
        await finished(hub, name)
    wanted = pb.InstanceBatch(instanceIds=["a", "c", "unknown"])
    assert (await hub.purge(pb.PurgeInstancesRequest(instanceBatch=wanted))).deletedInstanceCount == 2
    assert await ids(hub) == [["b"]]


# Sizes

SIZES = [0, 1, 32_768, 32_769, 45_150, 45_151, 65_535, 65_536, 262_143, 262_144, 262_145, 900_000]
LARGE = [4 * 2**20 - 1, 4 * 2**20 + 1, 10_000_000]


@pytest.mark.parametrize("size", [*SIZES, *LARGE])
@pytest.mark.parametrize("letter", ["x", "\U0001d11e"])
async def test_payloads_of_any_size_come_back_exactly(hub, crash, size, letter):
    payload = (letter * (size // len(letter.encode()) + 1)).encode()[:size].decode(errors="ignore")
    await start(hub, payload=payload)
    await (await step(hub)).reply(schedule(1, "a", payload), status=payload[:1000])
    work = await activity(hub)
    assert work.request.input.value == payload
    await work.reply(payload)
    await raised(hub, data=payload)
    taken = await step(hub)
    assert taken.news[0].taskCompleted.result.value == payload
    while len(taken.kinds) < 2 and "eventRaised" not in taken.kinds:
        await taken.reply()
        taken = await step(hub)
    assert taken.news[-1].eventRaised.input.value == payload
    await taken.reply(complete(payload))
    async with crash() as after:
        found = await state(after)
        assert found.input.value == payload
        assert found.output.value == payload


@pytest.mark.parametrize("size", [100, limits.MAX_ERROR_TEXT, limits.MAX_ERROR_TEXT + 1, 5_000_000])
async def test_error_texts_are_cut(hub, size):
    """An exception with a text of 64 KB hung its orchestration (extension 502)."""
    await begun(hub, "one", schedule(1))
    await (await activity(hub)).reply(error="x" * size)
    [news] = (await step(hub)).news
    message = news.taskFailed.failureDetails.errorMessage
    assert message.startswith("x" * min(size, limits.MAX_ERROR_TEXT))
    assert ("cut" in message) == (size > limits.MAX_ERROR_TEXT)


async def test_a_history_with_too_many_events_ends_its_instance_clearly(hub, monkeypatch):
    monkeypatch.setattr(limits, "MAX_EVENTS", 50)
    await begun(hub)
    while (await state(hub)).orchestrationStatus == RUNNING:
        await raised(hub)
        await (await step(hub)).reply()
    found = await state(hub)
    assert found.failureDetails.errorType == "HistoryTooLarge"
    assert len(await history(hub)) <= 60
    await finished(hub, "other")


async def test_a_fan_out_that_history_cannot_hold_is_refused_before_it_begins(hub, monkeypatch):
    """Nothing of it runs; elsewhere it took all memory (extension 340, 1878)."""
    monkeypatch.setattr(limits, "MAX_EVENTS", 50)
    await begun(hub, "one", *[schedule(n) for n in range(60)])
    found = await state(hub)
    assert (found.orchestrationStatus, found.failureDetails.errorType) == (FAILED, "HistoryTooLarge")
    assert await nothing(hub, "activity")
    await finished(hub, "other")


async def test_a_history_that_weighs_too_much_ends_its_instance_clearly(hub, monkeypatch):
    monkeypatch.setattr(limits, "MAX_HISTORY_BYTES", 10_000)
    await begun(hub)
    await raised(hub, data="x" * 20_000)
    await (await step(hub)).reply()
    assert (await state(hub)).failureDetails.errorType == "HistoryTooLarge"


async def test_a_long_history_is_warned_of(hub, monkeypatch, caplog):
    monkeypatch.setattr(limits, "WARN_EVENTS", 5)
    await begun(hub)
    await raised(hub)
    await (await step(hub)).reply()
    assert "continue as new" in caplog.text


async def test_a_history_that_left_memory_is_read_again(hub, monkeypatch):
    monkeypatch.setattr(limits, "HISTORY_CACHE_BYTES", 1)
    for name in "abc":
        await begun(hub, name)
    for _ in range(3):
        for name in "abc":
            await raised(hub, name)
            taken = await step(hub)
            assert taken.past == await history(hub, name)
            await taken.reply()


async def test_finished_instances_leave_memory(hub):
    for number in range(200):
        await finished(hub, str(number))
    await hub._state.writer.durable()
    assert hub._state.instances == {}
    assert hub._state.dispatched == {}
    assert not hub._state.histories._held


async def test_history_events_carry_the_time(hub):
    before = datetime.now(UTC)
    await begun(hub, "one", schedule(1), timer(2, 0))
    await (await activity(hub)).reply()
    await (await step(hub)).reply(complete())
    times = [event.timestamp.ToDatetime(UTC) for event in await hub.history("one")]
    assert all(before <= time <= datetime.now(UTC) for time in times)


async def test_a_signal_may_be_the_first_an_entity_hears(hub):
    await signalled(hub, "@new@1", data="1")
    assert (await entity(hub, "@new@1")).backlogQueueSize == 1
