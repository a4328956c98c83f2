"""An ordinary ``durabletask`` worker on a hub over gRPC: either is killed alone, and the wire between them is cut.

python -m chaos.workers hub DATABASE     # print the address, and serve until killed
python -m chaos.workers work ADDRESS     # run the app until killed
"""

import asyncio
import json
import logging
import os
import random
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb
import durabletask.internal.orchestrator_service_pb2_grpc as stubs
import grpc

from chaos import app, ledger
from chaos.client import on_disk
from chaos.life import use_ledger

FAULTS = ("hub", "worker", "wire", "worker stopped")
WORKERS = 2
ENOUGH = 120.0


class Proxy:
    """One address for a hub that has another one in each life, and a wire that can be cut."""

    def __init__(self) -> None:
        self.target: tuple[str, int] | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> str:
        """Listen, and return the address."""
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _connect(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        if self.target is None:
            back.close()
            return
        try:
            answers, onward = await asyncio.open_connection(*self.target)
        except OSError:
            back.close()
            return
        self._open |= {back, onward}
        await asyncio.gather(self._copy(reader, onward), self._copy(answers, back))
        self._open -= {back, onward}

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()

    def cut(self) -> None:
        """Break every connection in the middle of whatever is on it."""
        for end in list(self._open):
            end.transport.abort()

    async def stop(self) -> None:
        """Listen no more."""
        self.cut()
        self._server.close()


class Client:
    """Starts chains and the like, each until it is acknowledged, and waits for what they return."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address, options=[("grpc.max_reconnect_backoff_ms", 200)])
        self._stub = stubs.TaskHubSidecarServiceStub(self._channel)
        self.unknown = 0

    async def _until(self, call: Any, *fine: grpc.StatusCode) -> Any:
        while True:
            try:
                return await call()
            except grpc.aio.AioRpcError as error:
                if error.code() in fine:
                    return None
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    raise
                self.unknown += 1
                await asyncio.sleep(0.05)

    async def run(self, key: str, name: str, payload: Any) -> list[Any]:
        """Run one orchestration, whatever happens on the way."""
        start = pb.CreateInstanceRequest(instanceId=key, name=name)
        start.input.value = json.dumps(payload)
        await self._until(lambda: self._stub.StartInstance(start, timeout=10), grpc.StatusCode.ALREADY_EXISTS)
        wanted = pb.GetInstanceRequest(instanceId=key, getInputsAndOutputs=True)
        while True:
            found = await self._until(lambda: self._stub.WaitForInstanceCompletion(wanted, timeout=10))
            if not found.exists:
                return ["lost"]
            if found.orchestrationState.orchestrationStatus in (1, 3, 5):
                return [found.orchestrationState.orchestrationStatus, found.orchestrationState.output.value]

    async def close(self) -> None:
        """Hang up."""
        await self._channel.close()


async def _start(*arguments: str) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "chaos.workers", *arguments]
    return await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)


async def _start_hub(database: Path, proxy: Proxy) -> asyncio.subprocess.Process:
    hub = await _start("hub", str(database))
    assert hub.stdout is not None
    host, port = (await hub.stdout.readline()).decode().strip().split(":")
    proxy.target = (host, int(port))
    return hub


async def torment(seed: int, faults: int, folder: Path) -> dict[str, Any]:
    """Keep a load running while ``faults`` happen, one at a time."""
    rng = random.Random(seed)
    use_ledger(folder)
    database = folder / "hub.db"
    proxy = Proxy()
    address = await proxy.start()
    hub = await _start_hub(database, proxy)
    workers = [await _start("work", address) for _ in range(WORKERS)]
    client = Client(address)
    results: dict[str, list[Any]] = {}
    payloads: dict[str, Any] = {}
    over = asyncio.Event()

    async def keep_on(lane: int) -> None:
        number = 0
        while not over.is_set():
            number += 1
            name = ("chain", "fan", "family", "remember", "nap")[(lane + number) % 5]
            key = f"{name}-{lane}-{number}"
            payloads[key] = rng.randint(1, 8)
            results[key] = await client.run(key, name, payloads[key])

    load = [asyncio.create_task(keep_on(lane)) for lane in range(10)]
    counts = dict.fromkeys(FAULTS, 0)
    for number in range(faults):
        await asyncio.sleep(rng.uniform(0.3, 1.5))
        fault = FAULTS[number % len(FAULTS)]
        counts[fault] += 1
        victim = rng.randrange(WORKERS)
        match fault:
            case "hub":
                hub.kill()
                await hub.wait()
                hub = await _start_hub(database, proxy)
            case "worker":
                workers[victim].kill()
                await workers[victim].wait()
                workers[victim] = await _start("work", address)
            case "wire":
                proxy.cut()
            case _:
                workers[victim].send_signal(signal.SIGSTOP)
                await asyncio.sleep(rng.uniform(0.1, 1.0))
                workers[victim].send_signal(signal.SIGCONT)
    over.set()
    began = time.monotonic()
    _done, stuck = await asyncio.wait(load, timeout=ENOUGH)
    last = time.monotonic() - began
    for task in stuck:
        task.cancel()
    await client.close()
    for process in workers:
        process.kill()
        await process.wait()
    hub.send_signal(signal.SIGTERM)
    await hub.wait()
    await proxy.stop()
    violations = [] if not stuck else [f"{len(stuck)} clients never got an end"]
    for key, result in results.items():
        right = app.expected(key.split("-")[0], payloads[key])
        if result[0] != 1 or json.loads(result[1]) != right:
            violations.append(f"{key} ended as {result}, not {right}")
    disk = on_disk(database)
    if disk["integrity"] != "ok" or (not stuck and any(disk["left"].values())):
        violations.append(f"on disk: {disk['integrity']}, {disk['left']}")
    runs = ledger.runs(folder / "ledger")
    return {
        "faults": counts,
        "orchestrations": len(results),
        "calls_cut_off": client.unknown,
        "extra_runs": sum(runs.values()) - len(runs),
        "seconds_to_rest": round(last, 1),
        "violations": violations[:20],
    }


def run(seed: int, faults: int) -> dict[str, Any]:
    """Run ``faults`` against a hub and two workers."""
    with tempfile.TemporaryDirectory() as name:
        return asyncio.run(torment(seed, faults, Path(name)))


async def _serve(database: Path) -> None:
    from localhost.hub.service import TaskHubServer
    from localhost.hub.sqlite.hub import SqliteHub

    hub = SqliteHub(database)
    await hub.start()
    server = TaskHubServer(hub)
    print(await server.start(), flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    await server.stop()
    await hub.stop()


def _work(address: str) -> None:
    from durabletask.worker import TaskHubGrpcWorker

    quiet = logging.getLogger("chaos.quiet")
    quiet.setLevel(logging.CRITICAL + 1)
    worker = TaskHubGrpcWorker(host_address=address, logger=quiet)
    for function in app.ORCHESTRATORS:
        worker.add_orchestrator(function)
    for function in app.ACTIVITIES:
        worker.add_activity(function)
    for function in app.ENTITIES:
        worker.add_entity(function)
    worker.start()
    signal.pause()


if __name__ == "__main__":
    os.environ.setdefault(ledger.ENVIRONMENT, os.devnull)
    if sys.argv[1] == "hub":
        asyncio.run(_serve(Path(sys.argv[2])))
    else:
        _work(sys.argv[2])
