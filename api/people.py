"""Callers who must say who they are."""

import azure.functions as func

from shared.errors import UnauthenticatedError
from shared.identity import Caller, identify


def identify_user(req: func.HttpRequest) -> Caller:
    """Return who sent a request, where a token is always needed; not for an event loop.

    Raises:
        UnauthenticatedError: nobody, or nobody we know.
    """
    caller = identify(req.headers)
    if caller.anonymous:
        raise UnauthenticatedError("There is no token in the request, and this route needs one.")
    return caller
