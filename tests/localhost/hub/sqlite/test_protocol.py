"""Every operation of ``TaskHubSidecarService``, and how each refuses, over gRPC."""

import asyncio
from datetime import UTC, datetime, timedelta

import durabletask.internal.orchestrator_service_pb2 as pb
import durabletask.internal.orchestrator_service_pb2_grpc as stubs
import grpc
import pytest
from google.protobuf import empty_pb2
from hub_harness.by_hand import (
    COMPLETED,
    PENDING,
    RUNNING,
    SUSPENDED,
    TERMINATED,
    activity,
    again,
    batch,
    begun,
    call,
    child,
    complete,
    entity,
    fail,
    finished,
    history,
    lock,
    nothing,
    schedule,
    signalled,
    start,
    state,
    step,
    timer,
    until,
)
from hub_harness.served import next_item, served, stub_of

from localhost.hub.interface import InstanceStateError, UnknownInstanceError
from localhost.hub.sqlite import limits
from localhost.hub.transport.server import MAX_MESSAGE

SERVICE = pb.DESCRIPTOR.services_by_name["TaskHubSidecarService"]
UNKNOWN = {
    "RewindInstance": pb.RewindInstanceRequest(instanceId="no"),
    "RestartInstance": pb.RestartInstanceRequest(instanceId="no"),
    "RaiseEvent": pb.RaiseEventRequest(instanceId="no", name="e"),
    "TerminateInstance": pb.TerminateRequest(instanceId="no"),
    "SuspendInstance": pb.SuspendRequest(instanceId="no"),
    "ResumeInstance": pb.ResumeRequest(instanceId="no"),
    "StreamInstanceHistory": pb.StreamInstanceHistoryRequest(instanceId="no"),
}
STALE = {
    "CompleteActivityTask": pb.ActivityResponse(completionToken="stale"),
    "CompleteOrchestratorTask": pb.OrchestratorResponse(completionToken="stale"),
    "CompleteEntityTask": pb.EntityBatchResult(completionToken="stale"),
    "AbandonTaskActivityWorkItem": pb.AbandonActivityTaskRequest(completionToken="stale"),
    "AbandonTaskOrchestratorWorkItem": pb.AbandonOrchestrationTaskRequest(completionToken="stale"),
    "AbandonTaskEntityWorkItem": pb.AbandonEntityTaskRequest(completionToken="stale"),
}
ANYTIME = {
    "Hello": empty_pb2.Empty(),
    "StartInstance": pb.CreateInstanceRequest(instanceId="new", name="f"),
    "GetInstance": pb.GetInstanceRequest(instanceId="no"),
    "WaitForInstanceStart": pb.GetInstanceRequest(instanceId="no"),
    "WaitForInstanceCompletion": pb.GetInstanceRequest(instanceId="no"),
    "QueryInstances": pb.QueryInstancesRequest(),
    "ListInstanceIds": pb.ListInstanceIdsRequest(),
    "PurgeInstances": pb.PurgeInstancesRequest(instanceId="no"),
    "SignalEntity": pb.SignalEntityRequest(instanceId="@e@1", name="op"),
    "GetEntity": pb.GetEntityRequest(instanceId="@e@no"),
    "QueryEntities": pb.QueryEntitiesRequest(),
    "CleanEntityStorage": pb.CleanEntityStorageRequest(),
    "SkipGracefulOrchestrationTerminations": pb.SkipGracefulOrchestrationTerminationsRequest(),
    "CreateTaskHub": pb.CreateTaskHubRequest(),
    "DeleteTaskHub": pb.DeleteTaskHubRequest(),
    "GetWorkItems": pb.GetWorkItemsRequest(),
}


async def ask(stub, name, request):
    """Do one operation; of a stream, return all of it, but of the endless one only that it begins."""
    answer = getattr(stub, name)(request)
    if not SERVICE.methods_by_name[name].server_streaming:
        return await answer
    if name == "GetWorkItems":
        await answer.wait_for_connection()
        answer.cancel()
        return None
    return [chunk async for chunk in answer]


def test_every_operation_of_the_service_is_tested_here():
    """A new version of the SDK cannot add one unseen."""
    assert {method.name for method in SERVICE.methods} == {*UNKNOWN, *STALE, *ANYTIME}
    assert all(hasattr(stubs.TaskHubSidecarServiceServicer, name) for name in {*UNKNOWN, *STALE, *ANYTIME})


@pytest.mark.parametrize("name", ANYTIME)
async def test_what_needs_nothing_is_answered_by_an_empty_hub(hub, name):
    async with served(hub) as address, stub_of(address) as stub:
        await signalled(hub) if name == "GetWorkItems" else None
        await ask(stub, name, ANYTIME[name])


