"""Queries: the subset that is understood, and the honest refusal of the rest."""

import pytest
from azure.cosmos.exceptions import CosmosHttpResponseError

from localhost.services.cosmos.errors import CosmosError
from localhost.services.cosmos.patch import patched
from localhost.services.cosmos.query import run_query
from localhost.services.cosmos.sql import parse_condition, parse_query

DOCS = [
    {"id": "1", "n": 3, "s": "Alpha", "tags": ["x", "y"], "deep": {"a b": [10, {"z": 1}]}, "flag": True},
    {"id": "2", "n": 1, "s": "beta", "tags": [], "flag": False},
    {"id": "3", "n": 2, "s": 'it\'s "q"', "people": [{"name": "Ann", "age": 3}], "nothing": None},
    {"id": "4", "n": "3", "s": "Beta"},
    {"id": "5"},
]


def answer(text: str, /, **parameters) -> list:
    query = parse_query(text, {f"@{name}": value for name, value in parameters.items()})
    return run_query(query, list(enumerate(DOCS)), text=text, size=1000, continuation=None).results


def ids(where: str, /, **parameters) -> str:
    return "".join(answer(f"SELECT VALUE c.id FROM c WHERE {where}", **parameters))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("c.n = 3", "1"),
        ("c.n <> 3", "23"),
        ("c.n != 3", "23"),
        ("c.n >= 2 AND c.n < 3", "3"),
        ("c.n > 0", "123"),
        ("c.n > -1.5e0", "123"),
        ("c.s <= 'Beta'", "14"),
        ("NOT c.n = 3", "23"),
        ("NOT (c.n = 3 OR c.s = 'beta')", "3"),
        ("c.n = 3 OR c.nowhere = 1", "1"),
        ("c.n IN (1, 2, '3')", "234"),
        ("c.n NOT IN (1, 2)", "1"),
        ("c.flag", "1"),
        ("c.flag = false", "2"),
        ("c.nothing = null", "3"),
        ("IS_DEFINED(c.nothing)", "3"),
        ("NOT IS_DEFINED(c.n)", "5"),
        ("CONTAINS(c.s, 'eta')", "24"),
        ("CONTAINS(c.s, 'BETA', true)", "24"),
        ("startswith(c.s, 'Al')", "1"),
        ("ARRAY_CONTAINS(c.tags, 'x')", "1"),
        ("ARRAY_CONTAINS(c.people, @person, true)", "3"),
        ("ARRAY_CONTAINS(c.people, @person)", ""),
        ('c.deep[\'a b\'][0] = 10 and c["deep"]["a b"][1].z = 1', "1"),
        (r"c.s = 'it\'s \"q\"'", "3"),
        ("c.s = @text", "3"),
        ("(c.n = 1 AND c.flag = false) OR c.id = '5'", "25"),
        ("c.tags = @tags", "1"),
        ("true", "12345"),
        ("undefined", ""),
    ],
)
def test_conditions(where, expected):
    """Each condition selects what the query language says it does, undefined and types included."""
    assert ids(where, person={"name": "Ann"}, text='it\'s "q"', tags=["x", "y"]) == expected


def test_projections():
    """Whole items, values, fields with and without names, and counts; what is undefined is left out."""
    assert answer("SELECT * FROM c WHERE c.id = '5'") == [{"id": "5"}]
    assert answer("select c.id, c.n as number, c.deep['a b'][0] FROM conversations c WHERE c.n = 3") == [
        {"id": "1", "number": 3, "$3": 10}
    ]
    assert answer("SELECT VALUE r.flag FROM root AS r") == [True, False]
    assert answer("SELECT VALUE COUNT(1) FROM c WHERE IS_DEFINED(c.n)") == [4]
    assert answer("SELECT c.from FROM c WHERE c.id = '5'") == [{}]


