"""The constraints of ASP.NET route templates: ``{id:int}``, ``{name:length(2,20)}``, ``{code:regex(^[a-z]+$)}``."""

import re
from collections.abc import Callable
from datetime import datetime

type Constraint = Callable[[str], bool]

_INT32 = range(-(2**31), 2**31)
_INT64 = range(-(2**63), 2**63)
_NUMBER = re.compile(r"[+-]?(\d[\d,]*\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_GUID = re.compile(r"(\{)?(\()?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}(?(2)\))(?(1)\})", re.IGNORECASE)


class ConstraintError(Exception):
    """A constraint is unknown or its argument cannot be read."""


def constraint(text: str) -> Constraint:
    """Return the check that ``text`` (``int``, ``range(1,10)``) stands for.

    Raises:
        ConstraintError: there is no such constraint, or its argument is not one.
    """
    name, _, argument = text.partition("(")
    argument = argument.removesuffix(")")
    if "(" not in text:
        if check := _PLAIN.get(name.lower()):
            return check
    elif make := _WITH_ARGUMENT.get(name.lower()):
        try:
            return make(argument)
        except (ValueError, re.error) as error:
            raise ConstraintError(f"the constraint {text!r} cannot be read ({error}).") from error
    raise ConstraintError(f"there is no constraint {text!r}.")


def _whole(text: str, allowed: range) -> bool:
    return bool(re.fullmatch(r"\s*[+-]?\d+\s*", text, re.ASCII)) and int(text) in allowed


def _date(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return bool(re.fullmatch(r"\d{1,2}/\d{1,2}/\d{4}( \d{1,2}:\d{2}(:\d{2})?( ?[AP]M)?)?", text, re.IGNORECASE))
    return True


def _length(argument: str) -> Constraint:
    shortest, longest = _two(argument) if "," in argument else (int(argument), int(argument))
    return lambda value: shortest <= len(value) <= longest


def _range(argument: str) -> Constraint:
    low, high = _two(argument)
    return lambda value: _whole(value, _INT64) and low <= int(value) <= high


def _two(argument: str) -> tuple[int, int]:
    first, second = argument.split(",")
    if int(first) > int(second):
        raise ValueError(f"{first} is more than {second}")
    return int(first), int(second)


def _minimum(argument: str) -> Constraint:
    low = int(argument)
    return lambda value: _whole(value, _INT64) and int(value) >= low


def _maximum(argument: str) -> Constraint:
    high = int(argument)
    return lambda value: _whole(value, _INT64) and int(value) <= high


def _shortest(argument: str) -> Constraint:
    least = int(argument)
    return lambda value: len(value) >= least


def _longest(argument: str) -> Constraint:
    most = int(argument)
    return lambda value: len(value) <= most


def _regex(argument: str) -> Constraint:
    pattern = re.compile(argument, re.IGNORECASE)
    return lambda value: pattern.search(value) is not None


def _is_file(value: str) -> bool:
    return "." in value.rsplit("/", maxsplit=1)[-1].rstrip(".")


_PLAIN: dict[str, Constraint] = {
    "int": lambda value: _whole(value, _INT32),
    "long": lambda value: _whole(value, _INT64),
    "bool": lambda value: value.lower() in {"true", "false"},
    "decimal": lambda value: _NUMBER.fullmatch(value) is not None and "e" not in value.lower(),
    "double": lambda value: _NUMBER.fullmatch(value) is not None,
    "float": lambda value: _NUMBER.fullmatch(value) is not None,
    "guid": lambda value: _GUID.fullmatch(value) is not None,
    "datetime": _date,
    "alpha": lambda value: re.fullmatch(r"[a-z]*", value, re.IGNORECASE) is not None,
    "required": lambda value: value != "",
    "file": _is_file,
    "nonfile": lambda value: not _is_file(value),
}
_WITH_ARGUMENT: dict[str, Callable[[str], Constraint]] = {
    "length": _length,
    "minlength": _shortest,
    "maxlength": _longest,
    "min": _minimum,
    "max": _maximum,
    "range": _range,
    "regex": _regex,
}
