"""A hub behind its gRPC address, with the SDK's own workers and clients."""

import asyncio
import inspect
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb
import durabletask.internal.orchestrator_service_pb2_grpc as stubs
import grpc
from durabletask.client import AsyncTaskHubGrpcClient, TaskHubGrpcClient
from durabletask.grpc_options import GrpcChannelOptions, GrpcWorkerResiliencyOptions
from durabletask.worker import ConcurrencyOptions, TaskHubGrpcWorker

from hub_harness.by_hand import PATIENCE
from localhost.hub.interface import TaskHub
from localhost.hub.service import TaskHubServer
from localhost.hub.sqlite.hub import SqliteHub

QUIET = logging.getLogger("hub_harness.served")
QUIET.setLevel(logging.CRITICAL + 1)
LARGE = GrpcChannelOptions(max_receive_message_length=-1, max_send_message_length=-1)
# A client whose process was stopped while it connected connects again; else its first call would be refused.
_CONNECTED = '{"methodConfig": [{"name": [{}], "waitForReady": true}]}'
PATIENT = GrpcChannelOptions(
    max_receive_message_length=-1, max_send_message_length=-1, raw_options=[("grpc.service_config", _CONNECTED)]
)
# A worker that was cut off comes back at once; one whose process was stopped for minutes does not hang up for that.
EAGER = GrpcWorkerResiliencyOptions(
    reconnect_backoff_base_seconds=0.05,
    reconnect_backoff_cap_seconds=0.2,
    hello_timeout_seconds=PATIENCE,
    silent_disconnect_timeout_seconds=PATIENCE,
)


@asynccontextmanager
async def served(hub: TaskHub) -> AsyncGenerator[str]:
    """Serve ``hub`` and yield its address."""
    server = TaskHubServer(hub)
    address = await server.start()
    try:
        yield address
    finally:
        await server.stop()


@asynccontextmanager
async def stub_of(address: str) -> AsyncGenerator[Any]:
    """Yield the bare protocol at ``address``, connected."""
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        await channel.channel_ready()
        yield stubs.TaskHubSidecarServiceStub(channel)


async def next_item(stream: Any) -> pb.WorkItem:
    """Read the next work item of a stream, past the pings of a hub that had to wait for this test."""
    while (item := await stream.read()).HasField("healthPing"):
        pass
    return item


@asynccontextmanager
async def working(
    address: str,
    *functions: Callable[..., Any],
    entities: tuple[Any, ...] = (),
    prepare: Callable[[TaskHubGrpcWorker], None] = lambda _worker: None,
    channel_options: GrpcChannelOptions | None = LARGE,
    bound: int = 100,
) -> AsyncGenerator[TaskHubGrpcWorker]:
    """Run the SDK's worker: an orchestrator's first parameter is ``ctx``, any other function is an activity."""
    worker = TaskHubGrpcWorker(
        host_address=address,
        logger=QUIET,
        channel_options=channel_options,
        resiliency_options=EAGER,
        concurrency_options=ConcurrencyOptions(
            maximum_concurrent_activity_work_items=bound, maximum_thread_pool_workers=32
        ),
        maximum_timer_interval=timedelta(days=3),
    )
    for function in functions:
        if next(iter(inspect.signature(function).parameters)) == "ctx":
            worker.add_orchestrator(function)
        else:
            worker.add_activity(function)
    for entity in entities:
        worker.add_entity(entity)
    prepare(worker)
    worker.start()
    try:
        yield worker
    finally:
        await asyncio.to_thread(worker.stop)


@contextmanager
def hosted(folder: Path, *functions: Callable[..., Any], entities: tuple[Any, ...] = ()) -> Generator[str]:
    """Run a durable hub and the SDK's worker in a thread of their own, and yield the address."""
    serving: Future[str] = Future()
    ended = threading.Event()

    async def serve() -> None:
        hub = SqliteHub(folder / "hub.db")
        await hub.start()
        async with served(hub) as address, working(address, *functions, entities=entities):
            serving.set_result(address)
            await asyncio.to_thread(ended.wait)
        await hub.stop()

    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    try:
        yield serving.result(PATIENCE)
    finally:
        ended.set()
        thread.join(PATIENCE)


class Client:
    """The SDK's synchronous or asynchronous client, both to be awaited."""

    def __init__(self, client: TaskHubGrpcClient | AsyncTaskHubGrpcClient) -> None:
        self.sdk = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.sdk, name)

        async def call(*arguments: Any, **options: Any) -> Any:
            if inspect.iscoroutinefunction(method):
                return await method(*arguments, **options)
            return await asyncio.to_thread(method, *arguments, **options)

        return call


@asynccontextmanager
async def client_of(
    kind: str, address: str, channel_options: GrpcChannelOptions | None = PATIENT
) -> AsyncGenerator[Client]:
    """Connect a ``sync`` or ``async`` client."""
    if kind == "async":
        async with AsyncTaskHubGrpcClient(host_address=address, logger=QUIET, channel_options=channel_options) as it:
            yield Client(it)
    else:
        with TaskHubGrpcClient(host_address=address, logger=QUIET, channel_options=channel_options) as it:
            yield Client(it)
