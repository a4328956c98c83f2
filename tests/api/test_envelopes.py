"""An object around records comes apart where it should, whatever the records hold."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.envelopes import is_object, split
from shared.errors import RequestError

texts = st.text(max_size=8) | st.sampled_from(["records", '"records":[', "]", "}", "\\", '\\"', "{[", '"'])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


@given(
    st.dictionaries(texts, values, max_size=4), st.lists(values, max_size=4), st.sampled_from([None, 1]), st.booleans()
)
def test_the_parts_are_the_whole(options, records, indent, ascii_only):
    """Options and records come out as they went in, in any order and with any white space."""
    options.pop("records", None)
    before = dict(list(options.items())[:2])
    body = json.dumps({**before, "records": records, **options}, indent=indent, ensure_ascii=ascii_only).encode()
    rest, array = split(body)

    assert json.loads(rest) == {**options, "records": None}
    assert array is not None
    assert json.loads(array) == records


@given(st.dictionaries(texts, values, max_size=4))
def test_an_object_without_records_stays_whole(options):
    """A list of that name deeper down, or a text of that name, is none."""
    options.pop("records", None)
    options |= {"x": {"records": [1]}, "y": "records"}
    body = json.dumps(options).encode()

    assert split(body) == (body, None)


@pytest.mark.parametrize("body", [b'{"records": [', b'{"records": ["]', b'{"records": [{]', b'{"records":[{"a":"\\"]}'])
def test_an_array_must_end(body):
    with pytest.raises(RequestError):
        split(body)


@pytest.mark.parametrize("piece", ['"', "\\", "[", '\\"', '{"records":', "]"])
def test_no_text_keeps_the_scanner_busy(piece):
    """Two million characters of the worst kind are over at once: nothing is looked at twice."""
    with suppress(RequestError):
        split(b'{"a": "' + piece.encode() * (2_000_000 // len(piece)))


@pytest.mark.parametrize(("body", "found"), [(b" {", True), (b"\xef\xbb\xbf\n{", True), (b"[{", False), (b"", False)])
def test_an_object_is_told_from_an_array(body, found):
    assert is_object(body) is found
