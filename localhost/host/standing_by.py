"""What is served while the app does not load and its next edit is waited for."""

import asyncio
import socket

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from localhost.exit_codes import ExitCode
from localhost.host.stop_signal import StopSignal
from localhost.listening import server_of

_BODY = {
    "status": "error",
    "error": "The app does not load.",
    "code": "app_does_not_load",
    "do": "Look at the output of the host, mend the file and save it.",
}


def stand_by(listener: socket.socket) -> ExitCode:
    """Answer every request with 503 until told to stop; what is wrong with the app is in the log alone."""
    return asyncio.run(_stand_by(listener))


async def _stand_by(listener: socket.socket) -> ExitCode:
    stop = StopSignal()
    server = server_of(_unavailable, drain=0)
    serving = asyncio.create_task(server.serve([listener]))
    await stop.wait()
    server.should_exit = True
    await serving
    return stop.exit_code


async def _unavailable(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await JSONResponse(_BODY, 503, {"Retry-After": "1"})(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": 1013})
