"""Both lanes to Databricks, through the real SDK against the stand-in: one attempt, one execution."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from serving import serving

from localhost.services.databricks.app import create_app
from localhost.services.faults import Fault, Faults
from localhost.tables import TableVersion, new_version_folder, publish
from shared.databricks import Execution, Lane, QueryKey, client
from shared.databricks.jobs import JobLane
from shared.databricks.statements import StatementLane
from shared.errors import QueryError, WarehouseUnavailableError
from shared.lake import read_rows
from shared.settings import settings

SQL = "SELECT tconst, averageRating FROM imdb.title_ratings ORDER BY averageRating DESC"
KEY = QueryKey("11111111-2222-3333-4444-555555555555", "q1", 1)


class Databricks:
    """A stand-in with one table, and both lanes to it."""

    def __init__(self, lake: Path, faults: Faults) -> None:
        self.faults = faults
        self.result_url = (lake / "results" / "c" / "q1-1").as_uri()
        self.lanes: dict[str, Lane] = {"statement": StatementLane("warehouse"), "job": JobLane(1)}

    def submit(self, lane: str, sql: str = SQL, *, key: QueryKey = KEY, begun_before: bool = False) -> Execution:
        return self.lanes[lane].submit(sql, key, result_url=self.result_url, row_limit=2, begun_before=begun_before)

    def finish(self, lane: str, execution: Execution) -> Execution:
        until = time.monotonic() + 20
        while execution.state == "running" and time.monotonic() < until:
            time.sleep(0.05)
            execution = self.lanes[lane].fetch(execution.handle, result_url=self.result_url, row_limit=2)
        return execution

    def calls(self, path: str) -> int:
        return sum(path in call["path"] and call["method"] == "POST" for call in self.faults.calls())


@pytest.fixture
def databricks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Databricks]:
    folder = new_version_folder(tmp_path, "imdb")
    (folder / "title_ratings").mkdir()
    ratings = pa.table({"tconst": ["tt1", "tt2", "tt3"], "averageRating": [7.5, 9.0, 8.25]})
    pq.write_table(ratings, folder / "title_ratings" / "part-0.parquet")
    publish(folder, "generated", {"title_ratings": TableVersion(3)})
    faults = Faults()
    with serving(create_app(tmp_path, "duckdb", faults)) as url:
        given = {"AZURE_OPENAI_ENDPOINT": "-", "COSMOS_ENDPOINT": "-", "LAKE_URL": tmp_path.as_uri()}
        for name, value in {**given, "DATABRICKS_HOST": url, "DATABRICKS_TOKEN": "t"}.items():
            monkeypatch.setenv(name, value)
        _forget()
        yield Databricks(tmp_path, faults)
        _forget()


def _forget() -> None:
    settings.cache_clear()
    client.workspace.cache_clear()


LANES = pytest.mark.parametrize("lane", ["statement", "job"])


@LANES
def test_rows_land_in_the_lake_in_their_order_and_the_cut_is_exact(databricks: Databricks, lane: str) -> None:
    """Three rows, two kept: truncated. Both lanes leave the same."""
    ended = databricks.finish(lane, databricks.submit(lane))
    assert (ended.state, ended.row_count, ended.truncated) == ("succeeded", 2, True)
    assert read_rows(databricks.result_url, 10) == (["tconst", "averageRating"], [["tt2", 9.0], ["tt3", 8.25]])
    assert [column["name"] for column in ended.columns] == ["tconst", "averageRating"]


@LANES
def test_a_result_that_fits_exactly_is_not_called_truncated(databricks: Databricks, lane: str) -> None:
    ended = databricks.finish(lane, databricks.submit(lane, f"{SQL} LIMIT 2"))
    assert (ended.row_count, ended.truncated) == (2, False)


@LANES
def test_sql_that_is_wrong_is_told_from_a_cluster_that_broke(databricks: Databricks, lane: str) -> None:
    ended = databricks.finish(lane, databricks.submit(lane, "SELECT nope FROM imdb.title_ratings"))
    assert (ended.state, ended.failure) == ("failed", "sql")
    assert "UNRESOLVED_COLUMN" in ended.error
    databricks.faults.add(Fault(effect="fail_run"), Fault(effect="fail_statement"))
    broken = databricks.finish(lane, databricks.submit(lane, key=KEY._replace(attempt=2)))
    assert (broken.state, broken.failure) == ("failed", "infrastructure")


@LANES
def test_an_attempt_submitted_twice_runs_once(databricks: Databricks, lane: str) -> None:
    """The worker died after Databricks took the query and before we knew: the repetition finds it."""
    first = databricks.finish(lane, databricks.submit(lane))
    again = databricks.finish(lane, databricks.submit(lane, begun_before=True))
    assert again.handle == first.handle
    assert again.run_id == first.run_id
    if lane == "statement":
        assert databricks.calls("/sql/statements") == 1


@LANES
def test_another_attempt_is_another_execution(databricks: Databricks, lane: str) -> None:
    first = databricks.finish(lane, databricks.submit(lane))
    second = databricks.finish(lane, databricks.submit(lane, key=KEY._replace(attempt=2), begun_before=True))
    assert second.handle != first.handle


@LANES
def test_cancelling_ends_what_hangs(databricks: Databricks, lane: str) -> None:
    databricks.faults.add(Fault(effect="hang_run"), Fault(effect="hang_statement"))
    running = databricks.submit(lane)
    assert running.state == "running"
    databricks.lanes[lane].cancel(running.handle)
    assert databricks.finish(lane, running).state == "canceled"


@LANES
@pytest.mark.parametrize(
    ("fault", "after"),
    [
        (
            Fault(
                match="POST", status=429, headers={"Retry-After": "7"}, body={"error_code": "REQUEST_LIMIT_EXCEEDED"}
            ),
            7,
        ),
        (Fault(match="POST", status=503, body={"error_code": "TEMPORARILY_UNAVAILABLE"}), None),
        (Fault(match="POST", drop=True), None),
    ],
    ids=["429", "503", "dropped"],
)
def test_a_busy_service_is_left_to_the_orchestration_at_once(
    databricks: Databricks, lane: str, fault: Fault, after: Any
) -> None:
    """The SDK would sleep and repeat inside the activity; a durable timer does it better."""
    databricks.faults.add(fault)
    with pytest.raises(WarehouseUnavailableError) as raised:
        databricks.submit(lane)
    if after is not None:
        assert raised.value.retry_after == after
    assert len([call for call in databricks.faults.calls() if call["method"] == "POST"]) == 1


@LANES
def test_a_refusal_is_not_worth_repeating(databricks: Databricks, lane: str) -> None:
    databricks.faults.add(Fault(match="POST", status=403, body={"error_code": "PERMISSION_DENIED", "message": "no"}))
    with pytest.raises(QueryError, match="refused") as raised:
        databricks.submit(lane)
    assert not isinstance(raised.value, WarehouseUnavailableError)


@pytest.mark.parametrize(("lane", "handle"), [("statement", "01f00000-0000-1000-8000-000000000000"), ("job", "7")])
def test_an_execution_that_databricks_lost_is_worth_running_again(
    databricks: Databricks, lane: str, handle: str
) -> None:
    """Its machine is gone, or it has expired: the next attempt is another one."""
    databricks.lanes[lane].cancel(handle)  # there is nothing left to cancel, which is no error
    ended = databricks.lanes[lane].fetch(handle, result_url=databricks.result_url, row_limit=2)
    assert (ended.state, ended.failure) == ("failed", "infrastructure")
