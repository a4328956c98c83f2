"""R9: what kills the process each time is given up, with a reason, and the others hardly notice."""

import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb

from chaos.life import REFUSED, UP, Conditions, Life, use_ledger
from localhost.hub.sqlite import limits

KEPT_SHARE = 0.8


def run(chains: int) -> dict[str, Any]:
    """Run ``chains`` with and without two killers among them, and give a hub messages of a kind that is unknown."""
    alone = _others(chains, [])
    beside = _others(chains, ["calls_deadly", "deadly"])
    share = alone["seconds"] / beside["seconds"]
    violations = alone["violations"] + beside["violations"] + unknown_messages()
    return {
        "chains": chains,
        "deaths": beside["deaths"],
        "chains_a_second": round(chains / alone["seconds"], 1),
        "beside_killers": round(chains / beside["seconds"], 1),
        "share": round(share, 3),
        "slow": [f"the others ran at {share:.0%} of their speed"] if share < KEPT_SHARE else [],
        "violations": violations,
    }


def _others(chains: int, killers: list[str]) -> dict[str, Any]:
    """Run chains beside killers; a hub that died is started again at once."""
    starts = [_start(f"chain-{n}", "chain", n) for n in range(chains)]
    starts[10:10] = [_start(name, name, 0) for name in killers]
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "hub.db"
        use_ledger(Path(folder))
        began = time.monotonic()
        deaths = -1
        pending = dict(enumerate(starts))
        results = {f"chain-{n}": None for n in range(chains)} | dict.fromkeys(killers)
        while deaths < 50 and time.monotonic() - began < 300:
            deaths += 1
            life = Life(database, Conditions(attempts=limits.MAX_ATTEMPTS, checkpoint_bytes=2**23))
            for answer in life.answers(0.01 if not pending else 60):
                if answer["id"] == UP:
                    break
            _feed(life, pending, results)
            if life.end():
                continue
            break
        seconds = time.monotonic() - began
        life = Life(database)
        life.up()
        keys = list(results)
        ends = dict(zip(keys, life.all([{"op": "result", "key": key, "seconds": 5} for key in keys]), strict=True))
        life.end(0)
    violations = [
        f"{key} ended as {end}" for key, end in ends.items() if key not in killers and (not end or end[0] != 1)
    ]
    for name in killers:
        end = ends[name]
        reason = "PoisonedWorkItem" if name == "deadly" else "TaskFailedError"
        if not end or end[0] != 3 or not end[2].endswith(reason):
            violations.append(f"{name} ended as {end}")
    # Before its start is on disk, a death of it is not counted; and what waits alone is out again once or twice.
    most = (limits.MAX_ATTEMPTS + 3) * len(killers)
    if deaths > most:
        violations.append(f"{deaths} processes died of {len(killers)} killers")
    return {"seconds": seconds, "deaths": deaths, "violations": violations}


def _feed(life: Life, pending: dict[int, Any], results: dict[str, Any]) -> None:
    """Give what is not acknowledged yet, and wait until all is over or the hub is dead."""
    waiting = {key for key, result in results.items() if result is None}
    todo = list(pending)
    asked: set[str] = set()

    def ask_more() -> None:
        for number in todo[:40]:
            life.ask(number, pending[number])
        del todo[:40]
        if not pending:
            for key in sorted(waiting - asked)[: 50 - len(asked & waiting)]:
                asked.add(key)
                life.ask(key, {"op": "result", "key": key, "seconds": 120})

    ask_more()
    for answer in life.answers(120):
        number = answer["id"]
        if number in pending and not answer.get(REFUSED):
            del pending[number]
            if len(pending) % 40 == len(todo) % 40:
                ask_more()
        elif number in waiting and answer["result"] is not None:
            waiting.discard(number)
            results[number] = answer["result"]
            ask_more()
        if not waiting and not pending:
            return


def _start(key: str, name: str, payload: int) -> dict[str, Any]:
    return {"op": "start", "key": key, "value": {"name": name, "input": payload}}


def unknown_messages() -> list[str]:
    """Put events of an unknown kind where messages wait, as a later version might have left them."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "hub.db"
        use_ledger(Path(folder))
        life = Life(database)
        life.up()
        life.all(
            [_start("collect", "collect", 0) | {"value": {"name": "collect", "input": []}}, _start("chain", "chain", 1)]
        )
        life.tell("signal", "a0", 1)
        time.sleep(0.3)
        life.end(0)
        # Field 999 of an event, which no version of the protocol has.
        strange = pb.HistoryEvent(eventId=-1).SerializeToString() + b"\xba\x3e\x02hi"
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("INSERT INTO inbox VALUES (1000001, 'collect', ?)", [strange])
            connection.execute("INSERT INTO operations VALUES (1000002, '@account@a0', ?)", [strange])
        life = Life(database)
        opened = life.up(10)
        life.all([_start("after", "chain", 1), {"op": "signal", "key": "a0"}])
        after = life.tell("result", "after", seconds=15)
        collected = life.tell("read", "collect")
        accounts = life.tell("entities", "account")
        life.end()
    wrong: list[str] = []
    if not opened or not after or after[0] != 1:
        wrong.append(f"a message of an unknown kind: the hub opened: {opened}, another orchestration ended as {after}")
    if not accounts or accounts["@account@a0"][0] != "2":
        wrong.append(f"a message of an unknown kind stops its entity: {accounts}")
    if not collected:
        wrong.append("a message of an unknown kind: its receiver is gone")
    return wrong
