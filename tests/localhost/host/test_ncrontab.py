"""NCRONTAB schedules, against an independent implementation and against what only NCRONTAB does."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from localhost.host import ncrontab

START = datetime(2026, 11, 21, 13, 40, 17, tzinfo=UTC)


def field(low, high):
    value = st.integers(low, high)
    # Not 0-0: as a day of the week, croniter takes it for every day.
    span = st.tuples(value, value).filter(lambda pair: pair[0] != pair[1]).map(lambda pair: f"{min(pair)}-{max(pair)}")
    step = st.integers(1, max(high // 2, 1))
    return st.one_of(
        st.just("*"),
        value.map(str),
        st.lists(value, min_size=2, max_size=4).map(lambda values: ",".join(map(str, values))),
        span,
        st.builds(lambda n: f"*/{n}", step),
        st.builds(lambda s, n: f"{s}/{n}", span, step),
    )


def following(schedule, moment):
    while (moment := schedule.after(moment)) is not None:
        yield moment


@settings(max_examples=300, deadline=None)
@given(
    st.tuples(field(0, 59), field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6)).map(" ".join),
    st.integers(0, 6 * 365 * 86_400).map(lambda seconds: START + timedelta(seconds=seconds)),
)
def test_agrees_with_an_independent_implementation(text, start):
    """The next three times are those of croniter where it ANDs the two day fields."""
    other = croniter(text, start, day_or=False, second_at_beginning=True, max_years_between_matches=60)
    expected = [other.get_next(datetime) for _ in range(3)]
    assert list(islice(following(ncrontab.parse(text), start), 3)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 0 0 13 * Fri", "2027-08-13T00:00:00"),
        ("0 0 0 13 * friday", "2027-08-13T00:00:00"),
        ("*/15 * * * * *", "2026-11-21T13:40:30"),
        ("0 */10 * * * *", "2026-11-21T13:50:00"),
        ("*/5 * * * *", "2026-11-21T13:45:00"),
        ("0 0 9-17/4 * * Mon-Fri", "2026-11-23T09:00:00"),
        ("0 0 0 29 2 *", "2028-02-29T00:00:00"),
        ("0 0 0 31 * *", "2026-12-31T00:00:00"),
        ("0 30 9 * Jan,dec Sun", "2026-12-06T09:30:00"),
        ("0 0 0 1 1 0", "2034-01-01T00:00:00"),
        ("5/20 * * * * *", "2026-11-21T13:40:25"),
        ("5/1 * * * * *", "2026-11-21T13:41:05"),
        ("0 0 22-2 * * *", "2026-11-21T14:00:00"),
    ],
)
def test_fires_when_azure_does(text, expected):
    """Both day fields must be met, names go by prefix, five fields mean second 0, ranges may be written backwards."""
    assert ncrontab.parse(text).after(START) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_a_day_that_never_comes_ends_the_search():
    """30 February is no day; the search says so instead of going on for ever."""
    assert ncrontab.parse("0 0 0 30 2 *").after(START) is None


def test_every_ten_hours_is_not_what_it_looks_like():
    """`*/10` in the hours fires at 0, 10 and 20, and then again after four hours."""
    hours = [moment.hour for moment in islice(following(ncrontab.parse("0 0 */10 * * *"), START), 4)]
    assert hours == [20, 0, 10, 20]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0 0 0 * * 7", "7 is not a day of week"),
        ("0 0 24 * * *", "24 is not a hour"),
        ("0 0 0 0 * *", "0 is not a day of month"),
        ("* * * *", "4 fields"),
        ("0 */0 * * * *", "step"),
        ("0 a * * * *", "'a' is not a minute"),
        ("1.24:00:00", "TimeSpan"),
        ("00:60", "TimeSpan"),
        ("00:00:00", "TimeSpan"),
        ("", "0 fields"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_field(text, why):
    """The message names the field, or says that a TimeSpan is none."""
    with pytest.raises(ncrontab.ScheduleError, match=why):
        ncrontab.parse(text)


@pytest.mark.parametrize(
    ("text", "every"),
    [
        ("00:05:00", timedelta(minutes=5)),
        ("01:30", timedelta(minutes=90)),
        ("1.02:00:00", timedelta(hours=26)),
        ("24:00:00", timedelta(days=24)),
        ("00:00:00.5", timedelta(milliseconds=500)),
    ],
)
def test_a_time_span_is_the_time_between_two_runs(text, every):
    """As .NET reads it, for which 24:00:00 is 24 days."""
    assert ncrontab.parse(text).after(START) == START + every


def test_the_next_time_is_always_later():
    """A schedule that matches the present moment fires next time, not again."""
    schedule = ncrontab.parse("* * * * * *")
    assert schedule.after(START) == START + timedelta(seconds=1)
