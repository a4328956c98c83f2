"""``doctor``: what is wrong with the task hub, and what to do about it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localhost.cli.formats import data_option
from localhost.cli.lazy import examples
from localhost.exit_codes import ExitCode

if TYPE_CHECKING:
    from localhost.cli.findings import Wording
    from localhost.hub.sqlite.checkup.findings import Report

DEFAULT_URL = "http://127.0.0.1:7071"

_CODES = """\b
Exit codes:
  0  nothing needs doing
  1  something does
  2  the hub cannot be read
  4  --fix, and a host has the hub open"""


@click.command(
    epilog=examples("python -m localhost doctor", "python -m localhost doctor --data /srv/lakehouse --json")
    + "\n\n"
    + _CODES
)
@data_option
@click.option("--url", default=DEFAULT_URL, show_default=True, help="Where the host answers, for the calls shown.")
@click.option("--fix", is_flag=True, help="Remove what belongs to nobody; the host must be stopped.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
def doctor(*, data: Path, url: str, fix: bool, as_json: bool) -> int:
    """Say what is stuck, orphaned, poisoned or too large in the task hub, and the fix.

    Without --fix it only reads, and a host may be at work meanwhile. Stuck: nothing will move it on. Orphaned: it
    belongs to nobody. Poisoned: whoever takes it dies of it. Too large: it is near a limit. What waits for an event,
    or is suspended, is told for information.
    """
    from localhost.cli.findings import Wording, as_object
    from localhost.host.data_folder import HUB
    from localhost.hub.interface import HubError
    from localhost.hub.sqlite.checkup.examine import examine

    hub = data.absolute() / HUB
    wording = Wording(data, url.rstrip("/"))
    if fix and (code := _fix(hub)) is not ExitCode.OK:
        return code
    try:
        report = examine(hub)
    except HubError as error:
        if as_json:
            click.echo(json.dumps({"format": 1, "hub": str(hub), "readable": False, "error": str(error)}, indent=2))
        else:
            click.echo(str(error), err=True)
        return ExitCode.USAGE
    if as_json:
        click.echo(json.dumps(as_object(hub, report, wording), indent=2, ensure_ascii=False))
    else:
        _show(hub, report, wording)
    return ExitCode.FAILED if report.needs_doing else ExitCode.OK


def _show(hub: Path, report: "Report", wording: "Wording") -> None:
    for line in wording.page(hub, report):
        click.echo(line)


def _fix(hub: Path) -> ExitCode:
    """Remove what belongs to nobody, and say what it was."""
    import asyncio

    from localhost.hub.interface import HubError
    from localhost.hub.sqlite.checkup.repair import repair
    from localhost.hub.sqlite.schema import HubInUseError

    if not hub.is_file():
        return ExitCode.OK  # there is nothing to mend, and examining says so
    try:
        done = asyncio.run(repair(hub))
    except HubInUseError as error:
        click.echo(str(error), err=True)
        return ExitCode.IN_USE
    except HubError as error:
        click.echo(str(error), err=True)
        return ExitCode.USAGE
    what = ", ".join(f"{count} {name}" for name, count in done.items()) or "nothing"
    click.echo(f"Mended: {what}.", err=True)
    return ExitCode.OK
