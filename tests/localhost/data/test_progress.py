"""Progress: a bar for people at a terminal, plain lines for everything else."""

import io

from localhost.data import progress
from localhost.data.progress import Progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_plain_lines_where_there_is_no_terminal(monkeypatch):
    """Without a terminal there is a line at the start, one now and then, and no control character."""
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    stream = io.StringIO()
    shown = Progress(stream)

    with shown.task("title.basics.tsv", 200) as advance:
        advance(50)
        advance(200)
    shown.say("Done", "title.basics.tsv: 3 rows")

    assert (
        stream.getvalue() == "Loading title.basics.tsv\nLoading title.basics.tsv: 25 %\nDone title.basics.tsv: 3 rows\n"
    )


def test_a_bar_on_a_terminal(monkeypatch):
    """On a terminal the work is named with its share; NO_COLOR takes the colours away, not the bar."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = Terminal()
    with Progress(coloured).task("title.basics.tsv", 200) as advance:
        advance(100)
    Progress(coloured).say("Failed", "[no markup] here")

    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    Progress(plain).say("Failed", "[no markup] here")

    assert "Loading title.basics.tsv" in coloured.getvalue()
    assert "50%" in coloured.getvalue()
    assert "\x1b[31mFailed" in coloured.getvalue()
    assert plain.getvalue() == "Failed [no markup] here\n"
