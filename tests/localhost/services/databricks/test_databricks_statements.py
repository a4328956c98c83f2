"""SQL statements, query history and warehouses of the stand-in, through the real SDK."""

import json
import re
import time
import urllib.error
import urllib.request
from threading import Thread

import pytest
from databricks.sdk.errors import InvalidParameterValue, NotFound
from databricks.sdk.errors import NotImplemented as NotThere
from databricks.sdk.service.sql import (
    Disposition,
    ExecuteStatementRequestOnWaitTimeout,
    QueryFilter,
    QueryStatus,
    QueryTag,
    StatementParameterListItem,
    StatementState,
    TimeRange,
)
from serving import serving
from small_workspace import RATINGS, TABLES, connect, publish_imdb

from localhost.services.databricks import statements
from localhost.services.databricks.app import create_app
from localhost.services.faults import Fault

CANCEL = ExecuteStatementRequestOnWaitTimeout.CANCEL
ENDLESS = "SELECT count(*) FROM range(100000000) a CROSS JOIN range(100000) b WHERE a.id * b.id % 7 = 3"


@pytest.fixture(scope="module")
def api(workspace):
    return workspace.statement_execution


def run(api, sql, **options):
    return api.execute_statement(sql, "warehouse", **options)


def rows(api, sql, **options):
    response = run(api, sql, **options)
    assert response.status.state == StatementState.SUCCEEDED, response.status
    return response.result.data_array


def until_ended(api, statement_id):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        response = api.get_statement(statement_id)
        if response.status.state not in {StatementState.PENDING, StatementState.RUNNING}:
            return response
        time.sleep(0.02)
    raise AssertionError("the statement did not end")


def test_sends_rows_as_texts(api):
    """Cells are texts or null, and the manifest tells their types."""
    response = run(
        api,
        "SELECT tconst, startYear, endYear, runtimeMinutes / 2 AS half, isAdult = 1 AS adult, 1.50 AS price, "
        "DATE'2020-02-29' AS day, TIMESTAMP_NTZ'2020-02-29 12:30:00' AS moment, array('a', 'b') AS letters, "
        "array(1, 2) AS numbers, 1e10 AS large FROM imdb.title_basics WHERE tconst = 'tt01'",
    )

    assert response.status.state == StatementState.SUCCEEDED
    assert response.result.data_array == [
        [
            *("tt01", "1994", None, "71.0", "false", "1.50", "2020-02-29", "2020-02-29T12:30:00.000"),
            *('["a","b"]', '["1","2"]', "1.0E10"),
        ]
    ]
    columns = {c.name: (c.type_text, c.type_name.value, c.position) for c in response.manifest.schema.columns}
    assert columns["startYear"] == ("INT", "INT", 1)
    assert columns["price"] == ("DECIMAL(3,2)", "DECIMAL", 5)
    assert columns["letters"] == ("ARRAY<STRING>", "ARRAY", 8)
    assert (response.manifest.total_row_count, response.manifest.truncated) == (1, False)


def test_a_result_without_rows_has_a_schema(api):
    """No rows is a success with columns and an empty first chunk."""
    response = run(api, "SELECT tconst FROM imdb.title_basics WHERE startYear = 1")

    assert response.result.data_array in (None, [])
    assert response.manifest.total_row_count == 0
    assert [c.name for c in response.manifest.schema.columns] == ["tconst"]


def test_row_limit_says_that_it_cut(api):
    """`row_limit` cuts the rows and says so; a result of just that many rows was not cut."""
    sql = "SELECT tconst FROM imdb.title_basics ORDER BY tconst"

    cut, whole = run(api, sql, row_limit=3), run(api, sql, row_limit=8)

    assert (cut.result.data_array, cut.manifest.truncated) == ([["tt01"], ["tt02"], ["tt03"]], True)
    assert (whole.manifest.total_row_count, whole.manifest.truncated) == (8, False)


def test_byte_limit_says_that_it_cut(api):
    """`byte_limit` cuts the rows and says so."""
    response = run(api, "SELECT id FROM range(1000)", byte_limit=800)

    assert response.manifest.truncated
    assert 700 < response.manifest.total_byte_count <= 800


