"""The life of a host: from the command line to the last request."""

import asyncio
import gc
import json
import logging
import os
import socket
import sys
import webbrowser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from localhost import app_settings, tables
from localhost.app_settings import LocalSettings
from localhost.exit_codes import ExitCode
from localhost.host import banner, console, stand_ins
from localhost.host.configuration import ConfigurationError, read_host_json
from localhost.host.data_folder import DataFolder
from localhost.host.keys import Keys
from localhost.host.listener import listen
from localhost.host.service_process import ServiceProcess
from localhost.host.stand_ins import StandIns
from localhost.host.stop_signal import StopSignal

log = logging.getLogger(__name__)

DRAIN = 5.0
"""Seconds that requests, and then activities, get to end."""
RELOAD_DRAIN = 1.0
"""The same where a new host waits to take over; it is handed what did not end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    """What the command line decided."""

    script_root: Path
    data: Path
    port: int
    address: str
    sql_engine: str
    durable: bool
    retention: timedelta | None
    functions: frozenset[str]
    cors: Sequence[str]
    services: bool
    verbose: bool
    json_output: bool
    open_browser: bool
    drain: float


def run(options: HostOptions, local: LocalSettings, listener: socket.socket | None = None) -> ExitCode:
    """Run a host until it is told to stop, on ``listener`` where there is one.

    Raises:
        PortInUseError, DataFolderInUseError, ConfigurationError, AppLoadError, BindingError, ServicesFailedError,
            HubError: it cannot start; the message says why.
    """
    listener = listener or listen(options.address, options.port)
    folder = DataFolder(options.data)
    process: ServiceProcess | None = None
    _say(f"Starting {options.script_root.name}; data in {folder.path}")
    try:
        keys = Keys.of(folder.path)
        chosen, keys = _prepare_settings(options, local, folder, keys)
        if options.services and "databricks" in chosen.urls and not tables.current_schemas(folder.lake):
            from localhost.data.demo import ensure_demo_data

            ensure_demo_data(folder.lake, _say)
        if chosen.urls:
            process = ServiceProcess(
                chosen,
                lake=folder.lake,
                cosmos=folder.cosmos,
                cosmos_key=keys.cosmos_key,
                sql_engine=options.sql_engine,
                relay=lambda line: _say(f"[services] {line}"),
            )
        return asyncio.run(_Host(options, local, folder, keys, listener, process).live())
    finally:
        if process is not None:
            process.stop()
        folder.release()


def _prepare_settings(
    options: HostOptions, local: LocalSettings, folder: DataFolder, keys: Keys
) -> tuple[StandIns, Keys]:
    """Put the app's settings into the environment; nothing that the user gave is changed."""
    user = app_settings.given(os.environ, local)
    if (language := user.get("FUNCTIONS_WORKER_RUNTIME", "python").lower()) != "python":
        raise ConfigurationError(f"FUNCTIONS_WORKER_RUNTIME is {language!r}; this host runs apps in Python.")
    chosen = stand_ins.choose(user) if options.services else StandIns()
    defaults: Mapping[str, str] = {}
    if options.services:
        if stand_ins.is_loopback(options.address) and not user.get("LOGIN_USERS"):
            keys = keys.with_demo_users(folder.path)
        users = keys.login_users if stand_ins.is_loopback(options.address) else ""
        defaults = {**stand_ins.common_settings(keys, folder.lake, users), **chosen.settings(keys)}
    platform = {
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AzureWebJobsScriptRoot": str(options.script_root),
    }
    os.environ.update({**platform, **defaults, **user})
    return chosen, keys


def _say(line: str) -> None:
    sys.stderr.write(console.printable(line) + "\n")
    sys.stderr.flush()


class _Host:
    """Everything that lives in the event loop."""

    def __init__(
        self,
        options: HostOptions,
        local: LocalSettings,
        folder: DataFolder,
        keys: Keys,
        listener: socket.socket,
        process: ServiceProcess | None,
    ) -> None:
        self._options = options
        self._local = local
        self._folder = folder
        self._keys = keys
        self._listener = listener
        self._process = process
        self._output = console.take_stdout() if options.json_output else None

    async def live(self) -> ExitCode:
        """Load the app, serve it until the signal, and let it end in order."""
        from localhost.host.parts import Parts
        from localhost.listening import server_of

        stop = StopSignal()
        host, port = self._listener.getsockname()[:2]
        shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else f"[{host}]" if ":" in host else host  # noqa: S104 - shown, not bound
        url = f"http://{shown}:{port}"
        os.environ.setdefault("WEBSITE_HOSTNAME", f"{shown}:{port}")
        configuration = read_host_json(self._options.script_root)
        parts = Parts(
            script_root=self._options.script_root,
            configuration=configuration,
            keys=self._keys,
            timers=self._folder.timers,
            hub_file=self._folder.hub if self._options.durable else None,
            retention=self._options.retention,
            only=self._options.functions,
            base_url=url,
        )
        console.configure(
            verbose=self._options.verbose,
            json_to=self._output,
            app=self._options.script_root,
            running=parts.worker.running,
            levels=configuration.log_levels,
        )
        await parts.open()
        announced: Mapping[str, Any] = await self._process.ready() if self._process else {}
        drain = self._options.drain
        application = parts.application(self._options.cors, credentials=self._local.cors_credentials)
        server = server_of(application, drain=drain)
        serving = asyncio.create_task(server.serve([self._listener]))
        await server.listening.wait()
        parts.begin()
        # What is loaded stays: collections need not look at it again, nor so often at what comes and goes.
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        self._announce(url, parts.banner_facts(), announced)

        waiting: list[asyncio.Task[Any]] = [asyncio.create_task(stop.wait())]
        if self._process is not None:
            waiting.append(asyncio.create_task(self._process.ended()))
        await asyncio.wait([serving, *waiting], return_when=asyncio.FIRST_COMPLETED)
        if not stop.given:
            log.error("The stand-in services ended; the host stops. Their output above says why.")
        log.info("Stopping: requests and activities under way get %.0f s each. Press Ctrl+C to stop at once.", drain)
        await parts.quieten()
        server.should_exit = True
        await asyncio.wait([serving], timeout=drain + 2)
        await parts.close(drain)
        if self._process is not None:
            await asyncio.to_thread(self._process.stop)
        for task in waiting:
            task.cancel()
        return stop.exit_code if stop.given else ExitCode.FAILED

    def _announce(self, url: str, facts: Mapping[str, Any], announced: Mapping[str, Any]) -> None:
        options = self._options
        users = os.environ.get("LOGIN_USERS", "")
        started = banner.Started(
            url=url,
            app=options.script_root.name,
            data=self._folder.path,
            services=announced if options.services else None,
            real={
                service: os.environ[name]
                for service, name in stand_ins.ADDRESS_SETTING.items()
                if options.services and service not in announced
            },
            demo_users=options.services and users != "" and users == self._keys.login_users,
            demo_users_refused=options.services and not users,
            suggestion=banner.suggestion(os.environ.get("CHAT_DATASET") or "imdb") if options.services else None,
            **facts,
        )
        if self._output is not None:
            ready = {
                "event": "ready",
                "url": url,
                "data": str(self._folder.path),
                "pid": os.getpid(),
                "services": dict(announced),
            }
            self._output.write(json.dumps(ready) + "\n")
            self._output.flush()
        _say("\n" + banner.banner(started))
        if options.open_browser:
            webbrowser.open(url)
