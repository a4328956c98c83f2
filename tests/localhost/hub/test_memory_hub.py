"""What any task hub promises its host, shown on the one in memory."""

import asyncio
from datetime import UTC, datetime, timedelta

import durabletask.internal.orchestrator_service_pb2 as pb
import pytest
from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationStatus
from durabletask.entities import EntityInstanceId
from google.protobuf import wrappers_pb2

from localhost.hub.interface import InstanceConflictError, UnknownInstanceError
from localhost.hub.memory import MemoryHub
from localhost.hub.service import TaskHubServer


def on_hub(scenario):
    """Run an async scenario on a hub that has been started."""

    async def run():
        hub = MemoryHub()
        await hub.start()
        async with asyncio.timeout(20):
            await scenario(hub)

    asyncio.run(run())


def step(item, *actions):
    """Return the answer to an orchestration's work item."""
    return pb.OrchestratorResponse(
        instanceId=item.orchestratorRequest.instanceId, completionToken=item.completionToken, actions=actions
    )


def schedule(task_id, name="act"):
    return pb.OrchestratorAction(id=task_id, scheduleTask=pb.ScheduleTaskAction(name=name))


def sub_orchestration(task_id, instance_id):
    return pb.OrchestratorAction(
        id=task_id, createSubOrchestration=pb.CreateSubOrchestrationAction(name="child", instanceId=instance_id)
    )


def timer(task_id, seconds):
    action = pb.OrchestratorAction(id=task_id, createTimer=pb.CreateTimerAction())
    action.createTimer.fireAt.FromDatetime(datetime.now(UTC) + timedelta(seconds=seconds))
    return action


def complete(output="null", status=pb.ORCHESTRATION_STATUS_COMPLETED, failure=None):
    ending = pb.CompleteOrchestrationAction(
        orchestrationStatus=status, result=wrappers_pb2.StringValue(value=output), failureDetails=failure
    )
    return pb.OrchestratorAction(id=99, completeOrchestration=ending)


def new(instance_id="i", name="o"):
    return pb.CreateInstanceRequest(instanceId=instance_id, name=name)


def kinds(item):
    """Return what is new in an orchestration's work item."""
    return [event.WhichOneof("eventType") for event in item.orchestratorRequest.newEvents]


