"""DuckDB in place of Spark: where the two would silently differ, the translation mends it."""

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_workspace import publish_imdb

from localhost.services.databricks.duckdb_engine import DuckDbEngine
from localhost.services.databricks.engine import Cancellation, QueryCancelledError, QueryFailedError
from localhost.services.databricks.engines import WarmingEngine, open_engine
from localhost.services.databricks.spark_engine import SparkEngine
from localhost.tables import table_folder

# What Spark gives, SQL by SQL; test_engine_parity.py asks Spark itself.
MENDED = {
    "division by whole numbers is fractional": ("7 / 2", 3.5),
    "div is whole": ("7 div 2", 3),
    "a cast to a whole number cuts the fraction": ("CAST(3.7 AS INT)", 3),
    "also of a quotient": ("CAST(1999 / 10 AS INT) * 10", 1990),
    "also below zero": ("CAST(-3.7 AS BIGINT)", -3),
    "a backslash escapes in LIKE": (r"'100%' LIKE '%\%'", True),
    "and only what it precedes": (r"'a_b' LIKE 'a\_b' AND NOT 'axb' LIKE 'a\_b'", True),
    "LIKE ANY binds as one condition": ("false AND 'xa' LIKE ANY ('y%', 'x%')", False),
    "position 0 of substring is the first character": ("substring('abcdef', 0, 3)", "abc"),
    "the week starts on Sunday as day 1": ("dayofweek(DATE'2024-01-07')", 1),
    "or on Monday as day 0": ("weekday(DATE'2024-01-07')", 6),
    "a day added to a date gives a date": ("date_add(DATE'2024-02-28', 1)", dt.date(2024, 2, 29)),
    "a month added to a date gives a date": ("add_months(DATE'2024-01-31', 1)", dt.date(2024, 2, 29)),
    "a double is rounded as it is written": ("round(CAST(2.675 AS DOUBLE), 2)", 2.68),
    "bround rounds halves to the even digit": ("bround(2.5)", Decimal(2)),
    "floor is a whole number": ("floor(CAST(3.7 AS DOUBLE))", 3),
    "pmod is never negative": ("pmod(-7, 3)", 2),
    "concat with NULL is NULL": ("concat('a', NULL)", None),
    "exists takes a function": ("exists(array(1, 2), x -> x > 1)", True),
    "an approximate percentile is one of the values": ("(SELECT percentile_approx(id, 0.5) FROM range(4))", 1),
    "a percentile is interpolated": ("(SELECT percentile(id, 0.5) FROM range(4))", 1.5),
    "a doubled quote is a quote": ("'it''s'", "it's"),
}


def one(engine, expression):
    result = engine.execute(f"SELECT {expression} AS value", (), None, Cancellation())
    return result.table["value"][0].as_py()


@pytest.mark.parametrize(("expression", "value"), MENDED.values(), ids=MENDED.keys())
def test_gives_what_spark_gives(duckdb, expression, value):
    """An expression that DuckDB reads otherwise has Spark's value and type."""
    found = one(duckdb, expression)

    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("expression", ["1 / 0", "1 div 0", "1 % 0", "pmod(1, 0)", "numVotes / isAdult"])
def test_division_by_zero_is_an_error(duckdb, expression):
    """Whatever divides by zero fails, and NULLIF or try_divide is the way around it."""
    tables = "imdb.title_basics JOIN imdb.title_ratings USING (tconst)"
    with pytest.raises(QueryFailedError, match=r"^\[DIVIDE_BY_ZERO\]"):
        duckdb.execute(f"SELECT {expression} FROM {tables}", (), None, Cancellation())
    assert one(duckdb, "1 / NULLIF(0, 0)") is None
    assert one(duckdb, "try_divide(1, 0)") is None