def test_a_large_result_comes_in_chunks(api):
    """Each chunk points at the next, and together they are the result in its order."""
    response = run(api, "SELECT id, repeat('x', 100) AS s FROM range(60000) ORDER BY id")
    assert response.manifest.total_chunk_count > 1

    found, part = [], response.result
    while part is not None:
        found += [int(row[0]) for row in part.data_array]
        index = part.next_chunk_index
        part = index and api.get_statement_result_chunk_n(response.statement_id, index)

    assert found == list(range(60_000))
    with pytest.raises(InvalidParameterValue, match="no chunk"):
        api.get_statement_result_chunk_n(response.statement_id, response.manifest.total_chunk_count)


def test_an_inline_result_has_a_size_limit(api):
    """More than 25 MiB do not come inline: the statement fails and says what the limit is."""
    response = run(api, "SELECT id, repeat('x', 1000) AS s FROM range(40000)", wait_timeout="30s")

    assert response.status.state == StatementState.FAILED
    assert "26214400 bytes" in response.status.error.message


def test_parameters_have_types(api):
    """`:name` markers take the values that were sent, in their types; one that is missing fails the statement."""
    sql = "SELECT tconst, :text AS text FROM imdb.title_basics WHERE startYear > :year ORDER BY tconst"
    parameters = [StatementParameterListItem("year", "INT", "2009"), StatementParameterListItem("text", value="it's")]

    assert rows(api, sql, parameters=parameters) == [["tt05", "it's"], ["tt07", "it's"], ["tt08", "it's"]]
    assert "[UNBOUND_SQL_PARAMETER]" in run(api, sql).status.error.message
    wrong = run(api, "SELECT :n", parameters=[StatementParameterListItem("n", "INT", "many")])
    assert "[CAST_INVALID_INPUT]" in wrong.status.error.message


def test_a_default_schema_resolves_bare_names(api):
    """With `schema`, a bare table name is found in it."""
    assert rows(api, "SELECT count(*) FROM title_ratings", schema="imdb") == [["7"]]
    assert "[TABLE_OR_VIEW_NOT_FOUND]" in run(api, "SELECT count(*) FROM title_ratings").status.error.message


@pytest.mark.parametrize(
    ("sql", "message", "sql_state"),
    [
        (
            "SELECT starYear FROM imdb.title_basics",
            r"^\[UNRESOLVED_COLUMN.WITH_SUGGESTION\].*`starYear`.*`star",
            "42703",
        ),
        ("SELECT * FROM imdb.title_basic", r"^\[TABLE_OR_VIEW_NOT_FOUND\].*`imdb`\.`title_basic`", "42P01"),
        ("SELECT nope(1)", r"^\[UNRESOLVED_ROUTINE\].*`nope`", "42883"),
        ("SELECT FROM imdb.title_basics WHERE (", r"^\[PARSE_SYNTAX_ERROR\]", "42601"),
        ("SELECT 1; SELECT 2", r"^\[PARSE_SYNTAX_ERROR\]", "42601"),
        ("SELECT numVotes / (numVotes - numVotes) FROM imdb.title_ratings", r"^\[DIVIDE_BY_ZERO\]", "22012"),
        ("DROP VIEW imdb.title_basics", r"^\[INSUFFICIENT_PERMISSIONS\]", "42501"),
        ("SELECT * FROM read_csv('/etc/passwd')", r"^\[INSUFFICIENT_PERMISSIONS\]", "42501"),
    ],
)
def test_sql_that_fails_is_a_failed_statement(api, sql, message, sql_state):
    """Wrong SQL is a statement that FAILED, not an HTTP error, and reads as Databricks puts it."""
    status = run(api, sql).status

    assert (status.state, status.sql_state) == (StatementState.FAILED, sql_state)
    assert status.error.error_code.value == "BAD_REQUEST"
    assert re.search(message, status.error.message), status.error.message


def test_does_not_wait_when_told_so(api, faults):
    """With 0s the answer comes at once, and the statement goes on."""
    faults.add(Fault(effect="hang_statement", latency=0.2))

    response = run(api, "SELECT 1", wait_timeout="0s")

    assert response.status.state == StatementState.RUNNING
    assert until_ended(api, response.statement_id).result.data_array == [["1"]]


