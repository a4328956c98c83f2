"""The published description says what is so."""

import json
import re
from collections.abc import Iterator
from typing import Any

from api.describing import description
from api.responses import DO, ENDINGS, STATUSES
from tools.app_functions import app_functions

METHODS = {"get", "post", "put", "patch", "delete"}


def operations() -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Yield method, path, operation and what stands around it."""
    for path, item in description()["paths"].items():
        for method in item.keys() & METHODS:
            yield method.upper(), path, item[method], item


def resolve(reference: str) -> Any:
    found: Any = description()
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def references(node: Any) -> Iterator[str]:
    match node:
        case dict():
            if "$ref" in node:
                yield node["$ref"]
            for child in node.values():
                yield from references(child)
        case list():
            for child in node:
                yield from references(child)


def test_every_route_is_described_and_no_other():
    """Each route of the app, but the root and the icon, under the name of its function."""
    served = {
        (method, f"/{function.route}"): function.name
        for function in app_functions()
        for method in function.methods
        if function.trigger == "httpTrigger" and "ignored" not in function.route and "favicon" not in function.route
    }

    assert {(method, path): operation["operationId"] for method, path, operation, _ in operations()} == served


def test_every_parameter_of_a_path_is_described():
    for _, path, operation, item in operations():
        listed = [*item.get("parameters", []), *operation.get("parameters", [])]
        known = [resolve(one["$ref"]) if "$ref" in one else one for one in listed]
        assert {one["name"] for one in known if one["in"] == "path"} == set(re.findall(r"\{(\w+)\}", path))
        assert all(one["required"] for one in known if one["in"] == "path")


def test_every_reference_leads_somewhere():
    """No reference is broken, and no component is there for nothing."""
    used = set(references(description()))
    components = {
        f"#/components/{kind}/{name}"
        for kind, named in description()["components"].items()
        if kind != "securitySchemes"
        for name in named
    }

    assert used == components


def test_every_code_of_an_error_is_described():
    """The enumeration is what the app can answer with; whoever is told a code is told what to do."""
    assert set(description()["components"]["schemas"]["ErrorCode"]["enum"]) == STATUSES.keys() | DO.keys()
    assert STATUSES.keys() | ENDINGS.keys() <= DO.keys()


def test_it_is_json():
    """YAML can hold what JSON cannot, dates for instance."""
    assert json.loads(json.dumps(description(), allow_nan=False)) == description()
