"""Partition keys: where they are in an item, and one text per value."""

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from localhost.services.cosmos.errors import bad_request, not_supported

UNDEFINED = "{}"
"""The text of a partition key that the item does not have."""

_SEGMENT = re.compile(r'/(?:"([^"]*)"|([^"/]+))')
_MISSING = object()


def partition_path(definition: Any) -> tuple[str, ...]:
    """Return the property names that lead to the key, as a container's ``partitionKey`` defines it."""
    content = cast("dict[str, Any]", definition) if isinstance(definition, dict) else {}
    paths = content.get("paths")
    if not isinstance(paths, list) or not paths:
        raise bad_request('`partitionKey.paths` must be a list of one path, such as ["/tenant"].')
    path, *more = cast("list[Any]", paths)
    if more:
        raise not_supported("hierarchical partition keys (several paths)")
    names = tuple(quoted or plain for quoted, plain in _SEGMENT.findall(str(path)))
    if not names or _SEGMENT.sub("", str(path)):
        raise bad_request(f"The partition key path {path!r} is not a path; write it as /tenant or /owner/id.")
    return names


def partition_of(item: Mapping[str, Any], path: tuple[str, ...]) -> str:
    """Return the text of the partition key that ``item`` has at ``path``."""
    value: Any = item
    for name in path:
        value = value.get(name, _MISSING) if isinstance(value, Mapping) else _MISSING  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return UNDEFINED if value is _MISSING else _text(value)


def partition_from_header(header: str | None) -> str | None:
    """Return the text of the partition key that a request names, or None where it names none."""
    if header is None:
        return None
    try:
        values: Any = json.loads(header)
    except ValueError:
        values = None
    if not isinstance(values, list) or len(values) > 1:  # pyright: ignore[reportUnknownArgumentType]
        raise bad_request(f"The partition key header {header!r} is not a list of one value.")
    return UNDEFINED if not values or values == [{}] else _text(values[0])  # pyright: ignore[reportUnknownArgumentType]


def _text(value: Any) -> str:
    if isinstance(value, list | dict):
        raise bad_request("A partition key is a string, a number, a boolean or null.")
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 1 and 1.0 are one number
    return json.dumps(value)
