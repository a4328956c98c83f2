"""Who is calling: the one place that decides it.

In this order, and the first that is there decides alone:

1. ``X-MS-CLIENT-PRINCIPAL``, only where App Service itself checked it (``WEBSITE_AUTH_ENABLED``, its own variable);
2. ``Authorization: Bearer``: a token of Entra ID (RS256) or of our own ``/login`` (HS256). A token that does not hold
   is an error even where none is needed;
3. nobody, where ``CHAT_ANONYMOUS`` allows it.
"""

import logging
import os
from collections.abc import Mapping

from shared.errors import UnauthenticatedError
from shared.identity.caller import ADMIN, ANONYMOUS, Caller
from shared.settings import settings

__all__ = ["ADMIN", "ANONYMOUS", "Caller", "identify"]

logger = logging.getLogger(__name__)


def identify(headers: Mapping[str, str]) -> Caller:
    """Return who sent a request with ``headers`` (names in lower case, or a mapping that ignores case).

    May fetch the keys of Entra ID, so it is not for an event loop.

    Raises:
        UnauthenticatedError: nobody, or nobody we know.
        KeysUnavailableError: the keys cannot be fetched.
    """
    from shared.identity.tokens import BadTokenError

    principal = headers.get("x-ms-client-principal")
    authorization = headers.get("authorization")
    try:
        if principal is not None and _platform_checks():
            from shared.identity import easy_auth

            return easy_auth.caller(principal, tenant_id=settings().entra_tenant_id)
        if authorization is not None:
            return _bearer(authorization)
    except BadTokenError as error:
        logger.info("A token was refused: %s", error)  # its reasons are ours, never the token's text
        raise UnauthenticatedError("The token does not hold here: it is expired, foreign or damaged.") from None
    if settings().chat_anonymous:
        return ANONYMOUS
    raise UnauthenticatedError("There is no token in the request.")


def _bearer(authorization: str) -> Caller:
    from shared.identity import entra, local
    from shared.identity.tokens import BadTokenError, read_token

    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise BadTokenError("not a bearer token")
    token = read_token(text)
    # Each verifier has one algorithm and one kind of key; the header only says which of the two is asked.
    match token.header.get("alg"):
        case "HS256" if local.is_on():
            return local.verify(token)
        case "RS256" if entra.is_on():
            return entra.verifier().verify(token)
        case _:
            raise BadTokenError("no verifier for its algorithm")


def _platform_checks() -> bool:
    return os.environ.get("WEBSITE_AUTH_ENABLED", "").lower() == "true"
