"""Orchestrations as routes use them: begun once, and waited for."""

import asyncio
import contextlib
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta

import azure.durable_functions as df
import grpc
from durabletask.client import OrchestrationState

ENDED = frozenset({"COMPLETED", "FAILED", "TERMINATED"})
"""Names of the states in which an orchestration stays."""

FORGOTTEN_AFTER = timedelta(minutes=1)
FIRST_LOOK_SECONDS = 0.25
LAST_LOOK_SECONDS = 1.0
"""Between two looks at a running orchestration; its end wakes a waiter at once."""


@contextlib.contextmanager
def beginning_once() -> Generator[None]:
    """Let a twin of the request be first: where an orchestration has the id already, there is one all the same."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.ALREADY_EXISTS:
            raise


async def is_to_begin(client: df.DurableFunctionsClient, instance_id: str, created_at: str) -> bool:
    """Whether no orchestration has taken the record of ``created_at`` yet, though a request made it before."""
    state = await client.get_orchestration_state(instance_id, fetch_payloads=False)
    if state is None:
        return True
    # The record of an earlier use of the key has expired, its orchestration is still known: it makes room.
    last = state.last_updated_at.replace(tzinfo=UTC)
    if state.runtime_status.name in ENDED and last + FORGOTTEN_AFTER < datetime.fromisoformat(created_at):
        await client.purge_orchestration(instance_id)
        return True
    return False


async def wait_for_end(client: df.DurableFunctionsClient, instance_id: str, seconds: int) -> bool:
    """Return True when the orchestration has ended; False when ``seconds`` are over or the hub cannot tell."""
    try:
        await client.wait_for_orchestration_completion(instance_id, fetch_payloads=False, timeout=seconds)
    except (TimeoutError, grpc.aio.AioRpcError):
        return False
    return True


async def wait_for_news(
    client: df.DurableFunctionsClient,
    instance_id: str,
    seconds: int,
    is_news: Callable[[OrchestrationState | None], bool],
) -> None:
    """Return when the orchestration stands where ``is_news`` says so, has ended, or ``seconds`` are over."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    end = asyncio.create_task(wait_for_end(client, instance_id, seconds))
    pause = FIRST_LOOK_SECONDS
    try:
        while (left := deadline - loop.time()) > 0:
            await _either(end, min(pause, left))
            if end.done() and end.result():
                break
            if is_news(await client.get_orchestration_state(instance_id)):
                break
            pause = min(LAST_LOOK_SECONDS, pause * 1.5)
    finally:
        end.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await end


async def _either(end: asyncio.Task[bool], seconds: float) -> None:
    """Wait for ``end`` or for ``seconds``; an end that could not be told is not waited for twice."""
    await (asyncio.sleep(seconds) if end.done() else asyncio.wait({end}, timeout=seconds))
