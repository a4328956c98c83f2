"""ASP.NET route templates: the language of ``route=`` in a Functions app.

    literal/{id}/{n:int:min(1)}/{lang=en}/{page?}/{*rest}    files/{name}.{ext?}

Literals and parameter names are compared without case. A path arrives in segments that are decoded except for
``%2F``, so an encoded slash never becomes a separator.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from localhost.host.constraints import Constraint, ConstraintError, constraint

type Digit = Literal[1, 2, 3, 4, 5]


class TemplateError(Exception):
    """A route template does not hold together; the message says where."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """``{name:constraint=default?}`` or ``{*name}``."""

    name: str
    constraints: Sequence[Constraint] = ()
    default: str | None = None
    optional: bool = False
    catch_all: bool = False

    @property
    def omissible(self) -> bool:
        """Whether a path may end before this parameter."""
        return self.optional or self.catch_all or self.default is not None

    def accepts(self, value: str) -> bool:
        """Whether ``value`` meets every constraint."""
        return all(check(value) for check in self.constraints)


type Part = str | Parameter


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template. ``precedence`` sorts the more specific one first."""

    text: str
    segments: Sequence[Sequence[Part]]

    @property
    def precedence(self) -> tuple[Digit, ...]:
        """One digit a segment, as ASP.NET computes them."""
        return tuple(_digit(segment) for segment in self.segments)

    def match(self, path: Sequence[str]) -> dict[str, str] | None:
        """Return the values that ``path`` gives the parameters, or None where it does not match."""
        values: dict[str, str] = {}
        for index, segment in enumerate(self.segments):
            first = segment[0]
            if isinstance(first, Parameter) and first.catch_all:
                rest = "/".join(path[index:])
                return _assign(values, first, rest or None)
            if index >= len(path):
                if not (isinstance(first, Parameter) and len(segment) == 1 and first.omissible):
                    return None
                _assign(values, first, None)
                continue
            found = _match_segment(segment, path[index])
            if found is None:
                return None
            values |= found
        return values if len(path) <= len(self.segments) else None


def parse(text: str) -> Template:
    """Read a template.

    Raises:
        TemplateError: it does not hold together.
    """
    stripped = text.strip("/")
    segments = [_parse_segment(segment, text) for segment in _split_segments(stripped)] if stripped else []
    parameters = [part for segment in segments for part in segment if isinstance(part, Parameter)]
    names = [parameter.name.lower() for parameter in parameters]
    if duplicate := next((name for name in names if names.count(name) > 1), None):
        raise TemplateError(f"Route {text!r} names the parameter {duplicate!r} twice.")
    if any(p.catch_all for p in parameters[:-1]) or (
        parameters and parameters[-1].catch_all and parameters[-1] not in segments[-1]
    ):
        raise TemplateError(f"Route {text!r}: a catch-all parameter can only be the last segment.")
    return Template(text, segments)


def _digit(segment: Sequence[Part]) -> Digit:
    first = segment[0]
    if len(segment) > 1:
        return 2
    if isinstance(first, str):
        return 1
    if first.catch_all:
        return 4 if first.constraints else 5
    return 2 if first.constraints else 3


def _assign(values: dict[str, str], parameter: Parameter, value: str | None) -> dict[str, str] | None:
    if value is None:
        value = parameter.default
    if value is None:
        return values
    if not parameter.accepts(value):
        return None
    values[parameter.name] = value
    return values


def _match_segment(segment: Sequence[Part], text: str) -> dict[str, str] | None:
    match segment:
        case [str(literal)]:
            return {} if literal.lower() == text.lower() else None
        case [Parameter() as parameter]:
            return _assign({}, parameter, text) if text else None
        case _:
            pass
    found = re.fullmatch(_pattern(segment), text, re.IGNORECASE | re.DOTALL)
    if found is None:
        return None
    values: dict[str, str] = {}
    parameters = [part for part in segment if isinstance(part, Parameter)]
    for parameter, value in zip(parameters, found.groups(), strict=True):
        if _assign(values, parameter, value) is None:
            return None
    return values


