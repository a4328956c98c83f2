"""The schedules of timer triggers: NCRONTAB, ``{second} {minute} {hour} {day} {month} {day of week}``, or a TimeSpan.

NCRONTAB is not cron: a day must meet *both* the day-of-month and the day-of-week field, Sunday is only 0, and a name
may be written as any prefix that is long enough (``Mon``, ``monday``; ``Jan``).
"""

import re
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_HORIZON = timedelta(days=366 * 28)
"""29 February on a given weekday comes once in 28 years, 40 over a century that is no leap year."""


class ScheduleError(Exception):
    """A schedule cannot be read; the message says which field and why."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: Sequence[str] = ()

    def parse(self, text: str) -> frozenset[int]:
        return frozenset(value for part in text.split(",") for value in self._part(part))

    def _part(self, part: str) -> range:
        found = re.fullmatch(r"(\*|[^/*-]+(?:-[^/*-]+)?)(?:/(\d+))?", part)
        if found is None:
            raise ScheduleError(f"{part!r} is not a {self.name}.")
        body, step = found[1], int(found[2] or 1)
        if step == 0:
            raise ScheduleError(f"The step of {part!r} must be at least 1.")
        if body == "*":
            return range(self.low, self.high + 1, step)
        first, _, last = body.partition("-")
        begin = self._value(first)
        # ``5/15`` means from 5 to the end, every 15; ``5/1`` is 5 alone.
        end = self._value(last) if last else self.high if step > 1 else begin
        if begin > end:
            begin, end = end, begin
        return range(begin, end + 1, step)

    def _value(self, text: str) -> int:
        if text.isdecimal():
            value = int(text)
            if not self.low <= value <= self.high:
                raise ScheduleError(f"{value} is not a {self.name}: {self.low} to {self.high}.")
            return value
        for index, name in enumerate(self.names):
            if text and name.lower().startswith(text.lower()):
                return index + self.low
        raise ScheduleError(f"{text!r} is not a {self.name}.")


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 6, _DAYS),
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a timer fires."""

    text: str
    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def after(self, moment: datetime) -> datetime | None:
        """Return the first time after ``moment``, in its time zone; None where there is none."""
        start = moment.replace(microsecond=0) + timedelta(seconds=1)
        day = start.replace(hour=0, minute=0, second=0)
        while day - start < _HORIZON:
            if day.month not in self.months:
                day = day.replace(day=1) + timedelta(days=monthrange(day.year, day.month)[1])
                continue
            if day.day in self.days and day.isoweekday() % 7 in self.weekdays:
                begin = start if day.date() == start.date() else day
                if (found := self._within(begin)) is not None:
                    return found
            day += timedelta(days=1)
        return None

    def _within(self, begin: datetime) -> datetime | None:
        """Return the first time of the day at or after ``begin``."""
        for hour in sorted(hour for hour in self.hours if hour >= begin.hour):
            for minute in sorted(self.minutes):
                for second in sorted(self.seconds):
                    candidate = begin.replace(hour=hour, minute=minute, second=second)
                    if candidate >= begin:
                        return candidate
        return None


@dataclass(frozen=True, slots=True)
class Interval:
    """A timer that fires so long after its last run."""

    every: timedelta

    def after(self, moment: datetime) -> datetime:
        """Return the first time after ``moment``."""
        return moment + self.every


_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d+):(\d+)(?::(\d+(?:\.\d{1,7})?))?")


def _interval(found: re.Match[str]) -> Interval:
    """Read a TimeSpan as .NET does: ``24:00:00`` is 24 days, because no hour is 24."""
    days, hours, minutes, seconds = int(found[1] or 0), int(found[2]), int(found[3]), float(found[4] or 0)
    if not found[1] and found[4] and hours > 23:
        days, hours, minutes, seconds = hours, minutes, int(seconds), 0
    every = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if hours > 23 or minutes > 59 or seconds >= 60 or not every:
        raise ScheduleError(f"{found[0]!r} is not a TimeSpan.")
    return Interval(every)


def parse(text: str) -> Schedule | Interval:
    """Read a schedule of six fields, or of five with second 0, or a TimeSpan.

    Raises:
        ScheduleError: it cannot be read.
    """
    if span := _TIME_SPAN.fullmatch(text.strip()):
        return _interval(span)
    parts = text.split()
    if len(parts) == len(_FIELDS) - 1:
        parts.insert(0, "0")
    if len(parts) != len(_FIELDS):
        raise ScheduleError(f"{text!r} has {len(parts)} fields; write second minute hour day month day-of-week.")
    return Schedule(text, *(field.parse(part) for field, part in zip(_FIELDS, parts, strict=True)))
