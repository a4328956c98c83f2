"""One life of a hub: a process that a test gives orders to, and ends.

A life is a fork of the test's own process, so a start costs milliseconds and the code in it is a snapshot. Everything
that can be wrong in a life is in its ``Conditions``.
"""

import asyncio
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("FAILPOINTS", "")  # before the hub is imported

import durabletask.internal.orchestrator_service_pb2 as pb
from hub_harness.runner import Runner

from chaos import app, ledger
from localhost.hub.interface import TERMINAL, HubError, InstanceConflictError, WorkKind
from localhost.hub.sqlite import failpoints, limits, quarantine, state, timers, writer
from localhost.hub.sqlite.hub import SqliteHub
from localhost.hub.sqlite.writer import StorageError

AT_ONCE = 20
UP = "up"
DISPATCHED = "dispatched"
REFUSED = "refused"


@dataclass(frozen=True)
class Conditions:
    """What is wrong in a life."""

    failpoint: str = ""  # where it is killed, and the how manieth time
    strace: tuple[str, ...] = ()  # arguments of strace: system calls that fail or kill
    broken: bool = False  # the hub acknowledges before anything is on disk
    clock: float = 0.0  # by how many seconds the wall clock is wrong
    checkpoint_bytes: int = 100_000
    at_once: int = AT_ONCE
    attempts: int = 1000  # before an item is given up: here it is seldom the item's fault that the process dies


class _Observed(Runner):
    """Says when it got its first item."""

    answers: int = -1

    async def run(self, kind: WorkKind, item: pb.WorkItem) -> None:
        if self.steps == 0:
            _say(self.answers, DISPATCHED, None)
        with suppress(StorageError):  # the hub hands it out again
            await super().run(kind, item)


def _say(answers: int, number: Any, result: Any, *, refused: bool = False) -> None:
    line = {"id": number, "result": result} | ({REFUSED: True} if refused else {})
    os.write(answers, json.dumps(line).encode() + b"\n")


async def _live(database: Path, requests: int, answers: int, at_once: int) -> None:
    """Run the hub and the app, and do what the client asks."""
    hub = SqliteHub(database)
    await hub.start()
    reader = asyncio.StreamReader(limit=2**24)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(requests, "rb"))

    async def answer(request: dict[str, Any]) -> None:
        refused = False
        try:
            result = await _do(hub, request)
        except HubError as error:
            result, refused = str(error), True
        except TimeoutError:
            result = None
        _say(answers, request["id"], result, refused=refused)

    functions = (*app.ORCHESTRATORS, *app.ACTIVITIES)
    runner = _Observed(hub, *functions, entities=app.ENTITIES, bound=at_once)
    runner.answers = answers
    async with runner:
        _say(answers, UP, None)
        doing: set[asyncio.Task[None]] = set()
        while line := await reader.readline():
            task = asyncio.create_task(answer(json.loads(line)))
            doing.add(task)
            task.add_done_callback(doing.discard)
    await hub.stop()


