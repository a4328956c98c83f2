"""The host's log on the console: one line an event, as text or as JSON.

A line never holds a terminal control character, whatever a user sent, and what Python logging passes in ``details``
(function, instance, request, seconds) comes as fields.
"""

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO, override

from localhost.host.log_levels import LevelsByCategory

_COLOURS = {logging.DEBUG: "2", logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "31"}
# Chatty at INFO, and about the machinery rather than about the app.
_QUIET = (
    *("azure", "durabletask", "grpc", "httpcore2", "httpx2", "urllib3", "uvicorn", "asyncio", "databricks"),
    "azure.durable_functions.worker",  # describes every step to itself unless its own level is set
)


def colour_wanted(stream: TextIO) -> bool:
    """Whether ``stream`` is a terminal that shows colours, and nobody asked for none."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def printable(text: str) -> str:
    """Return ``text`` with everything that could drive a terminal escaped; line ends and tabs stay."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def take_stdout() -> TextIO:
    """Return standard output for the host alone: what the app and its children print goes to standard error.

    A line that the app prints must not come between those that a program reads.
    """
    stdout = sys.stdout.fileno()
    own = os.fdopen(os.dup(stdout), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), stdout)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    return own


def configure(
    *, verbose: bool, json_to: TextIO | None, app: Path, running: Callable[[], str | None], levels: Mapping[str, int]
) -> None:
    """Send all logging to the console: as text to standard error, or as JSON to ``json_to``.

    ``running`` names the function that a line of the app's own comes from; ``app`` is the folder whose code an
    exception is traced to, unless ``verbose`` asks for all of the trace. ``levels`` says how much is wanted of each
    category; ``verbose`` wants all of each.
    """
    handler = logging.StreamHandler(json_to or sys.stderr)
    text = _Text(running, colour=colour_wanted(sys.stderr), only=None if verbose else app)
    handler.setFormatter(_Json(running) if json_to else text)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    wanted = LevelsByCategory({"default": logging.DEBUG} if verbose else levels, running)
    handler.addFilter(wanted)
    root.setLevel(wanted.lowest)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.INFO if verbose and name == "durabletask" else logging.WARNING)
    logging.captureWarnings(capture=True)


class _Text(logging.Formatter):
    """``12:30:01.234 info  submit_query  succeeded  instance=... 12 ms``."""

    def __init__(self, running: Callable[[], str | None], *, colour: bool, only: Path | None) -> None:
        super().__init__()
        self._running = running
        self._colour = colour
        self._only = only

    @override
    def format(self, record: logging.LogRecord) -> str:
        details = dict(_details(record))
        who = str(details.pop("function", None) or self._running() or "host")
        seconds = details.pop("seconds", None)
        fields = [f"{name}={value}" for name, value in details.items()]
        if seconds is not None:
            fields.append(f"{float(seconds) * 1000:.0f} ms")
        time = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
        level = record.levelname.lower()
        message = record.getMessage()
        line = "  ".join([f"{time} {level:<7} {who}", message, *fields])
        if record.exc_info and record.exc_info[1]:
            line += "\n" + self._trace(record.exc_info[1])
        line = printable(line).replace("\n", "\n    ")
        code = _COLOURS.get(record.levelno)
        return f"\x1b[{code}m{line}\x1b[0m" if self._colour and code else line

    def _trace(self, error: BaseException) -> str:
        """Return where ``error`` comes from: the lines of the app that lead to it, or all of it."""
        if (app := self._only) is None:
            return "".join(traceback.format_exception(error)).rstrip()
        # The SDK's wrappers go by the app's file name, but have no line in it.
        frames = [
            f for f in traceback.extract_tb(error.__traceback__) if f.line and Path(f.filename).is_relative_to(app)
        ]
        own = [f for f in frames if "site-packages" not in f.filename]
        if not own:
            return "".join(traceback.format_exception(error)).rstrip()
        return "\n".join(f"at {f.filename}:{f.lineno} in {f.name}: {f.line}" for f in own)


class _Json(logging.Formatter):
    """One object a line."""

    def __init__(self, running: Callable[[], str | None]) -> None:
        super().__init__()
        self._running = running

    @override
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "function": self._running(),
            "message": record.getMessage(),
            **_details(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps({name: value for name, value in line.items() if value is not None})


def _details(record: logging.LogRecord) -> Mapping[str, Any]:
    return getattr(record, "details", {})