def _pattern(segment: Sequence[Part]) -> str:
    """Return a regular expression for a segment of several parts; ``{name}.{ext?}`` also matches without the dot."""
    parts = [re.escape(part) if isinstance(part, str) else "(.+)" for part in segment]
    last = segment[-1]
    if isinstance(last, Parameter) and last.optional:
        separator = parts[-2] if isinstance(segment[-2], str) else ""
        head = parts[: -2 if separator else -1]
        return "".join(head[:-1]) + head[-1].replace("(.+)", "(.+?)") + f"(?:{separator}(.+))?"
    return "".join(parts)


def _split_segments(text: str) -> Sequence[str]:
    """Split at the slashes that are not inside braces."""
    segments, depth = [""], 0
    for character in text:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "/" and depth == 0:
            segments.append("")
        else:
            segments[-1] += character
    return segments


def _parse_segment(text: str, template: str) -> Sequence[Part]:
    if not text:
        raise TemplateError(f"Route {template!r} has an empty segment.")
    parts: list[Part] = []
    literal, index = "", 0
    while index < len(text):
        character = text[index]
        if text.startswith(("{{", "}}"), index):
            literal, index = literal + character, index + 2
        elif character == "{":
            end = _closing(text, index, template)
            if literal:
                parts.append(literal)
            parts.append(_parse_parameter(text[index + 1 : end], template))
            literal, index = "", end + 1
        elif character == "}":
            raise TemplateError(f"Route {template!r} closes a brace that it did not open.")
        else:
            literal, index = literal + character, index + 1
    if literal:
        parts.append(literal)
    return parts


def _closing(text: str, opening: int, template: str) -> int:
    """Return where the parameter that begins at ``opening`` ends; doubled braces stand for themselves."""
    index = opening + 1
    while index < len(text):
        if text.startswith(("{{", "}}"), index):
            index += 2
        elif text[index] == "}":
            return index
        else:
            index += 1
    raise TemplateError(f"Route {template!r} does not close a brace.")


def _parse_parameter(text: str, template: str) -> Parameter:
    catch_all = text.startswith("*")
    body = text.lstrip("*")
    optional = body.endswith("?")
    body = body.removesuffix("?")
    name = re.match(r"[^:=?*{}/]+", body)
    if name is None:
        raise TemplateError(f"Route {template!r} has a parameter without a name.")
    constraints: list[Constraint] = []
    default: str | None = None
    rest = body[name.end() :]
    while rest:
        if rest[0] == "=":
            default, rest = rest[1:], ""
            continue
        inline = _inline_constraint(rest[1:])
        try:
            constraints.append(constraint(inline.replace("{{", "{").replace("}}", "}")))
        except ConstraintError as error:
            raise TemplateError(f"Route {template!r}: {error}") from error
        rest = rest[1 + len(inline) :]
    if optional and default is not None:
        raise TemplateError(f"Route {template!r}: {name[0]!r} cannot be optional and have a default.")
    return Parameter(name[0].strip(), constraints, default, optional, catch_all)


def _inline_constraint(text: str) -> str:
    """Return the constraint that ``text`` begins with; colons and equal signs in its parentheses belong to it."""
    name = re.match(r"[A-Za-z]*", text)
    length = name.end() if name else 0
    if text[length : length + 1] != "(":
        return text[:length]
    # An argument ends at the last parenthesis that something can follow: a regex may hold others.
    ends = [m.start() for m in re.finditer(r"\)(?=$|[:=])", text)]
    for end in ends:
        if _balanced(text[length : end + 1]):
            return text[: end + 1]
    return text


def _balanced(text: str) -> bool:
    bare = re.sub(r"\\.", "", text)
    return bare.count("(") == bare.count(")")
