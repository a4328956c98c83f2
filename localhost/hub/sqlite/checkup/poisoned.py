"""Work that whoever takes it does not survive."""

from collections.abc import Iterator

import durabletask.internal.orchestrator_service_pb2 as pb

from localhost.hub.sqlite import limits
from localhost.hub.sqlite.checkup.findings import Call, Finding
from localhost.hub.sqlite.checkup.snapshot import Snapshot

SUSPICIOUS = 3
"""Attempts; the first deaths of a host are anybody's."""

_MARKS = (limits.POISONED, limits.GIVEN_UP)
_FAILED = (
    "SELECT id, name, completed FROM instances WHERE status=? AND failure IS NOT NULL"
    " AND (instr(failure, CAST(? AS BLOB)) OR instr(failure, CAST(? AS BLOB))) ORDER BY completed"
)


def poisoned(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield what was given up, and what is about to be."""
    for instance_id, name, completed in snapshot.rows(_FAILED, (pb.ORCHESTRATION_STATUS_FAILED, *_MARKS)):
        yield Finding(
            "poisoned",
            "warning",
            instance_id,
            f"{name} failed because work of it was handed out {limits.MAX_ATTEMPTS} times and never answered.",
            "Find in the host's log what ended it each time and mend that, then rewind the instance. If it is not "
            "wanted any more, purge it: DELETE on the address without `rewind`.",
            completed,
            Call("POST", instance_id, "rewind?reason=mended"),
        )
    for live in snapshot.live.values():
        if live.attempts >= SUSPICIOUS:
            yield _suspicious(live.id, f"A step of {live.name}", live.attempts, live.updated)
    for out in snapshot.activities:
        if out.attempts >= SUSPICIOUS:
            yield _suspicious(out.instance, f"Activity {out.name!r}", out.attempts, None)
    for entity, attempts in snapshot.rows("SELECT id, attempts FROM entities WHERE attempts >= ?", [SUSPICIOUS]):
        yield _suspicious(entity, "A batch of it", attempts, None)


def _suspicious(subject: str, what: str, attempts: int, since: int | None) -> Finding:
    return Finding(
        "poisoned",
        "warning",
        subject,
        f"{what} was out {attempts} times when the host died or a worker gave it back; after {limits.MAX_ATTEMPTS} it "
        "is given up.",
        "Find in the host's log what ended it each time, and mend that.",
        since,
        None if subject.startswith("@") else Call("POST", subject, "terminate?reason=poisoned"),
    )