def test_cancels_at_the_wait_timeout_when_told_so(api, faults):
    """With CANCEL, a statement that is not over after the wait is cancelled."""
    faults.add(Fault(effect="hang_statement"))

    response = run(api, "SELECT 1", wait_timeout="5s", on_wait_timeout=CANCEL)

    assert response.status.state == StatementState.CANCELED


def test_cancelling_interrupts_the_engine(api):
    """A cancelled statement is CANCELED at once, and its worker is free for the next one."""
    endless = [run(api, ENDLESS, wait_timeout="0s").statement_id for _ in range(8)]
    for statement_id in endless:
        api.cancel_execution(statement_id)

    assert {api.get_statement(i).status.state for i in endless} == {StatementState.CANCELED}
    assert rows(api, "SELECT 1") == [["1"]]


def test_statements_run_at_once(api, faults):
    """A statement that hangs holds up no other."""
    faults.add(Fault(effect="hang_statement", times=20))
    hanging = [run(api, f"SELECT {n}", wait_timeout="0s").statement_id for n in range(20)]
    found = []
    threads = [Thread(target=lambda: found.append(rows(api, "SELECT 42"))) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [[["42"]]] * 8
    for statement_id in hanging:
        api.cancel_execution(statement_id)


def test_statements_can_be_made_to_fail(api, faults):
    """`fail_statement` fails the statement it matches with what its detail says."""
    detail = {"message": "The warehouse lost its way.", "error_code": "TEMPORARILY_UNAVAILABLE"}
    faults.add(Fault(effect="fail_statement", match="title_ratings", detail=detail))

    assert rows(api, "SELECT 1") == [["1"]]
    error = run(api, "SELECT count(*) FROM imdb.title_ratings").status.error
    assert (error.error_code.value, error.message) == ("TEMPORARILY_UNAVAILABLE", "The warehouse lost its way.")
    assert rows(api, "SELECT count(*) FROM imdb.title_ratings") == [["7"]]


def test_history_finds_a_statement_by_its_tags(workspace, api):
    """The history has the tags, so that a submission whose answer was lost can be found."""
    before = int(time.time() * 1000)
    tags = [QueryTag("lakehouse_query", "abc"), QueryTag("flag")]
    response = run(api, "SELECT 'tagged'", query_tags=tags)
    span = TimeRange(start_time_ms=before, end_time_ms=before + 60_000)

    page = workspace.query_history.list(
        filter_by=QueryFilter(query_start_time_range=span, warehouse_ids=["warehouse"]), max_results=1
    )

    [query] = page.res
    assert (query.query_id, query.status, query.query_text) == (
        response.statement_id,
        QueryStatus.FINISHED,
        "SELECT 'tagged'",
    )
    assert [(tag.key, tag.value) for tag in query.query_tags] == [("lakehouse_query", "abc"), ("flag", None)]
    assert (query.rows_produced, query.statement_type.value) == (1, "SELECT")
    assert query.channel_used.dbsql_version == "stand-in/duckdb"


def test_history_is_filtered_and_paged(workspace, api):
    """Pages follow each other, newest first; other warehouses and other ids are left out."""
    ids = [run(api, f"SELECT {n} AS paged").statement_id for n in range(5)]
    only = QueryFilter(statement_ids=ids)

    found, token = [], None
    while True:
        page = workspace.query_history.list(filter_by=only, max_results=2, page_token=token)
        found += [query.query_id for query in page.res]
        if not page.has_next_page:
            break
        token = page.next_page_token

    assert found == ids[::-1]
    assert not workspace.query_history.list(filter_by=QueryFilter(warehouse_ids=["another"])).res
    failed = QueryFilter(statement_ids=ids, statuses=[QueryStatus.FAILED])
    assert not workspace.query_history.list(filter_by=failed).res


def test_a_new_version_of_the_tables_is_seen(tmp_path, faults):
    """What is published while the stand-in runs is read by the next statement."""
    lake = tmp_path / "lake with a space"
    with serving(create_app(lake, "duckdb", faults)) as url:
        api = connect(url).statement_execution
        assert "[TABLE_OR_VIEW_NOT_FOUND]" in run(api, "SELECT * FROM imdb.title_ratings").status.error.message
        publish_imdb(lake)
        assert rows(api, "SELECT count(*) FROM imdb.title_ratings") == [["7"]]
        publish_imdb(lake, TABLES | {"title_ratings": (RATINGS[:2], TABLES["title_ratings"][1])})
        assert rows(api, "SELECT count(*) FROM imdb.title_ratings") == [["2"]]


def test_rows_are_let_go(tmp_path, monkeypatch, faults):
    """Only so many results are kept; older statements are CLOSED, their rows gone."""
    monkeypatch.setattr(statements, "RESULTS_KEPT", 2)
    with serving(create_app(tmp_path, "duckdb", faults)) as url:
        api = connect(url).statement_execution
        ids = [run(api, f"SELECT {n}").statement_id for n in range(4)]

        states = [api.get_statement(statement_id).status.state for statement_id in ids]

        assert states == [StatementState.CLOSED] * 2 + [StatementState.SUCCEEDED] * 2
        with pytest.raises(NotFound):
            api.get_statement_result_chunk_n(ids[0], 0)


def test_statements_are_forgotten(tmp_path, monkeypatch, faults):
    """A statement that ended long ago is not found."""
    monkeypatch.setattr(statements, "STATEMENT_SECONDS", -1)
    with serving(create_app(tmp_path, "duckdb", faults)) as url:
        api = connect(url).statement_execution
        statement_id = run(api, "SELECT 1").statement_id
        run(api, "SELECT 2", wait_timeout="0s")

        with pytest.raises(NotFound):
            api.get_statement(statement_id)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"wait_timeout": "3s"}, InvalidParameterValue),
        ({"wait_timeout": "soon"}, InvalidParameterValue),
        ({"row_limit": 0}, InvalidParameterValue),
        ({"disposition": Disposition.EXTERNAL_LINKS}, NotThere),
        ({"catalog": "main"}, NotThere),
    ],
)
def test_requests_that_cannot_be_served_are_refused(api, options, error):
    """Nothing runs for a request that is wrong, or that asks for what the stand-in has not."""
    with pytest.raises(error):
        run(api, "SELECT 1", **options)


