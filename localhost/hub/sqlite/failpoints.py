"""Places where a test may kill the process, to see that nothing acknowledged is lost.

``FAILPOINTS=commit.before=3,ack=1`` kills at the third ``commit.before`` or the first ``ack``, whichever comes first.
Without that variable every ``failpoint`` is an empty call.
"""

import os
import signal
from collections.abc import Callable

NAMES = (
    "ack",
    "change.submitted",
    "checkpoint.after",
    "checkpoint.before",
    "commit.after",
    "commit.before",
    "commit.begun",
    "dispatch.activity",
    "dispatch.entity",
    "dispatch.orchestration",
    "loaded",
    "timers.fired",
)


def _armed(spec: str) -> Callable[[str], None]:
    remaining = {name: int(count or 1) for name, _, count in (part.partition("=") for part in spec.split(","))}
    if unknown := remaining.keys() - set(NAMES):
        raise ValueError(f"FAILPOINTS names {sorted(unknown)}, which do not exist.")

    def hit(name: str) -> None:
        if name in remaining:
            remaining[name] -= 1
            if remaining[name] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return hit


def _nothing(_name: str) -> None:
    pass


failpoint: Callable[[str], None] = _armed(os.environ["FAILPOINTS"]) if os.environ.get("FAILPOINTS") else _nothing
