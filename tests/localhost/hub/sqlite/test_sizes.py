"""Payloads of awkward sizes come back exactly, or are refused with a sentence; none hangs.

Sizes from 32,769 to 45,150 bytes failed after they were started (azure-functions-durable-extension 1483), texts of
exceptions of 64 KB hung (502), messages over 4 MB vanished (durabletask-dotnet 135, extension 2831).
"""

import pytest
from hub_harness.served import client_of, hosted
from hub_harness.sizes import APP, DOORS, LETTERS, SIZES, store, verdict

from localhost.hub.sqlite import limits

QUICK = {"x": [size for size in SIZES if size <= 900_000], "\U0001f600": [size for size in SIZES if size <= 65_536]}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with hosted(tmp_path_factory.mktemp("hub"), *APP, entities=(store,)) as address:
        yield address


@pytest.mark.parametrize("letter", LETTERS, ids=["ascii", "astral"])
@pytest.mark.parametrize("door", DOORS)
async def test_a_payload_comes_back_as_it_went(address, door, letter):
    async with client_of("async", address) as client:
        found = {size: await verdict(client, door, size, letter) for size in QUICK[letter]}
    longest = limits.MAX_ERROR_TEXT if door == "exception text" else limits.MAX_PAYLOAD_BYTES
    assert found == {size: "exact" if size // len(letter.encode()) <= longest else "cut" for size in found}


@pytest.mark.parametrize("door", ["input, activity and output", "event", "custom status", "signal"])
async def test_a_payload_larger_than_a_message_comes_back_too(address, door):
    async with client_of("async", address) as client:
        assert await verdict(client, door, 4 * 1024**2 + 1, "x") == "exact"


@pytest.mark.parametrize(
    ("door", "size"),
    [
        ("input, activity and output", 50_000_000),
        ("result of an activity", 20_000_000),
        ("event", 20_000_000),
        ("signal", 20_000_000),
    ],
)
async def test_a_payload_that_nobody_should_send_is_refused_with_a_sentence(address, door, size):
    async with client_of("async", address) as client:
        assert await verdict(client, door, size, "x") == "refused"
        assert await verdict(client, door, 1, "x") == "exact", "and the others go on"
