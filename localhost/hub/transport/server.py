"""Calls of one gRPC service: one message in, one or many out (the protocol is gRPC's "PROTOCOL-HTTP2")."""

import asyncio
import logging
import re
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import grpc
from google.protobuf.message import DecodeError

from localhost.hub.transport.connection import Connection, Stream
from localhost.hub.transport.frames import header_block

log = logging.getLogger(__name__)

MAX_MESSAGE = 64 * 1024 * 1024
LONGEST_MESSAGE = 2**31 - 1  # of protobuf
MAX_REASON = 4_000  # bytes, as they are sent; clients take 8 KiB of header fields
_PREFIX = 5  # of a message: whether it is compressed (1 byte), and its length (4)
_HEAD = header_block([(":status", "200"), ("content-type", "application/grpc"), ("grpc-accept-encoding", "identity")])
_OK = header_block([("grpc-status", "0")])
_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


class Message(Protocol):
    """A protobuf message."""

    def SerializeToString(self) -> bytes:  # noqa: N802  # as protobuf spells it
        """Return the message encoded."""
        ...


class CallError(Exception):
    """A call that fails with a status and a sentence for the caller."""

    def __init__(self, status: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Unary:
    """A call with one answer."""

    decode: Callable[[bytes], Any]
    answer: Callable[[Any], Awaitable[Message]]
    of_any_size: bool = False
    """The request may be longer than ``MAX_MESSAGE``: its caller could do nothing about a refusal."""


@dataclass(frozen=True, slots=True)
class Streaming:
    """A call with many answers."""

    decode: Callable[[bytes], Any]
    answers: Callable[[Any], AsyncGenerator[Message]]


type Method = Unary | Streaming


class GrpcServer:
    """Serves methods by their paths, ``/Service/Method``, on a loopback port."""

    def __init__(self, methods: Mapping[str, Method]) -> None:
        self._methods = {path.encode(): method for path, method in methods.items()}
        self._connections: set[Connection] = set()
        self._calls: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        """Listen, and return the address as ``host:port``."""
        # A socket that names its protocol gets TCP_NODELAY from asyncio; without it an answer may wait 40 ms.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self._respond, max_body=self._max_body, known=self._connections),
            sock=listener,
            backlog=1024,
        )
        return f"127.0.0.1:{listener.getsockname()[1]}"

    async def stop(self, grace: float = 0.2) -> None:
        """Listen no more; calls under way get ``grace`` seconds to end."""
        if self._server is not None:
            self._server.close()
        if self._calls:
            await asyncio.wait(self._calls, timeout=grace)
        for connection in list(self._connections):
            connection.close()
        for call in list(self._calls):
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    def _max_body(self, stream: Stream) -> int:
        method = self._methods.get(stream.fields.get(b":path", b""))
        return _PREFIX + (LONGEST_MESSAGE if isinstance(method, Unary) and method.of_any_size else MAX_MESSAGE)

    def _respond(self, stream: Stream) -> None:
        """Begin to answer a call; what need not wait is answered at once."""
        call = asyncio.Task(self._call(stream), loop=asyncio.get_running_loop(), eager_start=True)
        if not call.done():
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
            stream.cancelled = call.cancel

    async def _call(self, stream: Stream) -> None:
        method = self._methods.get(stream.fields.get(b":path", b""))
        if method is None:
            _fail(stream, grpc.StatusCode.UNIMPLEMENTED, "The task hub has no such operation.")
            return
        try:
            request = _decoded(method, _message(stream))
            seconds = _seconds(stream.fields.get(b"grpc-timeout"))
            if seconds is None:
                await _answer(stream, method, request)
            else:
                async with asyncio.timeout(seconds):
                    await _answer(stream, method, request)
        except CallError as error:
            _fail(stream, error.status, str(error))
        except TimeoutError:
            _fail(stream, grpc.StatusCode.DEADLINE_EXCEEDED, "The call took longer than its caller wanted to wait.")
        except asyncio.CancelledError:
            _fail(stream, grpc.StatusCode.UNAVAILABLE, "The task hub is stopping.")
        except Exception:  # one call that fails must not end the others
            log.exception("A call of the task hub failed unexpectedly.")
            _fail(stream, grpc.StatusCode.UNKNOWN, "The task hub failed on this call; its log says why.")


async def _answer(stream: Stream, method: Method, request: Any) -> None:
    if isinstance(method, Unary):
        data = _framed(await method.answer(request))
        if stream.answer(_HEAD, data, _OK):
            return
        stream.head(_HEAD)
        await stream.data(data)
    else:
        stream.head(_HEAD)
        await _stream(stream, method.answers(request))
    stream.head(_OK, end=True)


async def _stream(stream: Stream, answers: AsyncGenerator[Message]) -> None:
    async with aclosing(answers) as messages:
        async for message in messages:
            await stream.data(_framed(message))


def _message(stream: Stream) -> bytes:
    """Return the one message of a request."""
    body = stream.body
    if stream.overlong:
        limit = f"A message may have {MAX_MESSAGE} bytes; this one has more."
        raise CallError(grpc.StatusCode.RESOURCE_EXHAUSTED, limit)
    if len(body) < _PREFIX or int.from_bytes(body[1:_PREFIX]) != len(body) - _PREFIX:
        raise CallError(grpc.StatusCode.INTERNAL, "The call did not carry exactly one message.")
    if body[0]:
        raise CallError(grpc.StatusCode.UNIMPLEMENTED, "The task hub takes no compressed messages.")
    return bytes(body[_PREFIX:])


def _decoded(method: Method, message: bytes) -> Any:
    try:
        return method.decode(message)
    except DecodeError as error:
        raise CallError(grpc.StatusCode.INTERNAL, "The call's message cannot be read.") from error


def _framed(message: Message) -> bytes:
    encoded = message.SerializeToString()
    return b"\0" + len(encoded).to_bytes(4) + encoded


def _seconds(timeout: bytes | None) -> float | None:
    """Return the time that a caller waits, from the likes of ``30S`` and ``500m``."""
    found = re.fullmatch(r"(\d{1,8})([HMSmun])", timeout.decode("ascii", "replace")) if timeout else None
    return int(found[1]) * _UNITS[found[2]] if found else None


def _fail(stream: Stream, status: grpc.StatusCode, reason: str) -> None:
    code, _ = status.value
    message = quote(reason[:MAX_REASON], safe=" !#$&'()*+,/:;=?@[]")[:MAX_REASON]
    message = message.rpartition("%")[0] if "%" in message[-2:] else message  # no half of an escape
    trailers = [("grpc-status", str(code)), ("grpc-message", message)]
    stream.head((b"" if stream.begun else _HEAD) + header_block(trailers), end=True)
