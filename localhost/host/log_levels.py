"""``logging.logLevel`` of ``host.json``: how much of which category reaches the console.

The categories are the platform's: what the host says of a function's calls is ``Function.NAME``, what the function says
itself ``Function.NAME.User``, and everything else ``Host``. The longest category that is named wins, then ``default``.
"""

import logging
from collections.abc import Callable, Mapping
from typing import override

LEVELS: Mapping[str, int] = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "information": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "none": logging.CRITICAL + 1,
}


class LevelsByCategory(logging.Filter):
    """Lets through what is wanted of each category."""

    def __init__(self, levels: Mapping[str, int], running: Callable[[], str | None]) -> None:
        """``levels`` are by category in small letters; ``running`` names the function that a line comes from."""
        super().__init__()
        self._levels = levels
        self._running = running
        self._known: dict[str, int] = {}

    @property
    def lowest(self) -> int:
        """The level below which nothing of any category is wanted."""
        return min([self._level("host"), *self._levels.values()])

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= self._level(self._category(record))

    def _category(self, record: logging.LogRecord) -> str:
        if reported := getattr(record, "details", {}).get("function"):
            return f"function.{reported}".lower()
        function = self._running()
        return f"function.{function}.user".lower() if function else "host"

    def _level(self, category: str) -> int:
        if category not in self._known:
            parts = category.split(".")
            names = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
            named = next((name for name in names if name in self._levels), "default")
            self._known[category] = self._levels.get(named, logging.INFO)
        return self._known[category]
