"""Payloads of every awkward size through every door of a hub, and back: exactly, or refused with a sentence.

    PYTHONPATH=.:tests python -m hub_harness.sizes

runs all of it, 50 MB included, prints a line each and ends with 1 if anything hung or came back otherwise.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
from durabletask import task
from durabletask.client import OrchestrationState
from durabletask.entities import EntityInstanceId

from hub_harness.by_hand import PATIENCE
from hub_harness.served import Client, client_of, hosted
from localhost.hub.sqlite import limits

# Where others break: queue messages, table columns, properties, gRPC messages, and what nobody should send.
SIZES = (
    *(0, 1, 32_768, 32_769, 45_150, 45_151, 65_535, 65_536, 262_143, 262_144, 262_145, 900_000),
    *(4 * 1024**2 - 1, 4 * 1024**2 + 1, 10_000_000, 50_000_000),
)
LETTERS = ("x", "\U0001f600")
CUT = "characters cut"


def text(size: int, letter: str) -> str:
    """Return a text of ``size`` bytes of UTF-8, or the next that the letter can make."""
    return letter * -(-size // len(letter.encode()))


# The app


def echo(_: Any, given: str) -> str:
    return given


def shout(_: Any, given: str) -> str:
    raise ValueError(given)


def produce(_: Any, order: list[Any]) -> str:
    return text(*order)


def store(ctx: Any, given: Any) -> str:
    """Keep what comes; give it back when nothing does."""
    if given is not None:
        ctx.set_state(given)
    return ctx.get_state(str)


def through_activity(ctx: task.OrchestrationContext, given: str) -> Any:
    return (yield ctx.call_activity(echo, input=given))


def made_inside(ctx: task.OrchestrationContext, order: list[Any]) -> Any:
    return (yield ctx.call_activity(produce, input=order))


def heard(ctx: task.OrchestrationContext, _: Any) -> Any:
    return (yield ctx.wait_for_external_event("e"))


def told(ctx: task.OrchestrationContext, given: str) -> Any:
    ctx.set_custom_status(given)
    yield ctx.create_timer(ctx.current_utc_datetime)
    return "told"


def shouted(ctx: task.OrchestrationContext, given: str) -> Any:
    try:
        yield ctx.call_activity(shout, input=given)
    except task.TaskFailedError as error:
        return error.details.message


def kept(ctx: task.OrchestrationContext, given: str) -> Any:
    return (yield ctx.call_entity(EntityInstanceId("store", ctx.instance_id), "put", given))


def handed_down(ctx: task.OrchestrationContext, given: str) -> Any:
    return (yield ctx.call_sub_orchestrator(through_activity, input=given))


ORCHESTRATORS = (through_activity, made_inside, heard, told, shouted, kept, handed_down)
APP = (*ORCHESTRATORS, echo, shout, produce)


# The doors


async def _run(client: Client, orchestrator: Any, given: Any = None) -> OrchestrationState:
    instance_id = await client.schedule_new_orchestration(orchestrator, input=given)
    return await client.wait_for_orchestration_completion(instance_id, timeout=PATIENCE)


def _output_of(orchestrator: Any) -> Callable[[Client, str], Awaitable[str]]:
    async def through(client: Client, given: str) -> str:
        return _output(await _run(client, orchestrator, given))

    return through


def _output(state: OrchestrationState) -> str:
    if state.failure_details is not None:
        return f"refused: {state.failure_details.message}"
    return state.get_output(str) or ""


async def _by_result(client: Client, given: str) -> str:
    order = [len(given.encode()), given[:1] or "x"]
    return _output(await _run(client, made_inside, order))


async def _by_event(client: Client, given: str) -> str:
    instance_id = await client.schedule_new_orchestration(heard)
    try:
        await client.raise_orchestration_event(instance_id, "e", data=given)
    except grpc.RpcError:
        await client.terminate_orchestration(instance_id)
        raise
    return _output(await client.wait_for_orchestration_completion(instance_id, timeout=PATIENCE))


async def _by_status(client: Client, given: str) -> str:
    state = await _run(client, told, given)
    assert state.get_output(str) == "told"
    return state.get_custom_status(str) or ""


async def _by_signal(client: Client, given: str) -> str:
    entity_id = EntityInstanceId("store", f"signalled{time.monotonic_ns()}")
    await client.signal_entity(entity_id, "put", input=given)
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await client.get_entity(entity_id)
            if found is not None and found.get_typed_state(str) is not None:
                return found.get_typed_state(str)
            await asyncio.sleep(0.01)


DOORS: dict[str, Callable[[Client, str], Awaitable[str]]] = {
    "input, activity and output": _output_of(through_activity),
    "result of an activity": _by_result,
    "sub-orchestration": _output_of(handed_down),
    "event": _by_event,
    "custom status": _by_status,
    "exception text": _output_of(shouted),
    "entity call and state": _output_of(kept),
    "signal": _by_signal,
}


async def verdict(client: Client, door: str, size: int, letter: str) -> str:
    """Say how a payload came through: ``exact``, ``cut`` or ``refused``. Anything else is an error."""
    given = text(size, letter)
    try:
        found = await DOORS[door](client, given)
    except grpc.RpcError as error:
        found = f"refused: {error}"
    if found == given:
        return "exact"
    if door == "exception text" and found.endswith(f"{CUT})"):
        assert found.startswith(given[: limits.MAX_ERROR_TEXT - 1])
        return "cut"
    assert found.startswith("refused: "), f"{door}: {size} bytes came back as {found[:100]!r}"
    assert (
        "A message may have" in found
        or f"at most {limits.MAX_PAYLOAD_BYTES:,}" in found
        or f"at most {limits.MAX_EVENTS:,} events" in found
    ), found
    return "refused"


async def everything(address: str) -> int:
    """Try every size at every door, and return how many went wrong."""
    wrong = 0
    async with client_of("async", address) as client:
        for door in DOORS:
            for letter in LETTERS:
                for size in SIZES:
                    begun = time.monotonic()
                    try:
                        came = await verdict(client, door, size, letter)
                    except (AssertionError, TimeoutError) as error:
                        came, wrong = f"WRONG: {error}", wrong + 1
                    seconds = time.monotonic() - begun
                    print(f"{door:28} U+{ord(letter):05X} {size:>10,} {seconds:6.2f} s  {came}", flush=True)
    return wrong


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, hosted(Path(folder), *APP, entities=(store,)) as at:
        sys.exit(min(asyncio.run(everything(at)), 1))