async def nothing(hub, kind):
    """Check that no work of ``kind`` comes."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(hub.take(kind), 0.05)


def test_work_is_handed_out_when_it_arrives_to_whoever_waited_first():
    """Takers wait without asking again and again; each item goes to one of them."""

    async def scenario(hub):
        takers = [asyncio.create_task(hub.take("orchestration")) for _ in range(2)]
        await asyncio.sleep(0)
        await hub.start_instance(new("a"))
        await hub.start_instance(new("b"))
        items = await asyncio.gather(*takers)
        assert {item.orchestratorRequest.instanceId for item in items} == {"a", "b"}
        await nothing(hub, "orchestration")

    on_hub(scenario)


def test_a_live_id_is_taken_and_one_that_is_over_is_free():
    """As Durable Functions has it by default."""

    async def scenario(hub):
        await hub.start_instance(new())
        with pytest.raises(InstanceConflictError):
            await hub.start_instance(new())
        await hub.complete_orchestration(step(await hub.take("orchestration"), complete('"one"')))
        await hub.start_instance(new())
        state = await hub.get_instance("i", payloads=True)
        assert (state.orchestrationStatus, state.output.value) == (pb.ORCHESTRATION_STATUS_PENDING, "")

    on_hub(scenario)


def test_late_results_and_timers_do_not_reach_the_next_run():
    """An activity and a timer of a run that is over change nothing in the run that has its id now."""

    async def scenario(hub):
        await hub.start_instance(new())
        await hub.complete_orchestration(step(await hub.take("orchestration"), schedule(1), timer(2, 0.05)))
        late = await hub.take("activity")
        await hub.terminate(pb.TerminateRequest(instanceId="i"))
        ending = complete(status=pb.ORCHESTRATION_STATUS_TERMINATED)
        await hub.complete_orchestration(step(await hub.take("orchestration"), ending))

        await hub.start_instance(new())
        await hub.complete_orchestration(step(await hub.take("orchestration"), schedule(1)))
        answer = pb.ActivityResponse(instanceId="i", taskId=1, completionToken=late.completionToken)
        await hub.complete_activity(answer)
        await asyncio.sleep(0.1)
        await nothing(hub, "orchestration")

    on_hub(scenario)


def test_results_that_come_after_the_end_wake_nobody():
    """An orchestration that ended with activities under way is not dispatched again."""

    async def scenario(hub):
        await hub.start_instance(new())
        await hub.complete_orchestration(step(await hub.take("orchestration"), schedule(1), schedule(2)))
        first, second = await hub.take("activity"), await hub.take("activity")
        await hub.complete_activity(
            pb.ActivityResponse(instanceId="i", taskId=1, completionToken=first.completionToken)
        )
        await hub.complete_orchestration(step(await hub.take("orchestration"), complete()))
        await hub.complete_activity(
            pb.ActivityResponse(instanceId="i", taskId=2, completionToken=second.completionToken)
        )
        await nothing(hub, "orchestration")
        assert [e.WhichOneof("eventType") for e in await hub.history("i")].count("executionCompleted") == 1

    on_hub(scenario)


def test_news_that_arrive_during_a_step_come_with_the_next():
    """An event that is raised while the orchestrator runs is not lost, nor handed out twice."""

    async def scenario(hub):
        await hub.start_instance(new())
        item = await hub.take("orchestration")
        await hub.raise_event(pb.RaiseEventRequest(instanceId="i", name="e"))
        await nothing(hub, "orchestration")
        await hub.complete_orchestration(step(item))
        assert kinds(await hub.take("orchestration")) == ["orchestratorStarted", "eventRaised"]

    on_hub(scenario)


def test_what_is_abandoned_is_handed_out_again():
    """Orchestrations and activities come back as they were."""

    async def scenario(hub):
        await hub.start_instance(new())
        item = await hub.take("orchestration")
        await hub.abandon("orchestration", item.completionToken)
        again = await hub.take("orchestration")
        assert kinds(again) == kinds(item)
        await hub.complete_orchestration(step(again, schedule(1)))
        activity = await hub.take("activity")
        await hub.abandon("activity", activity.completionToken)
        assert (await hub.take("activity")).activityRequest.taskId == 1

    on_hub(scenario)


@pytest.mark.parametrize(
    ("ending", "event"),
    [
        (complete('"fine"'), "subOrchestrationInstanceCompleted"),
        (
            complete(
                status=pb.ORCHESTRATION_STATUS_FAILED,
                failure=pb.TaskFailureDetails(errorType="OddError", errorMessage="odd"),
            ),
            "subOrchestrationInstanceFailed",
        ),
    ],
)
def test_a_sub_orchestration_tells_its_parent_how_it_ended(ending, event):
    """The failure keeps its type."""

    async def scenario(hub):
        await hub.start_instance(new("parent"))
        await hub.complete_orchestration(step(await hub.take("orchestration"), sub_orchestration(1, "child")))
        await hub.complete_orchestration(step(await hub.take("orchestration"), ending))
        item = await hub.take("orchestration")
        assert item.orchestratorRequest.instanceId == "parent"
        assert kinds(item)[-1] == event
        failed = item.orchestratorRequest.newEvents[-1].subOrchestrationInstanceFailed
        assert failed.failureDetails.errorType == ("OddError" if event.endswith("Failed") else "")

    on_hub(scenario)


def test_termination_reaches_what_the_instance_started():
    """Children are told as well, where asked for."""

    async def scenario(hub):
        await hub.start_instance(new("parent"))
        await hub.complete_orchestration(step(await hub.take("orchestration"), sub_orchestration(1, "child")))
        await hub.complete_orchestration(step(await hub.take("orchestration")))
        await hub.terminate(pb.TerminateRequest(instanceId="parent", recursive=True))
        items = [await hub.take("orchestration"), await hub.take("orchestration")]
        assert {item.orchestratorRequest.instanceId for item in items} == {"parent", "child"}
        assert all(kinds(item)[-1] == "executionTerminated" for item in items)

    on_hub(scenario)


def test_a_scheduled_start_waits_for_its_time():
    """Nothing is handed out before."""

    async def scenario(hub):
        request = new()
        request.scheduledStartTimestamp.FromDatetime(datetime.now(UTC) + timedelta(seconds=0.2))
        await hub.start_instance(request)
        await nothing(hub, "orchestration")
        assert (await hub.take("orchestration")).orchestratorRequest.instanceId == "i"

    on_hub(scenario)


def test_every_event_of_a_history_has_its_time():
    """A timeline can be drawn from it."""

    async def scenario(hub):
        await hub.start_instance(new())
        await hub.complete_orchestration(step(await hub.take("orchestration"), schedule(1), timer(2, 0.01)))
        activity = await hub.take("activity")
        await hub.complete_activity(
            pb.ActivityResponse(instanceId="i", taskId=1, completionToken=activity.completionToken)
        )
        await asyncio.sleep(0.05)
        await hub.complete_orchestration(step(await hub.take("orchestration"), complete()))
        history = await hub.history("i")
        times = [event.timestamp.ToDatetime() for event in history]
        assert min(times) > datetime(2020, 1, 1)  # noqa: DTZ001 - protobuf gives naive UTC
        assert {event.WhichOneof("eventType") for event in history} >= {"taskScheduled", "taskCompleted", "timerFired"}

    on_hub(scenario)


def test_asking_for_what_is_not_there_is_an_error_or_nothing():
    """Reading finds nothing; steering is refused."""

    async def scenario(hub):
        assert await hub.get_instance("none", payloads=True) is None
        assert await hub.wait_for_instance("none", "completed", payloads=True) is None
        for refused in (
            hub.raise_event(pb.RaiseEventRequest(instanceId="none", name="e")),
            hub.suspend(pb.SuspendRequest(instanceId="none")),
            hub.rewind(pb.RewindInstanceRequest(instanceId="none")),
            hub.restart(pb.RestartInstanceRequest(instanceId="none")),
            hub.history("none"),
        ):
            with pytest.raises(UnknownInstanceError):
                await refused

    on_hub(scenario)


def test_an_ordinary_client_finds_the_hub_over_grpc():
    """Start, wait, query, refuse, entities: the SDK's own client, with a hundred of them waiting at once."""

    async def scenario(hub):
        server = TaskHubServer(hub)
        client = AsyncTaskHubGrpcClient(host_address=await server.start())
        instance_id = await client.schedule_new_orchestration("o", input={"a": 1}, instance_id="i")
        with pytest.raises(Exception, match="already exists"):
            await client.schedule_new_orchestration("o", instance_id="i")
        waiting = [asyncio.create_task(client.wait_for_orchestration_completion(instance_id)) for _ in range(100)]
        await asyncio.sleep(0.1)
        await hub.complete_orchestration(step(await hub.take("orchestration"), complete('"done"')))
        states = await asyncio.gather(*waiting)
        assert {state.serialized_output for state in states} == {'"done"'}
        assert states[0].runtime_status == OrchestrationStatus.COMPLETED
        assert await client.get_orchestration_state("none") is None
        assert len(await client.get_orchestration_history("i")) >= 3

        entity = EntityInstanceId("counter", "k")
        await client.signal_entity(entity, "add", 1)
        item = await hub.take("entity")
        assert item.entityRequestV2.instanceId == "@counter@k"
        result = pb.EntityBatchResult(
            completionToken=item.completionToken,
            entityState=wrappers_pb2.StringValue(value="1"),
            results=[pb.OperationResult(success=pb.OperationResultSuccess())],
        )
        await hub.complete_entity(result)
        assert (await client.get_entity(entity)).get_state(int) == 1
        await client.close()
        await server.stop()

    on_hub(scenario)
