"""What the SDK's synchronous and asynchronous clients can ask for, with the SDK's own worker, on the durable hub."""

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta

import durabletask.internal.orchestrator_service_pb2 as pb
import grpc
import pytest
from durabletask import task
from durabletask.client import EntityQuery, OrchestrationQuery, OrchestrationStatus
from durabletask.entities import EntityInstanceId
from durabletask.scheduled.client import ScheduledTaskClient
from durabletask.scheduled.models import ScheduleCreationOptions
from durabletask.worker import (
    ActivityWorkItemFilter,
    OrchestrationWorkItemFilter,
    VersionFailureStrategy,
    VersioningOptions,
    VersionMatchStrategy,
    WorkItemFilters,
)
from hub_harness.by_hand import A_MOMENT, PATIENCE, step
from hub_harness.served import client_of, hosted, served, working

RUNNING, COMPLETED, FAILED = OrchestrationStatus.RUNNING, OrchestrationStatus.COMPLETED, OrchestrationStatus.FAILED
TERMINATED, SUSPENDED = OrchestrationStatus.TERMINATED, OrchestrationStatus.SUSPENDED
PENDING = OrchestrationStatus.PENDING
BOTH = pytest.mark.parametrize("kind", ["sync", "async"])


def echo(ctx, given):
    return given
    yield


def double(_, number):
    return number * 2


def doubled(ctx, number):
    return (yield ctx.call_activity("double", input=number))


def wait(ctx, name):
    ctx.set_custom_status("waiting")
    return (yield ctx.wait_for_external_event(name))


def family(ctx, name):
    return (yield ctx.call_sub_orchestrator(wait, input=name, instance_id=f"{ctx.instance_id}-child"))


def versioned(ctx, _):
    return ctx.version
    yield


def collect(ctx, seen):
    """Take one event a run; those that nobody waited for yet are carried over."""
    seen = [*seen, (yield ctx.wait_for_external_event("e"))]
    if len(seen) < 5:
        ctx.continue_as_new(seen, save_events=True)
        return None
    return seen


def counter(ctx, amount):
    ctx.set_state(ctx.get_state(int, 0) + amount)
    return ctx.get_state(int)


def emptied(ctx, _):
    ctx.set_state(None)


BROKEN = {}


def break_once(_, key):
    if BROKEN.pop(key, False):
        raise ValueError("once")
    return "mended"


def fragile(ctx, key):
    yield ctx.call_activity("double", input=1)
    return (yield ctx.call_activity("break_once", input=key))


FUNCTIONS = (echo, doubled, wait, family, versioned, collect, fragile)


