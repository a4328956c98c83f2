"""Whether a value is what the published description says: as much of JSON Schema as the description uses."""

import re
from collections.abc import Iterator
from typing import Any

from api.describing import description

TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def violations(value: Any, schema: dict[str, Any], at: str = "") -> Iterator[str]:
    """Yield everything in ``value`` that ``schema`` does not allow."""
    if "$ref" in schema:
        schema = named(schema["$ref"])
    if kinds := schema.get("type"):
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if not any(isinstance(value, TYPES[kind]) and (kind == "boolean" or value is not True) for kind in kinds):
            yield f"{at}: {value!r} is not {kinds}"
            return
    if "const" in schema and value != schema["const"]:
        yield f"{at}: {value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is not one of {schema['enum']}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{at}: {value!r} is not like {schema['pattern']}"
    if "anyOf" in schema and all(list(violations(value, one, at)) for one in schema["anyOf"]):
        yield f"{at}: {value!r} is none of what may be there"
    if isinstance(value, dict):
        yield from _in_object(value, schema, at)
    if isinstance(value, list):
        for number, child in enumerate(value):
            yield from violations(child, schema.get("items", {}), f"{at}[{number}]")


def _in_object(value: dict[str, Any], schema: dict[str, Any], at: str) -> Iterator[str]:
    yield from (f"{at}: {name} is missing" for name in schema.get("required", ()) if name not in value)
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", {} if not known else None)
    for name, child in value.items():
        if name not in known and others is None:
            yield f"{at}: {name} is not described"
        else:
            yield from violations(child, known.get(name, others), f"{at}.{name}")


def named(reference: str) -> dict[str, Any]:
    found: Any = description()
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def answer_violations(method: str, path: str, status: int, body: Any) -> list[str]:
    """Return what is wrong with an answer of the route whose template is ``path``."""
    responses = description()["paths"][path][method.lower()]["responses"]
    response = responses.get(str(status)) or responses.get(f"{status // 100}XX")
    if response is None:
        return [f"{method} {path} is never {status}"]
    if "$ref" in response:
        response = named(response["$ref"])
    return list(violations(body, response["content"]["application/json"]["schema"], f"{method} {path} {status}"))
