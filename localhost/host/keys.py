"""The secrets of one data folder, made once and kept in ``keys.json`` for its owner only."""

import base64
import hmac
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from localhost.host.configuration import ConfigurationError, read_json
from localhost.host.functions import AuthLevel

DEMO_USERS: Mapping[str, tuple[str, Sequence[str]]] = {
    "demo": ("demo", []),
    "ana": ("ana", []),
    "admin": ("admin", ["admin"]),
}
"""Name: password and roles. Two ordinary ones, so that it can be seen who owns what."""


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """``master`` opens everything, ``function`` every function, ``system`` the durable task API."""

    master: str = field(default_factory=lambda: secrets.token_urlsafe(36))
    function: str = field(default_factory=lambda: secrets.token_urlsafe(36))
    system: str = field(default_factory=lambda: secrets.token_urlsafe(36))
    jwt_secret: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    cosmos_key: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(64)).decode())
    login_users: str = ""
    """The demo users with their hashes, as the app reads them; empty until they are wanted."""

    @classmethod
    def of(cls, data: Path) -> Self:
        """Return the keys of a data folder, making those that are missing.

        Raises:
            ConfigurationError: ``keys.json`` cannot be read.
        """
        path = data / "keys.json"
        known = read_json(path)
        unknown = known.keys() - cls.__dataclass_fields__.keys()
        if unknown or not all(isinstance(value, str) for value in known.values()):
            raise ConfigurationError(f"{path} is not what the host wrote; remove it to get new keys.")
        keys = cls(**known)
        if asdict(keys) != known:
            _write(path, keys)
        return keys

    def with_demo_users(self, data: Path) -> Self:
        """Return the same keys with the demo users; a hash takes a while and is computed once."""
        if self.login_users:
            return self
        from argon2 import PasswordHasher

        hashed = {
            name: {"hash": PasswordHasher().hash(password), "roles": roles}
            for name, (password, roles) in DEMO_USERS.items()
        }
        keys = type(self)(**{**asdict(self), "login_users": json.dumps(hashed)})
        _write(data / "keys.json", keys)
        return keys

    def opens(self, key: str, level: AuthLevel) -> bool:
        """Whether ``key`` is good enough for a function of ``level``."""
        allowed = {"anonymous": [], "function": [self.function, self.master], "admin": [self.master]}[level]
        return level == "anonymous" or any(_same(key, one) for one in allowed)

    def opens_system(self, key: str) -> bool:
        """Whether ``key`` is good enough for the durable task API."""
        return _same(key, self.system) or _same(key, self.master)


def _write(path: Path, keys: Keys) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_suffix(f".{secrets.token_hex(4)}")
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(asdict(keys), file, indent=2)
    staged.replace(path)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
