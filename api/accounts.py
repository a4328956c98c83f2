"""Logging in, where the app keeps its own users."""

import asyncio

import azure.durable_functions as df
import azure.functions as func

from api.requests import client_address, read_fields
from api.responses import answering, reply
from shared.errors import NotFoundError, UnauthenticatedError
from shared.identity import local
from shared.rate_limit import Allowance, rate_limits

bp = df.Blueprint(http_auth_level=func.AuthLevel.ANONYMOUS)

GUESSES_PER_NAME = Allowance(burst=10, per_second=1 / 30)
GUESSES_PER_ADDRESS = Allowance(burst=60, per_second=1)
"""How many wrong passwords one address may send; right ones do not count."""


@bp.route(route="login", methods=["POST"])
@answering
async def log_in(req: func.HttpRequest) -> func.HttpResponse:
    """Exchange a name and a password for a token."""
    if not local.is_on():
        raise NotFoundError("This app keeps no users of its own; sign in with Entra ID.")
    fields = read_fields(req)
    username = fields.text("username", longest=64, exact=True)
    password = fields.text("password", longest=1_024, exact=True)
    fields.check()
    token = await asyncio.to_thread(_guess, username, password, client_address(req))
    if token is None:
        raise UnauthenticatedError("The name or the password is wrong.")
    return reply({"access_token": token, "token_type": "bearer", "expires_in": local.LIFETIME_SECONDS})


def _guess(username: str, password: str, address: str) -> str | None:
    """Return a token or None. Every guess takes from the allowances first, so that guesses at once count, too."""
    limits = rate_limits()
    taken = [(f"login:{address}", GUESSES_PER_ADDRESS), (f"login:{address}:{username}", GUESSES_PER_NAME)]
    for subject, allowance in taken:
        limits.take(subject, allowance)
    token = local.log_in(username, password)
    if token is not None:
        for subject, allowance in taken:
            limits.give_back(subject, allowance)
    return token
