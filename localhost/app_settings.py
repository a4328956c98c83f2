"""Where each setting comes from.

The first that has a value wins: command line, environment, ``local.settings.json``, the host's own default.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from localhost.host.configuration import ConfigurationError, read_json

type Source = Literal["command line", "environment", "local.settings.json", "host default", "app default", "missing"]

_SECRET_WORDS = ("KEY", "SECRET", "TOKEN", "PASSWORD", "CONNECTION", "CONNECTIONSTRING", "LOGIN_USERS")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, its value and who gave it."""

    name: str
    value: str
    source: Source

    @property
    def shown(self) -> str:
        """The value as it may be shown: a secret is masked."""
        return "********" if self.value and is_secret(self.name) else self.value


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """``local.settings.json``: app settings, and what its ``Host`` section says about the host."""

    values: Mapping[str, str]
    port: int | None = None
    cors: Sequence[str] = ()
    cors_credentials: bool = False


def read_local_settings(script_root: Path) -> LocalSettings:
    """Read ``local.settings.json``; an app does without it.

    Raises:
        ConfigurationError: it cannot be read, is encrypted, or has a value that is an object or a list.
    """
    path = script_root / "local.settings.json"
    content = read_json(path)
    if content.get("IsEncrypted"):
        raise ConfigurationError(f"{path} is encrypted; run `func settings decrypt` first.")
    values, host = _object(content, "Values", path), _object(content, "Host", path)
    if wrong := [name for name, value in values.items() if isinstance(value, dict | list)]:
        raise ConfigurationError(f"{path}: the values of {', '.join(wrong)} must be strings, not objects or lists.")
    try:
        port = int(host["LocalHttpPort"]) if host.get("LocalHttpPort") is not None else None
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{path}: LocalHttpPort is {host['LocalHttpPort']!r}, which is no port.") from error
    return LocalSettings(
        {name: _setting(value) for name, value in values.items() if value is not None},
        port,
        split_origins(str(host.get("CORS") or "")),
        bool(host.get("CORSCredentials", False)),
    )


def resolve(
    names: Sequence[str], environ: Mapping[str, str], local: LocalSettings, defaults: Mapping[str, str]
) -> Sequence[Setting]:
    """Return each named setting with the first value that somebody gave."""
    sources: tuple[tuple[Source, Mapping[str, str]], ...] = (
        ("environment", environ),
        ("local.settings.json", local.values),
        ("host default", defaults),
    )
    return [
        next(
            (Setting(name, given[name], source) for source, given in sources if given.get(name)),
            Setting(name, "", "missing"),
        )
        for name in names
    ]


def given(environ: Mapping[str, str], local: LocalSettings) -> Mapping[str, str]:
    """Return what the user set, from whichever place counts."""
    return {**local.values, **{name: value for name, value in environ.items() if value}}


def split_origins(text: str) -> Sequence[str]:
    """Return the origins in a comma-separated list."""
    return tuple(origin.strip().rstrip("/") for origin in text.split(",") if origin.strip())


def is_secret(name: str) -> bool:
    """Whether the value of the setting ``name`` must not be shown."""
    return any(name.upper().endswith(word) for word in _SECRET_WORDS)


def _setting(value: Any) -> str:
    """Return a value as `func start` passes it on: a number or a truth value as it is written."""
    return value if isinstance(value, str) else json.dumps(value)


def _object(content: Mapping[str, Any], name: str, path: Path) -> Mapping[str, Any]:
    section = content.get(name, {})
    if not isinstance(section, dict):
        raise ConfigurationError(f"{path}: {name} must be an object.")
    return section  # pyright: ignore[reportUnknownVariableType]  # the keys of a JSON object are strings
