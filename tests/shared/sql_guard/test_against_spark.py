"""The guard and Spark agree on what a statement reads: Spark's own analyser decides.

``SQL_GUARD_STATEMENTS=100000 SQL_GUARD_SEED=7`` in the environment makes it a long search with other statements.
"""

import json
import logging
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sql_statements import Grammar, mutated

from shared.catalog import load_dataset
from shared.errors import SqlRefusedError
from shared.sql_guard import guard_sql

pytestmark = pytest.mark.spark

IMDB = load_dataset("imdb")
CORPUS = Path(__file__).parent / "corpus"
DECOYS = ["imdb.accounts", "other.secrets", "default.accounts", "default.secrets", "default.title_basics"]
FLAGS = {
    "spark.ui.enabled": "false",
    "spark.driver.memory": "1g",
    "spark.driver.extraJavaOptions": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
}
STATEMENTS = int(os.environ.get("SQL_GUARD_STATEMENTS", "1500"))
SEED = int(os.environ.get("SQL_GUARD_SEED", "20"))
# What makes plans differ without a difference in rows: WITH is numbered anew each time, random numbers have new seeds,
# hints are left out, a comma is written as CROSS JOIN and 1.5D as a cast.
DIFFERS = re.compile(
    r"/\*\+|\bWITH\b|\|>|\bLATERAL\b(?! VIEW)|rand\(|uuid\(|shuffle\(|explode\(|imdb\.\w+ \w+, |\d[DLSYF]\b",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def analyser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Spark with the four tables, and decoys under every name that a statement may try."""
    pyspark = pytest.importorskip("pyspark.sql")
    from localhost.services.databricks.spark_session import missing_for_spark, stop

    if missing := missing_for_spark():
        pytest.skip(missing)
    stop(pyspark.SparkSession.getActiveSession())  # another test's: a process has one JVM, with one catalogue
    builder = pyspark.SparkSession.builder.master("local[1]")
    for flag, value in {**FLAGS, "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("lake"))}.items():
        builder = builder.config(flag, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    for database in ("imdb", "other"):
        session.sql(f"CREATE DATABASE {database}")
    for table in IMDB.tables:
        # Spark is strict about types, and isAdult is 0 or 1 in the queries people know.
        types = {column.name: "INT" if column.type == "BOOLEAN" else column.type for column in table.columns}
        columns = ", ".join(f"{name} {kind}" for name, kind in types.items())
        session.sql(f"CREATE TABLE imdb.{table.name} ({columns}) USING parquet")
    for decoy in DECOYS:
        session.sql(f"CREATE TABLE {decoy} (id STRING, x STRING, tconst STRING, email STRING) USING parquet")
    yield session
    stop(session)


def resolved(session: Any, sql: str) -> Any:
    """Return Spark's analysed plan, or None when it finds a fault."""
    from pyspark.errors import PySparkException

    try:
        return session.sql(sql)._jdf.queryExecution().analyzed()
    except PySparkException:
        return None


def tables_of(plan: Any) -> set[str]:
    return {name.removeprefix("spark_catalog.") for name in re.findall(r"Relation (\S+?)\[", plan.toString())}


def statements(seed: int) -> Iterator[str]:
    rng = random.Random(seed)
    grammar = Grammar(rng)
    corpus = [
        json.loads(line)["sql"]
        for name in ("legitimate", "attacks")
        for line in (CORPUS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    for _ in range(STATEMENTS):
        roll = rng.random()
        if roll < 0.5:
            yield grammar.query()
        else:
            yield mutated(rng, grammar.query() if roll < 0.7 else rng.choice(corpus))


def test_nothing_that_passes_reads_another_table_in_spark(analyser: Any) -> None:
    """Over generated and mutated statements, each as the guard wrote it."""
    passed = understood = broken = 0
    for sql in statements(SEED):
        try:
            guarded = guard_sql(sql, IMDB, row_limit=1000)
        except SqlRefusedError:
            continue
        passed += 1
        plan = resolved(analyser, guarded.sql)
        if plan is None:
            # A fault that only Spark sees is in the original too, but for words that make no sense where they stand.
            broken += resolved(analyser, sql) is not None
            continue
        assert tables_of(plan) <= set(guarded.tables) <= set(IMDB.columns_by_table), sql
        understood += 1
    assert passed > STATEMENTS // 20
    assert understood > passed // 2
    assert broken <= passed // 200


def test_spark_understands_every_legitimate_query_and_reads_what_was_said(analyser: Any) -> None:
    for line in (CORPUS / "legitimate.jsonl").read_text(encoding="utf-8").splitlines():
        sql = json.loads(line)["sql"]
        guarded = guard_sql(sql, IMDB, row_limit=1000)
        plan = resolved(analyser, guarded.sql)
        assert plan is not None, guarded.sql
        assert tables_of(plan) <= set(guarded.tables), sql


def test_what_was_written_anew_means_the_same_to_spark(analyser: Any) -> None:
    """Where the two can be compared, Spark's plans are equal."""
    compared, different = 0, list[str]()
    for line in (CORPUS / "legitimate.jsonl").read_text(encoding="utf-8").splitlines():
        sql = json.loads(line)["sql"]
        if DIFFERS.search(sql):
            continue
        guarded = guard_sql(sql, IMDB, row_limit=1_000_000)
        before, after = resolved(analyser, sql), resolved(analyser, guarded.sql)
        if before is None:
            continue
        if guarded.limited:
            after = after.children().apply(0).children().apply(0)
        compared += 1
        if not after.sameResult(before):
            different.append(sql)
    assert different == []
    assert compared > 80
