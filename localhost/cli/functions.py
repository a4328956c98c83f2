"""``functions``: what an app holds, without starting it."""

import logging
import os
from pathlib import Path

import click

from localhost.app_settings import read_local_settings
from localhost.cli.formats import output_option, script_root_option, write
from localhost.cli.lazy import examples
from localhost.exit_codes import ExitCode


@click.command(
    epilog=examples("python -m localhost functions", "python -m localhost functions --script-root ../other -o json")
)
@script_root_option
@output_option
def functions(*, script_root: Path, output: str) -> int:
    """List the functions of an app: name, trigger, methods and route or schedule."""
    from localhost.host.configuration import ConfigurationError, read_host_json
    from localhost.host.functions import BindingError, Function
    from localhost.host.load_errors import AppLoadError
    from localhost.host.routes import Routes
    from localhost.host.worker import Worker

    logging.basicConfig(level=logging.WARNING)
    root = script_root.resolve()

    def detail(function: Function) -> str | None:
        match function.kind:
            case "http":
                return routes.url_path(function)
            case "timer":
                return str(function.trigger.get("schedule"))
            case "orchestration" | "activity" | "entity":
                return function.task_name
            case _:
                return ", ".join(function.not_served)

    try:
        os.environ.update({**read_local_settings(root).values, **os.environ})
        found = Worker(root).load()
        routes = Routes(found, read_host_json(root).route_prefix)
    except (AppLoadError, BindingError) as error:
        click.echo(f"The app does not load.\n{error}", err=True)
        return ExitCode.APP_DOES_NOT_LOAD
    except ConfigurationError as error:
        click.echo(str(error), err=True)
        return ExitCode.USAGE
    rows = [
        {
            "name": f.name,
            "trigger": f.kind,
            "methods": list(f.methods) if f.kind == "http" else [],
            "auth": f.auth_level if f.kind == "http" else None,
            "detail": detail(f),
        }
        for f in sorted(found, key=lambda f: (f.kind, f.name))
        if not f.name.startswith("BuiltIn__")  # the SDK's own
    ]
    write(rows, output)
    return ExitCode.OK
