"""Items through the real client: what it can do, and how each refusal arrives."""

import pytest
from azure.core import MatchConditions
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosBatchOperationError,
    CosmosHttpResponseError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)

ITEM = {"id": "1", "tenant": "a", "text": 'Amélie "¿qué?" 😀', "list": [1, 2.5, None, {"deep": True}]}


def status_of(call, *args, **kwargs) -> int:
    with pytest.raises(CosmosHttpResponseError) as caught:
        call(*args, **kwargs)
    return caught.value.status_code


def test_an_item_comes_back_as_it_was_written(items):
    """What was created is read again, unchanged, with the service's properties beside it."""
    created = items.create_item(ITEM)

    read = items.read_item("1", partition_key="a")

    assert read == created
    assert {name: read[name] for name in ITEM} == ITEM
    assert read["_etag"].startswith('"')
    assert {"_rid", "_self", "_ts", "_attachments"} <= set(read)


def test_an_id_is_unique_within_its_partition_only(items):
    """The same id may exist in two partitions, and conflicts within one."""
    items.create_item(ITEM)
    items.create_item({**ITEM, "tenant": "b", "text": "other"})

    with pytest.raises(CosmosResourceExistsError):
        items.create_item(ITEM)
    assert items.read_item("1", partition_key="b")["text"] == "other"


def test_another_partition_does_not_see_the_item(items):
    """Reading, replacing, patching or deleting with a wrong partition key is 404."""
    items.create_item(ITEM)

    with pytest.raises(CosmosResourceNotFoundError):
        items.read_item("1", partition_key="b")
    with pytest.raises(CosmosResourceNotFoundError):
        items.patch_item("1", partition_key="b", patch_operations=[{"op": "set", "path": "/x", "value": 1}])
    with pytest.raises(CosmosResourceNotFoundError):
        items.delete_item("1", partition_key="b")
    assert status_of(items.replace_item, "2", ITEM) == 404


def test_upsert_tells_new_from_known(items):
    """An upsert creates what is not there and replaces what is."""
    first = items.upsert_item(ITEM)
    second = items.upsert_item({**ITEM, "text": "new"})

    assert second["_rid"] == first["_rid"]
    assert second["_etag"] != first["_etag"]
    assert items.read_item("1", partition_key="a")["text"] == "new"


def test_a_write_on_an_old_etag_is_refused(items):
    """Replace, patch, delete and upsert with If-Match go through once; then the etag is an old one."""
    known = items.create_item(ITEM)
    stale = {"etag": known["_etag"], "match_condition": MatchConditions.IfNotModified}

    items.replace_item("1", {**ITEM, "n": 1}, **stale)

    for call in (
        lambda: items.replace_item("1", {**ITEM, "n": 2}, **stale),
        lambda: items.upsert_item({**ITEM, "n": 2}, **stale),
        lambda: items.patch_item("1", "a", [{"op": "set", "path": "/n", "value": 2}], **stale),
        lambda: items.delete_item("1", "a", **stale),
    ):
        with pytest.raises(CosmosAccessConditionFailedError):
            call()
    assert items.read_item("1", "a")["n"] == 1


def test_a_reader_who_has_it_is_told_so(items):
    """A read with If-None-Match of the present etag brings nothing (304); once the item changed, it brings it."""
    known = items.create_item(ITEM)

    condition = {"etag": known["_etag"], "match_condition": MatchConditions.IfModified}

    assert not items.read_item("1", "a", **condition)
    items.upsert_item({**ITEM, "n": 1})
    assert items.read_item("1", "a", **condition)["n"] == 1


def test_a_conditional_patch_needs_its_condition(items):
    """A patch whose filter does not hold changes nothing (412); one whose filter holds is applied."""
    items.create_item({"id": "1", "tenant": "a", "status": "done", "n": 1})
    step = [{"op": "incr", "path": "/n", "value": 1}]

    with pytest.raises(CosmosAccessConditionFailedError):
        items.patch_item("1", "a", step, filter_predicate="from c where c.status = 'running'")
    patched = items.patch_item("1", "a", step, filter_predicate="from c where c.status = 'done' and c.n < 5")

    assert patched["n"] == 2