@pytest.mark.parametrize("name", UNKNOWN)
async def test_an_unknown_instance_is_not_found(hub, name):
    async with served(hub) as address, stub_of(address) as stub:
        with pytest.raises(grpc.aio.AioRpcError, match="There is no orchestration instance 'no'") as refused:
            await ask(stub, name, UNKNOWN[name])
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("name", STALE)
async def test_a_late_answer_is_accepted_and_changes_nothing(hub, name):
    """A worker that lost its item is not told off: it could do nothing about it (durabletask-go 136, 137)."""
    await begun(hub, "one", schedule(1), call(2))
    async with served(hub) as address, stub_of(address) as stub:
        await ask(stub, name, STALE[name])
    assert (await state(hub)).orchestrationStatus == RUNNING
    assert not await nothing(hub, "activity")
    assert not await nothing(hub, "entity")


@pytest.mark.parametrize(
    ("name", "request_", "code", "says"),
    [
        ("StartInstance", pb.CreateInstanceRequest(instanceId="live", name="f"), "ALREADY_EXISTS", "RUNNING"),
        ("RestartInstance", pb.RestartInstanceRequest(instanceId="live"), "FAILED_PRECONDITION", "not over"),
        ("RewindInstance", pb.RewindInstanceRequest(instanceId="live"), "FAILED_PRECONDITION", "not failed"),
        ("RewindInstance", pb.RewindInstanceRequest(instanceId="over"), "FAILED_PRECONDITION", "not failed"),
        (
            "QueryInstances",
            pb.QueryInstancesRequest(query=pb.InstanceQuery(continuationToken={"value": "x|y"})),  # pyright: ignore[reportArgumentType]
            "INVALID_ARGUMENT",
            "not a continuation token",
        ),
        (
            "ListInstanceIds",
            pb.ListInstanceIdsRequest(lastInstanceKey={"value": "; DROP TABLE instances"}),  # pyright: ignore[reportArgumentType]
            "INVALID_ARGUMENT",
            "not a continuation token",
        ),
    ],
)
async def test_what_cannot_be_done_is_refused_with_its_code(hub, name, request_, code, says):
    await begun(hub, "live")
    await finished(hub, "over")
    async with served(hub) as address, stub_of(address) as stub:
        with pytest.raises(grpc.aio.AioRpcError, match=says) as refused:
            await ask(stub, name, request_)
    assert refused.value.code() == grpc.StatusCode[code]


@pytest.mark.parametrize("what", ["start", "event", "signal", "output"])
async def test_a_payload_that_is_too_large_is_refused_before_anything_happens(hub, monkeypatch, what):
    """Its size is that of its UTF-8, not of its letters; nothing starts that could not go on (extension 1483)."""
    monkeypatch.setattr(limits, "MAX_PAYLOAD_BYTES", 400)
    await begun(hub)
    too_much = {"value": "\U0001f600" * 101}
    requests = {
        "start": ("StartInstance", pb.CreateInstanceRequest(instanceId="new", name="f", input=too_much)),
        "event": ("RaiseEvent", pb.RaiseEventRequest(instanceId="one", name="e", input=too_much)),
        "signal": ("SignalEntity", pb.SignalEntityRequest(instanceId="@e@1", name="op", input=too_much)),
        "output": ("TerminateInstance", pb.TerminateRequest(instanceId="one", output=too_much)),
    }
    async with served(hub) as address, stub_of(address) as stub:
        with pytest.raises(grpc.aio.AioRpcError, match="404 bytes; at most 400") as refused:
            await ask(stub, *requests[what])
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await hub.get_instance("new", payloads=False) is None
    assert (await state(hub)).orchestrationStatus == RUNNING
    assert await nothing(hub, "orchestration")


# Streams


async def test_a_history_is_streamed_whole_and_in_order(hub):
    await begun(hub, "one", *[schedule(n) for n in range(250)])
    async with served(hub) as address, stub_of(address) as stub:
        chunks = await ask(stub, "StreamInstanceHistory", pb.StreamInstanceHistoryRequest(instanceId="one"))
    assert len(chunks) > 1
    events = [event for chunk in chunks for event in chunk.events]
    assert [event.eventId for event in events if event.HasField("taskScheduled")] == list(range(250))


