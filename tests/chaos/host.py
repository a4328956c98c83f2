"""R1 on the whole host: ``kill -9`` of ``python -m localhost start`` with a real Functions app, under HTTP load."""

import asyncio
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hosting
import httpx2

from chaos import ledger
from chaos.kills import percentile

API = "/runtime/webhooks/durabletask"
IN_FLIGHT = 20
FIRST_WORK_WITHIN = 2.0
APP = """
import os
from datetime import timedelta
import azure.durable_functions as df
from durabletask import task, entities

app = df.DFApp()

@app.activity_trigger(input_name="order")
def add_one(order: dict) -> int:
    line = f"{order['instance']} {order['task']} {os.getpid()}\\n".encode()
    ledger = os.open(os.environ["CHAOS_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(ledger, line)
    os.fsync(ledger)
    os.close(ledger)
    return order["number"] + 1

@app.orchestration_trigger(context_name="context")
def chain(ctx: task.OrchestrationContext, number: int):
    for step in range(3):
        number = yield ctx.call_activity("add_one", input={"instance": ctx.instance_id, "task": step, "number": number})
    return number

@app.orchestration_trigger(context_name="context")
def parent(ctx: task.OrchestrationContext, number: int):
    yield ctx.create_timer(timedelta(milliseconds=100))
    results = yield task.when_all([
        ctx.call_sub_orchestrator("chain", input=number + n, instance_id=f"{ctx.instance_id}-{n}") for n in range(2)
    ])
    return sum(results)

@app.orchestration_trigger(context_name="context")
def approval(ctx: task.OrchestrationContext, number: int):
    answer = yield ctx.wait_for_external_event("answer")
    return number + answer

@app.orchestration_trigger(context_name="context")
def count(ctx: task.OrchestrationContext, number: int):
    counter = entities.EntityInstanceId("counter", ctx.instance_id)
    yield ctx.call_entity(counter, "add", number)
    yield ctx.call_entity(counter, "add", number)
    return (yield ctx.call_entity(counter, "add", 1))

@app.entity_trigger(context_name="context")
def counter(context):
    context.set_state(context.get_state(lambda: 0) + context.get_input())
    context.set_result(context.get_state(lambda: 0))
"""
EXPECTED: dict[str, Callable[[int], int]] = {
    "chain": lambda n: n + 3,
    "parent": lambda n: 2 * n + 7,
    "approval": lambda n: n + 5,
    "count": lambda n: 2 * n + 1,
}


