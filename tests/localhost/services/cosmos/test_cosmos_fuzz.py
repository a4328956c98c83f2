"""Whatever is sent, the answer is one of the service's own: no request can make it fall over."""

import json
import sqlite3
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localhost.services.cosmos import resources
from localhost.services.cosmos.errors import CosmosError
from localhost.services.cosmos.operations import Request, serve_items
from localhost.services.cosmos.sql import parse_query
from localhost.services.cosmos.store import SCHEMA

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "t", "op", "n"]), inner),
    max_leaves=8,
)
OPERATION = st.fixed_dictionaries(
    {},
    optional={
        "op": st.sampled_from(["add", "set", "replace", "remove", "incr", "move"]) | JSON,
        "path": st.sampled_from(["/n", "/l/0", "/l/-", "/o/x", "/id", "/t", "//", "/~1"]) | JSON,
        "from": st.sampled_from(["/n", "/l/0", "/o"]) | JSON,
        "value": JSON,
    },
)
BODY = (
    JSON
    | st.fixed_dictionaries(
        {}, optional={"id": JSON, "t": JSON, "ttl": JSON, "query": st.text() | JSON, "parameters": JSON}
    )
    | st.fixed_dictionaries({"operations": st.lists(OPERATION, max_size=3)}, optional={"condition": JSON})
    | st.lists(
        st.fixed_dictionaries(
            {"operationType": st.sampled_from(["Create", "Upsert", "Read", "Replace", "Patch", "Delete"]) | JSON},
            optional={"id": st.just("1") | JSON, "resourceBody": JSON, "ifMatch": JSON, "ifNoneMatch": JSON},
        )
        | JSON,
        max_size=3,
    )
)
HEADERS = st.fixed_dictionaries(
    {"x-ms-documentdb-partitionkey": st.just('["a"]') | st.text(max_size=5)},
    optional={
        "x-ms-documentdb-is-upsert": st.just("True"),
        "x-ms-documentdb-isquery": st.just("True"),
        "x-ms-cosmos-is-batch-request": st.just("True"),
        "x-ms-cosmos-batch-atomic": st.just("True"),
        "x-ms-max-item-count": st.text(max_size=3),
        "x-ms-continuation": st.text(max_size=20),
        "if-match": st.text(max_size=3),
    },
)
METHODS = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"])
WORDS = st.sampled_from("SELECT * FROM c WHERE c.n = 1 AND ( ) [ ] 'x' @p IN NOT , . ORDER BY VALUE ' \" \\".split())


@pytest.fixture(scope="module")
def connection():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCHEMA)
    resources.create_database(connection, {"id": "d"}, 0)
    container = {"id": "c", "partitionKey": {"paths": ["/t"]}, "defaultTtl": 60}
    resources.create_container(connection, "d", container, 0)
    yield connection
    connection.close()


@settings(max_examples=400, deadline=None)
@given(method=METHODS, name=st.none() | st.just("1"), headers=HEADERS, body=BODY)
def test_every_request_about_items_has_an_answer(connection, method, name, headers, body):
    """A request ends in an answer whose body is JSON, or in an error of the service; in nothing else."""
    connection.execute("BEGIN")
    item = {"id": "1", "t": "a", "n": 1, "l": [1], "o": {"x": 1}}
    serve_items(connection, request("POST", None, {"x-ms-documentdb-partitionkey": '["a"]'}, item))
    try:
        with suppress(CosmosError):
            answer = serve_items(connection, request(method, name, headers, body))
            assert answer.body == "" or json.loads(answer.body) is not None
    finally:
        connection.execute("ROLLBACK")


@settings(max_examples=400, deadline=None)
@given(st.lists(WORDS, max_size=15))
def test_every_text_is_a_query_or_an_error(words):
    """A text is understood or refused; nothing else."""
    with suppress(CosmosError):
        parse_query(" ".join(words), {"@p": 1})


def request(method, name, headers, body) -> Request:
    path = ("dbs", "d", "colls", "c", "docs")
    return Request(method, path if name is None else (*path, name), headers, body, 1.0)