async def _do(hub: SqliteHub, request: dict[str, Any]) -> Any:  # noqa: C901  # a list of what a client may ask
    """Do one thing, and return once it is acknowledged."""
    key, value = request["key"], request.get("value")
    match request["op"]:
        case "start":
            start = pb.CreateInstanceRequest(instanceId=key, name=value["name"])
            start.input.value = json.dumps(value["input"])
            # Only a cancelled one may be replaced, and none is: asking again for one that is there changes nothing.
            start.orchestrationIdReusePolicy.replaceableStatus.append(pb.ORCHESTRATION_STATUS_CANCELED)
            with suppress(InstanceConflictError):  # it was there already: an answer got lost
                await hub.start_instance(start)
        case "event":
            raised = pb.RaiseEventRequest(instanceId=key, name="number")
            raised.input.value = json.dumps(value)
            await hub.raise_event(raised)
        case "signal":
            signal_ = pb.SignalEntityRequest(instanceId=f"@account@{key}", name="add", requestId="x")
            signal_.input.value = "1"
            await hub.signal_entity(signal_)
        case "poke":
            poke = pb.SignalEntityRequest(instanceId=f"@room@{key}", name="poke", requestId="x")
            poke.input.value = json.dumps(value)
            await hub.signal_entity(poke)
        case "terminate":
            await hub.terminate(pb.TerminateRequest(instanceId=key))
        case "purge":
            await hub.purge(pb.PurgeInstancesRequest(instanceId=key))
        case "tidy":
            return await _tidy(hub)
        case "read":
            return shown(await hub.get_instance(key, payloads=True))
        case "result":
            async with asyncio.timeout(request.get("seconds", 60)):
                return shown(await hub.wait_for_instance(key, "completed", payloads=True))
        case "history":
            return [event.WhichOneof("eventType") for event in await hub.history(key)]
        case "waits":
            return _lock_waits(list(await hub.history(key)))
        case "entities":
            query = pb.EntityQuery(includeState=True, instanceIdStartsWith={"value": f"@{key}@"})
            page = await hub.query_entities(pb.QueryEntitiesRequest(query=query))
            return {
                e.instanceId: [e.serializedState.value, e.lockedBy.value, e.backlogQueueSize] for e in page.entities
            }
        case "clock":
            _set_clock(value)
        case "file size":
            resource.setrlimit(resource.RLIMIT_FSIZE, (value, resource.RLIM_INFINITY))
        case "pages":
            return hub._state.writer._connection.execute(f"PRAGMA max_page_count={value}").fetchone()[0]
        case op:
            raise ValueError(op)
    return True


async def _tidy(hub: SqliteHub) -> int:
    """Do what an operator does now and then: purge what is over, and remove entities that hold nothing."""
    over = pb.PurgeInstancesRequest(purgeInstanceFilter=pb.PurgeInstanceFilter(runtimeStatus=sorted(TERMINAL)))
    purged = await hub.purge(over)
    await hub.clean_entities(pb.CleanEntityStorageRequest(removeEmptyEntities=True))
    return purged.deletedInstanceCount


def shown(found: pb.OrchestrationState | None) -> list[Any] | None:
    """Return what the checker wants to know of an instance: status, output, error, custom status."""
    if found is None:
        return None
    return [found.orchestrationStatus, found.output.value, found.failureDetails.errorType, found.customStatus.value]


def _lock_waits(events: list[pb.HistoryEvent]) -> list[float]:
    asked = [e.timestamp.ToMicroseconds() for e in events if e.HasField("entityLockRequested")]
    granted = [e.timestamp.ToMicroseconds() for e in events if e.HasField("entityLockGranted")]
    return [(b - a) / 1e6 for a, b in zip(asked, granted, strict=False)]


def _set_clock(offset: float, real: Any = time.time_ns) -> None:
    """Make the wall clock of this process wrong. What sleeps goes by another clock, as it does in truth."""
    time.time_ns = lambda: real() + int(offset * 1e9)


async def _acknowledge_at_once(_self: writer.Writer, _sequence: int | None = None) -> None:
    """Lie: say that it is on disk before it is."""


def _arrange(conditions: Conditions) -> None:
    failpoints.arm(conditions.failpoint)
    writer.CHECKPOINT_BYTES = conditions.checkpoint_bytes
    timers.LONGEST_SLEEP = 0.5
    limits.MAX_ATTEMPTS = conditions.attempts
    quarantine.ALONE_FROM = conditions.attempts // 2
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    if conditions.clock:
        _set_clock(conditions.clock)
    if conditions.broken:
        writer.Writer.durable = _acknowledge_at_once
        state.State._steps_coming = lambda _: True
        writer.LINGER = 0.2