def test_orders_by_type_and_then_by_value():
    """Undefined comes first, then numbers, then text; several keys and directions hold."""
    assert answer("SELECT VALUE c.id FROM c ORDER BY c.n") == ["5", "2", "3", "1", "4"]
    assert answer("SELECT VALUE c.id FROM c ORDER BY c.n DESC") == ["4", "1", "3", "2", "5"]
    assert answer("SELECT VALUE c.id FROM c ORDER BY c.flag DESC, c.id ASC") == ["1", "2", "3", "4", "5"]
    assert answer("SELECT TOP 2 VALUE c.id FROM c ORDER BY c.id DESC") == ["5", "4"]
    assert answer("SELECT VALUE c.id FROM c ORDER BY c.id OFFSET @skip LIMIT 2", skip=1) == ["2", "3"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("SELECT DISTINCT c.a FROM c", "DISTINCT"),
        ("SELECT c.a FROM c GROUP BY c.a", "GROUP BY"),
        ("SELECT VALUE t FROM t IN c.tags", "IN in FROM"),
        ("SELECT * FROM c JOIN t IN c.tags", "JOIN"),
        ("SELECT VALUE SUM(c.n) FROM c", "SUM"),
        ("SELECT VALUE COUNT(c.n) FROM c", "COUNT of anything but 1"),
        ("SELECT * FROM c WHERE c.n BETWEEN 1 AND 2", "BETWEEN"),
        ("SELECT * FROM c WHERE c.s LIKE 'a%'", "LIKE"),
        ("SELECT * FROM c WHERE c.n + 1 = 2", r"operator \+"),
        ("SELECT * FROM c WHERE c.a ?? c.b", "operator"),
        ("SELECT * FROM c WHERE UPPER(c.s) = 'A'", "UPPER"),
        ("SELECT * FROM c WHERE udf.f(c.s)", "udf"),
        ("SELECT {'a': c.n} FROM c", "object"),
        ("SELECT * FROM c WHERE c.n = @missing", "@missing"),
        ("SELECT * FROM c WHERE d.n = 1", "'d'"),
        ("SELECT * FROM c ORDER BY ABS(c.n)", "ORDER BY"),
        ("SELECT * FROM c WHERE", "ends too early"),
        ("SELECT * FROM c WHERE c.n = 1 1", "near '1'"),
        ("SELECT * FROM c; DROP TABLE c", "near ';"),
        ("SELECT * FROM c WHERE c.s = 'open", "near"),
        ("SELECT TOP -1 * FROM c", "TOP"),
        ("DELETE FROM c", "SELECT was expected"),
        ("", "ends too early"),
        ("SELECT * FROM c WHERE " + "(" * 50_000, "deeply"),
    ],
)
def test_refuses_by_name_what_it_does_not_know(text, named):
    """A query that is not understood is 400 with what it was that was not; never a wrong result."""
    with pytest.raises(CosmosError, match=named) as caught:
        answer(text)
    assert caught.value.status == 400


def test_a_query_stays_in_its_partition(items):
    """A tenant's query sees the tenant's items only; one over all partitions is refused."""
    for tenant in "ab":
        for n in range(3):
            items.create_item({"id": str(n), "tenant": tenant, "n": n})

    found = items.query_items(
        "SELECT * FROM c WHERE c.n >= @n", parameters=[{"name": "@n", "value": 1}], partition_key="a"
    )
    assert {(item["tenant"], item["n"]) for item in found} == {("a", 1), ("a", 2)}

    with pytest.raises(CosmosHttpResponseError, match="one partition") as caught:
        list(items.query_items("SELECT * FROM c", enable_cross_partition_query=True))
    assert caught.value.status_code == 400
    with pytest.raises(CosmosHttpResponseError, match="DISTINCT"):
        list(items.query_items("SELECT DISTINCT c.n FROM c", partition_key="a"))


@pytest.mark.parametrize("text", ["SELECT * FROM c ORDER BY c.n DESC", "SELECT * FROM c"])
def test_pages_hold_while_items_come_and_go(items, text):
    """Across pages nothing is met twice and nothing that stays is missed, though items are deleted between."""
    for n in range(10):
        items.create_item({"id": str(n), "tenant": "a", "n": n})
    pages = items.query_items(text, partition_key="a", max_item_count=3).by_page()

    first = [item["id"] for item in next(pages)]
    for gone in first:
        items.delete_item(gone, "a")
    following = items.query_items(text, partition_key="a", max_item_count=3).by_page(pages.continuation_token)
    rest = [item["id"] for page in following for item in page]

    assert len(first) == 3
    assert sorted(first + rest) == [str(n) for n in range(10)]


