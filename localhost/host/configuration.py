"""``host.json``: what the host does, as its author says."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localhost.host import lenient_json
from localhost.host.log_levels import LEVELS


class ConfigurationError(Exception):
    """A configuration file cannot be read; the message says which, where and why."""


@dataclass(frozen=True, slots=True)
class HostConfiguration:
    """The part of ``host.json`` that this host acts on."""

    route_prefix: str = "api"
    hub_name: str = "TestHubName"
    default_version: str = ""
    functions: Sequence[str] = ()
    """The names of the functions that run; none, and it is all of them."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """What every answer over HTTP carries."""
    max_activities: int | None = None
    max_orchestrations: int | None = None
    max_entities: int | None = None
    log_levels: Mapping[str, int] = field(default_factory=dict[str, int])
    """Levels of Python's logging by category, in small letters."""


def read_host_json(script_root: Path, environ: Mapping[str, str] = os.environ) -> HostConfiguration:
    """Read ``host.json`` of an app; without one, the defaults of the platform hold.

    As on the platform, an app setting ``AzureFunctionsJobHost__extensions__http__routePrefix`` (and so on) wins over
    the file, and the name of the hub may be ``%SETTING%``.

    Raises:
        ConfigurationError: it is not JSON of the expected shape, names a setting that is not there, or a level of
            logging that there is not.
    """
    content = read_json(script_root / "host.json")
    extensions = _section(content, "extensions")
    http = {**_section(extensions, "http"), **_overrides("extensions__http", environ)}
    durable = {**_section(extensions, "durableTask"), **_overrides("extensions__durableTask", environ)}
    levels = {**_section(_section(content, "logging"), "logLevel"), **_overrides("logging__logLevel", environ)}
    return HostConfiguration(
        route_prefix=str(http.get("routePrefix", "api")),
        hub_name=_named(str(durable.get("hubName") or "TestHubName"), environ),
        default_version=str(durable.get("defaultVersion") or ""),
        functions=_names(content, "functions"),
        headers={name: str(value) for name, value in _section(http, "customHeaders").items()},
        max_activities=_bound(durable, "maxConcurrentActivityFunctions"),
        max_orchestrations=_bound(durable, "maxConcurrentOrchestratorFunctions"),
        max_entities=_bound(durable, "maxConcurrentEntityFunctions"),
        log_levels={category.lower(): _level(category, level) for category, level in levels.items()},
    )


def _names(content: Mapping[str, Any], key: str) -> Sequence[str]:
    names: Any = content.get(key) or []
    if not isinstance(names, list):
        raise ConfigurationError(f"host.json: {key} must be a list of names.")
    return [str(name) for name in names]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # anything that JSON has


def _overrides(section: str, environ: Mapping[str, str]) -> Mapping[str, str]:
    prefix = f"AzureFunctionsJobHost__{section}__"
    return {name.removeprefix(prefix): value for name, value in environ.items() if name.startswith(prefix)}


def _named(text: str, environ: Mapping[str, str]) -> str:
    if not (setting := re.fullmatch(r"%(.+)%", text)):
        return text
    if not (value := environ.get(setting[1])):
        raise ConfigurationError(f"host.json: the name of the task hub is {text}, and no such app setting is there.")
    return value


def _level(category: str, name: object) -> int:
    level = LEVELS.get(str(name).lower())
    if level is None:
        known = ", ".join(known.capitalize() for known in LEVELS)
        raise ConfigurationError(f"host.json: the log level of {category!r} is {name!r}, and none of {known}.")
    return level


def _bound(section: Mapping[str, Any], name: str) -> int | None:
    value = section.get(name)
    try:
        bound = int(value) if value is not None else None
    except (TypeError, ValueError):
        bound = 0
    if bound is not None and bound < 1:
        raise ConfigurationError(f"host.json: {name} must be a number from 1, and is {value!r}.")
    return bound


def read_json(path: Path) -> Mapping[str, Any]:
    """Return the object in ``path``; an absent file is an empty one.

    Raises:
        ConfigurationError: it is not a JSON object.
    """
    try:
        content = lenient_json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} must hold a JSON object.")
    return content  # pyright: ignore[reportUnknownVariableType]  # the keys of a JSON object are strings


def _section(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = content.get(name)
    return section if isinstance(section, dict) else {}  # pyright: ignore[reportUnknownVariableType]  # as above
