"""The functions of the app and how each is reached: ``python -m tools.app_functions`` prints them as JSON."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

ROOT = Path(__file__).resolve().parent.parent
NAMED_BY = {"activityTrigger": "activity", "orchestrationTrigger": "orchestration", "entityTrigger": "entityName"}


@dataclass(frozen=True, slots=True)
class AppFunction:
    """One function. ``name`` is what it is called by; ``route`` and ``methods`` are those of an HTTP one."""

    name: str
    trigger: str
    route: str = ""
    methods: tuple[str, ...] = ()


@cache
def app_functions() -> tuple[AppFunction, ...]:
    """Return every function of the app.

    Asked for in a process of its own: the SDK builds the functions of an app once in a process and not again.
    """
    command = [sys.executable, "-m", "tools.app_functions"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - our own module
    entries: list[dict[str, Any]] = json.loads(listed.stdout)
    return tuple(AppFunction(e["name"], e["trigger"], e["route"], tuple(e["methods"])) for e in entries)


def _build() -> Iterator[AppFunction]:
    from function_app import app

    for function in app.get_functions():
        bindings = cast("list[dict[str, Any]]", function.get_bindings_dict()["bindings"])
        trigger = next(binding for binding in bindings if binding["type"].endswith("Trigger"))
        name: str = trigger.get(NAMED_BY.get(trigger["type"], "")) or function.get_function_name() or ""
        methods = tuple(method.value for method in trigger.get("methods", ()))
        yield AppFunction(name, trigger["type"], trigger.get("route", ""), methods)


if __name__ == "__main__":
    json.dump([asdict(function) for function in _build()], sys.stdout, indent=2)
