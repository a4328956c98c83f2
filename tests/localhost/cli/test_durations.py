"""Lengths of time on the command line."""

from datetime import timedelta

import click
import pytest

from localhost.cli.durations import OFF, Duration


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("45s", timedelta(seconds=45)),
        ("90m", timedelta(minutes=90)),
        ("12h", timedelta(hours=12)),
        ("30d", timedelta(days=30)),
        (" 4 W ", timedelta(weeks=4)),
        ("off", OFF),
    ],
)
def test_a_number_and_a_unit_are_a_length_of_time(text, length):
    """In either case, with or without blanks."""
    assert Duration().convert(text, None, None) == length


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-1d", "1.5h", "3 months", "36501d", "999999999w", "on"])
def test_anything_else_is_refused_with_an_example(text):
    """Also what is nothing, or longer than anybody means."""
    with pytest.raises(click.BadParameter, match=r"30d; or off|say off"):
        Duration().convert(text, None, None)
