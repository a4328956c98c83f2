"""Our own tokens: users and hashes from ``LOGIN_USERS``, HS256 with ``JWT_SECRET``. For one machine and for tests."""

import re
import time
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from shared.errors import SettingsError
from shared.identity.caller import Caller
from shared.identity.tokens import BadTokenError, Token
from shared.settings import settings
from shared.strict_json import StrictJsonError, parse

LIFETIME_SECONDS = 3_600
MAX_LIFETIME_SECONDS = 86_400
MIN_SECRET_BYTES = 32
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""User names: one path segment in any store."""

_HEADER = frozenset({"alg", "typ"})


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may log in."""

    password_hash: str
    roles: frozenset[str]


def is_on() -> bool:
    """Whether there are users and a secret to sign with."""
    return bool(settings().jwt_secret and settings().login_users)


def verify(token: Token) -> Caller:
    """Return the user that ``token`` names. Roles come from ``LOGIN_USERS``, not from the token.

    Raises:
        BadTokenError: we did not make it, or it does not hold any more.
    """
    import jwt

    token.require_header(_HEADER)
    token.require_times(max_lifetime=MAX_LIFETIME_SECONDS)
    for name in ("aud", "iss", "sub"):
        token.claim(name)  # text, where PyJWT would take a list
    try:
        jwt.decode(
            token.text,
            _secret(),
            algorithms=["HS256"],
            audience=settings().jwt_audience,
            issuer=settings().jwt_issuer,
            leeway=60,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
    except jwt.InvalidTokenError as error:
        raise BadTokenError(type(error).__name__) from error
    name = token.claim("sub")
    user = users().get(name)
    if user is None:
        raise BadTokenError("no such user")
    return Caller(f"user:{name}", user.roles)


def log_in(username: str, password: str) -> str | None:
    """Return a token, or None if the name or the password is wrong; both take the same time to find out."""
    from argon2 import PasswordHasher
    from argon2.exceptions import VerificationError

    known = users()
    user = known.get(username)
    # Somebody's hash is checked in any case, so that a stranger's name costs what a known one does.
    password_hash = user.password_hash if user else next(iter(known.values())).password_hash
    try:
        PasswordHasher().verify(password_hash, password)
    except VerificationError:
        return None
    return issue(username) if user else None


def issue(username: str) -> str:
    """Return a token for ``username``, valid for ``LIFETIME_SECONDS``."""
    import jwt

    now = int(time.time())
    claims = {
        "iss": settings().jwt_issuer,
        "aud": settings().jwt_audience,
        "sub": username,
        "iat": now,
        "nbf": now,
        "exp": now + LIFETIME_SECONDS,
    }
    return jwt.encode(claims, _secret(), algorithm="HS256")


def users() -> dict[str, User]:
    """Return everybody who may log in, by name.

    Raises:
        SettingsError: ``LOGIN_USERS`` cannot be read.
    """
    return _read_users(settings().login_users)


@cache
def _read_users(text: str) -> dict[str, User]:
    from argon2 import extract_parameters
    from argon2.exceptions import InvalidHashError

    try:
        content: Any = parse(text.encode())
        read: dict[str, User] = {}
        for name, user in cast("dict[str, dict[str, Any]]", content).items():
            extract_parameters(user["hash"])
            read[name] = User(user["hash"], frozenset(str(role) for role in user.get("roles", [])))
    except (StrictJsonError, InvalidHashError, AttributeError, KeyError, TypeError) as error:
        wanted = '{"name": {"hash": "$argon2id$...", "roles": []}}'
        raise SettingsError(f"LOGIN_USERS cannot be read; it looks like {wanted}.") from error
    if odd := [name for name in read if not NAME.fullmatch(name)]:
        raise SettingsError(f"LOGIN_USERS has names that cannot be used: {', '.join(map(repr, odd))}.")
    if not read:
        raise SettingsError("LOGIN_USERS is empty; remove it, or name somebody.")
    return read


def _secret() -> str:
    secret = settings().jwt_secret
    if len(secret.encode()) < MIN_SECRET_BYTES:
        raise SettingsError(f"JWT_SECRET is shorter than {MIN_SECRET_BYTES} bytes; make a longer one.")
    return secret
