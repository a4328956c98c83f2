"""Partial updates of an item: add, set, replace, remove, incr, move."""

import copy
from collections.abc import Callable, Mapping
from typing import Any, cast

from localhost.services.cosmos.errors import CosmosError, bad_request

MAX_OPERATIONS = 10
SYSTEM_PROPERTIES = frozenset({"_rid", "_self", "_etag", "_attachments", "_ts"})

type Path = list[str]


def patched(item: Mapping[str, Any], operations: Any, partition_path: tuple[str, ...]) -> dict[str, Any]:
    """Return a copy of ``item`` with all of ``operations`` applied, in order.

    Raises:
        CosmosError: 400, when one of them cannot be; then none is.
    """
    if not isinstance(operations, list) or not operations:
        raise bad_request("A patch needs a list of operations.")
    steps = cast("list[Any]", operations)
    if len(steps) > MAX_OPERATIONS:
        raise bad_request(f"A patch holds at most {MAX_OPERATIONS} operations; this one has {len(steps)}.")
    result = copy.deepcopy(dict(item))
    for number, step in enumerate(steps):
        try:
            _apply(result, step, partition_path)
        except CosmosError as error:
            raise bad_request(f"Patch operation {number}: {error.message}") from error
    return result


def _apply(item: dict[str, Any], step: Any, partition_path: tuple[str, ...]) -> None:
    if not isinstance(step, dict):
        raise bad_request("an operation is an object with `op` and `path`.")
    operation = cast("dict[str, Any]", step)
    name = operation.get("op")
    path = _path(operation.get("path"), partition_path)
    if name == "remove":
        _remove(item, path)
    elif name == "move":
        source = _path(operation.get("from"), partition_path)
        if path[: len(source)] == source and path != source:
            raise bad_request(f"/{'/'.join(source)} cannot move into itself.")
        _add(item, path, _remove(item, source))
    elif name in _WITH_VALUE:
        if "value" not in operation:
            raise bad_request(f"`{name}` needs a `value`.")
        _WITH_VALUE[name](item, path, operation["value"])
    else:
        raise bad_request(f"there is no operation {name!r}; there is add, set, replace, remove, incr, move.")


def _path(text: Any, partition_path: tuple[str, ...]) -> Path:
    if not isinstance(text, str) or not text.startswith("/") or text == "/":
        raise bad_request(f"{text!r} is not a path such as /a/b or /list/0.")
    path = [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]
    if path == ["id"] or path[0] in SYSTEM_PROPERTIES:
        raise bad_request(f"{text} is the service's and cannot be changed.")
    if tuple(path) == partition_path[: len(path)]:
        raise bad_request(f"{text} is the partition key and cannot be changed.")
    return path


def _parent(item: dict[str, Any], path: Path) -> tuple[Any, str]:
    """Return the object or array that holds the end of ``path``, which must be there, and that end."""
    here: Any = item
    for part in path[:-1]:
        if isinstance(here, dict) and part in here:
            here = cast("dict[str, Any]", here)[part]
        elif isinstance(here, list):
            elements = cast("list[Any]", here)
            here = elements[_index(part, len(elements))]
        else:
            raise _absent(path)
    if not isinstance(here, dict | list):
        raise _absent(path)
    return cast(Any, here), path[-1]


def _add(item: dict[str, Any], path: Path, value: Any) -> None:
    """Write a member of an object; insert into an array, ``-`` at its end."""
    holder, end = _parent(item, path)
    if isinstance(holder, dict):
        holder[end] = value
    else:
        holder.insert(len(holder) if end == "-" else _index(end, len(holder) + 1), value)


def _set(item: dict[str, Any], path: Path, value: Any) -> None:
    """As ``_add``, but an element of an array that is there is overwritten."""
    holder, end = _parent(item, path)
    if isinstance(holder, list) and end != "-" and _index(end, len(holder) + 1) < len(holder):  # pyright: ignore[reportUnknownArgumentType]
        holder[int(end)] = value
    else:
        _add(item, path, value)


def _replace(item: dict[str, Any], path: Path, value: Any) -> None:
    """Overwrite what must be there."""
    holder, end = _parent(item, path)
    if isinstance(holder, dict):
        if end not in holder:
            raise _absent(path)
        holder[end] = value
    else:
        holder[_index(end, len(holder))] = value


def _remove(item: dict[str, Any], path: Path) -> Any:
    """Take away and return what must be there."""
    holder, end = _parent(item, path)
    if isinstance(holder, dict):
        if end not in holder:
            raise _absent(path)
        return cast("dict[str, Any]", holder).pop(end)
    return holder.pop(_index(end, len(holder)))


def _incr(item: dict[str, Any], path: Path, value: Any) -> None:
    """Add to a number; one that is not there counts as zero."""
    if not _is_number(value):
        raise bad_request("`incr` needs a number as `value`.")
    holder, end = _parent(item, path)
    if isinstance(holder, dict) and end not in holder:
        holder[end] = value
        return
    key: Any = end if isinstance(holder, dict) else _index(end, len(holder))
    if not _is_number(holder[key]):
        raise bad_request(f"/{'/'.join(path)} is not a number.")
    holder[key] += value


def _index(part: str, length: int) -> int:
    if not (part.isascii() and part.isdigit()) or int(part) >= length:
        raise bad_request(f"the array has no place {part!r}.")
    return int(part)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _absent(path: Path) -> CosmosError:
    return bad_request(f"/{'/'.join(path)} is not there.")


_WITH_VALUE: dict[Any, Callable[[dict[str, Any], Path, Any], None]] = {
    "add": _add,
    "set": _set,
    "replace": _replace,
    "incr": _incr,
}
