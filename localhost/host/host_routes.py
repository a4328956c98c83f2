"""The host's own endpoints, under ``/admin`` and ``/runtime``: which handler a request is for."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from localhost.host import answers
from localhost.host.templates import Template, parse


@dataclass(frozen=True, slots=True)
class Call:
    """A request to the host, with the parameters of its path decoded."""

    request: Request
    values: Mapping[str, str]

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a yes-or-no query parameter.

        Raises:
            ValueError: it is neither.
        """
        match (self.query(name) or str(default)).lower():
            case "true" | "1":
                return True
            case "false" | "0":
                return False
            case text:
                raise ValueError(f"{name} is {text!r}, which is neither true nor false")

    def query(self, name: str) -> str | None:
        """Return a query parameter; its name is compared without case, and an empty one is none."""
        return next(iter(self._given(name)), None)

    def queries(self, name: str) -> Sequence[str]:
        """Return every value of a query parameter that is a list with commas, and may itself come several times."""
        return [value for given in self._given(name) for value in given.split(",")]

    def _given(self, name: str) -> Sequence[str]:
        wanted = name.lower()
        return [v for k, v in self.request.query_params.multi_items() if k.lower() == wanted and v]


type Handler = Callable[[Call], Awaitable[Response]]
type Guard = Callable[[Call], bool]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation of the host, and who may use it."""

    method: str
    template: Template
    handle: Handler
    allows: Guard


def endpoint(method: str, path: str, handle: Handler, allows: Guard) -> Endpoint:
    """Describe an operation; ``path`` is a route template."""
    return Endpoint(method, parse(path), handle, allows)


class HostRoutes:
    """All endpoints of the host."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._endpoints = sorted(endpoints, key=lambda e: e.template.precedence)

    async def answer(self, request: Request, path: Sequence[str]) -> Response:
        """Answer a request to the host itself."""
        matching = [(e, values) for e in self._endpoints if (values := e.template.match(path)) is not None]
        if not matching:
            return answers.not_found(request.url.path)
        method = "GET" if request.method == "HEAD" else request.method
        for endpoint, values in matching:
            if endpoint.method == method:
                call = Call(request, {name: unquote(value) for name, value in values.items()})
                if not endpoint.allows(call):
                    return answers.unauthorized("This endpoint of the host needs its key.")
                return await endpoint.handle(call)
        return answers.no_method(request.method, sorted({e.method for e, _ in matching} | {"OPTIONS"}))
