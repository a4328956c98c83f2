"""Ids of conversations."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ids import derived_id, fingerprint, is_id, new_id

TEXT = st.text(max_size=20)


def test_new_ids_are_ids_and_differ():
    """An id that we make is one that we take."""
    made = {new_id() for _ in range(100)}

    assert len(made) == 100
    assert all(is_id(one) for one in made)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12345",
        "7D444840-9DC0-11D1-B245-5FFDCE74FAD2",
        "7d4448409dc011d1b2455ffdce74fad2",
        "{7d444840-9dc0-11d1-b245-5ffdce74fad2}",
        "urn:uuid:7d444840-9dc0-11d1-b245-5ffdce74fad2",
        "7d444840-9dc0-11d1-b245-5ffdce74fad2 ",
        "7d444840-9dc0-11d1-b245-5ffdce74fad2\n",
        "7d444840-9dc0-11d1-b245-5ffdce74fad2:1:q1",
        "../../admin",
        "７d444840-9dc0-11d1-b245-5ffdce74fad2",  # noqa: RUF001  a full-width seven
    ],
)
def test_other_texts_are_no_ids(text):
    """There is one way to write an id."""
    assert not is_id(text)


@given(TEXT, TEXT, TEXT, TEXT)
def test_a_key_is_its_owners(owner, key, other_owner, other_key):
    """The same owner and key give the same id, anything else another."""
    one = derived_id(owner, key, secret="s")

    assert is_id(one)
    assert uuid.UUID(one).version == 8
    assert (derived_id(other_owner, other_key, secret="s") == one) == ((owner, key) == (other_owner, other_key))


def test_a_secret_hides_where_an_id_comes_from():
    """Who knows owner and key does not know the id."""
    assert derived_id("anonymous", "1", secret="a") != derived_id("anonymous", "1", secret="b")


def test_a_fingerprint_is_the_requests():
    """Equal requests have equal fingerprints, whatever the order of their fields; others differ."""
    assert fingerprint({"a": "1", "b": None}) == fingerprint({"b": None, "a": "1"})
    assert fingerprint({"a": "1", "b": None}) != fingerprint({"a": "1", "b": "None"})
