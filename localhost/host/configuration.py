"""``host.json``: what the host does, as its author says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class ConfigurationError(Exception):
    """A configuration file cannot be read; the message says which, where and why."""


@dataclass(frozen=True, slots=True)
class HostConfiguration:
    """The part of ``host.json`` that this host acts on."""

    route_prefix: str = "api"
    hub_name: str = "TestHubName"
    default_version: str = ""
    max_activities: int | None = None
    max_orchestrations: int | None = None
    max_entities: int | None = None


def read_host_json(script_root: Path) -> HostConfiguration:
    """Read ``host.json`` of an app; without one, the defaults of the platform hold.

    Raises:
        ConfigurationError: it is not JSON of the expected shape.
    """
    content = read_json(script_root / "host.json")
    extensions = _section(content, "extensions")
    http, durable = _section(extensions, "http"), _section(extensions, "durableTask")
    return HostConfiguration(
        route_prefix=str(http.get("routePrefix", "api")),
        hub_name=str(durable.get("hubName") or "TestHubName"),
        default_version=str(durable.get("defaultVersion") or ""),
        max_activities=durable.get("maxConcurrentActivityFunctions"),
        max_orchestrations=durable.get("maxConcurrentOrchestratorFunctions"),
        max_entities=durable.get("maxConcurrentEntityFunctions"),
    )


def read_json(path: Path) -> Mapping[str, Any]:
    """Return the object in ``path``; an absent file is an empty one.

    Raises:
        ConfigurationError: it is not a JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
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
