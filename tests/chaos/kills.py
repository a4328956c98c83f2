"""R1: kill the hub at random moments, at every failpoint and at every system call, and lose nothing."""

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from chaos import checker
from chaos.client import Client
from chaos.life import AT_ONCE, Conditions
from localhost.hub.sqlite.failpoints import NAMES

# A failpoint that is passed seldom must kill the first time.
HITS = {"loaded": 1, "timers.fired": 2, "dispatch.entity": 3, "checkpoint.before": 1, "checkpoint.after": 1}
PATIENCE = 5.0
# Each thread of a hub writes to one of these at a time, so one number means one moment.
CALLS = "write,pwrite64,fsync,fdatasync,rename,ftruncate,unlink"
DISPATCH_WITHIN = 2.0


def at_random(seed: int, kills: int, *, longest: float = 0.5, operations: int = 8, broken: bool = False) -> Any:
    """Kill ``kills`` times, 5 ms to ``longest`` seconds after the hub is up; a fifth of them while it opens.

    Now and then the process is stopped for a moment before.
    """

    def torment(client: Client) -> None:
        for _ in range(kills):
            after = client.rng.uniform(0.005, longest)
            early, stopped = client.rng.random() < 0.2, client.rng.random() < 0.05
            client.life(operations, Conditions(broken=broken), after, early=early, stopped=stopped)

    return _run(seed, torment, {"kills": kills}, patience=5 if broken else 60)


def at_failpoints(seed: int, kills: int, names: Sequence[str] = NAMES) -> Any:
    """Kill ``kills`` times at each failpoint."""
    hits: dict[str, int] = {}

    def torment(client: Client) -> None:
        for name in names:
            before = client.ended_by_fault
            for _ in range(kills):
                number = client.rng.randint(1, HITS.get(name, 12))
                client.life(24, Conditions(failpoint=f"{name}={number}"), PATIENCE)
            hits[name] = client.ended_by_fault - before

    verdict = _run(seed, torment, {"kills": kills * len(names)})
    verdict["hits"] = hits
    verdict["violations"] += [f"failpoint {name} was never reached" for name, count in hits.items() if not count]
    return verdict


def at_system_calls(seed: int, calls: int) -> Any:
    """Kill when the hub enters its n-th call that writes, for every n up to ``calls``, to its log and to its file."""

    def torment(client: Client) -> None:
        for number in range(1, calls + 1):
            # To the log most of the time; to the file itself it writes when the log is folded in.
            for suffix in ("-wal",) if number > calls // 4 else ("-wal", ""):
                arguments = ("-P", f"{client.database}{suffix}", "-e", f"trace={CALLS}")
                arguments += ("-e", f"inject={CALLS}:signal=KILL:when={number}")
                client.life(24, Conditions(strace=arguments, checkpoint_bytes=60_000), PATIENCE)

    return _run(seed, torment, {"calls": calls})


def _run(seed: int, torment: Callable[[Client], None], figures: dict[str, Any], patience: float = 60) -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    client = Client(seed, folder)
    torment(client)
    (folder / "final.json").write_text(json.dumps(client.final(patience)))
    violations = checker.check(folder)
    extra = checker.extra_runs(folder)
    if extra > client.lives * AT_ONCE:
        violations.append(f"{extra} activities ran again, more than {client.lives} lives times {AT_ONCE} workers")
    dispatch = percentile(client.first_dispatch, 0.99)
    late = [f"first dispatch {dispatch:.2f} s after a restart (p99)"] if dispatch > DISPATCH_WITHIN else []
    operations = (folder / "history.jsonl").read_text().count('"invoke"')
    if violations:
        print(f"kept: {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    return {
        **figures,
        "lives": client.lives,
        "came_up": client.ups,
        "ended_by_fault": client.ended_by_fault,
        "operations": operations,
        "extra_runs": extra,
        "first_dispatch_p99": round(dispatch, 3),
        "slow": late,
        "violations": violations,
    }


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of ``values`` do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
