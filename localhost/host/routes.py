"""Which function a request is for."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from localhost.host.functions import BindingError, Function
from localhost.host.templates import Template, TemplateError, parse


@dataclass(frozen=True, slots=True)
class Found:
    """A function and the values of its route's parameters."""

    function: Function
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class NoMethod:
    """The path is somebody's, for other methods."""

    allowed: Sequence[str]


class Routes:
    """The HTTP functions of an app, the most specific route first."""

    def __init__(self, functions: Sequence[Function], prefix: str) -> None:
        """Read every route.

        Raises:
            BindingError: a route does not hold together.
        """
        self.prefix = prefix.strip("/")
        routes = [(self._template(f), f) for f in functions if f.kind == "http"]
        self._routes = sorted(routes, key=lambda route: (route[0].precedence, route[0].text))

    def url_path(self, function: Function) -> str:
        """Return the path of ``function`` as its author wrote it, with the prefix."""
        return "/" + "/".join(part for part in (self.prefix, function.route.strip("/")) if part)

    def find(self, method: str, path: Sequence[str]) -> Found | NoMethod | None:
        """Return the function for a request; HEAD falls back on GET."""
        matching = [(f, values) for template, f in self._routes if (values := template.match(path)) is not None]
        for wanted in (method, "GET") if method == "HEAD" else (method,):
            for function, values in matching:
                if wanted in function.methods:
                    return Found(function, values)
        if not matching:
            return None
        allowed = {"OPTIONS"}.union(*(function.methods for function, _ in matching))
        if "GET" in allowed:
            allowed.add("HEAD")
        return NoMethod(sorted(allowed))

    def _template(self, function: Function) -> Template:
        try:
            return parse(self.url_path(function))
        except TemplateError as error:
            raise BindingError(f"Function {function.name!r}: {error}") from error


class BadPathError(Exception):
    """The path of a request cannot be read."""


def segments(raw_path: bytes) -> Sequence[str]:
    """Return the segments of a request's path, decoded the way Kestrel does.

    ``%2F`` stays as it is, so no encoded slash becomes a separator; ``.`` and ``..`` are taken out, however
    they were encoded.

    Raises:
        BadPathError: not UTF-8, or a NUL in it.
    """
    kept: list[str] = []
    for raw in raw_path.split(b"/")[1:]:
        shielded = raw.replace(b"%2f", b"%252f").replace(b"%2F", b"%252F")
        try:
            segment = unquote_to_bytes(shielded).decode()
        except UnicodeDecodeError as error:
            raise BadPathError("The path is not UTF-8.") from error
        if "\0" in segment:
            raise BadPathError("The path holds a NUL.")
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if kept and kept[-1] == "":
        kept.pop()  # a slash at the end makes no difference
    return kept
