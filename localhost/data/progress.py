"""How far long work is: a bar on a terminal, plain lines elsewhere, always on stderr."""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Literal, TextIO

type Word = Literal["Loading", "Done", "Failed", "Warning", "Skipped"]

SECONDS_BETWEEN_LINES = 5.0
_STYLES: dict[Word, str] = {"Done": "green", "Failed": "red", "Warning": "yellow", "Skipped": "dim", "Loading": "bold"}


class Progress:
    """Says what begins, how far it is and how it ended. ``NO_COLOR`` is respected."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr

    def say(self, word: Word, text: str) -> None:
        """Write one line that begins with ``word``."""
        if not self._stream.isatty():
            print(f"{word} {text}", file=self._stream, flush=True)
            return
        from rich.console import Console
        from rich.text import Text

        Console(file=self._stream).print(Text.assemble((word, _STYLES[word]), " ", text), soft_wrap=True)

    @contextmanager
    def task(self, what: str, total: int) -> Generator[Callable[[int], None]]:
        """Show work on ``what``; the caller calls what it is given with how much of ``total`` is done."""
        if self._stream.isatty():
            with self._bar(what, total) as advance:
                yield advance
        else:
            self.say("Loading", what)
            yield self._lines(what, total)

    @contextmanager
    def _bar(self, what: str, total: int) -> Generator[Callable[[int], None]]:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (TextColumn("Loading {task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        with Bars(*columns, console=Console(file=self._stream), transient=True) as bars:
            task = bars.add_task(what, total=total)
            yield lambda done: bars.update(task, completed=done)

    def _lines(self, what: str, total: int) -> Callable[[int], None]:
        """Return what writes a line now and then, so that a log neither stands still nor fills up."""
        said = time.monotonic()

        def advance(done: int) -> None:
            nonlocal said
            if time.monotonic() - said >= SECONDS_BETWEEN_LINES and done < total:
                said = time.monotonic()
                self.say("Loading", f"{what}: {100 * done // total} %")

        return advance
