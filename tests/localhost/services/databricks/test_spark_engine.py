"""Real Spark behind the stand-in: what only it can show."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Timer

import pyarrow.dataset as ds
import pytest
from small_workspace import RATINGS, TABLES, publish_imdb

from localhost.services.databricks.engine import INLINE_BYTES, Cancellation, QueryCancelledError, QueryFailedError
from localhost.services.databricks.engines import WarmingEngine
from localhost.services.databricks.spark_session import missing_for_spark, new_home

pytestmark = pytest.mark.spark

ROOT = Path(__file__).parents[4]
ENDLESS = "SELECT count(*) FROM range(100000000) a CROSS JOIN range(100000) b WHERE a.id * b.id % 7 = 3"
TOP = "SELECT tconst, averageRating FROM imdb.title_ratings ORDER BY averageRating DESC"


def execute(engine, sql, row_limit=None, **options):
    return engine.execute(sql, (), row_limit, Cancellation(), **options)


def test_runs_the_job_of_databricks(spark, tmp_path):
    """The job's own code writes the rows in their order, at most the limit, and replaces what was there."""
    folder = tmp_path / "with a space"

    for row_limit, truncated in ((3, True), (7, False)):
        report, engine = spark.run_query_job(TOP, folder.as_uri(), row_limit, Cancellation())
        assert (report["row_count"], report["truncated"], engine) == (row_limit, truncated, "spark")

    assert report["columns"] == [{"name": "tconst", "type": "STRING"}, {"name": "averageRating", "type": "DOUBLE"}]
    written = ds.dataset(folder, format="parquet").to_table()
    assert written["tconst"].to_pylist() == ["tt04", "tt01", "tt05", "tt02", "tt08", "tt03", "tt07"]


def test_both_engines_report_a_job_alike(spark, duckdb, tmp_path):
    """The job's report and its rows are the same, whichever engine ran it."""
    sql = "SELECT titleType, count(*) AS n, avg(runtimeMinutes) AS a FROM imdb.title_basics GROUP BY 1 ORDER BY 1"
    reports = []
    for engine in (spark, duckdb):
        folder = tmp_path / type(engine).__name__
        reports.append(engine.run_query_job(sql, folder.as_uri(), 10, Cancellation())[0])
        reports.append(ds.dataset(folder, format="parquet").to_table().to_pylist())

    assert reports[:2] == reports[2:]


@pytest.mark.parametrize("after", [0.02, 0.1, 1.0])
def test_cancelling_interrupts_spark(spark, after):
    """A query ends when it is cancelled, in the middle of its work or while it is being planned."""
    cancellation = Cancellation()
    Timer(after, cancellation.request).start()

    with pytest.raises(QueryCancelledError):
        spark.execute(ENDLESS, (), None, cancellation)
    assert execute(spark, "SELECT 1").table.num_rows == 1


def test_a_new_version_of_the_tables_is_seen(spark, lake):
    """What is published while Spark runs is read by the next query; the old version's tables are let go."""
    try:
        publish_imdb(lake, TABLES | {"title_ratings": (RATINGS[:2], TABLES["title_ratings"][1])})
        assert execute(spark, "SELECT * FROM imdb.title_ratings").table.num_rows == 2
    finally:
        publish_imdb(lake)
    assert execute(spark, "SELECT * FROM imdb.title_ratings").table.num_rows == 7
    databases = execute(spark, "SHOW DATABASES").table["namespace"].to_pylist()
    assert len([name for name in databases if name.startswith("imdb_")]) == 1


def test_text_is_not_substituted(spark):
    """`${...}` in SQL is text: no variable of the JVM gets into a query."""
    assert execute(spark, "SELECT '${env:HOME} ${system:user.home}' AS s").table["s"][0].as_py() == (
        "${env:HOME} ${system:user.home}"
    )


def test_a_default_schema_is_the_statements_own(spark):
    """`schema` holds for one statement and not for the next."""
    assert execute(spark, "SELECT * FROM title_ratings", schema="imdb").table.num_rows == 7
    with pytest.raises(QueryFailedError, match=r"^\[TABLE_OR_VIEW_NOT_FOUND\]"):
        execute(spark, "SELECT * FROM title_ratings")


def test_an_error_is_one_message(spark):
    """The message ends where Spark's query plan and stack trace would begin."""
    with pytest.raises(QueryFailedError) as failure:
        execute(spark, "SELECT foo FROM imdb.title_basics")

    assert str(failure.value).endswith("SQLSTATE: 42703; line 1 pos 7")


def test_a_result_that_is_too_large_fails(spark):
    """Spark refuses to collect what would not fit the answer by far, and the statement says why."""
    with pytest.raises(QueryFailedError, match=str(INLINE_BYTES)):
        execute(spark, "SELECT id, repeat(uuid(), 10) AS s FROM range(3000000)")


def test_spark_answers_once_it_is_ready(spark, duckdb):
    """`auto` goes over to Spark."""
    assert execute(spark, "SELECT 1").engine == "spark"
    engine = WarmingEngine(duckdb, spark)

    assert execute(engine, "SELECT 1").engine == "spark"
    assert (engine.about()["spark"], engine.about()["approximate"]) == ("ready", False)


def test_duckdb_answers_for_a_spark_that_died(spark, duckdb, monkeypatch):
    """Where the JVM has ended, `auto` goes back to DuckDB and says why; `spark` says that it cannot."""
    ended = subprocess.Popen([sys.executable, "-c", "raise SystemExit(52)"])
    ended.wait()
    monkeypatch.setattr(spark, "_jvm", ended)
    engine = WarmingEngine(duckdb, spark)

    assert execute(engine, "SELECT 1").engine == "duckdb"
    assert engine.about()["spark"] == "failed: its JVM ended with code 52"
    with pytest.raises(QueryFailedError, match="code 52") as failure:
        execute(spark, "SELECT 1")
    assert failure.value.error_code == "TEMPORARILY_UNAVAILABLE"


def test_what_a_killed_process_left_is_removed(tmp_path, monkeypatch):
    """A new folder for Spark takes the place of those whose process is gone, and of no others."""
    monkeypatch.setattr("localhost.services.databricks.spark_session.gettempdir", lambda: str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for owner in (ended.pid, os.getpid()):
        (tmp_path / f"lakehouse-spark-{owner}-abc").mkdir()

    new_home().rmdir()

    assert [left.name for left in tmp_path.iterdir()] == [f"lakehouse-spark-{os.getpid()}-abc"]


JVM_OF_A_PROCESS = """
import sys, time
from pathlib import Path
import pyspark
from localhost.services.databricks.spark_engine import SparkEngine
SparkEngine(Path(sys.argv[1])).start()
while pyspark.SparkContext._gateway is None:
    time.sleep(0.05)
print(pyspark.SparkContext._gateway.proc.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(missing_for_spark() is not None, reason=f"no Spark here: {missing_for_spark()}")
def test_the_jvm_does_not_outlive_its_process(tmp_path):
    """Killed at once, the process takes its JVM with it."""
    command = [sys.executable, "-c", JVM_OF_A_PROCESS, tmp_path]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        jvm = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)

    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and alive(jvm):
        time.sleep(0.05)
    assert not alive(jvm)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended and that nobody waited for is still listed.
    status = Path(f"/proc/{pid}/status")
    return not (status.exists() and "\nState:\tZ" in status.read_text())
