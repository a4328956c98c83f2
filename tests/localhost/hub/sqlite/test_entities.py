"""Entities do their operations in order, once, and their locks are served in order and always released."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import durabletask.internal.orchestrator_service_pb2 as pb
import pytest
from hub_harness.by_hand import (
    Step,
    activity,
    again,
    batch,
    begun,
    call,
    complete,
    entity,
    fail,
    lock,
    nothing,
    raised,
    schedule,
    signal,
    signalled,
    soon,
    start,
    step,
    terminated,
    unlock,
)

from localhost.hub.sqlite import limits, work, writer

E = "@e@1"


def starts(name="f", instance_id="new"):
    return pb.OperationAction(startNewOrchestration=pb.StartNewOrchestrationAction(name=name, instanceId=instance_id))


def sends(target, operation="op"):
    return pb.OperationAction(sendSignal=pb.SendSignalAction(instanceId=target, name=operation))


async def test_signals_are_done_in_order(hub):
    for name in "abcde":
        await signalled(hub, operation=name)
    done = []
    while len(done) < 5:
        taken = await batch(hub)
        done += taken.operations
        await taken.reply("1")
    assert done == list("abcde")


@pytest.mark.parametrize("value", ["0", "false", '""', "[]", "{}", "null", '"text"'])
async def test_any_state_is_kept_even_a_falsy_one(hub, crash, value):
    """A state of 0 or "" was dropped before durabletask-python 1.9."""
    await signalled(hub)
    await (await batch(hub)).reply(value)
    assert (await entity(hub)).serializedState.value == value
    async with crash() as after:
        await signalled(after)
        assert (await batch(after)).state == value


async def test_an_entity_can_lose_its_state(hub):
    await signalled(hub)
    await (await batch(hub)).reply("1")
    await signalled(hub)
    await (await batch(hub)).reply(None)
    assert not (await entity(hub)).HasField("serializedState")


async def test_a_call_is_answered_to_its_caller(hub):
    await begun(hub, "one", call(1))
    await (await batch(hub)).reply("1", results=['"r"'])
    [news] = (await step(hub)).news
    assert (news.entityOperationCompleted.requestId, news.entityOperationCompleted.output.value) == ("call-1", '"r"')


async def test_a_failed_operation_is_told_to_its_caller(hub):
    await begun(hub, "one", call(1))
    await (await batch(hub)).reply("1", error="broken")
    [news] = (await step(hub)).news
    assert news.entityOperationFailed.failureDetails.errorMessage == "broken"


async def test_an_answer_is_nothing_to_a_later_run_of_the_caller(hub):
    await begun(hub, "one", call(1))
    taken = await batch(hub)
    await raised(hub)
    await (await step(hub)).reply(again())
    await taken.reply("1")
    assert (await step(hub)).kinds == ["executionStarted"]


async def test_an_answer_to_a_caller_that_is_just_over_goes_nowhere(hub, crash, monkeypatch):
    """It was kept for an instance that was over, and met whoever had its id next."""
    monkeypatch.setattr(writer, "FEW", -1)  # the disk is waited for in a thread
    await begun(hub, "one", call(1))
    taken = await batch(hub)
    await asyncio.gather(terminated(hub), taken.reply("1"))
    assert hub._state.reader.rows("SELECT * FROM inbox") == []
    await start(hub)
    async with crash() as after:
        assert (await step(after)).kinds == ["executionStarted"]


async def test_what_arrives_during_a_batch_makes_the_next_one(hub):
    await signalled(hub, operation="a")
    first = await batch(hub)
    await signalled(hub, operation="b")
    await first.reply("1")
    second = await batch(hub)
    assert (second.operations, second.state) == (["b"], "1")


async def test_operations_without_a_result_are_done_again(hub):
    await signalled(hub, operation="warm")
    first = await batch(hub)
    await signalled(hub, operation="a")
    await signalled(hub, operation="b")
    await first.reply("1")
    await (await batch(hub)).reply("2", results=["null"])
    assert (await batch(hub)).operations == ["b"]


async def test_cleaning_leaves_a_state_that_is_on_its_way_to_disk(hub, crash, monkeypatch):
    """The row was still empty, so the entity was removed after its first state was written."""
    await signalled(hub)
    taken = await batch(hub)
    disk = hub._state.writer
    durable = disk.durable

    async def and_then(sequence=None):
        monkeypatch.setattr(disk, "durable", durable)
        await durable(sequence)
        answering.append(asyncio.create_task(taken.reply("1")))
        await asyncio.sleep(0)

    answering = []
    monkeypatch.setattr(disk, "durable", and_then)
    cleaned = await hub.clean_entities(pb.CleanEntityStorageRequest(removeEmptyEntities=True))
    await asyncio.gather(*answering)
    assert cleaned.emptyEntitiesRemoved == 0
    async with crash() as after:
        assert (await entity(after)).serializedState.value == "1"


async def test_a_lock_that_was_asked_for_twice_ends_with_its_holder(hub):
    """Released once, the second was not known to be his."""
    await begun(hub, "one", lock(1, "a", E), lock(2, "b", E))
    await (await step(hub)).reply(unlock(3, "a", E))
    await (await step(hub)).reply()
    assert (await entity(hub)).lockedBy.value == "one"
    await terminated(hub)
    assert not (await entity(hub)).HasField("lockedBy")


async def test_an_entity_signals_another(hub, crash):
    await signalled(hub)
    await (await batch(hub)).reply("1", sends("@e@2", "hi"))
    async with crash() as after:
        taken = await batch(after)
        assert (taken.entity, taken.operations) == ("@e@2", ["hi"])


async def test_an_entity_signals_itself(hub):
    await signalled(hub)
    await (await batch(hub)).reply("1", sends(E, "more"))
    assert (await batch(hub)).operations == ["more"]


async def test_an_entity_starts_an_orchestration(hub, crash):
    await signalled(hub)
    await (await batch(hub)).reply("1", starts())
    async with crash() as after:
        assert (await step(after)).instance == "new"


async def test_that_an_entity_starts_what_is_there_harms_nothing(hub):
    await start(hub, "new")
    await signalled(hub)
    await (await batch(hub)).reply("7", starts())
    assert (await entity(hub)).serializedState.value == "7"


async def test_a_scheduled_signal_waits(hub, clock):
    request = pb.SignalEntityRequest(instanceId=E, name="later", requestId="r")
    request.scheduledTime.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    await hub.signal_entity(request)
    await signalled(hub, operation="now")
    first = await batch(hub)
    assert first.operations == ["now"]
    await first.reply("1")
    assert await nothing(hub, "entity")
    clock.forward(3700)
    assert (await batch(hub)).operations == ["later"]


# Locks


async def holder(hub, name, *entity_ids, section="s"):
    """Start an orchestration that asks for locks, and return its next step once it has them."""
    await begun(hub, name, lock(1, section, *entity_ids))
    taken = await step(hub)
    assert (taken.instance, taken.kinds) == (name, ["entityLockGranted"])
    return taken


async def test_a_free_lock_is_granted_at_once(hub):
    await holder(hub, "one", E)
    assert (await entity(hub)).lockedBy.value == "one"


async def test_a_held_lock_is_granted_when_it_is_released(hub):
    first = await holder(hub, "one", E)
    await begun(hub, "two", lock(1, "t", E))
    assert await nothing(hub, "orchestration")
    await first.reply(unlock(2, "s", E))
    taken = await step(hub)
    assert (taken.instance, taken.kinds) == ("two", ["entityLockGranted"])


async def test_lock_requests_are_served_in_order(hub):
    current = await holder(hub, "0", E, section="s0")
    for number in range(1, 5):
        await begun(hub, str(number), lock(1, f"s{number}", E))
    order = []
    for number in range(4):
        await current.reply(unlock(2, f"s{number}", E))
        current = await step(hub)
        order.append(current.instance)
    assert order == ["1", "2", "3", "4"]


ENDINGS = ("complete", "fail", "terminate", "continue", "poison")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("when", ["held", "waiting"])
async def test_every_ending_releases_locks_and_requests(hub, crash, ending, when, monkeypatch):
    """Elsewhere they outlived a holder that raised, was replayed or was terminated (extension 1977, 2743, 1325)."""
    monkeypatch.setattr(work, "FIRST_PAUSE", 0.0)
    if when == "held":
        taken = await holder(hub, "one", E, "@e@2")
    else:
        keeper = await holder(hub, "keeper", "@e@2", section="k")
        await begun(hub, "one", lock(1, "s", E, "@e@2"))
        await raised(hub)
        taken = await step(hub)
    match ending:
        case "complete":
            await taken.reply(complete())
        case "fail":
            await taken.reply(fail())
        case "continue":
            await taken.reply(again())
            await (await step(hub)).reply()
        case "terminate":
            await terminated(hub)
        case "poison":
            for _ in range(limits.MAX_ATTEMPTS - 1):
                await hub.abandon("orchestration", taken.item.completionToken)
                taken = await step(hub)
            await hub.abandon("orchestration", taken.item.completionToken)
            assert await nothing(hub, "orchestration")
    if when == "waiting":
        await keeper.reply(unlock(2, "k", "@e@2"))
    async with crash() as after:
        for current in (hub, after):
            for entity_id in (E, "@e@2"):
                assert not (await entity(current, entity_id)).HasField("lockedBy")
            await holder(current, "next", E, "@e@2", section="n")


async def test_a_lock_survives_a_crash_with_its_grant(hub, crash):
    """Granted and recorded are one: nothing is locked for ever for someone who never learns it (extension 2228).

    Elsewhere a crash between the two did that, also in the Durable Task Scheduler (issue 388).
    """
    await begun(hub, "one", lock(1, "s", E))
    async with crash() as after:
        assert (await entity(after)).lockedBy.value == "one"
        assert (await step(after)).kinds == ["entityLockGranted"]


async def test_a_lock_request_survives_a_crash_and_keeps_its_place(hub, crash):
    await holder(hub, "one", E)
    await begun(hub, "two", lock(1, "t", E))
    await begun(hub, "three", lock(1, "u", E))
    async with crash() as after:
        taken = await step(after)  # handed out again
        await taken.reply(unlock(2, "s", E))
        second = await step(after)
        assert second.instance == "two"
        await second.reply(unlock(2, "t", E))
        assert (await step(after)).instance == "three"


async def test_a_locked_entity_serves_its_holder_alone(hub):
    taken = await holder(hub, "one", E)
    await signalled(hub, operation="other")
    await begun(hub, "two", call(1, E, "stranger"))
    assert await nothing(hub, "entity")
    await taken.reply(call(2, E, "mine"))
    mine = await batch(hub)
    assert mine.operations == ["mine"]
    await mine.reply("1")
    await (await step(hub)).reply(unlock(3, "s", E))
    assert (await batch(hub)).operations == ["other", "stranger"]


async def test_operations_before_a_lock_request_come_first(hub):
    await signalled(hub, operation="before")
    first = await batch(hub)
    await begun(hub, "one", lock(1, "s", E))
    assert await nothing(hub, "orchestration")
    await first.reply("1")
    assert (await step(hub)).kinds == ["entityLockGranted"]


async def test_unlocking_with_another_section_does_nothing(hub):
    taken = await holder(hub, "one", E)
    await taken.reply(unlock(2, "wrong", E))
    assert (await entity(hub)).lockedBy.value == "one"


async def test_an_empty_lock_set_is_granted(hub):
    await begun(hub, "one", lock(1, "s"))
    assert (await step(hub)).kinds == ["entityLockGranted"]


async def test_the_same_entity_twice_in_a_set_is_one_lock(hub):
    taken = await holder(hub, "one", E, E)
    await taken.reply(unlock(2, "s", E))
    assert not (await entity(hub)).HasField("lockedBy")


@pytest.mark.parametrize("seed", range(5))
async def test_locks_in_any_order_never_deadlock_and_exclude_each_other(hub, seed):
    rng = random.Random(seed)
    sets = {f"o{n}": rng.sample([f"@e@{k}" for k in range(6)], rng.randint(2, 4)) for n in range(20)}
    for name in sets:
        await start(hub, name)
    for taken in [await step(hub) for _ in sets]:
        await taken.reply(lock(1, taken.instance, *sets[taken.instance]))
    held: dict[str, Step] = {}
    done = 0
    while done < len(sets):
        item = await soon(hub, "orchestration") if rng.random() < 0.5 or not held else None
        if item is not None:
            taken = Step(hub, item)
            busy = {e for name in held for e in sets[name]}
            assert not busy & set(sets[taken.instance])
            held[taken.instance] = taken
        else:
            name = rng.choice(sorted(held))
            await held.pop(name).reply(complete())
            done += 1


# Queries


async def test_entities_are_listed_by_prefix_and_page(hub):
    for number in range(5):
        await signalled(hub, f"@e@{number}")
        await (await batch(hub)).reply(str(number))
    await signalled(hub, "@f@0")
    await (await batch(hub)).reply("1")
    query = pb.EntityQuery(includeState=True)
    query.instanceIdStartsWith.value = "@e@"
    query.pageSize.value = 2
    ids, states = [], []
    while True:
        page = await hub.query_entities(pb.QueryEntitiesRequest(query=query))
        ids += [e.instanceId for e in page.entities]
        states += [e.serializedState.value for e in page.entities]
        if not page.HasField("continuationToken"):
            break
        query.continuationToken.value = page.continuationToken.value
    assert ids == [f"@e@{n}" for n in range(5)]
    assert states == list("01234")


@pytest.mark.parametrize(("include", "expected"), [(False, []), (True, ["@e@1"])])
async def test_entities_without_a_state_are_listed_only_on_demand(hub, include, expected):
    await signalled(hub)
    page = await hub.query_entities(pb.QueryEntitiesRequest(query=pb.EntityQuery(includeTransient=include)))
    assert [e.instanceId for e in page.entities] == expected


async def test_entities_are_listed_by_time(hub):
    await signalled(hub)
    await (await batch(hub)).reply("1")
    query = pb.EntityQuery()
    query.lastModifiedFrom.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    assert not (await hub.query_entities(pb.QueryEntitiesRequest(query=query))).entities


async def test_an_unknown_entity_does_not_exist(hub):
    assert not (await hub.get_entity(pb.GetEntityRequest(instanceId="@e@no"))).exists


async def test_an_entity_exists_as_long_as_it_has_a_state(hub):
    """A client asks whether an entity was deleted; the extension says so of one that has lost its state."""
    seen = []
    for value in (None, "0", None):
        await signalled(hub)
        await (await batch(hub)).reply(value)
        seen.append((await hub.get_entity(pb.GetEntityRequest(instanceId="@e@1"))).exists)
    assert seen == [False, True, False]


async def test_the_backlog_is_shown(hub):
    await signalled(hub)
    await signalled(hub)
    assert (await entity(hub)).backlogQueueSize == 2


async def test_cleaning_removes_empty_entities_only(hub):
    for entity_id, value in (("@e@1", "1"), ("@e@2", None)):
        await signalled(hub, entity_id)
        await (await batch(hub)).reply(value)
    await signalled(hub, "@e@3")
    response = await hub.clean_entities(pb.CleanEntityStorageRequest(removeEmptyEntities=True))
    assert response.emptyEntitiesRemoved == 1
    assert (await hub.get_entity(pb.GetEntityRequest(instanceId="@e@1"))).exists
    assert not (await hub.get_entity(pb.GetEntityRequest(instanceId="@e@2"))).exists
    assert (await batch(hub)).entity == "@e@3"


async def test_an_entity_that_was_cleaned_can_come_back(hub, crash):
    await signalled(hub)
    await (await batch(hub)).reply(None)
    await hub.clean_entities(pb.CleanEntityStorageRequest(removeEmptyEntities=True))
    await signalled(hub)
    await (await batch(hub)).reply("2")
    async with crash() as after:
        assert (await entity(after)).serializedState.value == "2"


async def test_cleaning_leaves_the_locks_of_the_living(hub):
    await holder(hub, "one", E)
    response = await hub.clean_entities(pb.CleanEntityStorageRequest(releaseOrphanedLocks=True))
    assert response.orphanedLocksReleased == 0
    assert (await entity(hub)).lockedBy.value == "one"


async def test_a_signal_from_an_orchestration_survives_its_end(hub, crash):
    await begun(hub, "one", signal(1), complete())
    async with crash() as after:
        assert (await batch(after)).operations == ["op"]


async def test_many_idle_entities_are_read_again_when_they_are_needed(hub, monkeypatch):
    monkeypatch.setattr(limits, "ENTITY_CACHE", 2)
    for number in range(10):
        await signalled(hub, f"@e@{number}")
        await (await batch(hub)).reply(str(number))
    for number in range(10):
        await signalled(hub, f"@e@{number}")
        taken = await batch(hub)
        assert taken.state == str(number)
        await taken.reply(taken.state)


async def test_an_entity_and_an_activity_may_be_out_for_one_step(hub):
    await begun(hub, "one", schedule(1), call(2))
    await (await activity(hub)).reply()
    await (await batch(hub)).reply("1")
    assert sorted((await step(hub)).kinds) == ["entityOperationCompleted", "taskCompleted"]
