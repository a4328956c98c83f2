"""Removing what belongs to nobody, and making indexes anew, on a hub that no host has open."""

import sqlite3
from contextlib import closing
from pathlib import Path

import durabletask.internal.orchestrator_service_pb2 as pb

from localhost.hub.sqlite import schema
from localhost.hub.sqlite.checkup.orphaned import REMOVALS
from localhost.hub.sqlite.hub import SqliteHub


async def repair(path: Path) -> dict[str, int]:
    """Do what findings call repairable, and return how much of each there was.

    Raises:
        HubFileError: the hub is open in a host, or cannot be used.
    """
    removed = _remove(path)
    # Whoever waits for a lock gets it, so this is the hub's own work.
    hub = SqliteHub(path)
    await hub.start()
    try:
        cleaned = await hub.clean_entities(pb.CleanEntityStorageRequest(releaseOrphanedLocks=True))
    finally:
        await hub.stop()
    return {name: count for name, count in {**removed, "locks": cleaned.orphanedLocksReleased}.items() if count}


def _remove(path: Path) -> dict[str, int]:
    path = path.resolve()
    lock = schema.FileLock(path)
    lock.acquire()
    try:
        with closing(schema.open_writer(path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            removed = {
                what: connection.execute(f"DELETE FROM {rest}").rowcount  # noqa: S608  # fixed texts
                for what, rest in REMOVALS.items()
            }
            if connection.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
                connection.execute("REINDEX")
                removed["indexes"] = 1
            connection.execute("COMMIT")
            return removed
    except sqlite3.DatabaseError as error:
        raise schema.unreadable(path, error) from error
    finally:
        lock.release()
