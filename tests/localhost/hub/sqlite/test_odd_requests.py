"""What no SDK sends, and somebody will: it is refused with a clear status or does what it says, and harms nobody."""

import asyncio
from contextlib import asynccontextmanager

import durabletask.internal.orchestrator_service_pb2 as pb
import grpc
import pytest
from google.protobuf import duration_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.message_factory import GetMessageClass
from hub_harness.by_hand import (
    COMPLETED,
    FAILED,
    PATIENCE,
    PENDING,
    activity,
    batch,
    begun,
    complete,
    finished,
    schedule,
    signalled,
    start,
    state,
    step,
)
from hub_harness.served import next_item, served, stub_of

from localhost.hub import work_stream

SERVICE = pb.DESCRIPTOR.services_by_name["TaskHubSidecarService"]
STREAMS = {method.name for method in SERVICE.methods if method.server_streaming}
CLEAN = {"NOT_FOUND", "INVALID_ARGUMENT", "ALREADY_EXISTS", "FAILED_PRECONDITION"}

Time = timestamp_pb2.Timestamp
TIMES = [
    Time(seconds=2**63 - 1, nanos=2**31 - 1),
    Time(seconds=-(2**63), nanos=-(2**31)),
    Time(seconds=2**62),
    Time(seconds=253_402_300_800),
    Time(seconds=-62_135_596_801),
    Time(seconds=5, nanos=-5),
]


async def answered(call):
    """Return the status of a call that must be answered."""
    try:
        await asyncio.wait_for(call, PATIENCE)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


def text(value):
    return wrappers_pb2.StringValue(value=value)


@asynccontextmanager
async def asked(hub):
    """Yield the bare protocol of a hub."""
    async with served(hub) as address, stub_of(address) as stub:
        yield stub


@pytest.mark.parametrize("name", [method.name for method in SERVICE.methods if method.name not in STREAMS])
async def test_an_empty_request_is_answered_or_refused(hub, name):
    """With a status that says why, never an unexpected failure; and the next caller is served."""
    async with asked(hub) as stub:
        request = GetMessageClass(SERVICE.methods_by_name[name].input_type)()
        assert await answered(getattr(stub, name)(request)) in CLEAN | {"OK"}
        assert await answered(stub.StartInstance(pb.CreateInstanceRequest(name="f"))) == "OK"


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("StartInstance", pb.CreateInstanceRequest(instanceId="one")),
        ("PurgeInstances", pb.PurgeInstancesRequest(recursive=True)),
        ("SignalEntity", pb.SignalEntityRequest(name="op")),
        ("SignalEntity", pb.SignalEntityRequest(instanceId="counter", name="op")),
        ("SignalEntity", pb.SignalEntityRequest(instanceId="@counter", name="op")),
        ("SignalEntity", pb.SignalEntityRequest(instanceId="@@key", name="op")),
    ],
)
async def test_what_nobody_could_carry_out_is_refused(hub, name, request_):
    """A purge of nothing in particular would be one of everything."""
    async with asked(hub) as stub:
        await finished(hub, "over")
        assert await answered(getattr(stub, name)(request_)) == "INVALID_ARGUMENT"
        assert (await state(hub, "over")).orchestrationStatus == COMPLETED


@pytest.mark.parametrize("time", TIMES, ids=str)
async def test_a_time_beyond_all_calendars_stops_nobody(hub, crash, time):
    """One start at such a time left the writer with half a transaction, and everybody waiting for it."""
    async with asked(hub) as stub:
        later = pb.CreateInstanceRequest(instanceId="one", name="f", scheduledStartTimestamp=time)
        assert await answered(stub.StartInstance(later)) == "OK"
        assert await answered(
            stub.SignalEntity(pb.SignalEntityRequest(instanceId="@e@1", name="op", scheduledTime=time))
        )
        query = pb.InstanceQuery(createdTimeFrom=time, createdTimeTo=time)
        assert await answered(stub.QueryInstances(pb.QueryInstancesRequest(query=query))) == "OK"
        listing = pb.ListInstanceIdsRequest(completedTimeFrom=time, completedTimeTo=time)
        assert await answered(stub.ListInstanceIds(listing)) == "OK"
        entities = pb.EntityQuery(lastModifiedFrom=time, lastModifiedTo=time)
        assert await answered(stub.QueryEntities(pb.QueryEntitiesRequest(query=entities))) == "OK"
        wanted = pb.PurgeInstanceFilter(createdTimeFrom=time, timeout=duration_pb2.Duration(seconds=time.seconds))
        assert await answered(stub.PurgeInstances(pb.PurgeInstancesRequest(purgeInstanceFilter=wanted))) == "OK"
        assert (await state(hub)).orchestrationStatus == PENDING
        async with crash() as after:
            assert (await state(after)).orchestrationStatus == PENDING


async def test_a_timer_beyond_all_calendars_stops_nobody(hub):
    await begun(hub, "one", pb.OrchestratorAction(id=1, createTimer=pb.CreateTimerAction(fireAt=Time(seconds=2**62))))
    await finished(hub, "other")


