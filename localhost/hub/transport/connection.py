"""The server's side of one HTTP/2 connection: requests come in whole, answers go out as fast as the peer takes them."""

import asyncio
import logging
from collections.abc import Callable
from typing import override

from hpack import Decoder
from hpack.exceptions import HPACKError

from localhost.hub.transport.frames import (
    DEFAULT_FRAME,
    DEFAULT_WINDOW,
    HEAD,
    LARGEST_WINDOW,
    PREFACE,
    ErrorCode,
    Flag,
    Http2Error,
    Kind,
    Setting,
    frame,
    number,
    read_settings,
    settings,
    unpadded,
)

log = logging.getLogger(__name__)

OWN_WINDOW = 8 * 1024 * 1024
OWN_FRAME = 1024 * 1024
MAX_HEADERS = 64 * 1024
INDEXED = 0x80  # the least first byte of a field that is in the table (RFC 7541 §6.1)
_GREETING = settings({Setting.INITIAL_WINDOW_SIZE: OWN_WINDOW, Setting.MAX_FRAME_SIZE: OWN_FRAME}) + frame(
    Kind.WINDOW_UPDATE, 0, 0, number(OWN_WINDOW - DEFAULT_WINDOW)
)
_SETTINGS_TAKEN = frame(Kind.SETTINGS, Flag.ACK, 0)


class Stream:
    """One request and its answer."""

    __slots__ = ("_connection", "begun", "body", "cancelled", "fields", "id", "overlong", "unacknowledged", "window")

    def __init__(self, connection: "Connection", stream_id: int, fields: dict[bytes, bytes]) -> None:
        self._connection = connection
        self.id = stream_id
        self.fields = fields
        self.begun = False
        """Header fields of the answer have been sent."""
        self.body = bytearray()
        self.overlong = False
        """The body was larger than the connection accepts, and is not here."""
        self.window = connection.peer_window
        self.unacknowledged = 0
        self.cancelled: Callable[[], object] | None = None
        """What to do when nobody wants the answer any more."""

    def answer(self, head: bytes, data: bytes, trailers: bytes) -> bool:
        """Send a whole answer at once, if the peer takes as much now; return whether it does."""
        return self._connection.answer(self, head, data, trailers)

    def head(self, block: bytes, *, end: bool = False) -> None:
        """Send header fields or, to ``end``, trailers."""
        self.begun = True
        self._connection.head(self, block, end=end)

    async def data(self, content: bytes) -> None:
        """Send content, as fast as the peer takes it."""
        await self._connection.data(self, content)


