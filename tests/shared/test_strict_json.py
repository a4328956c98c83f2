"""JSON that can be read in one way only."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.strict_json import MAX_DEPTH, StrictJsonError, parse

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_reads_what_json_writes(value):
    """Everything that JSON can say comes back as it was."""
    assert parse(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(text):
    """Whatever the bytes, there is a value or the one error."""
    with contextlib.suppress(StrictJsonError):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"[",
        b"{'a': 1}",
        b'{"a": 1,}',
        b"[1] 2",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e999",
        b"[-1e999]",
        b'{"a": 1, "a": 1}',
        b'{"b": {"a": 1, "\\u0061": 2}}',
        b"9" * 5_000,
        b'"\xff"',
        b'"\xed\xa0\x80"',  # half a surrogate pair as bytes
        b'"\xc0\x80"',  # an overlong zero
        '{"a": 1}'.encode("utf-16"),
        b'"a\nb"',
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b"[" * 100_000,
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    ],
)
def test_refuses(text):
    """What is no JSON, or JSON of two minds, is refused."""
    with pytest.raises(StrictJsonError):
        parse(text)


def test_brackets_in_text_are_no_depth():
    """Only what nests counts as depth."""
    text = json.dumps({"question": "[{" * 1_000 + '"' + "\\"})

    assert parse(text.encode()) == json.loads(text)


def test_as_deep_as_allowed():
    """The limit itself is allowed."""
    assert parse(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)


def test_a_text_that_never_ends_is_refused_in_one_pass():
    """A body of quotes does not make us look at it again and again."""
    with pytest.raises(StrictJsonError):
        parse(b'\\"' * 30_000)
    with pytest.raises(StrictJsonError):
        parse(b'"' + b'\\"' * 30_000)
