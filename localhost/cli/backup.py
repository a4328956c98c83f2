"""``backup``: a copy of the task hub."""

from pathlib import Path

import click

from localhost.cli.formats import data_option
from localhost.cli.lazy import examples
from localhost.exit_codes import ExitCode


@click.command(
    epilog=examples(
        "python -m localhost backup ~/backups/hub-2026-07-31.sqlite",
        "python -m localhost backup /srv/restored --data /srv/lakehouse",
    )
)
@click.argument("target", type=click.Path(path_type=Path))
@data_option
def backup(*, target: Path, data: Path) -> int:
    """Copy the task hub of a data folder to TARGET, also while a host works on it.

    TARGET is a new file, or a folder that gets hub.sqlite. The copy holds everything that was acknowledged before this
    command began, is a hub of its own, and has no free pages. It is there whole or not at all, and replaces nothing.
    Lake, records and keys are not in it.
    """
    from localhost.host.data_folder import HUB
    from localhost.hub.interface import HubError
    from localhost.hub.sqlite.backup import back_up

    source = data.absolute() / HUB
    target = (target / HUB if target.is_dir() else target).absolute()
    try:
        size = back_up(source, target)
    except HubError as error:
        click.echo(f"There is no backup.\n  {error}", err=True)
        return ExitCode.FAILED
    click.echo(f"{source} is backed up to {target} ({size / 1024 / 1024:,.1f} MiB).")
    return ExitCode.OK
