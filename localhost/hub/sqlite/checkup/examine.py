"""Examining a hub without writing to it, whether or not a host works on it."""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import durabletask.internal.orchestrator_service_pb2 as pb

from localhost.hub.interface import StorageError
from localhost.hub.sqlite import schema
from localhost.hub.sqlite.checkup.findings import Finding, Kind, Report
from localhost.hub.sqlite.checkup.orphaned import orphaned
from localhost.hub.sqlite.checkup.oversized import files, oversized
from localhost.hub.sqlite.checkup.poisoned import poisoned
from localhost.hub.sqlite.checkup.snapshot import Snapshot
from localhost.hub.sqlite.checkup.stuck import stuck
from localhost.hub.sqlite.reader import Reader

_LOG_HEADER = 32
_FRAME_HEADER = 24

MOST = 100
"""Findings of a kind that are told; the others are counted."""


def examine(path: Path) -> Report:
    """Examine the hub at ``path``.

    Raises:
        HubFileError: it cannot be read: it is not there, no hub, of a later version, or damaged.
    """
    if not path.is_file():
        raise schema.HubFileError(
            f"There is no task hub {str(path)!r}: no host has run there. Name the folder of one with --data."
        )
    try:
        with closing(schema.open_reader(path)) as connection:
            schema.refuse_foreign(path, connection)
            schema.refuse_damaged(path, connection)
            _read_as_a_host(path)
            return _report(path, connection)
    except (sqlite3.DatabaseError, StorageError) as error:
        raise schema.unreadable(path, error) from error
    except schema.NO_SENSE as error:
        raise schema.unreadable_row(path, error) from error


def _read_as_a_host(path: Path) -> None:
    """Read whatever a host reads when it opens the hub: what stops that is worth knowing before."""
    reader = Reader(path)
    try:
        reader.instances("WHERE completed IS NULL")
        reader.entities("WHERE lock_section IS NOT NULL")
        reader.activities()
        reader.timers()
        for table in ("inbox", "operations"):
            for _message in reader.messages(table):
                pass
    finally:
        reader.close()


def _report(path: Path, connection: sqlite3.Connection) -> Report:
    page, free = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "freelist_count"))
    report = Report(
        host=schema.holder(path),
        stopped=connection.execute("SELECT value FROM meta WHERE key='stopped'").fetchone() == (1,),
        file_bytes=path.stat().st_size,
        log_bytes=_used(path.with_name(path.name + "-wal")),
        free_bytes=page * free,
    )
    if report.stopped:
        report.host = None  # the number in its lock may be anybody's by now
    integrity = list(_integrity(connection))
    snapshot = Snapshot(connection, report.host)
    report.counts = _counts(snapshot)
    report.work = {
        name: snapshot.rows(f"SELECT count(*) FROM {name}")[0][0]  # noqa: S608  # fixed names
        for name in ("inbox", "activities", "timers", "operations", "entities")
    }
    found = [*integrity, *stuck(snapshot), *orphaned(snapshot), *poisoned(snapshot), *oversized(snapshot)]
    report.findings, report.left_out = _most([*found, *files(report.log_bytes, report.free_bytes, report.file_bytes)])
    connection.execute("ROLLBACK")
    return report


def _used(log: Path) -> int:
    """Return how much of the log holds commits: the file is longer, and what is behind them is of earlier rounds.

    Each frame carries the two numbers of its round, and those of this round come first (sqlite.org/walformat.html).
    """
    try:
        with log.open("rb") as file:
            header = file.read(_LOG_HEADER)
            frame = int.from_bytes(header[8:12]) + _FRAME_HEADER
            here, behind = 0, max(log.stat().st_size - _LOG_HEADER, 0) // frame
            while here < behind:
                middle = (here + behind) // 2
                file.seek(_LOG_HEADER + middle * frame + 8)
                here, behind = (middle + 1, behind) if file.read(8) == header[16:24] else (here, middle)
    except FileNotFoundError:
        return 0
    return _LOG_HEADER + here * frame if here else 0


def _integrity(connection: sqlite3.Connection) -> Iterable[Finding]:
    """Yield what is wrong beyond the structure of pages: indexes that do not agree with their tables."""
    for (line,) in connection.execute("PRAGMA integrity_check(10)"):
        if line != "ok":
            yield Finding(
                "integrity",
                "error",
                "the hub",
                f"An index does not agree with its table: {line}.",
                "Stop the host and have the indexes made anew.",
                repairable=True,
            )


def _counts(snapshot: Snapshot) -> dict[str, int]:
    rows = snapshot.rows("SELECT status, count(*) FROM instances GROUP BY status ORDER BY status")
    return {status_name(status): count for status, count in rows}


def status_name(status: int) -> str:
    """Return a status as the HTTP API says it."""
    words = pb.OrchestrationStatus.Name(status).removeprefix("ORCHESTRATION_STATUS_")  # pyright: ignore[reportArgumentType]  # an int of the enumeration
    return words.title().replace("_", "")


def _most(found: list[Finding]) -> tuple[list[Finding], dict[Kind, int]]:
    """Return the gravest findings, at most ``MOST`` of a kind, and how many more there are."""
    rank = {"error": 0, "warning": 1, "note": 2}
    told: Counter[Kind] = Counter()
    left: Counter[Kind] = Counter()
    kept: list[Finding] = []
    for finding in sorted(found, key=lambda finding: rank[finding.severity]):
        if told[finding.kind] < MOST:
            told[finding.kind] += 1
            kept.append(finding)
        else:
            left[finding.kind] += 1
    return kept, dict(left)
