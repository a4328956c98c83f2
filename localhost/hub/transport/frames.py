"""The frames of HTTP/2 (RFC 9113 §4 and §6), and header blocks that need no table (RFC 7541 §6.2.2)."""

import struct
from collections.abc import Iterable
from enum import IntEnum

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD = 9
"""Bytes of a frame before its payload: length (3), type, flags, stream (4)."""
DEFAULT_WINDOW = 65_535
DEFAULT_FRAME = 16_384
LARGEST_WINDOW = 2**31 - 1


class Kind(IntEnum):
    """What a frame is."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Flag:
    """What a frame says of itself, in bits; ``ACK`` and ``END_STREAM`` share one, on frames of different kinds."""

    ACK = 0x1
    END_STREAM = 0x1
    END_HEADERS = 0x4
    PADDED = 0x8
    PRIORITY = 0x20


class Setting(IntEnum):
    """What one side tells the other about itself."""

    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class ErrorCode(IntEnum):
    """Why a stream or a connection ends."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    FLOW_CONTROL_ERROR = 3
    FRAME_SIZE_ERROR = 6
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


class Http2Error(Exception):
    """The peer does not keep to the protocol; the connection ends with ``code``."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


_HEAD = struct.Struct(">IBI")
_SETTING = struct.Struct(">HI")


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return a frame."""
    return _HEAD.pack(len(payload) << 8 | kind, flags, stream) + payload


def number(value: int) -> bytes:
    """Return a 32-bit number, as windows and error codes are sent."""
    return value.to_bytes(4)


def settings(values: dict[Setting, int]) -> bytes:
    """Return a SETTINGS frame."""
    return frame(Kind.SETTINGS, 0, 0, b"".join(_SETTING.pack(key, value) for key, value in values.items()))


def read_settings(payload: bytes) -> Iterable[tuple[int, int]]:
    """Yield what a SETTINGS frame says.

    Raises:
        Http2Error: it has an odd length.
    """
    if len(payload) % _SETTING.size:
        raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "A SETTINGS frame of an odd length.")
    return _SETTING.iter_unpack(payload)


def unpadded(payload: bytes, flags: int) -> bytes:
    """Return the content of a DATA or HEADERS frame, without padding and priority.

    Raises:
        Http2Error: there is more padding than payload.
    """
    padding = 0
    if flags & Flag.PADDED:
        padding = payload[0] if payload else 1
        payload = payload[1:]
    if padding > len(payload):
        raise Http2Error(ErrorCode.PROTOCOL_ERROR, "A frame with more padding than payload.")
    return payload[: len(payload) - padding]


def header_block(fields: Iterable[tuple[str, str]]) -> bytes:
    """Return header fields as literals that enter no table: such a block is the same on every connection."""
    block = bytearray()
    for field in fields:
        block.append(0)
        for text in field:
            encoded = text.encode("ascii")
            block += _integer(len(encoded)) + encoded
    return bytes(block)


def _integer(value: int) -> bytes:
    """Return a length with a prefix of seven bits (RFC 7541 §5.1)."""
    if value < 127:
        return bytes([value])
    encoded = bytearray([127])
    value -= 127
    while value >= 128:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
