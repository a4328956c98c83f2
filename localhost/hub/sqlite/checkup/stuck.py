"""Instances that nothing will move on, and those that wait for somebody."""

from collections.abc import Iterator

import durabletask.internal.orchestrator_service_pb2 as pb

from localhost.hub.sqlite.checkup.findings import Call, Finding
from localhost.hub.sqlite.checkup.snapshot import SECOND, Live, Snapshot
from localhost.hub.sqlite.checkup.unanswered import unanswered
from localhost.hub.sqlite.records import micros

NOT_TAKEN = 300.0
"""Seconds that a host has had work before it is said that nobody takes it."""
LONG_ACTIVITY = 3600.0
LATE_TIMER = 60.0

_TERMINATE = "terminate?reason=stuck"


def stuck(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield what does not go on, and why."""
    yield from _late_timers(snapshot)
    yield from _idle_entities(snapshot)
    yield from _long_activities(snapshot)
    for live in snapshot.live.values():
        if live.status == pb.ORCHESTRATION_STATUS_SUSPENDED:
            yield Finding(
                "waiting",
                "note",
                live.id,
                f"{live.name} is suspended.",
                "Resume it when it may go on.",
                live.updated,
                Call("POST", live.id, "resume"),
            )
        elif live.id in snapshot.inbox:
            yield from _not_taken(snapshot, live)
        elif not snapshot.moves(live):
            yield _unmoved(snapshot, live)


def _not_taken(snapshot: Snapshot, live: Live) -> Iterator[Finding]:
    messages = snapshot.inbox[live.id]
    held, _due = snapshot.timers.get((live.id, live.run), (False, 0))
    if held or snapshot.host_for(messages.oldest) < NOT_TAKEN:
        return
    yield Finding(
        "stuck",
        "warning",
        live.id,
        f"{live.name} has {messages.count} messages that no worker takes.",
        f"See whether the app has an orchestrator {live.name!r} and what the host logs about it; if it is gone for "
        "good, terminate the instance.",
        messages.oldest,
        Call("POST", live.id, _TERMINATE),
    )


def _unmoved(snapshot: Snapshot, live: Live) -> Finding:
    history = snapshot.history(live.id)
    if not history:
        problem = f"{live.name} never began: the message that starts it is gone."
    elif lost := unanswered(history):
        problem = f"{live.name} waits for what is nowhere in the hub: {', '.join(lost)}."
    else:
        return Finding(
            "waiting",
            "note",
            live.id,
            f"{live.name} waits for an external event; nothing else is under way for it. (Which one stands in the "
            "orchestrator's code, not in the hub.)",
            "Raise the event, with its payload as JSON in the body; or terminate the instance.",
            live.updated,
            Call("POST", live.id, "raiseEvent/EVENT"),
        )
    return Finding(
        "stuck",
        "error",
        live.id,
        problem,
        "Nothing will ever answer. Terminate it, then run it again with its input: POST the same address with "
        "`restart` for `terminate`.",
        live.updated,
        Call("POST", live.id, _TERMINATE),
    )


def _late_timers(snapshot: Snapshot) -> Iterator[Finding]:
    if snapshot.host is None:
        return  # the next one fires them
    overdue = snapshot.time - int(LATE_TIMER * SECOND)
    [[count, due]] = snapshot.rows("SELECT count(*), min(due) FROM timers WHERE due < ?", [overdue])
    if count and snapshot.host_for(due) > LATE_TIMER:
        yield Finding(
            "stuck",
            "error",
            "the hub",
            f"{count} timers are overdue and do not fire: the host (process {snapshot.host.process}) does not work.",
            "Stop that process and start the host again; nothing is lost.",
            due,
        )


def _idle_entities(snapshot: Snapshot) -> Iterator[Finding]:
    for entity, messages in snapshot.operations.items():
        if snapshot.host_for(messages.oldest) < NOT_TAKEN:
            continue
        owner = next(iter(snapshot.rows("SELECT lock_owner FROM entities WHERE id=?", [entity])), (None,))[0]
        if owner is None:
            name = entity[1:].split("@", maxsplit=1)[0]
            yield Finding(
                "stuck",
                "warning",
                entity,
                f"{messages.count} operations wait, and no worker takes them.",
                f"See whether the app has an entity {name!r}, and what the host logs about it.",
                messages.oldest,
            )
        elif owner in snapshot.live:
            yield Finding(
                "waiting",
                "note",
                entity,
                f"{messages.count} operations wait while orchestration {owner!r} holds the lock.",
                "They go on when it leaves its critical section; terminating it frees the lock.",
                messages.oldest,
                Call("POST", owner, _TERMINATE),
            )


def _long_activities(snapshot: Snapshot) -> Iterator[Finding]:
    if snapshot.host_for(0) < LONG_ACTIVITY:
        return
    scheduled: dict[str, dict[int, int]] = {}
    for out in snapshot.activities:
        live = snapshot.live.get(out.instance)
        if live is None or live.run != out.run:
            continue
        if live.id not in scheduled:
            scheduled[live.id] = {
                event.eventId: micros(event.timestamp)
                for event in snapshot.history(live.id)
                if event.HasField("taskScheduled")
            }
        since = scheduled[live.id].get(out.task_id, live.updated)
        if snapshot.host_for(since) >= LONG_ACTIVITY:
            yield Finding(
                "stuck",
                "warning",
                live.id,
                f"Activity {out.name!r} of {live.name} has not answered for over an hour.",
                "See in the host's log whether it runs. A host that is started again runs it again; terminating the "
                "instance gives it up.",
                since,
                Call("POST", live.id, _TERMINATE),
            )
