"""What is near a limit, or so large that it makes everything slow."""

from collections.abc import Iterator

from localhost.hub.sqlite import limits
from localhost.hub.sqlite.checkup.findings import Call, Finding
from localhost.hub.sqlite.checkup.snapshot import Snapshot

WARN_HISTORY_BYTES = 10 * 1024 * 1024
NEAR = 0.8
"""Of a limit."""
LARGE_PAYLOAD = 1024 * 1024
LARGE_LOG = 64 * 1024 * 1024
MUCH_FREE = 64 * 1024 * 1024

_HISTORIES = (
    "SELECT h.instance, i.name, i.completed, h.events, h.bytes FROM"
    " (SELECT instance, sum(count) AS events, sum(length(events)) AS bytes FROM history GROUP BY instance"
    "  HAVING sum(count) >= ? OR sum(length(events)) >= ?) AS h JOIN instances AS i ON i.id = h.instance"
    " ORDER BY h.bytes DESC"
)
_PAYLOADS = (
    "SELECT i.id, i.name, i.completed, p.kind, p.bytes FROM"
    " (SELECT instance, kind, length(CAST(value AS BLOB)) AS bytes FROM payloads WHERE bytes >= ?) AS p"
    " JOIN instances AS i ON i.id = p.instance ORDER BY p.bytes DESC"
)
_STATES = "SELECT id, length(CAST(state AS BLOB)) AS bytes FROM entities WHERE bytes >= ? ORDER BY bytes DESC"


def oversized(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield what is large, the largest first."""
    for instance_id, name, completed, events, size in snapshot.rows(
        _HISTORIES, (limits.WARN_EVENTS, WARN_HISTORY_BYTES)
    ):
        what = f"The history of {name} has {events:,} events and {mib(size)}"
        if completed is not None:
            yield _over(instance_id, what, completed)
            continue
        near = events >= NEAR * limits.MAX_EVENTS or size >= NEAR * limits.MAX_HISTORY_BYTES
        yield Finding(
            "oversized",
            "error" if near else "warning",
            instance_id,
            f"{what}; at {limits.MAX_EVENTS:,} events or {mib(limits.MAX_HISTORY_BYTES)} the instance is failed.",
            "Have the orchestrator continue as new, or split its work into sub-orchestrations, and send ids instead of "
            "contents. This instance can only end before that, or be terminated.",
            call=Call("POST", instance_id, "terminate?reason=oversized"),
        )
    for instance_id, name, completed, kind, size in snapshot.rows(_PAYLOADS, [LARGE_PAYLOAD]):
        what = f"The {kind} of {name} has {mib(size)}"
        if completed is not None:
            yield _over(instance_id, what, completed)
        else:
            yield Finding("oversized", "warning", instance_id, f"{what}.", _ids_instead("input"))
    for entity, size in snapshot.rows(_STATES, [LARGE_PAYLOAD]):
        yield Finding(
            "oversized",
            "warning",
            entity,
            f"Its state has {mib(size)}, and is read and written with every batch of operations.",
            _ids_instead("state"),
        )


def files(log: int, free: int, size: int) -> Iterator[Finding]:
    """Yield what is wrong with the size of the file and its log."""
    if log >= LARGE_LOG:
        yield Finding(
            "oversized",
            "warning",
            "the hub",
            f"Its log (-wal) has {mib(log)}: it is not folded into the file while somebody reads all the time.",
            "End whatever else has the file open (a backup, a browser of databases); the host then folds it by itself, "
            "or when it is stopped.",
        )
    if free >= MUCH_FREE and free * 2 >= size:
        yield Finding(
            "oversized",
            "note",
            "the hub",
            f"{mib(free)} of its {mib(size)} are free pages. New work uses them again; the file does not shrink.",
            "To have the disk back, stop the host, take a backup and put it in the file's place: a backup has no free "
            "pages.",
        )


def _over(instance_id: str, what: str, completed: int) -> Finding:
    fix = "Purge it when it is not needed any more; `start --retention` does so by itself."
    return Finding(
        "oversized", "note", instance_id, f"{what}, and is over.", fix, completed, Call("DELETE", instance_id)
    )


def _ids_instead(what: str) -> str:
    return f"Keep large contents in a file or blob, and only its address in the {what}."


def mib(size: int) -> str:
    """Return a size for people."""
    return f"{size / 1024 / 1024:,.1f} MiB"