class Connection(asyncio.Protocol):
    """Reads frames, keeps account of windows, and gives each whole request to ``respond``."""

    def __init__(
        self, respond: Callable[[Stream], None], *, max_body: Callable[[Stream], int], known: "set[Connection]"
    ) -> None:
        self._respond = respond
        self._max_body = max_body
        self._known = known
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._greeted = False
        self._decoder = Decoder(max_header_list_size=MAX_HEADERS)
        self._block: tuple[int, int, bytearray] | None = None  # of a HEADERS frame that is to be continued
        self._blocks: dict[bytes, dict[bytes, bytes]] = {}
        self._streams: dict[int, Stream] = {}
        self._window = DEFAULT_WINDOW
        self.peer_window = DEFAULT_WINDOW
        self._peer_frame = DEFAULT_FRAME
        self._unacknowledged = 0
        self._writable = True
        self._waiting: set[asyncio.Future[None]] = set()

    # The transport

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # a server of streams makes no other
        self._transport = transport
        self._known.add(self)
        transport.write(_GREETING)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._known.discard(self)
        self._writable = False
        for stream in list(self._streams.values()):
            self._drop(stream)
        self._wake()

    @override
    def pause_writing(self) -> None:
        self._writable = False

    @override
    def resume_writing(self) -> None:
        self._writable = True
        self._wake()

    @override
    def data_received(self, data: bytes) -> None:
        try:
            self._read(data)
        except Http2Error as error:
            log.warning("A client of the task hub's gRPC address broke HTTP/2: %s", error)
            self.close(error.code)

    def close(self, code: ErrorCode = ErrorCode.NO_ERROR) -> None:
        """Say goodbye and close."""
        if self._transport is not None:
            self._transport.write(frame(Kind.GOAWAY, 0, 0, number(LARGEST_WINDOW) + number(code)))
            self._transport.close()

    # What comes in

    def _read(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        position = 0
        if not self._greeted:
            if not PREFACE.startswith(buffer[: len(PREFACE)]):
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, "This is not HTTP/2.")
            if len(buffer) < len(PREFACE):
                return
            self._greeted = True
            position = len(PREFACE)
        size = len(buffer)
        while size - position >= HEAD:
            length = int.from_bytes(buffer[position : position + 3])
            if length > OWN_FRAME:
                raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, f"A frame of {length} bytes.")
            end = position + HEAD + length
            if size < end:
                break
            kind, flags = buffer[position + 3], buffer[position + 4]
            stream_id = int.from_bytes(buffer[position + 5 : position + HEAD]) & LARGEST_WINDOW
            payload = bytes(buffer[position + HEAD : end])
            position = end
            self._take(kind, flags, stream_id, payload)
        del buffer[:position]

    def _take(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if self._block is not None and kind != Kind.CONTINUATION:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "A header block was not continued.")
        match kind:
            case Kind.DATA:
                self._take_data(flags, stream_id, payload)
            case Kind.HEADERS:
                content = unpadded(payload, flags)
                self._take_block(flags, stream_id, bytearray(content[5:] if flags & Flag.PRIORITY else content), flags)
            case Kind.CONTINUATION:
                if self._block is None or self._block[0] != stream_id:
                    raise Http2Error(ErrorCode.PROTOCOL_ERROR, "A continuation of nothing.")
                _, first_flags, block = self._block
                block += payload
                self._take_block(first_flags, stream_id, block, flags)
            case _:
                self._take_control(kind, flags, stream_id, payload)

    def _take_control(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        match kind:
            case Kind.RST_STREAM:
                if stream := self._streams.get(stream_id):
                    self._drop(stream)
            case Kind.SETTINGS:
                if not flags & Flag.ACK:
                    self._take_settings(payload)
            case Kind.PING:
                if not flags & Flag.ACK:
                    self._write(frame(Kind.PING, Flag.ACK, 0, payload))
            case Kind.WINDOW_UPDATE:
                self._take_window(stream_id, payload)
            case _:
                pass  # of no concern to a server

    def _take_block(self, first_flags: int, stream_id: int, block: bytearray, flags: int) -> None:
        if len(block) > MAX_HEADERS:
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, f"More than {MAX_HEADERS} bytes of headers.")
        if not flags & Flag.END_HEADERS:
            self._block = (stream_id, first_flags, block)
            return
        self._block = None
        fields = self._fields(bytes(block))
        stream = self._streams.get(stream_id)
        if stream is None:
            stream = self._streams[stream_id] = Stream(self, stream_id, fields)
        if first_flags & Flag.END_STREAM:
            self._respond(stream)

    def _fields(self, block: bytes) -> dict[bytes, bytes]:
        """Return the header fields of a block. One that only points into the table means the same until it changes."""
        fields = self._blocks.get(block)
        if fields is None:
            try:
                fields = {bytes(name): bytes(value) for name, value in self._decoder.decode(block, raw=True)}
            except HPACKError as error:
                raise Http2Error(ErrorCode.COMPRESSION_ERROR, "A header block that cannot be read.") from error
            if min(block, default=0) >= INDEXED:
                self._blocks[block] = fields
            else:
                self._blocks.clear()
        return fields

    def _take_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._unacknowledged += len(payload)
        if self._unacknowledged > OWN_WINDOW // 2:
            self._write(frame(Kind.WINDOW_UPDATE, 0, 0, number(self._unacknowledged)))
            self._unacknowledged = 0
        stream = self._streams.get(stream_id)
        if stream is None:
            return  # answered or cancelled already
        stream.unacknowledged += len(payload)
        if stream.unacknowledged > OWN_WINDOW // 2:
            self._write(frame(Kind.WINDOW_UPDATE, 0, stream_id, number(stream.unacknowledged)))
            stream.unacknowledged = 0
        if len(stream.body) + len(payload) > self._max_body(stream):
            stream.overlong = True
            stream.body.clear()
        if not stream.overlong:
            stream.body += unpadded(payload, flags)
        if flags & Flag.END_STREAM:
            self._respond(stream)

    def _take_settings(self, payload: bytes) -> None:
        for key, value in read_settings(payload):
            if key == Setting.INITIAL_WINDOW_SIZE:
                for stream in self._streams.values():
                    stream.window += value - self.peer_window
                self.peer_window = value
                self._wake()
            elif key == Setting.MAX_FRAME_SIZE:
                self._peer_frame = value
        self._write(_SETTINGS_TAKEN)

    def _take_window(self, stream_id: int, payload: bytes) -> None:
        more = int.from_bytes(payload) & LARGEST_WINDOW
        if stream_id == 0:
            self._window += more
        elif stream := self._streams.get(stream_id):
            stream.window += more
        self._wake()

    # What goes out

    def _write(self, content: bytes) -> None:
        if self._transport is not None:
            self._transport.write(content)

    def answer(self, stream: Stream, head: bytes, data: bytes, trailers: bytes) -> bool:
        """Send a whole answer at once, if windows allow it; return whether they do."""
        size = len(data)
        if size > self._window or size > stream.window or size > self._peer_frame or not self._writable:
            return False
        self._window -= size
        self._streams.pop(stream.id, None)
        self._write(
            frame(Kind.HEADERS, Flag.END_HEADERS, stream.id, head)
            + frame(Kind.DATA, 0, stream.id, data)
            + frame(Kind.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, stream.id, trailers)
        )
        return True

    def head(self, stream: Stream, block: bytes, *, end: bool) -> None:
        """Send header fields or trailers."""
        if stream.id not in self._streams:
            return
        flags = Flag.END_HEADERS
        if end:
            flags |= Flag.END_STREAM
            del self._streams[stream.id]
        self._write(frame(Kind.HEADERS, flags, stream.id, block))

    async def data(self, stream: Stream, content: bytes) -> None:
        """Send content in as many frames as the peer's limits ask for."""
        view = memoryview(content)
        while view and stream.id in self._streams:
            size = min(len(view), self._window, stream.window, self._peer_frame)
            if size <= 0 or not self._writable:
                waiting = asyncio.get_running_loop().create_future()
                self._waiting.add(waiting)
                try:
                    await waiting
                finally:
                    self._waiting.discard(waiting)
                continue
            self._window -= size
            stream.window -= size
            self._write(frame(Kind.DATA, 0, stream.id, bytes(view[:size])))
            view = view[size:]

    def _wake(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    def _drop(self, stream: Stream) -> None:
        """Forget a stream whose answer nobody wants."""
        self._streams.pop(stream.id, None)
        if stream.cancelled is not None:
            stream.cancelled()
