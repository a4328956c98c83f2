"""Tokens as text: one way to write each, or it is none.

What PyJWT lets pass is refused here before it sees the token: padding, unused bits, a claim twice, text for a time,
a list for an audience, headers that point to keys.
"""

import base64
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.strict_json import StrictJsonError, parse

MAX_CHARACTERS = 8_192
CLOCK_SKEW_SECONDS = 60

_TOKEN = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")


class BadTokenError(Exception):
    """The token does not hold; the message is for the log and holds nothing of the token."""


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """A token that is well formed. Nothing is known yet about who signed it."""

    text: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    def require_header(self, allowed: frozenset[str]) -> None:
        """Refuse every header parameter that is not ``allowed``: ``crit``, ``zip``, ``jku`` and what may come.

        Raises:
            BadTokenError: there is another.
        """
        if self.header.keys() - allowed:
            raise BadTokenError("a header parameter that is not ours")
        if "typ" in self.header and str(self.header["typ"]).upper() != "JWT":
            raise BadTokenError("not typed as a JWT")

    def claim(self, name: str) -> str:
        """Return a claim that must be there and be text.

        Raises:
            BadTokenError: it is not.
        """
        value = self.claims.get(name)
        if not isinstance(value, str) or not value:
            raise BadTokenError(f"{name} is not text")
        return value

    def require_times(self, *, max_lifetime: int | None) -> None:
        """Refuse a token that is not valid now, or valid for longer than ``max_lifetime`` seconds.

        Raises:
            BadTokenError: a time is missing, is no whole number, or is wrong.
        """
        now = time.time()
        issued, expires = self._instant("iat"), self._instant("exp")
        starts = self._instant("nbf") if "nbf" in self.claims else issued
        if expires <= now:
            raise BadTokenError("expired")
        if max(issued, starts) > now + CLOCK_SKEW_SECONDS:
            raise BadTokenError("not valid yet")
        if max_lifetime is not None and expires - issued > max_lifetime:
            raise BadTokenError("valid for too long")

    def _instant(self, name: str) -> int:
        value = self.claims.get(name)
        if type(value) is not int or value < 0:  # a bool is an int, too
            raise BadTokenError(f"{name} is not a time")
        return value


def read_token(text: str) -> Token:
    """Return the parts of ``text``, unverified.

    Raises:
        BadTokenError: it is not a token in its one canonical form.
    """
    parts = _TOKEN.fullmatch(text)
    if parts is None or len(text) > MAX_CHARACTERS:
        raise BadTokenError("not a token")
    header, claims, _ = (_decode(part) for part in parts.groups())
    return Token(text, _object(header), _object(claims))


def _decode(part: str) -> bytes:
    try:
        content = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError as error:
        raise BadTokenError("not base64url") from error
    if base64.urlsafe_b64encode(content).rstrip(b"=") != part.encode():
        raise BadTokenError("not canonical base64url")
    return content


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        value: object = parse(content)
    except StrictJsonError as error:
        raise BadTokenError("not strict JSON") from error
    if not isinstance(value, dict):
        raise BadTokenError("not a JSON object")
    return value  # pyright: ignore[reportUnknownVariableType]  keys of JSON objects are text