def test_limits_count_across_pages(items):
    """OFFSET and LIMIT are meant for the whole result, not for each page."""
    for n in range(10):
        items.create_item({"id": str(n), "tenant": "a", "n": n})

    query = "SELECT VALUE c.n FROM c ORDER BY c.n OFFSET 2 LIMIT 5"

    assert list(items.query_items(query, partition_key="a", max_item_count=2)) == [2, 3, 4, 5, 6]


def test_a_foreign_continuation_is_refused(items):
    """A token of another query, or no token at all, is 400 and not a wrong page."""
    for n in range(4):
        items.create_item({"id": str(n), "tenant": "a", "n": n})
    pages = items.query_items("SELECT * FROM c", partition_key="a", max_item_count=2).by_page()
    next(pages)

    for query, token in (("SELECT c.id FROM c", pages.continuation_token), ("SELECT * FROM c", "nonsense")):
        with pytest.raises(CosmosHttpResponseError, match="continuation"):
            next(items.query_items(query, partition_key="a").by_page(token))


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "add", "path": "/b", "value": 1}], {"b": 1}),
        ([{"op": "add", "path": "/list/1", "value": "new"}], {"list": [1, "new", 2]}),
        ([{"op": "add", "path": "/list/-", "value": 3}], {"list": [1, 2, 3]}),
        ([{"op": "set", "path": "/list/1", "value": "new"}], {"list": [1, "new"]}),
        ([{"op": "set", "path": "/o/new", "value": None}], {"o": {"x": 1, "new": None}}),
        ([{"op": "replace", "path": "/o/x", "value": 2}], {"o": {"x": 2}}),
        ([{"op": "replace", "path": "/list/0", "value": 9}], {"list": [9, 2]}),
        ([{"op": "remove", "path": "/list/0"}], {"list": [2]}),
        ([{"op": "incr", "path": "/n", "value": -2.5}], {"n": 2.5}),
        ([{"op": "incr", "path": "/fresh", "value": 4}], {"fresh": 4}),
        ([{"op": "move", "from": "/o/x", "path": "/x"}], {"o": {}, "x": 1}),
        ([{"op": "set", "path": "/a~1b~0c", "value": 1}], {"a/b~c": 1}),
    ],
)
def test_patch_operations(operations, expected):
    """Each operation does what its name says, in objects and in arrays."""
    item = {"id": "1", "tenant": "a", "n": 5, "list": [1, 2], "o": {"x": 1}}

    assert patched(item, operations, ("tenant",)) == {**item, **expected}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/absent", "value": 1},
        {"op": "remove", "path": "/absent"},
        {"op": "add", "path": "/absent/x", "value": 1},
        {"op": "add", "path": "/list/7", "value": 1},
        {"op": "set", "path": "/list/x", "value": 1},
        {"op": "incr", "path": "/o", "value": 1},
        {"op": "incr", "path": "/n", "value": "1"},
        {"op": "set", "path": "/id", "value": "2"},
        {"op": "set", "path": "/tenant", "value": "b"},
        {"op": "set", "path": "/_etag", "value": "x"},
        {"op": "move", "from": "/o", "path": "/o/y"},
        {"op": "set", "path": "/n"},
        {"op": "test", "path": "/n", "value": 1},
        {"op": "set", "path": "n", "value": 1},
    ],
)
def test_patch_operations_that_cannot_be(operation):
    """What is not there, not a number, or not the caller's to change is refused."""
    with pytest.raises(CosmosError, match="Patch operation 0") as caught:
        patched({"id": "1", "tenant": "a", "n": 5, "list": [1, 2], "o": {"x": 1}}, [operation], ("tenant",))
    assert caught.value.status == 400


def test_a_patch_has_at_most_ten_operations():
    """The eleventh is one too many."""
    step = {"op": "incr", "path": "/n", "value": 1}

    assert patched({"id": "1"}, [step] * 10, ("t",))["n"] == 10
    with pytest.raises(CosmosError, match="at most 10"):
        patched({"id": "1"}, [step] * 11, ("t",))


def test_the_condition_of_a_patch_is_a_where_clause():
    """`from c where ...`, and nothing else."""
    assert parse_condition("FROM c WHERE c.n = 1")({"n": 1})
    assert not parse_condition("from x where x.n > 1")({"n": 1})
    with pytest.raises(CosmosError):
        parse_condition("c.n = 1")
