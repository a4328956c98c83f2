"""What activities did, written outside the database: every line is on disk before the activity returns."""

import os
from collections import Counter
from pathlib import Path

ENVIRONMENT = "CHAOS_LEDGER"


def note(instance_id: str, task_id: int) -> None:
    """Write that a task of an orchestration ran in this process."""
    ledger = os.open(os.environ[ENVIRONMENT], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(ledger, f"{instance_id} {task_id} {os.getpid()}\n".encode())
        os.fsync(ledger)
    finally:
        os.close(ledger)


def runs(path: Path) -> Counter[tuple[str, int]]:
    """Return how often each task ran."""
    lines = path.read_text().splitlines() if path.exists() else []
    return Counter((instance, int(task)) for instance, task, _ in map(str.split, lines))
