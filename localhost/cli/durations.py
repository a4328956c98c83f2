"""Lengths of time on the command line: a number and a unit."""

import re
from datetime import timedelta
from typing import Any, override

import click

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST = timedelta(days=36_500)
OFF = timedelta.max
"""What ``off`` becomes: longer than anything."""


class Duration(click.ParamType[timedelta]):
    """``45s``, ``30m``, ``12h``, ``30d``, ``4w``, or ``off``."""

    name = "duration"

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        text = str(value).strip().lower()
        if text == "off":
            return OFF
        found = re.fullmatch(r"(\d{1,7})\s*([smhdw])", text)
        if found is None or not int(found[1]):
            self.fail(f"{value!r} is not a number above 0 and one of s, m, h, d, w, as in 30d; or off.", param, ctx)
        length = timedelta(**{_UNITS[found[2]]: int(found[1])})
        if length > _LONGEST:
            self.fail(f"{value!r} is longer than a hundred years; say off.", param, ctx)
        return length