def test_sums_of_whole_numbers_are_whole(duckdb):
    """A sum is a BIGINT, not DuckDB's wider type; one that does not fit is an error."""
    assert (
        one(duckdb, "(SELECT sum(numVotes) FROM imdb.title_ratings)") == sum([2_900_000, 2_100_000, 1_200]) + 4_740_015
    )
    with pytest.raises(QueryFailedError, match=r"^\[ARITHMETIC_OVERFLOW\]"):
        one(duckdb, "(SELECT sum(9223372036854775807) FROM range(2))")


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t AS SELECT 1",
        "DROP VIEW imdb.title_basics",
        "INSERT INTO imdb.title_basics VALUES (1)",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM parquet.`/etc/passwd`",
        "SET memory_limit = '100GB'",
        "ATTACH '/tmp/other.db'",
        "COPY (SELECT 1) TO '/tmp/out.csv'",
        "INSTALL httpfs",
        "PRAGMA database_list",
        "SELECT * FROM parquet.`file:///etc/hosts`",
        "SELECT * FROM parquet.`file:///etc/*`",
        "SELECT * FROM parquet.`/etc/hosts`",
    ],
)
def test_reads_the_lake_and_nothing_else(duckdb, sql):
    """Nothing is changed, and no file outside the tables is read."""
    with pytest.raises(QueryFailedError):
        duckdb.execute(sql, (), None, Cancellation())


def test_of_files_only_gold_is_read(lake, duckdb):
    """What a job has published, and nothing else that lies in the lake."""
    for folder in ("gold", "silver"):
        (lake / folder).mkdir(exist_ok=True)
        pq.write_table(pa.table({"n": [1, 2, 3]}), lake / folder / "n.parquet")

    def count(folder):
        sql = f"SELECT count(*) AS value FROM parquet.`file://{lake.as_posix()}/{folder}/n.parquet`"
        return duckdb.execute(sql, (), None, Cancellation()).table["value"][0].as_py()

    assert count("gold") == 3
    for folder in ("silver", "gold/../silver"):
        with pytest.raises(QueryFailedError):
            count(folder)


def test_a_table_without_files_hides_no_other(tmp_path):
    """A published table that has no file yet is not found; those beside it are."""
    published = publish_imdb(tmp_path)
    for file in table_folder(tmp_path, published, "title_ratings").iterdir():
        file.unlink()
    engine = DuckDbEngine(tmp_path)
    engine.start()

    assert engine.execute("SELECT * FROM imdb.title_basics", (), 3, Cancellation()).truncated
    with pytest.raises(QueryFailedError, match=r"^\[TABLE_OR_VIEW_NOT_FOUND\]"):
        engine.execute("SELECT * FROM imdb.title_ratings", (), None, Cancellation())
    engine.close()


def test_a_cancelled_query_does_not_start(duckdb):
    """What was cancelled before it began never runs."""
    cancellation = Cancellation()
    cancellation.request()

    with pytest.raises(QueryCancelledError):
        duckdb.execute("SELECT 1", (), None, cancellation)


def test_answers_while_spark_warms_up(lake, duckdb):
    """Until Spark is ready, DuckDB answers, and says that it did."""
    engine = WarmingEngine(duckdb, SparkEngine(lake))

    assert engine.execute("SELECT 1", (), None, Cancellation()).engine == "duckdb"
    assert engine.about() | {"sql_engine_version": ""} == {
        "spark": "starting",
        "sql_engine": "duckdb",
        "sql_engine_version": "",
        "approximate": True,
    }


def test_spark_that_cannot_run_is_said_at_once(lake, monkeypatch, caplog):
    """Asked for Spark where there is no Java: an error with the reason; with `auto`: DuckDB and a warning."""
    monkeypatch.setattr("localhost.services.databricks.engines.missing_for_spark", lambda: "Java 17 was not found")

    with pytest.raises(RuntimeError, match="Java 17 was not found"):
        open_engine("spark", lake)
    engine = open_engine("auto", lake)

    assert engine.about()["sql_engine"] == "duckdb"
    assert "Java 17 was not found" in caplog.text
    engine.close()