class Life:
    """One process of the hub."""

    def __init__(self, database: Path, conditions: Conditions | None = None) -> None:
        conditions = conditions or Conditions()
        request_read, self._requests = os.pipe()
        self._answers, answer_write = os.pipe()
        go_read, go_write = os.pipe()
        self.began = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            for handle in (self._requests, self._answers, go_write):
                os.close(handle)
            code = 1
            try:
                os.read(go_read, 1)
                _arrange(conditions)
                with open(database.with_name("hub.out"), "a") as output:  # noqa: PTH123  # a fork, and no finesse
                    os.dup2(output.fileno(), 1)
                    os.dup2(output.fileno(), 2)
                asyncio.run(_live(database, request_read, answer_write, conditions.at_once))
                code = 0
            except HubError as error:
                _say(answer_write, REFUSED, str(error))
            except BaseException:  # noqa: BLE001  # the fork must end here, whatever it is
                traceback.print_exc()
            finally:
                os._exit(code)
        for handle in (request_read, answer_write, go_read):
            os.close(handle)
        self._tracer = self._trace(conditions.strace) if conditions.strace else None
        os.close(go_write)
        self._buffer = b""
        self._unread: deque[bytes] = deque()
        self.dead = False

    def _trace(self, arguments: tuple[str, ...]) -> subprocess.Popen[str]:
        command = ["strace", "-f", "-p", str(self.pid), "-o", os.devnull, *arguments]
        tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert tracer.stderr is not None
        tracer.stderr.readline()  # "Process ... attached"
        return tracer

    def ask(self, number: Any, request: dict[str, Any]) -> None:
        """Send a request; a dead hub does not answer."""
        with suppress(BrokenPipeError):
            os.write(self._requests, json.dumps({"id": number, **request}).encode() + b"\n")

    def answers(self, seconds: float) -> Iterator[dict[str, Any]]:
        """Yield the answers that come within ``seconds``, or until the hub is dead."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            while self._unread:  # what nobody took the last time comes first
                yield json.loads(self._unread.popleft())
            if not select.select([self._answers], [], [], left)[0]:
                return
            data = os.read(self._answers, 65536)
            if not data:
                self.dead = True
                return
            *lines, self._buffer = (self._buffer + data).split(b"\n")
            self._unread.extend(lines)

    def until(self, wanted: set[Any], seconds: float) -> dict[Any, Any]:
        """Return the answers to all of ``wanted``."""
        found: dict[Any, Any] = {}
        for answer in self.answers(seconds):
            found[answer["id"]] = answer["result"]
            if wanted <= found.keys():
                break
        return found

    def up(self, seconds: float = 60) -> bool:
        """Wait until the hub is open. Returns whether it got there."""
        return UP in self.until({UP, REFUSED}, 0) or UP in self._first({UP, REFUSED}, seconds)

    def _first(self, wanted: set[Any], seconds: float) -> dict[Any, Any]:
        for answer in self.answers(seconds):
            if answer["id"] in wanted:
                return {answer["id"]: answer["result"]}
        return {}

    def tell(self, op: str, key: str = "", value: Any = None, seconds: float = 30) -> Any:
        """Ask one thing and return its answer; whatever else is answered meanwhile is not looked at."""
        self.ask(op, {"op": op, "key": key, "value": value, "seconds": seconds})
        return self._first({op}, seconds).get(op)

    def all(self, requests: list[dict[str, Any]], seconds: float = 60) -> list[Any]:
        """Ask many things, and return their answers in order; None where there is none."""
        answers: dict[Any, Any] = {}
        for begin in range(0, len(requests), 50):  # a pipe holds so much
            wanted = range(begin, min(begin + 50, len(requests)))
            for number in wanted:
                self.ask(number, requests[number])
            answers |= self.until(set(wanted), seconds)
        return [answers.get(n) for n in range(len(requests))]

    def stop(self) -> None:
        """Have the hub not run, and not know of it, until ``go_on``."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """End ``stop``."""
        os.kill(self.pid, signal.SIGCONT)

    def end(self, how: int = signal.SIGKILL) -> bool:
        """Kill the hub, or let it stop in order. Returns whether it was dead already."""
        if how and not self.dead:
            os.kill(self.pid, how)
        os.close(self._requests)
        os.waitpid(self.pid, 0)
        os.close(self._answers)
        if self._tracer is not None:
            self._tracer.terminate()
            self._tracer.communicate()
        return self.dead


def strace_works() -> bool:
    """Whether system calls can be interfered with here."""
    if shutil.which("strace") is None or sys.platform != "linux":
        return False
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False)
    return tried.returncode == 0


def use_ledger(folder: Path) -> Path:
    """Have the activities of the lives to come write into ``folder``."""
    os.environ[ledger.ENVIRONMENT] = str(folder / "ledger")
    return folder / "ledger"