async def test_a_chunk_of_history_fits_into_an_ordinary_message(hub):
    """Clients take 4 MB a message unless told otherwise."""
    await begun(hub, "one", *[schedule(n, "a", "x" * 1_000_000) for n in range(9)])
    async with served(hub) as address, stub_of(address) as stub:
        chunks = await ask(stub, "StreamInstanceHistory", pb.StreamInstanceHistoryRequest(instanceId="one"))
    assert max(chunk.ByteSize() for chunk in chunks) < 4_000_000
    assert sum(len(chunk.events) for chunk in chunks) == len(await history(hub))


async def test_a_worker_that_can_reads_a_large_history_by_itself(hub):
    """What it is handed names the instance; the past comes in chunks of a size that any worker takes."""
    await begun(hub, "one", *[schedule(n, "a", "x" * 500_000) for n in range(9)], timer(9, 0))
    request = pb.GetWorkItemsRequest(capabilities=[pb.WORKER_CAPABILITY_HISTORY_STREAMING])
    async with served(hub) as address, stub_of(address) as stub:
        stream = stub.GetWorkItems(request)
        item = await next_item(stream)
        while not item.HasField("orchestratorRequest"):
            item = await next_item(stream)
        assert item.orchestratorRequest.requiresHistoryStreaming
        assert not item.orchestratorRequest.pastEvents
        assert item.ByteSize() < 100_000
        asked = pb.StreamInstanceHistoryRequest(instanceId="one", forWorkItemProcessing=True)
        past = [event for chunk in await ask(stub, "StreamInstanceHistory", asked) for event in chunk.events]
        assert [event.eventId for event in past if event.HasField("taskScheduled")] == list(range(9))
        assert not any(event.HasField("timerFired") for event in past), "that is new"
        await stub.CompleteOrchestratorTask(
            pb.OrchestratorResponse(instanceId="one", completionToken=item.completionToken, actions=[complete()])
        )
        stream.cancel()
    assert (await state(hub)).orchestrationStatus == COMPLETED


async def test_a_small_history_comes_with_the_work_even_so(hub):
    await begun(hub, "one", timer(1, 0))
    request = pb.GetWorkItemsRequest(capabilities=[pb.WORKER_CAPABILITY_HISTORY_STREAMING])
    async with served(hub) as address, stub_of(address) as stub:
        stream = stub.GetWorkItems(request)
        item = await next_item(stream)
        assert not item.orchestratorRequest.requiresHistoryStreaming
        assert item.orchestratorRequest.pastEvents
        stream.cancel()


async def test_an_answer_may_come_in_parts(hub):
    """Workers cut large answers; all parts are one commit, made by the last."""
    await start(hub)
    async with served(hub) as address, stub_of(address) as stub:
        stream = stub.GetWorkItems(pb.GetWorkItemsRequest())
        item = await next_item(stream)
        stream_token = {"instanceId": "one", "completionToken": item.completionToken}
        for index in range(2):
            part = pb.OrchestratorResponse(isPartial=True, actions=[schedule(index)], **stream_token)
            part.chunkIndex.value = index
            await stub.CompleteOrchestratorTask(part)
            assert await history(hub) == []
        last = pb.OrchestratorResponse(actions=[schedule(2)], **stream_token)
        last.chunkIndex.value = 2
        last.customStatus.value = '"all"'
        await stub.CompleteOrchestratorTask(last)
        assert (await history(hub)).count("taskScheduled") == 3
        assert (await state(hub)).customStatus.value == '"all"'
        stream.cancel()


async def test_parts_of_an_answer_are_forgotten_with_the_worker(hub):
    await start(hub)
    async with served(hub) as address, stub_of(address) as stub:
        stream = stub.GetWorkItems(pb.GetWorkItemsRequest())
        item = await next_item(stream)
        part = {"instanceId": "one", "completionToken": item.completionToken}
        await stub.CompleteOrchestratorTask(pb.OrchestratorResponse(isPartial=True, actions=[schedule(1)], **part))
        stream.cancel()
        await (await step(hub)).reply(schedule(7))
        await stub.CompleteOrchestratorTask(pb.OrchestratorResponse(actions=[complete()], **part))
    assert (await history(hub)).count("taskScheduled") == 1
    assert (await state(hub)).orchestrationStatus == RUNNING


# The hub itself


