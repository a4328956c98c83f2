"""Places where a test may kill the process, to see that nothing acknowledged is lost.

``FAILPOINTS=commit.before=3,ack`` kills at the third ``commit.before`` or the first ``ack``, whichever comes first.
Without that variable every ``failpoint`` is an empty call.
"""

import os
import signal

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

_remaining: dict[str, int] = {}


def arm(spec: str) -> None:
    """Set which failpoints kill; has an effect only where ``FAILPOINTS`` was set at the start."""
    parts = (part.partition("=") for part in spec.split(",") if part)
    armed = {name: int(count or 1) for name, _, count in parts}
    if unknown := armed.keys() - set(NAMES):
        raise ValueError(f"There are no failpoints {sorted(unknown)}.")
    _remaining.clear()
    _remaining.update(armed)


if "FAILPOINTS" in os.environ:
    arm(os.environ["FAILPOINTS"])

    def failpoint(name: str) -> None:
        """Kill the process if this failpoint is armed and its turn has come."""
        if name in _remaining:
            _remaining[name] -= 1
            if _remaining[name] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
else:

    def failpoint(name: str) -> None:
        """Do nothing: no failpoints were asked for."""
