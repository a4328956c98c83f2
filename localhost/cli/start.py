"""``start``: run the app."""

from datetime import timedelta
from pathlib import Path

import click

from localhost.cli.durations import OFF, Duration
from localhost.cli.formats import script_root_option
from localhost.cli.lazy import examples

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(
    epilog=examples(
        "python -m localhost start",
        "python -m localhost start --port 0 --sql-engine duckdb --data /srv/lakehouse",
        "python -m localhost start --script-root ../my-app --watch",
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
    "--retention",
    type=Duration(),
    default="30d",
    show_default=True,
    metavar="TIME",
    envvar="LOCALHOST_RETENTION",
    help="Purge orchestrations that have been over for so long: 90m, 12h, 30d, 4w, or off.",
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
@click.option("--watch", is_flag=True, help="Start the app again when its code or its configuration is edited.")
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
    task_hub: str, retention: timedelta, functions: tuple[str, ...], cors: str | None, services: bool | None,
    watch: bool, verbose: bool, open_browser: bool, json_output: bool,
) -> int:  # fmt: skip
    """Run the Functions app in a folder, at http://127.0.0.1:7071 unless told otherwise.

    Without Azure: what the app needs and has no address yet is stood in for on this machine, with demo data.
    """
    from localhost.cli.serving import Choices, end, serve, serve_and_watch

    root = script_root.resolve()
    choices = Choices(
        script_root=root,
        data=(data or root / ".data").absolute(),
        port=port,
        address=address,
        sql_engine=sql_engine,
        task_hub=task_hub,
        retention=None if retention == OFF else retention,
        functions=functions,
        cors=cors,
        services=services,
        verbose=verbose,
        json_output=json_output,
        open_browser=open_browser,
    )
    return serve_and_watch(choices) if watch else end(serve(choices))
