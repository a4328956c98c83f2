"""The findings of an examination, in words for people and as an object for programs."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any
from urllib.parse import quote as url_quote

from localhost.cli.main import PROGRAM
from localhost.host.console import printable
from localhost.host.durable_client import PATH
from localhost.hub.sqlite.checkup.findings import Call, Finding, Report
from localhost.hub.sqlite.checkup.oversized import mib

WORK = {
    "inbox": "messages",
    "activities": "activities",
    "timers": "timers",
    "operations": "operations on entities",
}
LAST_SECOND = 253_402_300_799
"""Of the year 9999; what a wounded row says may be later."""


class Wording:
    """Commands and calls for one data folder and the host on it."""

    def __init__(self, data: Path, url: str) -> None:
        self._data = data
        self._url = url

    def url(self, call: Call) -> str:
        """Return the address of a call."""
        operation = f"/{call.operation}" if call.operation else ""
        return f"{self._url}/{PATH.strip('/')}/instances/{url_quote(call.instance_id, safe='')}{operation}"

    def command(self, finding: Finding) -> str | None:
        """Return the one line that does what a finding asks for, for a shell."""
        if finding.repairable:
            return f"{PROGRAM} doctor --fix --data {quote(str(self._data))}"
        if finding.call is not None:
            body = " -H 'content-type: application/json' -d null" if "raiseEvent" in finding.call.operation else ""
            return f'curl -X {finding.call.method} -H "x-functions-key: $KEY"{body} {quote(self.url(finding.call))}'
        return None

    def page(self, hub: Path, report: Report) -> Iterator[str]:
        """Yield the lines of a report."""
        log = f", its log {mib(report.log_bytes)}" if report.log_bytes else ""
        yield f"{hub}: {mib(report.file_bytes)}{log}; {_host(report)}"
        yield "Instances: " + (", ".join(f"{count:,} {status}" for status, count in report.counts.items()) or "none")
        work = ", ".join(f"{report.work[table]:,} {name}" for table, name in WORK.items())
        yield f"Under way: {work}; {report.work['entities']:,} entities"
        for finding in report.findings:
            yield ""
            yield from self._finding(finding)
        for kind, count in report.left_out.items():
            yield ""
            yield f"And {count:,} more that are {kind}."
        yield ""
        if any(finding.call for finding in report.findings):
            keys = quote(str(self._data / "keys.json"))
            yield f"KEY is `system` of {keys}; the host must be up for these calls:"
            yield f"    KEY=$(python -c 'import json, sys; print(json.load(open(sys.argv[1]))[\"system\"])' {keys})"
        doing = sum(finding.severity != "note" for finding in report.findings)
        yield f"{doing} to do, {len(report.findings) - doing} to know." if report.findings else "Nothing to do."

    def _finding(self, finding: Finding) -> Iterator[str]:
        since = f" (since {_time(finding.since)})" if finding.since is not None else ""
        yield f"{finding.severity}: {finding.kind}: {printable(finding.subject)}: {printable(finding.problem)}{since}"
        yield f"    {printable(finding.fix)}"
        if (command := self.command(finding)) is not None:
            yield f"    {printable(command)}"


def as_object(hub: Path, report: Report, wording: Wording) -> dict[str, Any]:
    """Return a report as JSON; ``format`` grows when a field changes its meaning or goes."""
    return {
        "format": 1,
        "hub": str(hub),
        "readable": True,
        "host": report.host and {"process": report.host.process, "since": _time(report.host.since)},
        "stopped_in_order": report.stopped,
        "bytes": {"file": report.file_bytes, "log": report.log_bytes, "free": report.free_bytes},
        "instances": dict(report.counts),
        "work": dict(report.work),
        "findings": [
            {
                "kind": finding.kind,
                "severity": finding.severity,
                "subject": finding.subject,
                "problem": finding.problem,
                "since": _time(finding.since) if finding.since is not None else None,
                "fix": finding.fix,
                "call": finding.call and {"method": finding.call.method, "url": wording.url(finding.call)},
                "command": wording.command(finding),
            }
            for finding in report.findings
        ],
        "left_out": dict(report.left_out),
        "needs_doing": report.needs_doing,
    }


def _host(report: Report) -> str:
    if report.host is not None:
        return f"a host works on it (process {report.host.process}, since {_time(report.host.since)})."
    if report.stopped:
        return "no host works on it."
    return "no host works on it, and the last one was killed: the next takes up where that stopped."


def _time(micros: int) -> str:
    return datetime.fromtimestamp(min(max(micros // 1_000_000, 0), LAST_SECOND), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