def test_a_patch_is_all_or_nothing(items):
    """One operation that cannot be applied leaves the item as it was (400)."""
    items.create_item({"id": "1", "tenant": "a", "n": 1})

    steps = [{"op": "set", "path": "/n", "value": 2}, {"op": "remove", "path": "/nowhere"}]

    assert status_of(items.patch_item, "1", "a", steps) == 400
    assert items.read_item("1", "a")["n"] == 1


def test_a_batch_is_all_or_nothing(items):
    """A batch whose last operation fails leaves nothing of the others; one that works returns every result."""
    items.create_item(ITEM)
    good = [
        ("create", ({"id": "2", "tenant": "a"},)),
        ("upsert", ({**ITEM, "n": 1},)),
        ("patch", ("1", [{"op": "incr", "path": "/n", "value": 1}])),
        ("read", ("1",)),
        ("replace", ("2", {"id": "2", "tenant": "a", "x": 1})),
        ("delete", ("2",)),
    ]

    with pytest.raises(CosmosBatchOperationError) as caught:
        items.execute_item_batch([*good, ("create", (ITEM,))], partition_key="a")
    assert caught.value.status_code == 409
    assert caught.value.error_index == 6
    assert [r["statusCode"] for r in caught.value.operation_responses] == [424] * 6 + [409]
    assert "n" not in items.read_item("1", "a")

    results = items.execute_item_batch(good, partition_key="a")
    assert [r["statusCode"] for r in results] == [201, 200, 200, 200, 200, 204]
    assert results[3]["resourceBody"]["n"] == 2


def test_deletes_by_id_or_by_the_item_itself(items):
    """The client addresses an item it holds by resource id; both ways reach it."""
    first, second = items.create_item(ITEM), items.create_item({**ITEM, "id": "2"})

    items.delete_item(first, partition_key="a")
    items.delete_item("2", partition_key="a")

    assert status_of(items.read_item, second, partition_key="a") == 404


def test_refuses_what_the_service_refuses(items):
    """Ids, partition keys, sizes and times to live are checked as in the cloud."""
    assert status_of(items.create_item, {"tenant": "a"}) == 400
    assert status_of(items.upsert_item, {"id": "x" * 1024, "tenant": "a"}) == 400
    assert status_of(items.upsert_item, {"id": "1", "tenant": ["a"]}) == 400
    assert status_of(items.upsert_item, {**ITEM, "text": "x" * 2 * 1024 * 1024}) == 413
    assert status_of(items.upsert_item, {"id": "\ud800", "tenant": "a"}) == 400
    assert status_of(items.replace_item, "1", ITEM) == 404
    items.create_item(ITEM)
    assert status_of(items.replace_item, "1", {**ITEM, "id": "2"}) == 400


def test_partition_keys_of_every_kind(account):
    """Text, numbers, booleans, null, a nested path and no key at all are partitions of their own."""
    items = account.container("nested", "/owner/id")

    for number, key in enumerate(["a", 1, True, None, 1.5]):
        items.create_item({"id": "x", "owner": {"id": key}, "n": number})
        assert items.read_item("x", partition_key=key)["n"] == number
    keyless = items.create_item({"id": "x", "owner": {}, "n": 9})
    assert keyless["n"] == 9
    assert items.read_item("x", partition_key=1.0)["n"] == 1


def test_writes_answer_with_nothing_when_asked(items):
    """`no_response` saves the body of a write."""
    assert not items.create_item(ITEM, no_response=True)
    assert items.read_item("1", "a")["text"] == ITEM["text"]


def test_reads_what_was_just_written_in_one_session(items):
    """Answers about items carry a session token and a charge, and the client goes on with the token."""
    headers = items.create_item(ITEM).get_response_headers()

    assert headers["x-ms-session-token"].startswith("0:-1#")
    assert float(headers["x-ms-request-charge"]) > 0
    assert items.read_item("1", "a", session_token=headers["x-ms-session-token"])["id"] == "1"
