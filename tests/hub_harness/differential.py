"""Random orchestrations, done on two hubs: Microsoft's in-memory backend and the durable one. They end the same.

    PYTHONPATH=.:tests python -m hub_harness.differential [--first 0] [--seeds 1000] [--programs 12]

prints the seeds that differ, and ends with 1 if one does. What the world does to an orchestration, events before and
after it waits for them, suspension, termination, is part of its program.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb

from hub_harness.by_hand import PATIENCE
from hub_harness.programs import add, break_, interpret, program, stumble, tally
from hub_harness.runner import Runner
from localhost.hub.interface import TERMINAL, TaskHub
from localhost.hub.memory import MemoryHub
from localhost.hub.sqlite.hub import SqliteHub

STUCK = '"stuck"'


async def _meet(hub: TaskHub, instance_id: str, program: dict[str, Any]) -> None:
    """Do to an instance what its program says the world does; whatever the moment, it must end the same."""
    rng = random.Random(program["early"])
    early = int(program["heard"] * program["early"] * 1.5)
    for number in range(min(early, program["heard"])):
        await _tell(hub, instance_id, number)
    if program["suspended"]:
        await hub.suspend(pb.SuspendRequest(instanceId=instance_id))
        await asyncio.sleep(rng.random() / 100)
        await hub.resume(pb.ResumeRequest(instanceId=instance_id))
    for number in range(early, program["heard"]):
        await asyncio.sleep(rng.random() / 200)
        await _tell(hub, instance_id, number)
    if program["ending"]:
        family = program["ending"] == "family"
        await _until_stuck(hub, instance_id, f"{instance_id}.family" if family else instance_id)
        await _terminate(hub, instance_id, recursive=program["recursive"])
        if family and not program["recursive"]:
            await _terminate(hub, f"{instance_id}.family", recursive=False)


async def _tell(hub: TaskHub, instance_id: str, number: int) -> None:
    request = pb.RaiseEventRequest(instanceId=instance_id, name="outside")
    request.input.value = str(number)
    await hub.raise_event(request)


async def _until_stuck(hub: TaskHub, instance_id: str, stuck: str) -> None:
    while True:
        state = await hub.get_instance(instance_id, payloads=False)
        there = await hub.get_instance(stuck, payloads=False)
        if state is None or state.orchestrationStatus in TERMINAL or (there and there.customStatus.value == STUCK):
            return
        await asyncio.sleep(0.002)


async def _terminate(hub: TaskHub, instance_id: str, *, recursive: bool) -> None:
    state = await hub.get_instance(instance_id, payloads=False)
    if state is not None and state.orchestrationStatus not in TERMINAL:
        request = pb.TerminateRequest(instanceId=instance_id, recursive=recursive)
        request.output.value = '"enough"'
        await hub.terminate(request)


async def outcomes(hub: TaskHub, programs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Run programs on a hub, and return all that can be seen of every instance and entity at the end."""
    await hub.start()
    try:
        async with Runner(hub, interpret, add, break_, stumble, entities=(tally,)) as runner, asyncio.timeout(PATIENCE):
            ids = [await runner.start("interpret", json.dumps(p), instanceId=f"p{n}") for n, p in enumerate(programs)]
            await asyncio.gather(*(_meet(hub, one, program) for one, program in zip(ids, programs, strict=True)))
            for instance_id in ids:
                await runner.result(instance_id)
            return await _settled(runner)
    finally:
        await hub.stop()


async def _settled(runner: Runner) -> dict[str, Any]:
    """Return what there is once it changes no more and nothing is out; the hub in memory does not count that."""
    before: dict[str, Any] = {}
    calm = 0
    while calm < 3:
        now = await _seen(runner.hub)
        calm = calm + 1 if now == before and now and not runner.under_way else 0
        before = now
        await asyncio.sleep(0.02)
    return before


async def _seen(hub: TaskHub) -> dict[str, Any]:
    found = (await hub.query_instances(pb.InstanceQuery(fetchInputsAndOutputs=True))).orchestrationState
    if any(state.orchestrationStatus not in TERMINAL for state in found):
        return {}
    query = pb.EntityQuery(includeState=True, includeTransient=True)
    entities = (await hub.query_entities(pb.QueryEntitiesRequest(query=query))).entities
    if any(entity.backlogQueueSize for entity in entities):
        return {}
    assert not any(entity.lockedBy.value for entity in entities), "a lock outlived its holder"
    return {
        **{state.instanceId: _of_instance(state) for state in found},
        **{e.instanceId: e.serializedState.value for e in entities if e.HasField("serializedState")},
    }


def _of_instance(state: pb.OrchestrationState) -> tuple[str, ...]:
    return (
        pb.OrchestrationStatus.Name(state.orchestrationStatus),
        state.output.value,
        state.customStatus.value,
        state.failureDetails.errorType,
        state.failureDetails.errorMessage,
    )


async def differences(seed: int, programs: int, folder: Path) -> dict[str, tuple[Any, Any]]:
    """Return what differs between the two hubs after the programs of a seed: by id, in memory and durable."""
    rng = random.Random(seed)
    all_ = [program(rng) for _ in range(programs)]
    in_memory = await outcomes(MemoryHub(), all_)
    durable = await outcomes(SqliteHub(folder / "hub.db"), all_)
    ids = in_memory.keys() | durable.keys()
    return {
        one: (in_memory.get(one), durable.get(one)) for one in sorted(ids) if in_memory.get(one) != durable.get(one)
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--programs", type=int, default=12)
    options = parser.parse_args(argv)
    differing = 0
    for seed in range(options.first, options.first + options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            try:
                found: object = asyncio.run(differences(seed, options.programs, Path(folder)))
            except (TimeoutError, AssertionError) as error:
                found = f"{type(error).__name__} {error}"
        if found:
            differing += 1
            print(f"seed {seed}: {found}", flush=True)
    print(f"{options.seeds} seeds of {options.programs} programs, {differing} differ")
    return min(differing, 1)


if __name__ == "__main__":
    sys.exit(main())
