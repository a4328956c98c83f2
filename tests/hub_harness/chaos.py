"""Kill a hub again and again under load, then see that nothing that it acknowledged was lost.

    python -m hub_harness.chaos --seed 1 --kills 100
    python -m hub_harness.chaos --seed 1 --failpoint commit.before --kills 10

This process is the client: it is never killed, and remembers what was acknowledged. Every life of the hub is a fork
of it, so a start costs milliseconds. It prints one JSON object; ``violations`` is empty when all is well.
"""

import argparse
import asyncio
import json
import os
import random
import select
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("FAILPOINTS", "")  # before the hub is imported

import durabletask.internal.orchestrator_service_pb2 as pb

from hub_harness import chaos_app
from hub_harness.runner import Runner
from localhost.hub.interface import HubError, InstanceConflictError
from localhost.hub.sqlite import failpoints, state, writer
from localhost.hub.sqlite.hub import SqliteHub

ACCOUNTS = [f"a{n}" for n in range(6)]
AT_ONCE = 8
HITS = {"loaded": 1, "timers.fired": 2, "dispatch.entity": 3, "checkpoint.before": 1, "checkpoint.after": 1}


# The life of a hub, in a fork


async def live(database: Path, requests: int, answers: int) -> None:
    """Run the hub and the app, and do what the client asks."""
    hub = SqliteHub(database)
    await hub.start()
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(requests, "rb"))

    async def answer(request: dict[str, Any]) -> None:
        try:
            result = await do(hub, request)
        except (HubError, TimeoutError) as error:
            result = str(error) or type(error).__name__
        os.write(answers, json.dumps({"id": request["id"], "result": result}).encode() + b"\n")

    async with Runner(hub, *chaos_app.FUNCTIONS, entities=(chaos_app.account,), bound=AT_ONCE):
        os.write(answers, b'{"id": "up", "result": true}\n')
        doing: set[asyncio.Task[None]] = set()
        while line := await reader.readline():
            task = asyncio.create_task(answer(json.loads(line)))
            doing.add(task)
            task.add_done_callback(doing.discard)
    await hub.stop()


async def do(hub: SqliteHub, request: dict[str, Any]) -> Any:
    """Do one thing, and return once it is acknowledged."""
    match request["do"]:
        case "start":
            start = pb.CreateInstanceRequest(instanceId=request["instance"], name=request["name"])
            start.input.value = json.dumps(request["input"])
            with suppress(InstanceConflictError):  # it was there already: an answer got lost
                start.orchestrationIdReusePolicy.replaceableStatus.append(pb.ORCHESTRATION_STATUS_CANCELED)
                await hub.start_instance(start)
            return True
        case "event":
            raised = pb.RaiseEventRequest(instanceId=request["instance"], name="number")
            raised.input.value = json.dumps(request["input"])
            await hub.raise_event(raised)
            return True
        case "signal":
            signal_ = pb.SignalEntityRequest(instanceId=f"@account@{request['account']}", name="add", requestId="x")
            signal_.input.value = "1"
            await hub.signal_entity(signal_)
            return True
        case "result":
            async with asyncio.timeout(20):
                found = await hub.wait_for_instance(request["instance"], "completed", payloads=True)
            return None if found is None else [found.orchestrationStatus, found.output.value, str(found.failureDetails)]
        case "completions":
            events = await hub.history(request["instance"])
            return sum(event.HasField("executionCompleted") for event in events)
        case _:
            page = await hub.query_entities(pb.QueryEntitiesRequest(query=pb.EntityQuery(includeState=True)))
            return {
                e.instanceId: [e.serializedState.value, e.lockedBy.value, e.backlogQueueSize] for e in page.entities
            }


async def _acknowledge_at_once(_self: writer.Writer, _sequence: int | None = None) -> None:
    """Lie: say that it is on disk before it is."""


