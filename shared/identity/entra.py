"""Tokens of Entra ID for one tenant and one application, checked against the tenant's public keys (RS256)."""

import re
import threading
import time
import urllib.request
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from shared.errors import KeysUnavailableError
from shared.identity.caller import Caller
from shared.identity.tokens import BadTokenError, Token
from shared.settings import settings
from shared.strict_json import StrictJsonError, parse

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

KEYS_URL = "https://login.microsoftonline.com/{tenant_id}/discovery/v2.0/keys"
KEEP_SECONDS = 86_400
"""How long keys are used before they are fetched again."""
PAUSE_SECONDS = 60
"""How long after a fetch an unknown key id is simply unknown, so that strangers cannot make us fetch."""
MIN_KEY_BITS = 2_048
FETCH_TIMEOUT_SECONDS = 5

_HEADER = frozenset({"alg", "typ", "kid", "x5t"})
_GUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


def fetch(url: str) -> bytes:
    """Return what ``url`` answers, up to 1 MB."""
    # The address is ours: the tenant's, from the settings.
    with urllib.request.urlopen(url, timeout=FETCH_TIMEOUT_SECONDS) as reply:  # noqa: S310
        return reply.read(1_000_000)


class SigningKeys:
    """The public keys of a tenant, by id. Safe to use from several threads."""

    def __init__(
        self, url: str, *, fetch: Callable[[str], bytes] = fetch, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = url
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, RSAPublicKey] = {}
        self._fetched_at: float | None = None
        self._lock = threading.Lock()

    def find(self, key_id: str) -> "RSAPublicKey":
        """Return the key called ``key_id``.

        Raises:
            BadTokenError: the tenant has no such key.
            KeysUnavailableError: its keys cannot be fetched.
        """
        with self._lock:
            age = None if self._fetched_at is None else self._clock() - self._fetched_at
            if age is None or age > (KEEP_SECONDS if key_id in self._keys else PAUSE_SECONDS):
                self._refresh(known=key_id in self._keys)
            if key_id not in self._keys:
                raise BadTokenError("signed with a key that is not the tenant's")
            return self._keys[key_id]

    def _refresh(self, *, known: bool) -> None:
        try:
            self._keys = _read_keys(self._fetch(self._url))
        except (OSError, StrictJsonError) as error:
            if not known:  # a key we know stays good while its list cannot be had
                raise KeysUnavailableError("The keys of Entra ID cannot be fetched now; try again.") from error
        self._fetched_at = self._clock()


class EntraVerifier:
    """Checks tokens that ``tenant_id`` issued for ``client_id``."""

    def __init__(self, tenant_id: str, client_id: str, keys: SigningKeys) -> None:
        self._tenant_id = tenant_id
        self._audiences = [client_id, f"api://{client_id}"]
        # A tenant issues tokens of version 2 or, unless the application asks for them, of version 1.
        self._issuers = [
            f"https://login.microsoftonline.com/{tenant_id}/v2.0",
            f"https://sts.windows.net/{tenant_id}/",
        ]
        self._keys = keys

    def verify(self, token: Token) -> Caller:
        """Return the user or application that ``token`` names.

        Raises:
            BadTokenError: it is not the tenant's, not for us, or does not hold any more.
            KeysUnavailableError: it cannot be checked now.
        """
        import jwt

        token.require_header(_HEADER)
        token.require_times(max_lifetime=None)  # Entra ID decides how long: up to 28 hours
        object_id = token.claim("oid").lower()
        # What costs nothing to find out comes before what may fetch keys.
        if token.claim("tid") != self._tenant_id or token.claim("iss") not in self._issuers:
            raise BadTokenError("another tenant's")
        if token.claim("aud") not in self._audiences:
            raise BadTokenError("for somebody else")
        if not _GUID.fullmatch(object_id):
            raise BadTokenError("oid is not a GUID")
        key_id: object = token.header.get("kid")
        if not isinstance(key_id, str):
            raise BadTokenError("no key id")
        try:
            claims = jwt.decode(
                token.text,
                self._keys.find(key_id),
                algorithms=["RS256"],
                audience=self._audiences,
                issuer=self._issuers,
                leeway=60,
                options={"require": ["exp", "iat", "iss", "aud"]},
            )
        except jwt.InvalidTokenError as error:
            raise BadTokenError(type(error).__name__) from error
        roles: object = claims.get("roles", [])
        names = [role for role in cast("list[object]", roles) if isinstance(role, str)] if type(roles) is list else []
        return Caller(f"entra:{object_id}", frozenset(names))


def is_on() -> bool:
    """Whether tokens of Entra ID are accepted."""
    return bool(settings().entra_tenant_id and settings().entra_client_id)


def verifier() -> EntraVerifier:
    """Return the verifier of this app's tenant."""
    return _verifier(settings().entra_tenant_id, settings().entra_client_id)


@cache
def _verifier(tenant_id: str, client_id: str) -> EntraVerifier:
    return EntraVerifier(tenant_id, client_id, SigningKeys(KEYS_URL.format(tenant_id=tenant_id)))


def _read_keys(text: bytes) -> "dict[str, RSAPublicKey]":
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from jwt.algorithms import RSAAlgorithm
    from jwt.exceptions import InvalidKeyError

    content: Any = parse(text)
    keys: dict[str, RSAPublicKey] = {}
    try:
        for entry in cast("list[dict[str, Any]]", content["keys"]):
            if entry.get("kty") != "RSA" or entry.get("use", "sig") != "sig":
                continue
            try:
                key = RSAAlgorithm.from_jwk(entry)
            except (InvalidKeyError, ValueError):
                continue  # one that we cannot read must not cost us the others
            if isinstance(key, RSAPublicKey) and key.key_size >= MIN_KEY_BITS:
                keys[str(entry["kid"])] = key
    except (AttributeError, KeyError, TypeError) as error:
        raise StrictJsonError("It is not a list of keys.") from error
    return keys
