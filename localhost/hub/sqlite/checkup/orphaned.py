"""What belongs to nobody: its instance is over or was never there.

None of it comes about in a hub that was only ever written by its host; ``REMOVALS`` is how ``repair`` takes it away.
"""

from collections.abc import Iterator, Mapping

from localhost.hub.sqlite.checkup.findings import Call, Finding
from localhost.hub.sqlite.checkup.snapshot import Snapshot

_NOT_LIVE = "NOT IN (SELECT id FROM instances WHERE completed IS NULL)"
_UNKNOWN = "NOT IN (SELECT id FROM instances)"
_NO_RUN = (
    "kind != 'signal' AND NOT EXISTS"
    " (SELECT 1 FROM instances WHERE id = timers.target AND run = timers.run AND completed IS NULL)"
)

REMOVALS: Mapping[str, str] = {
    "messages": f"inbox WHERE instance {_NOT_LIVE}",
    "timers": f"timers WHERE {_NO_RUN}",
    "payloads": f"payloads WHERE instance {_UNKNOWN}",
    "histories": f"history WHERE instance {_UNKNOWN}",
}
_SUBJECTS = {"messages": "instance", "timers": "target", "payloads": "instance", "histories": "instance"}
_REPAIR = "Stop the host and have it removed."


def orphaned(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield what is left over."""
    yield from _locks(snapshot)
    for what, rest in REMOVALS.items():
        column = _SUBJECTS[what]
        for subject, count in snapshot.rows(f"SELECT {column}, count(*) FROM {rest} GROUP BY {column}"):  # noqa: S608  # fixed texts
            state = "is over or unknown" if what in {"messages", "timers"} else "is unknown"
            problem = f"{count} {what} are kept for an instance that {state}."
            yield Finding("orphaned", "warning", subject, problem, _REPAIR, repairable=True)
    yield from _children(snapshot)
    yield from _activities(snapshot)


def _locks(snapshot: Snapshot) -> Iterator[Finding]:
    for entity, owner in snapshot.rows(
        "SELECT id, lock_owner FROM entities WHERE lock_section IS NOT NULL ORDER BY id"
    ):
        if owner not in snapshot.live:
            waiting = snapshot.operations.get(entity)
            behind = f" {waiting.count} operations wait behind it." if waiting else ""
            problem = f"Its lock is held by orchestration {owner!r}, which is over or unknown.{behind}"
            yield Finding("orphaned", "error", entity, problem, "Stop the host and have it released.", repairable=True)
    for entity, event, owner in snapshot.requests():
        if event.HasField("entityLockRequested") and owner not in snapshot.live:
            problem = f"Orchestration {owner!r} waits for its lock, and is over or unknown."
            yield Finding("orphaned", "error", entity, problem, _REPAIR, repairable=True)


def _children(snapshot: Snapshot) -> Iterator[Finding]:
    for live in snapshot.live.values():
        if live.parent is None:
            continue
        parent = snapshot.live.get(live.parent)
        if parent is not None and parent.run == live.parent_run:
            continue
        goes_on = snapshot.moves(live)
        yield Finding(
            "orphaned",
            "note" if goes_on else "warning",
            live.id,
            f"Sub-orchestration {live.name} {'goes on' if goes_on else 'waits'}, and the run of {live.parent!r} that "
            "started it is over: nobody gets its result.",
            "Terminate it, unless what it does is wanted all the same.",
            live.updated,
            Call("POST", live.id, "terminate?reason=orphaned"),
        )


def _activities(snapshot: Snapshot) -> Iterator[Finding]:
    for out in snapshot.activities:
        live = snapshot.live.get(out.instance)
        if live is None or live.run != out.run:
            yield Finding(
                "orphaned",
                "note",
                out.instance,
                f"Activity {out.name!r} is under way for a run that is over: nobody gets its result.",
                "Nothing: it goes away when it has answered.",
            )
