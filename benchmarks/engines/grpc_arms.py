"""The arms that speak gRPC with ``durabletask``'s own client, which is in this process.

``memory`` and ``worker`` have ``durabletask``'s gRPC worker in this process, too, with the in-memory backend or the
durable hub in another. ``embedded`` and ``normal`` run the app where the hub is. ``host`` is what users have:
``python -m localhost start``, with the app's functions run by Microsoft's Functions worker.
"""

import logging
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
from durabletask.client import OrchestrationState, TaskHubGrpcClient
from durabletask.entities import EntityInstanceId
from durabletask.worker import TaskHubGrpcWorker

from benchmarks.engines import cases, servers

APP = Path(__file__).parent / "app"
CALLERS = 4
QUIET = logging.getLogger("benchmarks.quiet")
QUIET.setLevel(logging.CRITICAL + 1)


class Client:
    """An engine behind ``TaskHubSidecarService``."""

    def __init__(self, address: str) -> None:
        self._client = TaskHubGrpcClient(host_address=address, logger=QUIET)

    def hello(self) -> None:
        self._result(self._client.schedule_new_orchestration("hello", input=1), "4")

    def fan_out(self, width: int) -> None:
        expected = str(width * (width + 1) // 2)
        self._result(self._client.schedule_new_orchestration("fan", input=width), expected)

    def burst(self, count: int) -> Sequence[float]:
        with ThreadPoolExecutor(CALLERS) as pool:
            ids = list(pool.map(lambda _: self._client.schedule_new_orchestration("hello", input=1), range(count)))
        states = [self._result(instance_id, "4") for instance_id in ids]
        return [(state.last_updated_at - state.created_at).total_seconds() for state in states]

    def signals(self, count: int, spread: int) -> None:
        ids = [EntityInstanceId("counter", uuid.uuid4().hex) for _ in range(spread)]
        with ThreadPoolExecutor(CALLERS) as pool:
            list(pool.map(lambda n: self._client.signal_entity(ids[n % spread], "add", input=1), range(count)))
        for position, entity_id in enumerate(ids):
            wanted = str(len(range(position, count, spread)))
            while (found := self._client.get_entity(entity_id)) is None or found.get_state() != wanted:
                time.sleep(0.005)

    def _result(self, instance_id: str, expected: str) -> OrchestrationState:
        state = self._client.wait_for_orchestration_completion(instance_id, timeout=600)
        assert state is not None
        assert state.serialized_output == expected, state
        return state


def work_at(address: str) -> None:
    """Run the app here; it ends with the process, because stopping the SDK's worker takes a second."""
    worker = TaskHubGrpcWorker(host_address=address, logger=QUIET)
    worker.add_orchestrator(servers.hello)
    worker.add_orchestrator(servers.fan)
    worker.add_activity(servers.act)
    worker.add_entity(servers.counter)
    worker.start()


def measure_host(folder: str | None, scale: float) -> dict[str, float]:
    """Measure the local host: by gRPC as the others, and ``hello`` from an HTTP request to its answer."""
    sys.path.append(str(servers.ROOT / "tests"))
    import hosting

    with tempfile.TemporaryDirectory(dir=folder) as data:
        host = hosting.start("--script-root", APP, data=Path(data))
        try:
            with httpx2.Client(base_url=host.url, trust_env=False) as http:
                figures = cases.measure(Client(http.get("/address").text), scale)
            by_http = cases.keep_alive(host.url, "POST", "/hello", b"1", b"4")
            return {**figures, "hello over HTTP": cases.p50_ms(int(100 * scale), by_http)}
        finally:
            host.process.kill()


def measure_server(arm: str, folder: str | None, scale: float) -> dict[str, float]:
    """Measure a hub in another process."""
    with servers.server("hub" if arm == "worker" else arm, folder) as (address, commits):
        if arm in ("memory", "worker"):
            work_at(address)
        client = Client(address)
        figures = cases.measure(client, scale)
        if arm != "memory":
            before = commits()
            client.burst(200)
            figures["commits"] = (commits() - before) / 200
        return figures


def main() -> None:
    chosen = cases.options(__doc__, "memory", "worker", "embedded", "normal", "host")
    if chosen.arm == "host":
        cases.finish(lambda: measure_host(chosen.dir, chosen.scale))
    cases.finish(lambda: measure_server(chosen.arm, chosen.dir, chosen.scale))


if __name__ == "__main__":
    main()
