"""What the host says when it is up: where it is, what it serves, what is real, and what to try."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localhost import tables
from localhost.host.functions import Function, resolve
from localhost.host.keys import DEMO_USERS
from localhost.host.routes import Routes
from localhost.host.stand_ins import ADDRESS_SETTING, names

_TITLES = {"orchestration": "Orchestrators", "activity": "Activities", "entity": "Entities"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Everything there is to say about a host that has just started."""

    url: str
    app: str
    functions: Sequence[Function]
    disabled: Sequence[Function]
    routes: Routes
    hub: str
    data: Path
    services: Mapping[str, Any] | None
    """What the stand-ins announced, or None where the app does not want any."""
    real: Mapping[str, str]
    """The addresses of the services that are not stood in for."""
    demo_users: bool
    demo_users_refused: bool
    suggestion: str | None


def banner(started: Started) -> str:
    """Return the text, without colour; a few lines for each thing."""
    blocks = [
        [f"{started.app} is up at {started.url}"],
        _http(started),
        _others(started.functions, started.disabled),
        _services(started),
        _try(started),
        ["Press Ctrl+C to stop."],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _http(started: Started) -> list[str]:
    functions = [f for f in started.functions if f.kind == "http" and not f.refusal]
    if not functions:
        return []
    width = max(len(f.name) for f in functions)
    lines = ["HTTP functions:"]
    for function in sorted(functions, key=started.routes.url_path):
        methods = "any" if len(function.methods) > 5 else ",".join(function.methods)
        needs = "" if function.auth_level == "anonymous" else f"  ({function.auth_level} key)"
        lines.append(
            f"  {function.name:<{width}}  {methods:<8}  {started.url}{started.routes.url_path(function)}{needs}"
        )
    if any(f.auth_level != "anonymous" for f in functions):
        lines.append(f"  Keys are in {started.data / 'keys.json'}.")
    return lines


def _others(functions: Sequence[Function], disabled: Sequence[Function]) -> list[str]:
    lines = [
        f"Timer {f.name}: {resolve(str(f.trigger.get('schedule')), f.name)}"
        for f in functions
        if f.kind == "timer" and not f.refusal
    ]
    lines += [f"Warm-up: {f.name}" for f in functions if f.kind == "warmup"]
    for kind, title in _TITLES.items():
        # The SDK brings some of its own; nobody asked for them.
        found = sorted(
            f.task_name for f in functions if f.kind == kind and not f.refusal and not f.name.startswith("BuiltIn__")
        )
        if found:
            lines.append(f"{title}: {', '.join(found)}")
    not_served = [f for f in functions if f.not_served]
    lines += [f"Retry policy not applied here: {f.name}" for f in functions if f.has_retry_policy]
    lines += [f"Disabled by an app setting: {f.name}" for f in disabled]
    return lines + [f"NOT SERVED HERE: {f.name} ({', '.join(f.not_served)})" for f in not_served]


def _services(started: Started) -> list[str]:
    lines = [f"Task hub: {started.hub}.  Data: {started.data}"]
    if started.services is None:
        return lines
    stand_ins = [service for service in ADDRESS_SETTING if service in started.services]
    lines.append(f"Stand-ins, not the real thing: {names(stand_ins)}.")
    lines += [
        f"Real: {names([service])} at {started.real[service]}" for service in ADDRESS_SETTING if service in started.real
    ]
    if "databricks" in stand_ins:
        lines.append(f"SQL runs on {_engine(started.services)}.")
        for name, schema in tables.current_schemas(started.data / "lake").items():
            rows = sum(table.rows for table in schema.tables.values())
            lines.append(f"Dataset {name}: {schema.source}, {rows:,} rows in {len(schema.tables)} tables.")
    if started.demo_users:
        users = ", ".join(f"{name}/{password}" for name, (password, _roles) in DEMO_USERS.items())
        lines.append(f"Demo users (name/password): {users}.")
    if started.demo_users_refused:
        lines.append(
            "No demo users: other machines can reach this host. Set LOGIN_USERS to let people log in, and think "
            "about CHAT_ANONYMOUS."
        )
    hints = ", ".join(ADDRESS_SETTING[service] for service in stand_ins)
    return [*lines, f"Set {hints} to use the real ones."] if hints else lines


def _engine(announced: Mapping[str, Any]) -> str:
    engine, spark = announced.get("sql_engine"), announced.get("spark")
    version = announced.get("sql_engine_version") or ""
    if engine == "spark":
        return f"Apache Spark {version}" + (" (still starting)" if spark == "starting" else "")
    words = f"DuckDB {version}, Databricks SQL translated: near, not the same"
    return f"{words}; Apache Spark takes over once it is warm" if spark == "starting" else words


def _try(started: Started) -> list[str]:
    if started.suggestion is None:
        return []
    url = f"{started.url}/api/chat/start"
    body = json.dumps({"question": started.suggestion}, ensure_ascii=False)
    quoted = "'" + body.replace("'", "''") + "'"
    return [
        "Try:",
        f"  curl -s {url} -H 'Content-Type: application/json' -d {shlex.quote(body)}",
        f"  Invoke-RestMethod {url} -Method Post -ContentType 'application/json' -Body {quoted}",
        "and then look at the poll_url of the answer.",
    ]


def suggestion(dataset: str) -> str | None:
    """Return a question that the app's catalogue says it answers well."""
    from shared.catalog import load_dataset
    from shared.errors import CatalogError

    try:
        suggestions = load_dataset(dataset).suggestions
    except CatalogError:
        return None
    return next((questions[0] for language in ("en", *suggestions) if (questions := suggestions.get(language))), None)  # pyright: ignore[reportArgumentType]  # the languages of a dataset are its own
