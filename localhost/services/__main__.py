"""The stand-in services: ``python -m localhost.services --lake DIR --model 8001 --databricks 8002 --cosmos 8003``.

Each listens on its own port of loopback. When all do, one line of JSON on standard output says where and what they
are. The process ends when its standard input closes, so it never outlives the host that started it.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from starlette.types import ASGIApp

from localhost.listening import ListeningServer
from localhost.services.faults import Faults

LAST_RESORT = 6.0
"""Seconds after which a service that does not end is left behind."""


def main() -> int:
    """Run the services that the command line names."""
    arguments = _arguments()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the host says when
    ports = {service: port for service in _FACTORIES if (port := getattr(arguments, service)) is not None}
    try:
        apps = {service: _FACTORIES[service](arguments) for service in ports}
    except RuntimeError as error:  # Spark was asked for and is not there
        sys.stderr.write(f"{error}\n")
        return 1
    asyncio.run(_serve(apps, ports))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m localhost.services", description=__doc__)
    parser.add_argument("--lake", type=Path, required=True)
    parser.add_argument("--cosmos-file", type=Path, required=True)
    parser.add_argument("--sql-engine", choices=["auto", "spark", "duckdb"], default="auto")
    for service in _FACTORIES:
        parser.add_argument(f"--{service}", type=int, metavar="PORT")
    return parser.parse_args()


def _model(_arguments: argparse.Namespace) -> ASGIApp:
    from localhost.services.model.app import create_app

    return create_app(Faults())


def _databricks(arguments: argparse.Namespace) -> ASGIApp:
    from localhost.services.databricks.app import create_app

    state = arguments.cosmos_file.with_name("databricks.sqlite")
    return create_app(arguments.lake, arguments.sql_engine, Faults(), state=state)


def _cosmos(arguments: argparse.Namespace) -> ASGIApp:
    from localhost.services.cosmos.app import create_app

    url = f"http://127.0.0.1:{arguments.cosmos}"
    return create_app(arguments.cosmos_file, os.environ["STAND_IN_COSMOS_KEY"], Faults(), url)


_FACTORIES: dict[str, Callable[[argparse.Namespace], ASGIApp]] = {
    "model": _model,
    "databricks": _databricks,
    "cosmos": _cosmos,
}


async def _serve(apps: dict[str, ASGIApp], ports: dict[str, int]) -> None:
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    threading.Thread(target=_watch_input, args=(loop, over), daemon=True).start()
    servers = {
        name: ListeningServer(uvicorn.Config(app, log_level="warning", access_log=False)) for name, app in apps.items()
    }
    tasks = [asyncio.create_task(server.serve([_listen(ports[name])])) for name, server in servers.items()]
    announced = asyncio.create_task(_announce(servers, ports))
    closing = asyncio.create_task(over.wait())
    await asyncio.wait([closing, *tasks], return_when=asyncio.FIRST_COMPLETED)
    announced.cancel()
    threading.Timer(LAST_RESORT, os._exit, [1]).start()
    for server in servers.values():
        server.should_exit = True
    await asyncio.gather(*tasks)
    os._exit(0)  # a statement that still runs in a thread must not keep the process


def _listen(port: int) -> socket.socket:
    # With the protocol named, or asyncio leaves Nagle's algorithm on and each answer takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


async def _announce(servers: dict[str, ListeningServer], ports: dict[str, int]) -> None:
    for server in servers.values():
        await server.listening.wait()
    announcement: dict[str, Any] = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    if "databricks" in ports:
        async with httpx2.AsyncClient(trust_env=False) as client:
            about: dict[str, Any] = (await client.get(f"{announcement['databricks']}/_about")).json()
        announcement |= {name: about.get(name) for name in ("sql_engine", "sql_engine_version", "approximate", "spark")}
    sys.stdout.write(json.dumps(announcement) + "\n")
    sys.stdout.flush()


def _watch_input(loop: asyncio.AbstractEventLoop, over: asyncio.Event) -> None:
    while sys.stdin.buffer.read(1024):
        pass
    loop.call_soon_threadsafe(over.set)


if __name__ == "__main__":
    sys.exit(main())
