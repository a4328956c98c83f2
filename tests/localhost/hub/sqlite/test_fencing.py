"""One step of an instance at a time, and late answers count for nothing."""

import asyncio

import durabletask.internal.orchestrator_service_pb2 as pb
import pytest
from hub_harness.by_hand import (
    COMPLETED,
    RUNNING,
    TERMINATED,
    activity,
    again,
    batch,
    begun,
    complete,
    entity,
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
)


async def test_an_instance_has_one_step_out_at_a_time(hub):
    await start(hub)
    await step(hub)
    await raised(hub)
    assert await nothing(hub, "orchestration")


async def test_what_arrived_during_a_step_makes_the_next_one(hub):
    await start(hub)
    first = await step(hub)
    await raised(hub)
    await first.reply()
    assert (await step(hub)).kinds == ["eventRaised"]


async def test_what_arrived_before_a_step_shares_it(hub):
    await begun(hub)
    await raised(hub, data="1")
    await raised(hub, data="2")
    assert [e.eventRaised.input.value for e in (await step(hub)).news] == ["1", "2"]


async def test_different_instances_are_out_together(hub):
    for name in "abc":
        await start(hub, name)
    assert {(await step(hub)).instance for _ in range(3)} == {"a", "b", "c"}


async def test_an_entity_has_one_batch_out_at_a_time(hub):
    await signalled(hub)
    await batch(hub)
    await signalled(hub)
    assert await nothing(hub, "entity")


async def test_different_entities_are_out_together(hub):
    await signalled(hub, "@e@1")
    await signalled(hub, "@e@2")
    assert {(await batch(hub)).entity, (await batch(hub)).entity} == {"@e@1", "@e@2"}


async def test_a_second_answer_to_a_step_changes_nothing(hub):
    await start(hub)
    first = await step(hub)
    await first.reply(schedule(1))
    await first.reply(schedule(1), complete('"late"'))
    assert (await state(hub)).orchestrationStatus == RUNNING
    await activity(hub)
    assert await nothing(hub, "activity")


async def test_a_second_answer_to_an_activity_changes_nothing(hub):
    await begun(hub, "one", schedule(1))
    work = await activity(hub)
    await work.reply("1")
    await work.reply("2")
    assert [e.taskCompleted.result.value for e in (await step(hub)).news] == ["1"]


async def test_a_second_answer_to_a_batch_changes_nothing(hub):
    await signalled(hub)
    taken = await batch(hub)
    await taken.reply("1")
    await taken.reply("2")
    assert (await entity(hub)).serializedState.value == "1"


@pytest.mark.parametrize("token", ["", "nonsense", "0"])
async def test_an_answer_with_an_unknown_token_changes_nothing(hub, token):
    await start(hub)
    response = pb.OrchestratorResponse(instanceId="one", completionToken=token, actions=[complete("1")])
    await hub.complete_orchestration(response)
    await hub.complete_activity(pb.ActivityResponse(instanceId="one", taskId=1, completionToken=token))
    await hub.complete_entity(pb.EntityBatchResult(completionToken=token))
    assert (await step(hub)).kinds == ["executionStarted"]


async def test_an_answer_to_a_step_that_was_abandoned_changes_nothing(hub):
    await start(hub)
    first = await step(hub)
    await hub.abandon("orchestration", first.item.completionToken)
    second = await step(hub)
    await first.reply(complete('"late"'))
    assert (await state(hub)).orchestrationStatus != COMPLETED
    await second.reply(complete('"right"'))
    assert (await state(hub)).output.value == '"right"'


async def test_an_answer_to_an_activity_that_was_abandoned_changes_nothing(hub):
    await begun(hub, "one", schedule(1))
    first = await activity(hub)
    await hub.abandon("activity", first.item.completionToken)
    second = await activity(hub)
    await first.reply("1")
    await second.reply("2")
    assert [e.taskCompleted.result.value for e in (await step(hub)).news] == ["2"]


async def test_an_answer_to_a_batch_that_was_abandoned_changes_nothing(hub):
    await signalled(hub)
    first = await batch(hub)
    await hub.abandon("entity", first.item.completionToken)
    second = await batch(hub)
    await first.reply("1")
    await second.reply("2")
    assert (await entity(hub)).serializedState.value == "2"


async def test_a_step_that_is_answered_after_termination_changes_nothing(hub):
    await start(hub)
    first = await step(hub)
    await terminated(hub)
    await first.reply(schedule(1), complete('"late"'))
    assert (await state(hub)).orchestrationStatus == TERMINATED
    assert await nothing(hub, "activity")


async def test_an_activity_of_an_earlier_run_is_nothing_to_a_later_one(hub):
    await begun(hub, "one", schedule(1))
    late = await activity(hub)
    await raised(hub)
    await (await step(hub)).reply(again())
    await late.reply("1")
    assert (await step(hub)).kinds == ["executionStarted"]


async def test_an_activity_of_a_replaced_instance_is_nothing_to_its_successor(hub):
    await begun(hub, "one", schedule(1))
    late = await activity(hub)
    await terminated(hub)
    await start(hub)
    await late.reply("1")
    assert (await step(hub)).kinds == ["executionStarted"]


async def test_an_activity_of_a_purged_instance_ends_quietly(hub):
    await begun(hub, "one", schedule(1))
    late = await activity(hub)
    await terminated(hub)
    await hub.purge(pb.PurgeInstancesRequest(instanceId="one"))
    await late.reply("1")
    assert await hub.get_instance("one", payloads=True) is None


async def test_tokens_of_an_earlier_life_of_the_hub_count_for_nothing(hub, crash):
    await start(hub)
    before = await step(hub)
    async with crash() as after:
        before.hub = after
        await before.reply(complete('"late"'))
        assert (await state(after)).orchestrationStatus != COMPLETED


async def test_activities_scheduled_by_a_last_step_still_run(hub):
    await begun(hub, "one", schedule(1), complete("1"))
    assert (await activity(hub)).request.taskId == 1


async def test_an_instance_that_is_over_gets_no_more_steps(hub):
    await begun(hub, "one", schedule(1), complete("1"))
    await (await activity(hub)).reply()
    await raised(hub)
    assert await nothing(hub, "orchestration")


async def test_two_takers_never_get_the_same_item(hub):
    takers = [asyncio.create_task(step(hub)) for _ in range(10)]
    for number in range(10):
        await start(hub, str(number))
    assert {taken.instance for taken in await asyncio.gather(*takers)} == {str(n) for n in range(10)}


async def test_a_taker_that_gives_up_loses_nothing(hub):
    taker = asyncio.create_task(hub.take("orchestration"))
    await asyncio.sleep(0)
    started = asyncio.create_task(start(hub))
    await asyncio.sleep(0)
    taker.cancel()
    await asyncio.gather(taker, return_exceptions=True)
    await started
    if not taker.cancelled() and taker.exception() is None:
        await hub.abandon("orchestration", taker.result().completionToken)
    assert (await step(hub)).instance == "one"


async def test_a_finished_history_is_left_alone(hub):
    await finished(hub)
    before = await history(hub)
    await raised(hub)
    assert await history(hub) == before
    assert before[-1] == "executionCompleted"
    assert before.count("executionCompleted") == 1