@pytest.mark.parametrize("how", ["DeleteTaskHub", "CreateTaskHub"])
async def test_a_hub_can_be_emptied(hub, crash, how):
    """Instances, entities, timers and what is out are gone, on disk as well; the hub goes on."""
    await begun(hub, "one", schedule(1), timer(2, 60), child(3), call(4))
    await finished(hub, "over")
    await begun(hub, "holder", lock(5, "s", "@e@held"))
    out = await step(hub)
    async with served(hub) as address, stub_of(address) as stub:
        await ask(
            stub, how, pb.DeleteTaskHubRequest() if how[0] == "D" else pb.CreateTaskHubRequest(recreateIfExists=True)
        )
        await out.reply(complete())
        for kind in ("orchestration", "activity", "entity"):
            assert await nothing(hub, kind)
        found = await stub.QueryInstances(pb.QueryInstancesRequest())
        assert not found.orchestrationState
        query = pb.EntityQuery(includeTransient=True)
        assert not (await stub.QueryEntities(pb.QueryEntitiesRequest(query=query))).entities
    async with crash() as after:
        assert await nothing(after, "orchestration")
        assert await after.get_instance("one", payloads=False) is None
    await finished(hub, "one")
    assert (await state(hub)).orchestrationStatus == COMPLETED


async def test_creating_the_hub_that_is_there_changes_nothing(hub):
    await start(hub)
    async with served(hub) as address, stub_of(address) as stub:
        await stub.CreateTaskHub(pb.CreateTaskHubRequest())
    assert (await state(hub)).orchestrationStatus == PENDING


async def test_whoever_waits_learns_that_the_hub_was_emptied(hub):
    await start(hub)
    async with served(hub) as address, stub_of(address) as stub:
        waiting = asyncio.ensure_future(stub.WaitForInstanceCompletion(pb.GetInstanceRequest(instanceId="one")))
        await until(lambda: hub._state._waiting)
        assert not waiting.done()
        await stub.DeleteTaskHub(pb.DeleteTaskHubRequest())
        assert not (await waiting).exists


# What a request may say


async def test_queries_combine_their_filters(hub):
    """State, time, prefix and page narrow together; inputs come on demand."""
    for number in range(4):
        await start(hub, f"a{number}", payload='"in"')
        await (await step(hub)).reply(complete())
    await start(hub, "b")
    query = pb.InstanceQuery(runtimeStatus=[COMPLETED], maxInstanceCount=3, taskHubNames=[], fetchInputsAndOutputs=True)
    query.instanceIdPrefix.value = "a"
    query.createdTimeFrom.FromDatetime(datetime.now(UTC) - timedelta(hours=1))
    query.createdTimeTo.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    async with served(hub) as address, stub_of(address) as stub:
        first = await stub.QueryInstances(pb.QueryInstancesRequest(query=query))
        assert [found.instanceId for found in first.orchestrationState] == ["a0", "a1", "a2"]
        assert first.orchestrationState[0].input.value == '"in"'
        query.continuationToken.CopyFrom(first.continuationToken)
        second = await stub.QueryInstances(pb.QueryInstancesRequest(query=query))
        assert [found.instanceId for found in second.orchestrationState] == ["a3"]
        assert not second.HasField("continuationToken")


async def test_a_batch_may_be_ended_at_once_and_says_what_was_not_there(hub):
    await begun(hub, "live")
    await finished(hub, "over")
    request = pb.SkipGracefulOrchestrationTerminationsRequest(
        instanceBatch=pb.InstanceBatch(instanceIds=["live", "over", "no"])
    )
    request.reason.value = "enough"
    async with served(hub) as address, stub_of(address) as stub:
        answer = await stub.SkipGracefulOrchestrationTerminations(request)
    assert list(answer.unterminatedInstanceIds) == ["no"]
    assert (await state(hub, "live")).orchestrationStatus == TERMINATED
    assert (await state(hub, "over")).orchestrationStatus == COMPLETED


async def test_suspending_and_resuming_keep_their_reasons(hub):
    await begun(hub)
    async with served(hub) as address, stub_of(address) as stub:
        await stub.SuspendInstance(pb.SuspendRequest(instanceId="one", reason={"value": "lunch"}))
        await (await step(hub)).reply()
        assert (await state(hub)).orchestrationStatus == SUSPENDED
        await stub.ResumeInstance(pb.ResumeRequest(instanceId="one", reason={"value": "back"}))
        await (await step(hub)).reply()
    events = await hub.history("one")
    assert [e.executionSuspended.input.value for e in events if e.HasField("executionSuspended")] == ["lunch"]
    assert [e.executionResumed.input.value for e in events if e.HasField("executionResumed")] == ["back"]


