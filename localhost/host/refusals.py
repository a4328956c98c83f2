"""What a task hub refuses, as the status codes that the HTTP API of Durable Functions documents."""

from collections.abc import Callable

from starlette.responses import Response

from localhost.host import answers
from localhost.host.host_routes import Call, Handler
from localhost.host.http_binding import BodyTooLargeError
from localhost.hub.interface import (
    HubError,
    InstanceConflictError,
    InvalidRequestError,
    PayloadTooLargeError,
    StorageError,
    UnknownInstanceError,
    UnsupportedError,
)


class GoneError(Exception):
    """The instance is over; there is nothing to steer."""


type Refusal = Callable[[Exception, Call], Response]

# The first that matches answers, so the general ones come last.
_REFUSALS: dict[type[Exception], Refusal] = {
    GoneError: lambda error, _call: answers.gone(str(error)),
    UnknownInstanceError: lambda error, _call: answers.problem(
        404, str(error), "not_found", "Look at the list of instances."
    ),
    InstanceConflictError: lambda error, _call: answers.conflict(str(error)),
    PayloadTooLargeError: lambda error, _call: answers.problem(
        413, str(error), "too_large", "Send less, or the address of it."
    ),
    InvalidRequestError: lambda error, _call: answers.bad_request(str(error), "See the HTTP API of Durable Functions."),
    StorageError: lambda error, _call: answers.problem(
        503, str(error), "storage_unavailable", "Make room on the disk, then send the request again."
    ),
    UnsupportedError: lambda error, call: answers.not_supported(call.request.url.path, str(error)),
    HubError: lambda error, _call: answers.problem(
        500, str(error), "internal_error", "Look at the output of the host."
    ),
    BodyTooLargeError: lambda _error, _call: answers.too_large(),
    ValueError: lambda error, _call: answers.bad_request(
        f"The request cannot be read: {error}", "See the HTTP API of Durable Functions."
    ),
}


def refusing(handle: Handler) -> Handler:
    """Make a handler answer what it or the hub refuses."""

    async def answer(call: Call) -> Response:
        try:
            return await handle(call)
        except tuple(_REFUSALS) as error:
            refusal = next(refusal for kind, refusal in _REFUSALS.items() if isinstance(error, kind))
            return refusal(error, call)

    return answer
