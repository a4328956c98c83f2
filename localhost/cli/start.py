"""``start``: run the app."""

import os
import sys
from pathlib import Path

import click

from localhost.app_settings import LocalSettings, read_local_settings, split_origins
from localhost.cli.formats import script_root_option
from localhost.cli.lazy import examples
from localhost.exit_codes import ExitCode

DEFAULT_PORT = 7071
FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(
    epilog=examples(
        "python -m localhost start",
        "python -m localhost start --port 0 --sql-engine duckdb --data /srv/lakehouse",
    )
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    envvar="LOCALHOST_PORT",
    help="0 takes any that is free. [default: Host.LocalHttpPort of local.settings.json, or 7071]",
)
@click.option(
    "--address",
    default="127.0.0.1",
    show_default=True,
    envvar="LOCALHOST_ADDRESS",
    help="Where to listen; another than loopback lets other machines in.",
)
@script_root_option
@click.option(
    "--data",
    type=FOLDER,
    envvar="LOCALHOST_DATA",
    help="Where lake, records and keys are kept.  [default: .data in the app's folder]",
)
@click.option(
    "--sql-engine",
    type=click.Choice(["auto", "spark", "duckdb"]),
    default="auto",
    show_default=True,
    envvar="LOCALHOST_SQL_ENGINE",
    help="What runs SQL behind the Databricks stand-in; auto is Spark where Java 17 is there.",
)
@click.option(
    "--task-hub",
    type=click.Choice(["sqlite", "memory"]),
    default="sqlite",
    show_default=True,
    envvar="LOCALHOST_TASK_HUB",
    help="Keep orchestrations in the data folder, across crashes and restarts, or only until the host stops.",
)
@click.option(
    "--functions",
    multiple=True,
    metavar="NAME",
    help="Serve only these functions; repeat it, or separate names with commas or blanks.",
)
@click.option(
    "--cors",
    metavar="ORIGINS",
    envvar="LOCALHOST_CORS",
    help="Origins whose pages may call, separated by commas, or *.  [default: Host.CORS of local.settings.json]",
)
@click.option(
    "--services/--no-services",
    default=None,
    help="Start stand-ins for the services that have no address.  [default: where the app has a catalog folder]",
)
@click.option("--verbose", "-v", is_flag=True, help="Log every step of every orchestration.")
@click.option("--open", "open_browser", is_flag=True, help="Open the browser once the app is up.")
@click.option(
    "--enable-json-output",
    "json_output",
    is_flag=True,
    help="Write one JSON object a line to standard output: first that the host is ready, then its log.",
)
def start(  # noqa: PLR0913 - one parameter an option
    *, port: int | None, address: str, script_root: Path, data: Path | None, sql_engine: str,
    task_hub: str, functions: tuple[str, ...], cors: str | None, services: bool | None, verbose: bool,
    open_browser: bool, json_output: bool,
) -> int:  # fmt: skip
    """Run the Functions app in a folder, at http://127.0.0.1:7071 unless told otherwise.

    Without Azure: what the app needs and has no address yet is stood in for on this machine, with demo data.
    """
    from localhost.host.configuration import ConfigurationError
    from localhost.host.data_folder import DataFolderInUseError
    from localhost.host.functions import BindingError
    from localhost.host.run import HostOptions, PortInUseError, run
    from localhost.host.service_process import ServicesFailedError
    from localhost.host.worker import AppLoadError
    from localhost.hub.interface import HubError

    root = script_root.resolve()
    try:
        local = read_local_settings(root)
        options = HostOptions(
            script_root=root,
            data=data or root / ".data",
            port=_port(port, local),
            address=address,
            sql_engine=sql_engine,
            durable=task_hub == "sqlite",
            functions=frozenset(name for names in functions for name in names.replace(",", " ").split()),
            cors=split_origins(cors) if cors is not None else local.cors,
            services=(root / "catalog").is_dir() if services is None else services,
            verbose=verbose,
            json_output=json_output,
            open_browser=open_browser,
        )
        code = run(options, local)
    except (AppLoadError, BindingError) as error:
        code = _fail("The app does not load.", error, ExitCode.APP_DOES_NOT_LOAD)
    except (PortInUseError, DataFolderInUseError) as error:
        code = _fail("The host does not start.", error, ExitCode.IN_USE)
    except ConfigurationError as error:
        code = _fail("The configuration cannot be read.", error, ExitCode.USAGE)
    except (ServicesFailedError, HubError) as error:
        code = _fail("The host does not start.", error, ExitCode.FAILED)
    sys.stdout.flush()
    sys.stderr.flush()
    # A function that blocks a thread for ever must not keep a host that was told to stop.
    os._exit(code)


def _port(chosen: int | None, local: LocalSettings) -> int:
    return next(port for port in (chosen, local.port, DEFAULT_PORT) if port is not None)


def _fail(what: str, error: Exception, code: ExitCode) -> ExitCode:
    lines = "\n".join(f"  {line}" for line in str(error).splitlines())
    click.echo(f"{what}\n{lines}", err=True)
    return code