async def test_a_purge_says_when_its_time_was_too_short(hub, monkeypatch):
    monkeypatch.setattr("localhost.hub.sqlite.queries._BATCH", 1)
    for number in range(3):
        await finished(hub, f"i{number}")
    wanted = pb.PurgeInstanceFilter()
    wanted.timeout.FromTimedelta(timedelta(microseconds=1))
    async with served(hub) as address, stub_of(address) as stub:
        first = await stub.PurgeInstances(pb.PurgeInstancesRequest(purgeInstanceFilter=wanted))
        assert (first.deletedInstanceCount, first.isComplete.value) == (1, False)
        wanted.ClearField("timeout")
        rest = await stub.PurgeInstances(pb.PurgeInstancesRequest(purgeInstanceFilter=wanted))
        assert (rest.deletedInstanceCount, rest.isComplete.value) == (2, True)


async def test_a_new_run_takes_carried_events_and_a_new_version(hub):
    await start(hub)
    carried = pb.HistoryEvent(eventRaised=pb.EventRaisedEvent(name="kept"))
    action = again('"next"', [carried])
    action.completeOrchestration.newVersion.value = "2"
    await (await step(hub)).reply(action)
    following = await step(hub)
    assert following.kinds == ["executionStarted", "eventRaised"]
    assert following.news[0].executionStarted.version.value == "2"


async def test_an_orchestration_rewound_over_the_wire_runs_on(hub):
    await begun(hub, "one", fail("once"))
    async with served(hub) as address, stub_of(address) as stub:
        await stub.RewindInstance(pb.RewindInstanceRequest(instanceId="one", reason={"value": "again"}))
    assert (await step(hub)).news[0].executionRewound.reason.value == "again"


@pytest.mark.parametrize("empty", [True, False])
@pytest.mark.parametrize("orphaned", [True, False])
async def test_cleaning_does_what_was_asked_for(hub, empty, orphaned):
    await begun(hub, "holder", lock(1, "s", "@e@held"))
    await signalled(hub, "@e@empty")
    await (await batch(hub)).reply(None)
    async with served(hub) as address, stub_of(address) as stub:
        asked = pb.CleanEntityStorageRequest(removeEmptyEntities=empty, releaseOrphanedLocks=orphaned)
        answer = await stub.CleanEntityStorage(asked)
    assert answer.emptyEntitiesRemoved == int(empty)
    assert answer.orphanedLocksReleased == 0, "its holder lives"
    assert (await entity(hub, "@e@held")).lockedBy.value == "holder"


def test_errors_of_the_state_are_conflicts():
    """Whoever answers HTTP tells neither apart: both are 409."""
    assert InstanceStateError.__mro__[1].__name__ == "InstanceConflictError"
    assert not issubclass(UnknownInstanceError, InstanceStateError)


# Those who call


async def test_a_client_that_stops_waiting_leaves_nothing_behind(hub):
    """By its deadline, by hanging up, or with its whole connection."""
    await start(hub)
    request = pb.GetInstanceRequest(instanceId="one")
    async with served(hub) as address:
        async with stub_of(address) as stub:
            with pytest.raises(grpc.aio.AioRpcError) as late:
                await stub.WaitForInstanceCompletion(request, timeout=0.1)
            assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
            await until(lambda: not hub._state._waiting)
            hanging_up, cut_off = stub.WaitForInstanceCompletion(request), stub.WaitForInstanceStart(request)
            for call in (hanging_up, cut_off):
                asyncio.ensure_future(call.wait_for_connection()).add_done_callback(lambda done: done.exception())
            await until(lambda: len(hub._state._waiting.get("one", ())) == 2)
            hanging_up.cancel()
            await until(lambda: len(hub._state._waiting.get("one", ())) == 1)
        await until(lambda: not hub._state._waiting)
    await (await step(hub)).reply(complete())
    assert (await state(hub)).orchestrationStatus == COMPLETED


@pytest.mark.parametrize("kind", ["activity", "orchestration"])
async def test_what_a_worker_answers_is_taken_however_large(hub, kind):
    """Refused for its size, it would leave the item out for ever; taken, it fails and says why."""
    huge = "x" * (MAX_MESSAGE + 1)
    await begun(hub, "one", schedule(1))
    async with served(hub) as address, stub_of(address) as stub:
        if kind == "activity":
            taken = await activity(hub)
            answer = pb.ActivityResponse(instanceId="one", taskId=1, completionToken=taken.item.completionToken)
            answer.result.value = huge
            await stub.CompleteActivityTask(answer)
            [news] = (await step(hub)).news
            details = news.taskFailed.failureDetails
        else:
            await (await activity(hub)).reply()
            token = (await step(hub)).item.completionToken
            answer = pb.OrchestratorResponse(instanceId="one", completionToken=token, actions=[complete(huge)])
            await stub.CompleteOrchestratorTask(answer)
            details = (await state(hub)).failureDetails
    assert details.errorType == "PayloadTooLarge"