def all_of_it(address, **options):
    return working(address, *FUNCTIONS, double, break_once, entities=(counter, emptied), **options)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A hub with a worker for the whole module: a worker takes a second to stop."""
    functions = (*FUNCTIONS, double, break_once)
    with hosted(tmp_path_factory.mktemp("hub"), *functions, entities=(counter, emptied)) as address:
        yield address


async def until(ask, condition=bool):
    """Ask until the answer is as it should be: the client is told of nothing but starts and ends."""
    async with asyncio.timeout(PATIENCE):
        while not condition(answer := await ask()):  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.01)
    return answer


def is_(status):
    return lambda state: state.runtime_status == status


@BOTH
async def test_an_orchestration_with_everything_a_start_can_say(address, kind):
    async with client_of(kind, address) as client:
        due = datetime.now(UTC) + timedelta(seconds=0.3)
        instance_id = await client.schedule_new_orchestration(
            doubled, input=21, instance_id="mine", start_at=due, tags={"team": "a"}, version="1.2"
        )
        assert instance_id == "mine"
        seen = await client.get_orchestration_state("mine")
        assert seen.runtime_status == PENDING or datetime.now(UTC) >= due
        begun = await client.wait_for_orchestration_start("mine", timeout=PATIENCE)
        assert begun.runtime_status in (RUNNING, COMPLETED)
        ended = await client.wait_for_orchestration_completion("mine", timeout=PATIENCE)
        assert (ended.runtime_status, ended.get_output(int)) == (COMPLETED, 42)
        assert (ended.serialized_input, ended.name) == ("21", "doubled")
        assert ended.last_updated_at.replace(tzinfo=UTC) >= due
        events = await client.get_orchestration_history("mine")
        [started] = [event for event in events if type(event).__name__ == "ExecutionStartedEvent"]
        assert (started.version, started.tags) == ("1.2", {"team": "a"})


@BOTH
async def test_waiting_has_an_end(hub, kind):
    async with served(hub) as address, client_of(kind, address) as client:
        instance_id = await client.schedule_new_orchestration(echo)
        with pytest.raises(TimeoutError):
            await client.wait_for_orchestration_start(instance_id, timeout=0.1)
        with pytest.raises(TimeoutError):
            await client.wait_for_orchestration_completion(instance_id, timeout=0.1)
        assert await client.get_orchestration_state("unknown") is None


@BOTH
async def test_events_suspension_and_resumption(address, kind):
    async with client_of(kind, address) as client:
        instance_id = await client.schedule_new_orchestration(wait, input="go")
        await client.wait_for_orchestration_start(instance_id, timeout=PATIENCE)
        await client.suspend_orchestration(instance_id, reason="lunch")
        await until(lambda: client.get_orchestration_state(instance_id), is_(SUSPENDED))
        await client.raise_orchestration_event(instance_id, "GO", data={"falsy": 0})
        await asyncio.sleep(A_MOMENT)
        assert (await client.get_orchestration_state(instance_id)).runtime_status == SUSPENDED
        await client.resume_orchestration(instance_id, reason="back")
        ended = await client.wait_for_orchestration_completion(instance_id, timeout=PATIENCE)
        assert (ended.serialized_output, ended.serialized_custom_status) == ('{"falsy": 0}', '"waiting"')


@BOTH
@pytest.mark.parametrize("recursive", [True, False])
async def test_termination_and_purging_recursive_or_not(address, kind, recursive):
    async with client_of(kind, address) as client:
        parent = f"{kind}-{recursive}"
        child = f"{parent}-child"
        await client.schedule_new_orchestration(family, input="go", instance_id=parent)
        await until(lambda: client.get_orchestration_state(child))
        await client.terminate_orchestration(parent, output="why", recursive=recursive)
        ended = await client.wait_for_orchestration_completion(parent, timeout=PATIENCE)
        assert (ended.runtime_status, ended.serialized_output) == (TERMINATED, '"why"')
        assert ((await client.get_orchestration_state(child)).runtime_status == TERMINATED) == recursive
        if not recursive:
            await client.raise_orchestration_event(child, "go")
            await client.wait_for_orchestration_completion(child, timeout=PATIENCE)
        purged = await client.purge_orchestration(parent, recursive=recursive)
        assert purged.deleted_instance_count == (2 if recursive else 1)
        assert await client.get_orchestration_state(parent) is None
        assert (await client.get_orchestration_state(child) is None) == recursive


@BOTH
async def test_restarting_with_the_same_id_and_a_new_one(address, kind):
    async with client_of(kind, address) as client:
        await client.schedule_new_orchestration(echo, input="again", instance_id="one", tags={"a": "b"}, version="3")
        await client.wait_for_orchestration_completion("one", timeout=PATIENCE)
        assert await client.restart_orchestration("one") == "one"
        await client.wait_for_orchestration_completion("one", timeout=PATIENCE)
        other = await client.restart_orchestration("one", restart_with_new_instance_id=True)
        for instance_id in ("one", other):
            ended = await client.wait_for_orchestration_completion(instance_id, timeout=PATIENCE)
            assert ended.serialized_output == '"again"'
            history = await client.get_orchestration_history(instance_id)
            [started] = [event for event in history if type(event).__name__ == "ExecutionStartedEvent"]
            assert (started.version, started.tags) == ("3", {"a": "b"})
        assert other != "one"


@BOTH
async def test_a_failed_orchestration_is_rewound(address, kind):
    BROKEN[kind] = True
    async with client_of(kind, address) as client:
        await client.schedule_new_orchestration(fragile, input=kind, instance_id="one")
        failed = await client.wait_for_orchestration_completion("one", timeout=PATIENCE)
        assert failed.runtime_status == FAILED
        assert "once" in failed.failure_details.message
        await client.rewind_orchestration("one", reason="mended")
        ended = await client.wait_for_orchestration_completion("one", timeout=PATIENCE)
        assert (ended.runtime_status, ended.serialized_output) == (COMPLETED, '"mended"')


@BOTH
async def test_queries_and_lists_come_in_pages(address, kind):
    async with client_of(kind, address) as client:
        began = datetime.now(UTC)
        ids = [f"{kind}-a{number}" for number in range(7)]
        for instance_id in ids:
            await client.schedule_new_orchestration(echo, input=1, instance_id=instance_id)
            await client.wait_for_orchestration_completion(instance_id, timeout=PATIENCE)
        await client.schedule_new_orchestration(wait, input="x", instance_id=f"b-{kind}")
        query = OrchestrationQuery(
            runtime_status=[COMPLETED],
            instance_id_prefix=f"{kind}-a",
            max_instance_count=3,
            fetch_inputs_and_outputs=True,
            created_time_from=datetime.now(UTC) - timedelta(hours=1),
            created_time_to=datetime.now(UTC) + timedelta(hours=1),
        )
        found = await client.get_all_orchestration_states(query)
        assert [(one.instance_id, one.serialized_output) for one in found] == [(name, "1") for name in ids]
        since = OrchestrationQuery(created_time_from=began)
        assert len(await client.get_all_orchestration_states(since)) == 8
        listed, token = [], None
        while True:
            page = await client.list_instance_ids(
                runtime_status=[COMPLETED],
                completed_time_from=began,
                completed_time_to=datetime.now(UTC) + timedelta(hours=1),
                page_size=2,
                continuation_token=token,
            )
            assert len(page.items) <= 2
            listed += page.items
            if (token := page.continuation_token) is None:
                break
        assert listed == ids


@BOTH
async def test_purging_by_filter(address, kind):
    async with client_of(kind, address) as client:
        began = datetime.now(UTC)
        for _ in range(3):
            instance_id = await client.schedule_new_orchestration(echo)
            await client.wait_for_orchestration_completion(instance_id, timeout=PATIENCE)
        live = await client.schedule_new_orchestration(wait, input="x")
        nothing = await client.purge_orchestrations_by(created_time_to=datetime.now(UTC) - timedelta(hours=1))
        assert (nothing.deleted_instance_count, nothing.is_complete) == (0, True)
        all_ = await client.purge_orchestrations_by(
            created_time_from=began,
            runtime_status=[COMPLETED],
            recursive=True,
            timeout=timedelta(minutes=1),
        )
        assert (all_.deleted_instance_count, all_.is_complete) == (3, True)
        since = OrchestrationQuery(created_time_from=began)
        assert [one.instance_id for one in await client.get_all_orchestration_states(since)] == [live]


@BOTH
@pytest.mark.parametrize(
    ("do", "code"),
    [
        (lambda client: client.schedule_new_orchestration(wait, instance_id="live"), "ALREADY_EXISTS"),
        (lambda client: client.restart_orchestration("live"), "FAILED_PRECONDITION"),
        (lambda client: client.rewind_orchestration("live"), "FAILED_PRECONDITION"),
        (lambda client: client.raise_orchestration_event("no", "e"), "NOT_FOUND"),
        (lambda client: client.terminate_orchestration("no"), "NOT_FOUND"),
        (lambda client: client.suspend_orchestration("no"), "NOT_FOUND"),
        (lambda client: client.resume_orchestration("no"), "NOT_FOUND"),
        (lambda client: client.restart_orchestration("no"), "NOT_FOUND"),
        (lambda client: client.rewind_orchestration("no"), "NOT_FOUND"),
        (lambda client: client.get_orchestration_history("no"), "NOT_FOUND"),
        (lambda client: client.list_instance_ids(continuation_token="x"), "INVALID_ARGUMENT"),
        (lambda client: client.schedule_new_orchestration(wait, input="x" * 17_000_000), "RESOURCE_EXHAUSTED"),
    ],
)
async def test_a_client_learns_why_not(hub, kind, do, code):
    async with served(hub) as address, client_of(kind, address) as client:
        await client.schedule_new_orchestration(wait, instance_id="live")
        with pytest.raises(grpc.RpcError) as refused:
            await do(client)
    assert refused.value.code() == grpc.StatusCode[code]
    assert refused.value.details()


@BOTH
@pytest.mark.parametrize(("replaceable", "ok"), [([PENDING], True), ([COMPLETED], False)])
async def test_a_reuse_policy_decides_over_a_live_instance(hub, kind, replaceable, ok):
    policy = pb.OrchestrationIdReusePolicy(replaceableStatus=[status.value for status in replaceable])
    async with served(hub) as address, client_of(kind, address) as client:
        await client.schedule_new_orchestration(echo, input=1, instance_id="one")
        again = client.schedule_new_orchestration(echo, input=2, instance_id="one", reuse_id_policy=policy)
        if ok:
            await again
        else:
            with pytest.raises(grpc.RpcError, match="already exists"):
                await again
        assert (await client.get_orchestration_state("one")).serialized_input == ("2" if ok else "1")


@BOTH
async def test_entities_are_signalled_now_and_later_read_listed_and_cleaned(address, kind):
    """A state that is falsy is a state (durabletask-python 1.9)."""
    async with client_of(kind, address) as client:
        ids = [EntityInstanceId("counter", f"{kind}{number}") for number in range(5)]
        for number, entity_id in enumerate(ids):
            await client.signal_entity(entity_id, "add", input=number)
        later = EntityInstanceId("counter", f"{kind}later")
        await client.signal_entity(later, "add", input=1, signal_time=datetime.now(UTC) + timedelta(seconds=0.2))
        await client.signal_entity(EntityInstanceId("emptied", "x"), "do")
        query = EntityQuery(instance_id_starts_with=f"@counter@{kind}", page_size=2)
        listed = await until(lambda: client.get_all_entities(query), lambda found: len(found) == 6)
        assert [one.get_typed_state(int) for one in listed] == [0, 1, 2, 3, 4, 1]
        found = await client.get_entity(ids[0])
        assert (found.get_typed_state(int), found.backlog_queue_size, found.get_locked_by()) == (0, 0, None)
        assert not (await client.get_entity(ids[3], include_state=False)).includes_state
        assert await client.get_entity(EntityInstanceId("counter", "no")) is None
        await until(client.clean_entity_storage, lambda cleaned: cleaned.empty_entities_removed == 1)
        everything = await client.get_all_entities(EntityQuery(include_transient=True))
        assert {str(one.id) for one in everything} >= {*map(str, ids), str(later)}
        assert not any(one.id.entity == "emptied" for one in everything)


async def test_events_that_nobody_waited_for_are_carried_over(hub):
    """None is lost, and they stay in order (durabletask-dotnet 387, extension 1676 and 1152)."""
    async with served(hub) as address, client_of("async", address) as client:
        await client.schedule_new_orchestration(collect, input=[], instance_id="one")
        for number in range(5):
            await client.raise_orchestration_event("one", "e", data=number)
        async with all_of_it(address):
            ended = await client.wait_for_orchestration_completion("one", timeout=PATIENCE)
        assert ended.serialized_output == "[0, 1, 2, 3, 4]"


async def test_a_schedule_of_the_sdk_runs(hub):
    """Scheduled tasks are made of an entity that signals itself later and starts orchestrations."""
    async with (
        served(hub) as address,
        all_of_it(address, prepare=lambda worker: worker.configure_scheduled_tasks()),
        client_of("sync", address) as client,
    ):
        schedules = ScheduledTaskClient(client.sdk)
        options = ScheduleCreationOptions(schedule_id="often", orchestration_name="echo", interval=timedelta(seconds=1))
        schedule = await asyncio.to_thread(schedules.create_schedule, options)
        await until(client.get_all_orchestration_states, lambda found: any(one.name == "echo" for one in found))
        assert [one.schedule_id for one in await asyncio.to_thread(schedules.list_schedules)] == ["often"]
        await asyncio.to_thread(schedule.delete)


# Workers


async def test_each_worker_gets_what_it_registered(hub):
    """With filters made of its registry; what nobody wants waits."""

    def named(which):
        def who(_, __):
            return which

        return who

    def ask(ctx, _):
        return (yield ctx.call_activity("who"))

    def prepare(worker):
        worker.use_work_item_filters()

    first, second = named("first"), named("second")
    first.__name__, second.__name__ = "who", "other"
    async with (
        served(hub) as address,
        working(address, ask, prepare=prepare),
        client_of("async", address) as client,
    ):
        instance_id = await client.schedule_new_orchestration(ask)
        async with working(address, second, prepare=prepare):
            await client.wait_for_orchestration_start(instance_id, timeout=PATIENCE)
            with pytest.raises(TimeoutError):
                await client.wait_for_orchestration_completion(instance_id, timeout=0.3)
            async with working(address, first, prepare=prepare):
                ended = await client.wait_for_orchestration_completion(instance_id, timeout=PATIENCE)
    assert ended.serialized_output == '"first"'


async def test_a_filter_may_name_versions(hub):
    """The work of other versions stays for other workers."""
    wanted = WorkItemFilters(
        orchestrations=[OrchestrationWorkItemFilter("versioned", ["2"])], activities=[ActivityWorkItemFilter("double")]
    )
    async with (
        served(hub) as address,
        all_of_it(address, prepare=lambda worker: worker.use_work_item_filters(wanted)),
        client_of("async", address) as client,
    ):
        await client.schedule_new_orchestration(versioned, instance_id="v1", version="1")
        await client.schedule_new_orchestration(versioned, instance_id="v2", version="2")
        assert (await client.wait_for_orchestration_completion("v2", timeout=PATIENCE)).serialized_output == '"2"'
        assert (await step(hub)).instance == "v1"


async def test_a_worker_that_refuses_a_version_leaves_it_to_others(hub, monkeypatch):
    """It gives the step back; a worker of the right version does it."""
    monkeypatch.setattr("localhost.hub.sqlite.work.FIRST_PAUSE", 0.005)

    def strictly(version):
        options = VersioningOptions(
            version=version, match_strategy=VersionMatchStrategy.STRICT, failure_strategy=VersionFailureStrategy.REJECT
        )
        return lambda worker: worker.use_versioning(options)

    async with (
        served(hub) as address,
        all_of_it(address, prepare=strictly("1")),
        all_of_it(address, prepare=strictly("2")),
        client_of("async", address) as client,
    ):
        for version in ("1", "2"):
            await client.schedule_new_orchestration(versioned, instance_id=version, version=version)
            ended = await client.wait_for_orchestration_completion(version, timeout=PATIENCE)
            assert (ended.runtime_status, ended.serialized_output) == (COMPLETED, f'"{version}"')


async def test_a_version_decides_which_code_continues(hub):
    def hop(ctx, _):
        if ctx.version == "2":
            return "there"
        ctx.continue_as_new(None, new_version="2")
        return None
        yield

    async with served(hub) as address, working(address, hop), client_of("async", address) as client:
        instance_id = await client.schedule_new_orchestration(hop, version="1")
        ended = await client.wait_for_orchestration_completion(instance_id, timeout=PATIENCE)
    assert ended.serialized_output == '"there"'


class Cutting:
    """A door to the hub that can be slammed: every connection through it is cut."""

    def __init__(self, address):
        self._host, port = address.split(":")
        self._port = int(port)
        self._open = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        await self.slam()

    async def slam(self):
        for writer in list(self._open):
            writer.transport.abort()
        self._open.clear()
        await asyncio.sleep(0)

    async def _pass_on(self, reader, writer):
        onward_reader, onward_writer = await asyncio.open_connection(self._host, self._port)
        self._open |= {writer, onward_writer}

        async def copy(source, target):
            try:
                while data := await source.read(65536):
                    target.write(data)
                    await target.drain()
            except OSError:
                pass
            finally:
                target.close()

        await asyncio.gather(copy(reader, onward_writer), copy(onward_reader, writer))


async def test_a_worker_that_was_cut_off_comes_back_and_everything_ends(hub):
    """The stream is reset again and again while it works (durabletask-python 1.8)."""

    def long(ctx, count):
        for number in range(count):
            assert (yield ctx.call_activity("double", input=number)) == 2 * number
        return count

    async with (
        served(hub) as address,
        Cutting(address) as door,
        working(door.address, long, double),
        client_of("async", address) as client,
    ):
        ids = [await client.schedule_new_orchestration(long, input=15) for _ in range(5)]
        for _ in range(5):
            await asyncio.sleep(0.1)
            await door.slam()
        for instance_id in ids:
            ended = await client.wait_for_orchestration_completion(instance_id, timeout=PATIENCE)
            assert (ended.runtime_status, ended.serialized_output) == (COMPLETED, "15"), ended.failure_details


async def test_a_worker_carries_no_more_than_it_said(hub):
    """A backlog does not become threads (durabletask-python 1.8)."""
    busy, most, counting = 0, 0, threading.Lock()

    def count(_, __):
        nonlocal busy, most
        with counting:
            busy += 1
            most = max(most, busy)
        time.sleep(0.005)
        with counting:
            busy -= 1

    def many(ctx, _):
        yield task.when_all([ctx.call_activity(count) for _ in range(60)])

    async with served(hub) as address, working(address, many, count, bound=3), client_of("async", address) as client:
        instance_id = await client.schedule_new_orchestration(many)
        ended = await client.wait_for_orchestration_completion(instance_id, timeout=PATIENCE)
    assert ended.runtime_status == COMPLETED
    assert 1 <= most <= 3