def test_unknown_statements_are_not_found(api):
    """An unknown id is 404, whatever is asked of it."""
    for ask in (api.get_statement, api.cancel_execution):
        with pytest.raises(NotFound):
            ask("01f0-nothing")


def test_a_token_is_needed(url):
    """Without a bearer token every call of the API is 401."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{url}/api/2.0/sql/warehouses")
    with refused.value as answer:
        assert answer.code == 401
        assert json.loads(answer.read())["error_code"] == "UNAUTHENTICATED"


def test_the_client_starts_without_a_warning(url, caplog):
    """The SDK finds what it asks a host for, so nothing alarming is logged at each start."""
    connect(url).current_user.me()

    assert [record.getMessage() for record in caplog.records if record.name.startswith("databricks")] == []


def test_what_is_missing_is_named(workspace):
    """An operation that the stand-in has not is answered with 501 and its name."""
    with pytest.raises(NotThere, match=r"GET /api/2\.\d/clusters"):
        list(workspace.clusters.list())


def test_says_what_it_is(url, workspace):
    """The stand-in says so, and which engine answers; it has one warehouse, and the caller a name."""
    with urllib.request.urlopen(f"{url}/_about") as answer:
        about = json.load(answer)
    assert (about["service"], about["stand_in"], about["sql_engine"], about["approximate"]) == (
        "databricks",
        True,
        "duckdb",
        True,
    )
    [warehouse] = workspace.warehouses.list()
    assert "Stand-in" in warehouse.name
    assert workspace.warehouses.get("any").state.value == "RUNNING"
    assert workspace.current_user.me().user_name == "stand-in"


def test_transport_faults_reach_the_client(workspace, faults):
    """A dropped connection and a 429 are taken by the SDK's own retries, and the statement runs once."""
    faults.add(Fault(match="POST /api/2.0/sql/statements$", drop=True))
    faults.add(Fault(match="POST /api/2.0/sql/statements$", status=429, headers={"Retry-After": "0"}, body={}))
    with pytest.raises(Exception, match=r"Connection aborted|Remote end closed|reset"):
        workspace.api_client._api_client._session.post(
            f"{workspace.config.host}/api/2.0/sql/statements", json={}, timeout=5
        )
    assert rows(workspace.statement_execution, "SELECT 1") == [["1"]]
