"""The master-key signature that every request carries."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qs, unquote

from localhost.services.cosmos.errors import CosmosError


def check_signature(method: str, path: str, headers: Mapping[str, str], key: bytes) -> None:
    """Let the request pass if it was signed with ``key``.

    Args:
        method: the verb.
        path: decoded, without slashes at its ends.
        headers: with lower-case names.
        key: the account's key, decoded from base64.

    Raises:
        CosmosError: 401, when it was not.
    """
    token = parse_qs(unquote(headers.get("authorization", "")).replace("+", "%2B"))
    given = token.get("sig", [""])[0]
    if token.get("type") != ["master"] or not given:
        raise _refused("a master key signature is missing from the `authorization` header")
    kind, link = _resource(path)
    dates = f"{headers.get('x-ms-date', '').lower()}\n{headers.get('date', '').lower()}\n"
    # A link by resource id is signed as its last id alone, in lower case; a link by names as it is.
    for signed_link in (link, link.rsplit("/", 1)[-1].lower()):
        text = f"{method.lower()}\n{kind}\n{signed_link}\n{dates}"
        if hmac.compare_digest(_decoded(given), hmac.digest(key, text.encode(), "sha256")):
            return
    raise _refused("the signature does not match; check COSMOS_KEY")


def _resource(path: str) -> tuple[str, str]:
    """Return the type of the resource and its link, as the client signs them."""
    segments = path.split("/") if path else []
    if not segments:
        return "", ""
    if len(segments) % 2:
        return segments[-1], "/".join(segments[:-1])
    return segments[-2], path


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def _refused(why: str) -> CosmosError:
    return CosmosError(401, f"The input authorization token can't serve the request: {why}.", code="Unauthorized")
