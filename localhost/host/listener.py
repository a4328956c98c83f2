"""The socket that a host listens on."""

import socket
import sys


class PortInUseError(Exception):
    """Somebody else listens on the port."""


def listen(address: str, port: int) -> socket.socket:
    """Return a socket that listens; connections wait in it until somebody takes them.

    Raises:
        PortInUseError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # With the protocol named, or asyncio leaves Nagle's algorithm on and each answer takes 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if sys.platform != "win32":  # there it would let two hosts share the port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise PortInUseError(
            f"Port {port} of {address} cannot be used: {error.strerror}.\n"
            "Stop what listens there, or choose another with --port (0 takes any that is free)."
        ) from error
    return listener
