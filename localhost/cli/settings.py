"""``settings``: every setting, its value, and who gave it."""

import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import click

from localhost import app_settings
from localhost.app_settings import LocalSettings, Setting
from localhost.cli.formats import output_option, script_root_option, write
from localhost.cli.lazy import examples
from localhost.exit_codes import ExitCode

HOST_SETTINGS = {
    "LOCALHOST_PORT": "7071",
    "LOCALHOST_ADDRESS": "127.0.0.1",
    "LOCALHOST_DATA": ".data",
    "LOCALHOST_SQL_ENGINE": "auto",
    "LOCALHOST_TASK_HUB": "sqlite",
    "LOCALHOST_RETENTION": "30d",
    "LOCALHOST_CORS": "",
    "PYTHON_THREADPOOL_THREAD_COUNT": "32",
    "PYTHON_SCRIPT_FILE_NAME": "function_app.py",
}
"""What the host itself reads from the environment, and its defaults."""


@click.command(
    epilog=examples("python -m localhost settings", "python -m localhost settings -o json | jq '.[] | .name'")
)
@script_root_option
@output_option
def settings(*, script_root: Path, output: str) -> int:
    """Show every setting, its value and where it comes from; secrets are masked.

    The first place that has a value counts: command line, environment, local.settings.json, the host's default,
    the app's default.
    """
    from localhost.host.configuration import ConfigurationError

    root = script_root.resolve()
    try:
        local = app_settings.read_local_settings(root)
    except ConfigurationError as error:
        click.echo(str(error), err=True)
        return ExitCode.USAGE
    found = [*_host(local), *_app(root, local)]
    write([{"name": s.name, "value": s.shown, "source": s.source} for s in found], output)
    return ExitCode.OK


def _host(local: LocalSettings) -> Sequence[Setting]:
    file = {"LOCALHOST_PORT": str(local.port or ""), "LOCALHOST_CORS": ",".join(local.cors)}
    return app_settings.resolve(list(HOST_SETTINGS), os.environ, LocalSettings(file), HOST_SETTINGS)


def _app(root: Path, local: LocalSettings) -> Sequence[Setting]:
    """Return the settings of the app itself: those it declares, or whatever the file names."""
    if not (root / "catalog").is_dir():
        return app_settings.resolve(sorted(local.values), os.environ, local, {})
    from localhost.host import stand_ins
    from localhost.host.keys import Keys
    from shared.settings import Settings

    user = app_settings.given(os.environ, local)
    absent = [service for service, name in stand_ins.ADDRESS_SETTING.items() if not user.get(name)]
    chosen = stand_ins.StandIns(dict.fromkeys(absent, "(stand-in, on a port chosen at start)"))
    keys = Keys(login_users="(demo users)")  # what they are is masked anyway
    defaults = {
        **stand_ins.common_settings(keys, root / HOST_SETTINGS["LOCALHOST_DATA"] / "lake", keys.login_users),
        **chosen.settings(keys),
    }
    resolved = app_settings.resolve([f.name.upper() for f in fields(Settings)], os.environ, local, defaults)
    own = {f.name.upper(): f.default for f in fields(Settings)}
    return [
        s
        if s.source != "missing" or str(own[s.name]).startswith("__")
        else Setting(s.name, str(own[s.name]), "app default")
        for s in resolved
    ]
