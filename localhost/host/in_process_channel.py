"""The hub's own address without a socket: durable clients in the host's process call it directly.

The SDK builds a client for each invocation that asks for one. Each client opens a gRPC channel of its own, and reads
from disk which version the SDK has; together that costs more than an orchestration. The SDK has no door for either,
so both are replaced here, for the address of the hub and on its event loop alone: any other client is the SDK's.
"""

import asyncio
import functools
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from importlib import import_module
from typing import Any

import grpc
from durabletask.internal import shared as sdk_channels
from google.protobuf.message import Message

from localhost.hub.transport.server import CallError, Method, Streaming, Unary

log = logging.getLogger(__name__)

type Encode = Callable[[Any], bytes]
type Decode = Callable[[bytes], Any]


class InProcessChannel:
    """What the SDK's stub needs of a ``grpc.aio.Channel``; messages are copied, as a socket would."""

    def __init__(self, methods: Mapping[str, Method]) -> None:
        self._methods = methods

    def unary_unary(
        self, path: str, request_serializer: Encode, response_deserializer: Decode, **_options: object
    ) -> Callable[..., Awaitable[Any]]:
        """Return the call of a method with one answer."""

        async def call(request: Message, *, timeout: float | None = None, **_options: object) -> Any:  # noqa: ASYNC109 - as the SDK passes it
            method = self._methods.get(path)
            if not isinstance(method, Unary):
                raise _failed(grpc.StatusCode.UNIMPLEMENTED, "The task hub has no such operation.")
            try:
                async with asyncio.timeout(timeout):
                    answer = await method.answer(method.decode(request_serializer(request)))
                return response_deserializer(answer.SerializeToString())
            except Exception as error:
                raise _failure(error) from error

        return call

    def unary_stream(
        self, path: str, request_serializer: Encode, response_deserializer: Decode, **_options: object
    ) -> Callable[..., AsyncGenerator[Any]]:
        """Return the call of a method with many answers."""

        async def call(request: Message, **_options: object) -> AsyncGenerator[Any]:
            method = self._methods.get(path)
            if not isinstance(method, Streaming):
                raise _failed(grpc.StatusCode.UNIMPLEMENTED, "The task hub has no such operation.")
            try:
                async with aclosing(method.answers(method.decode(request_serializer(request)))) as answers:
                    async for answer in answers:
                        yield response_deserializer(answer.SerializeToString())
            except Exception as error:
                raise _failure(error) from error

        return call

    async def close(self, grace: float | None = None) -> None:
        """Nothing is open."""


def lead(address: str, methods: Mapping[str, Method]) -> Callable[[], None]:
    """Lead the clients of ``address`` on this event loop straight to ``methods``; return what ends that."""
    loop = asyncio.get_running_loop()
    channel: Any = InProcessChannel(methods)
    theirs = sdk_channels.get_async_grpc_channel

    @functools.wraps(theirs)
    def get_channel(host_address: str | None, *arguments: Any, **options: Any) -> grpc.aio.Channel:
        ours = host_address is not None and host_address.removeprefix("http://") == address
        if ours and asyncio.get_running_loop() is loop:
            return channel
        return theirs(host_address, *arguments, **options)

    def end() -> None:
        sdk_channels.get_async_grpc_channel = theirs

    sdk_channels.get_async_grpc_channel = get_channel
    sdk_interceptor: Any = import_module("azure.durable_functions.internal.azurefunctions_grpc_interceptor")
    sdk_interceptor.version = functools.cache(sdk_interceptor.version)
    return end


def _failure(error: Exception) -> Exception:
    """Return what the SDK would see of an error from the other end of a connection."""
    match error:
        case CallError():
            return _failed(error.status, str(error))
        case TimeoutError():
            return _failed(grpc.StatusCode.DEADLINE_EXCEEDED, "The call took longer than its caller wanted to wait.")
        case _:
            log.error("A call of the task hub failed unexpectedly.", exc_info=error)
            return _failed(grpc.StatusCode.UNKNOWN, "The task hub failed on this call; its log says why.")


def _failed(status: grpc.StatusCode, reason: str) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(status, grpc.aio.Metadata(), grpc.aio.Metadata(), details=reason)
