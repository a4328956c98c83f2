"""The functions of an app, as its own index describes them."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

type TriggerKind = Literal["http", "timer", "warmup", "orchestration", "activity", "entity", "other"]
type AuthLevel = Literal["anonymous", "function", "admin"]

_KINDS: dict[str, TriggerKind] = {
    "httptrigger": "http",
    "timertrigger": "timer",
    "warmuptrigger": "warmup",
    "orchestrationtrigger": "orchestration",
    "activitytrigger": "activity",
    "entitytrigger": "entity",
}
_NAME_KEYS = {"orchestration": "orchestration", "activity": "activity", "entity": "entityName"}
_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
_SERVED_BINDINGS = {"http", "durableclient", *_KINDS}


class BindingError(Exception):
    """A binding of a function cannot be read; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function: its trigger and its other bindings, each as in ``function.json``."""

    name: str
    function_id: str
    directory: str
    bindings: Sequence[Mapping[str, Any]]
    has_retry_policy: bool = False

    @property
    def trigger(self) -> Mapping[str, Any]:
        """The binding that starts this function."""
        return next((b for b in self.bindings if str(b["type"]).lower().endswith("trigger")), {"type": "", "name": ""})

    @property
    def kind(self) -> TriggerKind:
        """What starts this function."""
        return _KINDS.get(str(self.trigger["type"]).lower(), "other")

    @property
    def task_name(self) -> str:
        """The name that orchestrators call this function by; names are compared without case."""
        return str(self.trigger.get(_NAME_KEYS.get(self.kind, "")) or self.name)

    @property
    def route(self) -> str:
        """The route template of an HTTP function, without the prefix."""
        return resolve(str(self.trigger.get("route") or self.name), self.name)

    @property
    def methods(self) -> Sequence[str]:
        """The methods an HTTP function takes; all where it names none."""
        return tuple(str(method).upper() for method in self.trigger.get("methods") or _METHODS)

    @property
    def auth_level(self) -> AuthLevel:
        """Whose key a call needs."""
        level = str(self.trigger.get("authLevel") or "function").lower()
        return "admin" if level == "admin" else "anonymous" if level == "anonymous" else "function"

    @property
    def durable_clients(self) -> Sequence[str]:
        """The parameters that want a durable client."""
        return [str(b["name"]) for b in self.bindings if str(b["type"]).lower() == "durableclient"]

    @property
    def not_served(self) -> Sequence[str]:
        """The kinds of binding that this host has nothing behind."""
        kinds = (str(b["type"]) for b in self.bindings)
        return sorted({kind for kind in kinds if kind.lower() not in _SERVED_BINDINGS})

    @property
    def refusal(self) -> str | None:
        """Why this function cannot be called here, where it cannot: what it is given or gives would be lost."""
        if not self.not_served:
            return None
        kinds = ", ".join(self.not_served)
        return f"Function {self.name!r} has a binding of type {kinds}, which this host does not serve."


def resolve(text: str, function: str, environ: Mapping[str, str] = os.environ) -> str:
    """Replace each ``%NAME%`` of a binding's property with the app setting of that name."""

    def setting(match: re.Match[str]) -> str:
        if (value := environ.get(match[1])) is None:
            raise BindingError(f"Function {function!r} refers to the app setting %{match[1]}%, which is not set.")
        return value

    return re.sub(r"%([A-Za-z0-9_.:-]+)%", setting, text)
