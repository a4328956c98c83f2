"""R6: a receiver continues as new at every event, and gets every one, in the order of its sender, once."""

import json
import random
import tempfile
from pathlib import Path
from typing import Any

from chaos.life import REFUSED, UP, Conditions, Life, use_ledger

SENDERS = 10
RECEIVER = "tally"
PATIENCE = 600.0


class Sender:
    """Sends its numbers in order, the next once the one before is acknowledged."""

    def __init__(self, name: str, count: int) -> None:
        self.name = name
        self.count = count
        self.next = 0
        self.waiting = False
        self.resent = 0


def run(seed: int, events: int, *, kills: bool = False) -> dict[str, Any]:
    """Send ``events`` from several senders; with ``kills`` the hub is killed every tenth of a second or so."""
    rng = random.Random(seed)
    senders = [Sender(f"s{n}", events // SENDERS) for n in range(SENDERS)]
    lives = 0
    with tempfile.TemporaryDirectory() as name:
        database = Path(name) / "hub.db"
        use_ledger(Path(name))
        start = {"op": "start", "key": RECEIVER, "value": {"name": "tally", "input": _NOTHING}}
        while any(sender.next < sender.count for sender in senders):
            lives += 1
            life = Life(database, Conditions())
            life.ask(RECEIVER, start)
            for sender in senders:
                sender.resent += sender.waiting
                sender.waiting = False
            seconds = rng.uniform(0.02, 0.3) if kills else PATIENCE
            for answer in life.answers(seconds):
                if answer["id"] == UP or answer.get(REFUSED):
                    continue
                answered = [sender for sender in senders if sender.name == answer["id"]]
                for sender in answered:
                    sender.waiting = False
                    sender.next += 1
                for sender in answered or senders:
                    if not sender.waiting and sender.next < sender.count:
                        life.ask(sender.name, {"op": "event", "key": RECEIVER, "value": [sender.name, sender.next]})
                        sender.waiting = True
                if all(sender.next == sender.count for sender in senders):
                    break
            life.end()
        life = Life(database, Conditions())
        life.up()
        life.tell("event", RECEIVER, ["", -1])
        result = life.tell("result", RECEIVER, seconds=PATIENCE)
        life.end(0)
    resent = sum(sender.resent for sender in senders)
    return {
        "events": events,
        "lives": lives,
        "sent_again": resent,
        "violations": _wrong(result, senders, resent),
    }


_NOTHING: dict[str, Any] = {"next": {}, "again": 0, "wrong": []}


def _wrong(result: Any, senders: list[Sender], resent: int) -> list[str]:
    if not result or result[0] != 1:
        return [f"the receiver ended as {result}"]
    seen = json.loads(result[1])
    wrong = [f"out of order or lost: {one}" for one in seen["wrong"]]
    arrived = seen["next"]
    wrong += [
        f"{sender.name} sent {sender.count}, and {arrived.get(sender.name, 0)} arrived"
        for sender in senders
        if arrived.get(sender.name, 0) != sender.count
    ]
    if seen["again"] > resent:
        wrong.append(f"{seen['again']} arrived twice; {resent} were sent twice")
    return wrong