@pytest.mark.parametrize("token", ["x", "|", "²|a", "٣|a", "99999999999999999999|a", "-1|a", "\0", "1"])
async def test_a_token_of_somebody_else_is_refused(hub, token):
    async with asked(hub) as stub:
        query = pb.QueryInstancesRequest(query=pb.InstanceQuery(continuationToken=text(token)))
        assert await answered(stub.QueryInstances(query)) in {"INVALID_ARGUMENT", "OK"}
        assert await answered(stub.ListInstanceIds(pb.ListInstanceIdsRequest(lastInstanceKey=text(token)))) in {
            "INVALID_ARGUMENT",
            "OK",
        }


async def test_a_list_of_states_may_be_absurdly_long(hub):
    async with asked(hub) as stub:
        await finished(hub)
        wanted = pb.InstanceQuery(runtimeStatus=[*range(9)] * 5_000)
        found = await stub.QueryInstances(pb.QueryInstancesRequest(query=wanted))
        assert [one.instanceId for one in found.orchestrationState] == ["one"]


@pytest.mark.parametrize("letter", ["x", "\U0001f600"])
async def test_the_reason_of_a_refusal_is_never_too_long_to_arrive(hub, letter):
    """A client takes 8 KiB of header fields, and where they are longer says nothing of the status."""
    async with asked(hub) as stub:
        assert await answered(stub.TerminateInstance(pb.TerminateRequest(instanceId=letter * 10_000))) == "NOT_FOUND"


@pytest.mark.parametrize("name", ["a\0b", "\U0001f600", "ﬁ", "a/b?c#d%2F", " ", "'; --", "@x", "a|b", "x" * 3_000])
async def test_names_and_ids_may_be_anything(hub, crash, name):
    async with asked(hub) as stub:
        assert await answered(stub.StartInstance(pb.CreateInstanceRequest(instanceId=name, name=name))) == "OK"
        await (await step(hub)).reply(schedule(1, name))
        assert (await activity(hub)).request.name == name
        assert await answered(stub.RaiseEvent(pb.RaiseEventRequest(instanceId=name, name=name))) == "OK"
        await signalled(hub, f"@e@{name}", name)
        async with crash() as after:
            assert (await step(after)).news[0].eventRaised.name == name
            assert (await batch(after)).operations == [name]
            query = pb.InstanceQuery(instanceIdPrefix=text(name), maxInstanceCount=1)
            [found] = (await after.query_instances(query)).orchestrationState
            assert (found.instanceId, found.name) == (name, name)


@pytest.mark.parametrize("kind", ["orchestration", "activity", "entity"])
async def test_an_answer_of_another_kind_loses_nothing(hub, kind):
    """A token given to the wrong operation took its item away for ever."""
    async with asked(hub) as stub:
        await begun(hub, "one", schedule(1))
        await signalled(hub)
        await hub.start_instance(pb.CreateInstanceRequest(instanceId="two", name="f"))
        taken = {"orchestration": await step(hub), "activity": await activity(hub), "entity": await batch(hub)}
        token = taken[kind].item.completionToken
        wrong = {
            "orchestration": stub.CompleteOrchestratorTask(pb.OrchestratorResponse(completionToken=token)),
            "activity": stub.CompleteActivityTask(pb.ActivityResponse(completionToken=token)),
            "entity": stub.CompleteEntityTask(pb.EntityBatchResult(completionToken=token)),
        }
        wrong.pop(kind).cancel()
        for call in wrong.values():
            assert await answered(call) == "OK"
        await taken["orchestration"].reply()
        await taken["activity"].reply()
        await taken["entity"].reply("1")
        assert (await state(hub, "two")).orchestrationStatus != PENDING
        assert (await step(hub)).kinds == ["taskCompleted"]
        assert (
            await hub.get_entity(pb.GetEntityRequest(instanceId="@e@1", includeState=True))
        ).entity.serializedState.value


async def test_an_answer_of_another_kind_does_not_hide_an_item_from_its_worker(hub):
    """What a worker has not answered when it hangs up goes to another, also where it answered the wrong operation."""
    await start(hub)
    async with asked(hub) as stub:
        stream = stub.GetWorkItems(pb.GetWorkItemsRequest())
        token = (await next_item(stream)).completionToken
        await stub.CompleteActivityTask(pb.ActivityResponse(completionToken=token))
        await stub.AbandonTaskEntityWorkItem(pb.AbandonEntityTaskRequest(completionToken=token))
        stream.cancel()
        assert (await step(hub)).instance == "one"


async def test_a_worker_that_stays_for_long_is_not_remembered_for_each_answer(hub, monkeypatch):
    """A stream kept the token of everything that it ever handed out."""
    outs = []
    real = work_stream._Out
    monkeypatch.setattr(work_stream, "_Out", lambda *fields: outs.append(real(*fields)) or outs[-1])
    async with asked(hub) as stub:
        stream = stub.GetWorkItems(pb.GetWorkItemsRequest())
        for number in range(20):
            await start(hub, str(number))
            token = (await next_item(stream)).completionToken
            await stub.CompleteOrchestratorTask(pb.OrchestratorResponse(completionToken=token, actions=[complete()]))
        assert [len(out.worker) for out in outs] == [0] * 20
        stream.cancel()


@pytest.mark.parametrize("status", [pb.ORCHESTRATION_STATUS_RUNNING, PENDING, pb.ORCHESTRATION_STATUS_SUSPENDED, 99])
async def test_an_orchestration_does_not_end_as_one_that_goes_on(hub, status):
    """It was over, and shown as running for ever."""
    await begun(hub, "one", complete(None, status))
    assert (await state(hub)).orchestrationStatus == FAILED