class Load:
    """Clients that start, answer and follow orchestrations on whatever host is there."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.acknowledged: dict[str, int] = {}
        self.ended: dict[str, dict[str, Any]] = {}
        self.wrong: list[str] = []
        self.host: hosting.Host | None = None
        self.stopping = False
        self._number = 0
        self._client: httpx2.AsyncClient | None = None

    async def client(self) -> None:
        """Follow one orchestration after the other to its end."""
        while not self.stopping:
            self._number += 1
            number, name = self._number, self.rng.choice(list(EXPECTED))
            key = f"{name}-{number}"
            await self._start(name, key, number)
            self.acknowledged[key] = number
            if name == "approval":
                await self._until(self._calls("POST", f"instances/{key}/raiseEvent/answer", json=5), 202, 410)
            await self._follow(key)

    async def _start(self, name: str, key: str, number: int) -> None:
        """Start one run: a second start of what is over already would be another run."""
        start = self._calls("POST", f"orchestrators/{name}/{key}", json=number)
        look = self._calls("GET", f"instances/{key}")
        while (answer := await start()) is None or answer.status_code not in (202, 409):
            if answer is not None:
                self._complain(answer)
            if (await self._until(look, 200, 202, 404, 500)).status_code != 404:
                return

    async def _follow(self, key: str) -> None:
        while True:
            answer = await self._until(self._calls("GET", f"instances/{key}"), 200, 202, 404, 500)
            if answer.status_code == 404:
                self.wrong.append(f"{key} was acknowledged and is not found")
                return
            if answer.status_code != 202:
                self.ended[key] = answer.json()
                return
            await asyncio.sleep(0.02)

    def _calls(self, method: str, path: str, **options: Any) -> Callable[[], Any]:
        return lambda: self._call(method, path, **options)

    async def _call(self, method: str, path: str, **options: Any) -> httpx2.Response | None:
        client = self._client
        if client is None:
            return None
        try:
            return await client.request(method, f"{API}/{path}", **options)
        except (httpx2.TransportError, RuntimeError):  # the latter: it was closed meanwhile
            return None

    async def use(self, host: hosting.Host | None) -> None:
        """Speak to this host from now on, or to none."""
        old, self._client = self._client, None
        if old is not None:
            await old.aclose()
        self.host = host
        if host is not None:
            headers = {"x-functions-key": host.system_key}
            self._client = httpx2.AsyncClient(base_url=host.url, trust_env=False, timeout=20, headers=headers)

    async def _until(self, call: Callable[[], Any], *wanted: int) -> httpx2.Response:
        """Repeat a call until a host answers it; one that got no answer may have been heard."""
        while True:
            answer = await call()
            if answer is not None and answer.status_code in wanted:
                return answer
            if answer is not None:
                self._complain(answer)
            await asyncio.sleep(0.05)

    def _complain(self, answer: httpx2.Response) -> None:
        """Note an answer that no host should give; one that is busy, or going, may refuse."""
        if answer.status_code not in (502, 503):
            self.wrong.append(f"{answer.request.url.path} answered {answer.status_code}: {answer.text[:200]}")


async def torment(seed: int, kills: int, folder: Path) -> dict[str, Any]:
    """Kill the host ``kills`` times, each after it has been ready for a random time."""
    rng = random.Random(seed)
    app, data = folder / "app", folder / "data"
    app.mkdir()
    (app / "function_app.py").write_text(APP)
    ledger_ = folder / "ledger"
    load = Load(rng)
    starts: list[float] = []
    first_work: list[float] = []

    async def start() -> hosting.Host:
        begun = time.monotonic()
        environment = {ledger.ENVIRONMENT: str(ledger_)}
        host = await asyncio.to_thread(lambda: hosting.start("--script-root", app, data=data, **environment))
        starts.append(time.monotonic() - begun)
        return host

    await load.use(await start())
    clients = [asyncio.create_task(load.client()) for _ in range(IN_FLIGHT)]
    for _ in range(kills):
        await asyncio.sleep(rng.uniform(0.1, 2.0))
        assert load.host is not None
        host = load.host
        host.process.kill()
        await load.use(None)
        await asyncio.to_thread(host.stop)
        lines = _lines(ledger_)
        host = await start()
        await load.use(host)
        begun = time.monotonic()
        await asyncio.to_thread(_until_more, ledger_, lines)
        first_work.append(time.monotonic() - begun)
    load.stopping = True
    _done, stuck = await asyncio.wait(clients, timeout=60)
    for task in stuck:
        task.cancel()
    assert load.host is not None
    last = load.host
    await load.use(None)
    code = await asyncio.to_thread(last.stop)
    return _verdict(load, ledger.runs(ledger_), starts, first_work, stuck=len(stuck), code=code, kills=kills)


def _until_more(path: Path, lines: int) -> None:
    deadline = time.monotonic() + 20
    while _lines(path) == lines and time.monotonic() < deadline:
        time.sleep(0.005)


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _verdict(
    load: Load, runs: Any, starts: list[float], first_work: list[float], *, stuck: int, code: int, kills: int
) -> dict[str, Any]:
    wrong = load.wrong
    for key, number in load.acknowledged.items():
        state = load.ended.get(key)
        right = EXPECTED[key.split("-")[0]](number)
        if state is None:
            wrong.append(f"{key} was acknowledged and did not end within 60 s of the last start")
        elif state["runtimeStatus"] != "Completed" or state["output"] != right:
            wrong.append(f"{key} ended as {state['runtimeStatus']} with {state['output']}, not {right}")
        if state is not None and key.startswith("chain"):
            wrong += [f"task {step} of {key} never ran" for step in range(3) if not runs[key, step]]
    extra = sum(runs.values()) - len(runs)
    if extra > kills * IN_FLIGHT:
        wrong.append(f"{extra} activities ran again, more than {kills} kills times {IN_FLIGHT}")
    p99 = percentile(first_work, 0.99)
    late = [f"first activity {p99:.2f} s after the host was ready (p99)"] if p99 > FIRST_WORK_WITHIN else []
    if stuck or code:
        wrong.append(f"{stuck} clients never got an end; the last host ended with {code}")
    return {
        "kills": kills,
        "orchestrations": len(load.acknowledged),
        "extra_runs": extra,
        "start_p50": round(percentile(starts, 0.5), 2),
        "start_p99": round(percentile(starts, 0.99), 2),
        "ready_to_first_activity_p99": round(p99, 3),
        "slow": late,
        "violations": wrong[:20],
    }


def run(seed: int, kills: int) -> dict[str, Any]:
    """Kill a host ``kills`` times."""
    with tempfile.TemporaryDirectory() as name:
        return asyncio.run(torment(seed, kills, Path(name)))
