"""JSON values as the query language compares them: by type first, with `undefined` beside them."""

import json
from collections.abc import Callable
from typing import Any, Final, cast


class _Undefined:
    """What a property that is not there is. Neither true nor false, and unlike null."""

    def __bool__(self) -> bool:
        return False


UNDEFINED: Final = _Undefined()


def rank(value: Any) -> int:
    """Return the place of the value's type in the order of types."""
    if value is UNDEFINED:
        return 0
    if value is None:
        return 1
    if isinstance(value, bool):
        return 2
    if isinstance(value, int | float):
        return 3
    if isinstance(value, str):
        return 4
    return 5 if isinstance(value, list) else 6


def sort_key(value: Any) -> tuple[int, Any]:
    """Return a key that orders values of any type: undefined, null, booleans, numbers, strings, the rest."""
    place = rank(value)
    if place < 2:
        return place, 0
    return place, value if place < 5 else json.dumps(value, sort_keys=True)


def equal(left: Any, right: Any) -> Any:
    """Compare two values of one type; of two types, nothing can be said."""
    if rank(left) != rank(right) or left is UNDEFINED:
        return UNDEFINED
    return left == right


def unequal(left: Any, right: Any) -> Any:
    """As ``equal``, turned round."""
    return negation(equal(left, right))


def below(left: Any, right: Any) -> Any:
    """Tell whether ``left`` comes first; only numbers, strings, booleans and nulls have an order."""
    place = rank(left)
    if place != rank(right) or not 0 < place < 5:
        return UNDEFINED
    return sort_key(left) < sort_key(right)


def conjunction(left: Any, right: Any) -> Any:
    """AND: false wins over undefined."""
    if left is False or right is False:
        return False
    return True if left is True and right is True else UNDEFINED


def disjunction(left: Any, right: Any) -> Any:
    """OR: true wins over undefined."""
    if left is True or right is True:
        return True
    return False if left is False and right is False else UNDEFINED


def negation(value: Any) -> Any:
    """NOT: of what is neither true nor false, nothing can be said."""
    return not value if isinstance(value, bool) else UNDEFINED


def member(value: Any, step: str | int) -> Any:
    """Return a property of an object or an element of an array."""
    if isinstance(value, dict) and isinstance(step, str):
        return cast("dict[str, Any]", value).get(step, UNDEFINED)
    if isinstance(value, list) and isinstance(step, int):
        elements = cast("list[Any]", value)
        return elements[step] if step < len(elements) else UNDEFINED
    return UNDEFINED


def contains(text: Any, part: Any, ignore_case: Any = False) -> Any:  # noqa: FBT002  an argument of the language
    """CONTAINS of two strings."""
    return _of_strings(text, part, ignore_case, str.__contains__)


def starts_with(text: Any, part: Any, ignore_case: Any = False) -> Any:  # noqa: FBT002  an argument of the language
    """STARTSWITH of two strings."""
    return _of_strings(text, part, ignore_case, str.startswith)


def array_contains(array: Any, value: Any, partial: Any = False) -> Any:  # noqa: FBT002  an argument of the language
    """ARRAY_CONTAINS; with ``partial``, an object may have more than is asked for."""
    if not isinstance(array, list) or value is UNDEFINED:
        return UNDEFINED
    elements = cast("list[Any]", array)
    if partial is True and isinstance(value, dict):
        wanted = cast("dict[str, Any]", value).items()
        return any(all(equal(member(e, name), part) is True for name, part in wanted) for e in elements)
    return any(equal(element, value) is True for element in elements)


def is_defined(value: Any) -> bool:
    """IS_DEFINED."""
    return value is not UNDEFINED


def _of_strings(text: Any, part: Any, ignore_case: Any, test: Callable[[str, str], bool]) -> Any:
    if not isinstance(text, str) or not isinstance(part, str):
        return UNDEFINED
    return test(text.lower(), part.lower()) if ignore_case is True else test(text, part)
