"""Ids of conversations: canonical UUIDs, which are also the instance ids of their orchestrations."""

import hashlib
import hmac
import json
import uuid


def new_id() -> str:
    """Return an id that nobody can guess."""
    return str(uuid.uuid4())


def is_id(text: str) -> bool:
    """Whether ``text`` is an id as we write them: lower case, with hyphens, nothing around it."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def derived_id(owner: str, key: str, *, secret: str) -> str:
    """Return the id that ``owner`` gets for ``key``: always the same, and nobody else's.

    Without ``secret`` it cannot be guessed from owner and key.
    """
    text = json.dumps([owner, key]).encode()
    digest = bytearray(hmac.digest(secret.encode(), text, "sha256")[:16])
    digest[6] = digest[6] & 0x0F | 0x80  # UUID version 8: made by a rule of our own (RFC 9562)
    digest[8] = digest[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(digest)))


def fingerprint(request: dict[str, str | None]) -> str:
    """Return a short text that is equal for equal requests."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