class Life:
    """One process of the hub."""

    def __init__(self, database: Path, failpoint: str = "", *, broken: bool = False) -> None:
        request_read, self._requests = os.pipe()
        self._answers, answer_write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._requests)
            os.close(self._answers)
            failpoints.arm(failpoint)
            writer.CHECKPOINT_BYTES = 100_000
            if broken:
                writer.Writer.durable = _acknowledge_at_once
                state.State._steps_coming = lambda _: True
                writer.LINGER = 0.2
            try:
                asyncio.run(live(database, request_read, answer_write))
            finally:
                os._exit(0)
        os.close(request_read)
        os.close(answer_write)
        self._buffer = b""
        self._dead = False

    def ask(self, request: dict[str, Any]) -> None:
        """Send a request; a dead hub does not answer."""
        with suppress(BrokenPipeError):
            os.write(self._requests, json.dumps(request).encode() + b"\n")

    def answers(self, seconds: float) -> Iterator[dict[str, Any]]:
        """Yield the answers that come within ``seconds``, or until the hub is dead."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self._answers], [], [], left)[0]:
                return
            data = os.read(self._answers, 65536)
            if not data:
                self._dead = True
                return
            *lines, self._buffer = (self._buffer + data).split(b"\n")
            yield from (json.loads(line) for line in lines)

    def until(self, wanted: set[Any], seconds: float) -> dict[Any, Any]:
        """Return the answers to all of ``wanted``."""
        found: dict[Any, Any] = {}
        for answer in self.answers(seconds):
            found[answer["id"]] = answer["result"]
            if wanted <= found.keys():
                break
        return found

    def end(self, how: int = signal.SIGKILL) -> bool:
        """Kill the hub, or let it stop in order. Returns whether it was dead already."""
        if how and not self._dead:
            os.kill(self.pid, how)
        os.close(self._requests)
        os.waitpid(self.pid, 0)
        os.close(self._answers)
        return self._dead


# The client


@dataclass
class Log:
    """What the client did, and what it knows of it."""

    started: dict[str, tuple[str, Any]] = field(default_factory=dict)
    events: dict[str, list[int]] = field(default_factory=dict)
    resent: dict[str, set[int]] = field(default_factory=dict)
    signals: dict[str, list[int]] = field(default_factory=dict)  # account: [acknowledged, unknown]
    operations: int = 0


class Client:
    """Makes load, kills, and checks."""

    def __init__(self, seed: int, folder: Path, failpoint: str = "", *, broken: bool = False) -> None:
        self._rng = random.Random(seed)
        self._broken = broken
        self.hits = 0  # lives that a failpoint ended
        self._folder = folder
        self._database = folder / "hub.db"
        self._failpoint = failpoint
        self._log = Log()
        self._again: list[dict[str, Any]] = []  # was not acknowledged; asked again in the next life
        os.environ[chaos_app.LEDGER_ENV] = str(folder / "ledger")
        self.violations: list[str] = []

    def _request(self) -> dict[str, Any]:
        rng, log = self._rng, self._log
        log.operations += 1
        number = log.operations
        kind = rng.choice(
            ("chain", "fan", "family", "nap", "collect", "transfer", "event", "event", "signal", "signal")
        )
        if kind == "signal":
            return {"do": "signal", "account": rng.choice(ACCOUNTS)}
        if kind == "event" and log.events:
            instance = rng.choice(sorted(log.events))
            # In order: one is sent when the one before is acknowledged.
            if not any(r["do"] == "event" and r["instance"] == instance for r in self._again):
                log.events[instance].append(len(log.events[instance]))
                return {"do": "event", "instance": instance, "input": log.events[instance][-1]}
        name = "chain" if kind == "event" else kind
        instance = f"{name}-{number}"
        payload: Any = {
            "chain": number,
            "fan": rng.randint(1, 12),
            "family": number,
            "nap": number,
            "collect": [],
            "transfer": {"accounts": rng.sample(ACCOUNTS, 2), "amount": rng.randint(1, 9)},
        }[name]
        log.started[instance] = (name, payload)
        return {"do": "start", "instance": instance, "name": name, "input": payload}

    def life(self, operations: int) -> bool:
        """Make load on a hub until it is killed. Returns whether it came up."""
        spec = f"{self._failpoint}={self._rng.randint(1, HITS.get(self._failpoint, 12))}" if self._failpoint else ""
        life = Life(self._database, spec, broken=self._broken)
        up = "up" in life.until({"up"}, 30)
        pending = dict(enumerate(self._again))
        self._again = []
        sent_to: set[str] = set()
        for number in range(len(pending), len(pending) + operations if up else 0):
            request = self._request()
            if request["do"] == "event" and request["instance"] in sent_to:
                self._log.events[request["instance"]].pop()
                request = {"do": "signal", "account": self._rng.choice(ACCOUNTS)}
            sent_to.add(request.get("instance", ""))
            pending[number] = request
        for number, request in pending.items():
            life.ask({"id": number, **request})
        patience = 2.0 if self._failpoint else self._rng.uniform(0.005, 0.12)
        for answer in life.answers(patience):
            if answer["id"] in pending:
                self._settle(pending.pop(answer["id"]))
        self.hits += life.end()
        for request in pending.values():
            self._unknown(request)
        return up

    def _settle(self, request: dict[str, Any]) -> None:
        if request["do"] == "signal":
            self._log.signals.setdefault(request["account"], [0, 0])[0] += 1
        elif request["do"] == "start" and request["name"] == "collect":
            self._log.events.setdefault(request["instance"], [])

    def _unknown(self, request: dict[str, Any]) -> None:
        if request["do"] == "signal":
            self._log.signals.setdefault(request["account"], [0, 0])[1] += 1
            return
        self._again.append(request)
        if request["do"] == "event":
            self._log.resent.setdefault(request["instance"], set()).add(request["input"])

    def check(self) -> dict[str, Any]:
        """Let the hub come to rest, and compare."""
        life = Life(self._database)
        life.until({"up"}, 60)
        self._ask_all(life, self._again)
        for request in self._again:
            self._settle(request)
        self._ask_all(life, [{"do": "event", "instance": i, "input": -1} for i in sorted(self._log.events)])
        instances = sorted(self._log.started)
        results = self._ask_all(life, [{"do": "result", "instance": i} for i in instances])
        for instance, result in zip(instances, results, strict=True):
            self._check_result(instance, result)
        counts = self._ask_all(life, [{"do": "completions", "instance": i} for i in instances])
        self._expect(counts == [1] * len(instances), "an instance completed more or less than once")
        self._check_accounts(self._ask_all(life, [{"do": "accounts"}])[0])
        life.end(0)
        runs = self._check_ledger(instances)
        connection = sqlite3.connect(self._database)
        [found] = connection.execute("PRAGMA integrity_check").fetchone()
        self._expect(found == "ok", f"integrity_check: {found}")
        for table in ("inbox", "activities", "timers", "operations"):
            [left] = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            self._expect(left == 0, f"{left} rows are left in {table}")
        connection.close()
        return {"instances": len(instances), "operations": self._log.operations, **runs}

    def _ask_all(self, life: Life, requests: list[dict[str, Any]]) -> list[Any]:
        answers: dict[int, Any] = {}
        for begin in range(0, len(requests), 50):  # a pipe holds so much
            wanted = range(begin, min(begin + 50, len(requests)))
            for number in wanted:
                life.ask({"id": number, **requests[number]})
            answers |= life.until(set(wanted), 30)
        missing = [requests[n] for n in range(len(requests)) if n not in answers]
        self._expect(not missing, f"no answer to {missing[:3]} and {len(missing)} in all")
        return [answers.get(n) for n in range(len(requests))]

    def _check_result(self, instance: str, result: Any) -> None:
        name, payload = self._log.started[instance]
        if not isinstance(result, list) or result[0] != pb.ORCHESTRATION_STATUS_COMPLETED:
            self.violations.append(f"{instance} ended as {result}")
        elif name == "collect":
            sent, got = self._log.events[instance], json.loads(result[1])
            self._expect(list(dict.fromkeys(got)) == sent, f"{instance} got {got} of {sent}")
            twice = {number for number in got if got.count(number) > 1}
            self._expect(twice <= self._log.resent.get(instance, set()), f"{instance} got {twice} twice")
        else:
            right = chaos_app.expected(name, payload)
            self._expect(json.loads(result[1]) == right, f"{instance} returned {result[1]}, not {right}")

    def _check_accounts(self, accounts: dict[str, list[Any]]) -> None:
        for account in ACCOUNTS:
            moved = 0
            for name, payload in self._log.started.values():
                if name == "transfer" and account in payload["accounts"]:
                    moved += payload["amount"] * (1 if payload["accounts"][1] == account else -1)
            acknowledged, unknown = self._log.signals.get(account, [0, 0])
            state, locked_by, backlog = accounts.get(f"@account@{account}", ["0", "", 0])
            value = int(state or 0) - moved
            right = acknowledged <= value <= acknowledged + unknown
            self._expect(right, f"account {account} has {value}: {acknowledged} acknowledged, {unknown} unknown")
            self._expect(not locked_by, f"account {account} is still locked by {locked_by}")
            self._expect(backlog == 0, f"account {account} still has work")

    def _check_ledger(self, instances: list[str]) -> dict[str, int]:
        runs = chaos_app.ledger_entries(self._folder / "ledger")
        by_instance: dict[str, int] = {}
        for instance, _task in runs:
            by_instance[instance] = by_instance.get(instance, 0) + 1
        wanted = {"chain": lambda _: 3, "nap": lambda _: 1, "fan": lambda width: width}
        for instance in instances:
            name, payload = self._log.started[instance]
            if name in wanted:
                count, right = by_instance.get(instance, 0), wanted[name](payload)
                self._expect(count == right, f"{instance} ran {count} activities, not {right}")
        return {"activities": len(runs), "extra_runs": sum(runs.values()) - len(runs)}

    def _expect(self, condition: bool, otherwise: str) -> None:
        if not condition:
            self.violations.append(otherwise)


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill a hub under load, and check.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--operations", type=int, default=8, help="per life")
    parser.add_argument("--failpoint", default="", help="kill there instead of at random times")
    parser.add_argument("--broken", action="store_true", help="a hub that acknowledges too early, to test this test")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        client = Client(options.seed, Path(folder), options.failpoint, broken=options.broken)
        ups = sum(client.life(options.operations) for _ in range(options.kills))
        figures = client.check()
    bound = options.kills * AT_ONCE
    client._expect(figures["extra_runs"] <= bound, f"{figures['extra_runs']} extra runs are more than {bound}")
    seconds = round(time.monotonic() - began, 1)
    verdict = {
        "seed": options.seed,
        "kills": options.kills,
        "ups": ups,
        "hits": client.hits,
        "seconds": seconds,
        **figures,
    }
    print(json.dumps({**verdict, "violations": client.violations[:20]}))
    sys.exit(1 if client.violations else 0)


if __name__ == "__main__":
    main()
