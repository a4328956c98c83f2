"""The parts of a running host, put together."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from localhost.host import in_process_channel
from localhost.host.admin import AdminApi
from localhost.host.configuration import HostConfiguration
from localhost.host.dispatch import Dispatcher
from localhost.host.durable_client import DurableClients
from localhost.host.durable_entities import EntitiesApi
from localhost.host.durable_instances import InstancesApi
from localhost.host.functions import Function
from localhost.host.host_routes import Call, HostRoutes
from localhost.host.http_functions import HttpFunctions
from localhost.host.keys import Keys
from localhost.host.lost_steps import flag_lost_steps
from localhost.host.routes import Routes
from localhost.host.selection import select
from localhost.host.server import Server, with_cors
from localhost.host.timers import Timers
from localhost.host.worker import DEFAULT_THREADS, Worker, datum, headline
from localhost.hub.interface import TaskHub, WorkKind
from localhost.hub.memory import MemoryHub
from localhost.hub.service import TaskHubServer, methods_for_clients
from localhost.hub.sqlite.hub import SqliteHub

log = logging.getLogger(__name__)

# Threads that blocking activities leave to orchestrators, entities and HTTP functions.
RESERVED_THREADS = 8


class Parts:
    """Worker, hub, dispatcher, timers and HTTP, with their order of opening and closing."""

    def __init__(
        self,
        *,
        script_root: Path,
        configuration: HostConfiguration,
        keys: Keys,
        timers: Path,
        hub_file: Path | None,
        retention: timedelta | None,
        only: frozenset[str],
        base_url: str,
    ) -> None:
        flag_lost_steps()
        self.worker = Worker(script_root)
        self._configuration = configuration
        self._keys = keys
        self._timers_file = timers
        self._only = only or configuration.functions
        self._base_url = base_url
        version = configuration.default_version
        self._hub: TaskHub = (
            MemoryHub(version) if hub_file is None else SqliteHub(hub_file, version, retention=retention)
        )
        self._grpc = TaskHubServer(self._hub)
        self._warming: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Load the app and open the hub; nothing is served or dispatched yet.

        Raises:
            AppLoadError, BindingError: the app cannot be served.
            HubError: the hub's file cannot be used.
        """
        selection = select(self.worker.load(), self._only)
        self._functions, self._disabled = selection.running, selection.disabled
        self._routes = Routes(self._functions, self._configuration.route_prefix)
        await self._hub.start()
        address = await self._grpc.start()
        self._end_leading = in_process_channel.lead(address, methods_for_clients(self._hub))
        self._clients = DurableClients(self._configuration.hub_name, self._base_url, address, self._keys.system)
        self._timers = Timers(self._functions, self.worker, self._timers_file, self._clients.inputs)
        self._dispatcher = Dispatcher(
            self._hub, self.worker, self._functions, bounds=self._bounds(), clients=self._clients.inputs
        )

    def _bounds(self) -> dict[WorkKind, int]:
        chosen = self._configuration
        return {
            "activity": chosen.max_activities or DEFAULT_THREADS - RESERVED_THREADS,
            "orchestration": chosen.max_orchestrations or RESERVED_THREADS,
            "entity": chosen.max_entities or RESERVED_THREADS,
        }

    def application(self, cors: Sequence[str], *, credentials: bool) -> ASGIApp:
        """Return everything that is served over HTTP."""

        def key(call: Call) -> str:
            return call.request.headers.get("x-functions-key") or call.query("code") or ""

        def system(call: Call) -> bool:
            return self._keys.opens_system(key(call))

        def master(call: Call) -> bool:
            return self._keys.opens(key(call), "admin")

        endpoints = [
            *InstancesApi(self._hub, self._clients, self._functions).endpoints(system),
            *EntitiesApi(self._hub, self._functions).endpoints(system),
            *AdminApi(self._functions, self._disabled, self._routes, self._base_url, self._timers.run_now).endpoints(
                master
            ),
        ]
        functions = HttpFunctions(self._routes, self.worker, self._keys, self._clients.inputs)
        return with_cors(
            Server(HostRoutes(endpoints), functions, self._configuration.headers), cors, credentials=credentials
        )

    def begin(self) -> None:
        """Dispatch work, keep time, and let the app warm itself up, once, as the platform does on a new machine."""
        self._dispatcher.start()
        self._timers.start()
        self._warming = [
            asyncio.create_task(self._warm_up(f)) for f in self._functions if f.kind == "warmup" and not f.refusal
        ]

    async def _warm_up(self, function: Function) -> None:
        inputs = {**self._clients.inputs(function), str(function.trigger["name"]): datum("{}", "json")}
        outcome = await self.worker.invoke(function, inputs)
        details = {"function": function.name, "seconds": outcome.seconds}
        if outcome.error is None:
            log.info("succeeded", extra={"details": details})
        else:
            log.warning("failed: %s", headline(outcome.error), extra={"details": details}, exc_info=outcome.error)

    async def quieten(self) -> None:
        """Begin nothing new by itself."""
        await self._timers.stop()

    async def close(self, patience: float) -> None:
        """Let what runs end, and close everything."""
        for warming in self._warming:
            warming.cancel()
        await self._dispatcher.stop(patience)
        self._end_leading()
        await self._grpc.stop()
        await self._hub.stop()
        await asyncio.to_thread(self.worker.stop)

    def banner_facts(self) -> Mapping[str, Any]:
        """Return what the banner says about the app."""
        return {
            "functions": self._functions,
            "disabled": self._disabled,
            "routes": self._routes,
            "hub": self._hub.kind,
        }
