"""From what the command line says to a host that runs, in this process or in one that is replaced by the next."""

import multiprocessing
import os
import socket
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NoReturn

import click

from localhost.app_settings import LocalSettings, read_local_settings, split_origins
from localhost.exit_codes import ExitCode
from localhost.host.configuration import ConfigurationError

DEFAULT_PORT = 7071


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the command line says. What the app's own files say is read again by every host."""

    script_root: Path
    data: Path
    port: int | None
    address: str
    sql_engine: str
    task_hub: str
    retention: timedelta | None
    functions: Sequence[str]
    cors: str | None
    services: bool | None
    verbose: bool
    json_output: bool
    open_browser: bool


def serve(choices: Choices, listener: socket.socket | None = None, *, reloading: bool = False) -> ExitCode:
    """Run a host and return how it ended; why it did not start is said on standard error."""
    from localhost.host.data_folder import DataFolderInUseError
    from localhost.host.functions import BindingError
    from localhost.host.listener import PortInUseError
    from localhost.host.load_errors import AppLoadError
    from localhost.host.run import DRAIN, RELOAD_DRAIN, HostOptions, run
    from localhost.host.service_process import ServicesFailedError
    from localhost.hub.interface import HubError
    from localhost.hub.sqlite.schema import HubInUseError

    root = choices.script_root
    try:
        local = read_local_settings(root)
        options = HostOptions(
            script_root=root,
            data=choices.data,
            port=_port(choices, local),
            address=choices.address,
            sql_engine=choices.sql_engine,
            durable=choices.task_hub == "sqlite",
            retention=choices.retention,
            functions=frozenset(name for names in choices.functions for name in names.replace(",", " ").split()),
            cors=split_origins(choices.cors) if choices.cors is not None else local.cors,
            services=(root / "catalog").is_dir() if choices.services is None else choices.services,
            verbose=choices.verbose,
            json_output=choices.json_output,
            open_browser=choices.open_browser,
            drain=RELOAD_DRAIN if reloading else DRAIN,
        )
        return run(options, local, listener)
    except (AppLoadError, BindingError) as error:
        return _fail("The app does not load.", error, ExitCode.APP_DOES_NOT_LOAD)
    except (PortInUseError, DataFolderInUseError, HubInUseError) as error:
        return _fail("The host does not start.", error, ExitCode.IN_USE)
    except ConfigurationError as error:
        return _fail("The configuration cannot be read.", error, ExitCode.USAGE)
    except (ServicesFailedError, HubError) as error:
        return _fail("The host does not start.", error, ExitCode.FAILED)


def serve_and_watch(choices: Choices) -> int:
    """Run a host, and another one after each edit of the app."""
    from localhost.host.listener import PortInUseError, listen
    from localhost.host.watch import AppFiles, Watch

    try:
        listener = listen(choices.address, _port(choices, read_local_settings(choices.script_root)))
    except PortInUseError as error:
        return _fail("The host does not start.", error, ExitCode.IN_USE)
    except ConfigurationError as error:
        return _fail("The configuration cannot be read.", error, ExitCode.USAGE)
    fresh = multiprocessing.get_context("spawn")
    remaining = [choices, replace(choices, open_browser=False)]

    def begin() -> BaseProcess:
        """Start a host in a new interpreter; only the first one opens the browser."""
        host = fresh.Process(target=_watched, args=(remaining.pop(0) if len(remaining) > 1 else remaining[0], listener))
        host.start()
        return host

    return Watch(AppFiles(choices.script_root, choices.data), begin, lambda line: click.echo(line, err=True)).run()


def end(code: ExitCode) -> NoReturn:
    """End the process: a function that blocks a thread for ever must not keep a host that was told to stop."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _watched(choices: Choices, listener: socket.socket) -> None:
    """Be one of the hosts that follow each other; one that cannot load the app waits for the next edit."""
    from localhost.host.standing_by import stand_by

    # Without a file this looks like an interactive Python: DuckDB, for one, would draw on standard output.
    sys.modules["__main__"].__file__ = __file__
    if sys.platform != "win32":
        os.setpgid(0, 0)  # Ctrl+C in the terminal is for the process that stays, which passes it on
    threading.Thread(target=_end_with_parent, daemon=True).start()
    code = serve(choices, listener, reloading=True)
    if code in {ExitCode.APP_DOES_NOT_LOAD, ExitCode.USAGE}:
        click.echo("Waiting for the next edit.", err=True)
        code = stand_by(listener)
    end(code)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(ExitCode.FAILED)


def _port(choices: Choices, local: LocalSettings) -> int:
    return next(port for port in (choices.port, local.port, DEFAULT_PORT) if port is not None)


def _fail(what: str, error: Exception, code: ExitCode) -> ExitCode:
    lines = "\n".join(f"  {line}" for line in str(error).splitlines())
    click.echo(f"{what}\n{lines}", err=True)
    return code
