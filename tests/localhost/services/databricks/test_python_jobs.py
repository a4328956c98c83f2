"""Python files on real Spark: each in a process of its own, on a session of its own."""

import time
from threading import Timer

import pytest

from localhost.services.databricks.engine import (
    Cancellation,
    JobFailedError,
    PythonJob,
    QueryCancelledError,
    RunFailedError,
)

pytestmark = pytest.mark.spark

SCRIPT = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
spark.range(3).createOrReplaceTempView("mine")
print(sys.argv[1:], spark.sql("SELECT sum(id) AS s FROM mine").first().s)
try:
    import localhost
except ModuleNotFoundError:
    print("alone")
"""
NOTEBOOK = """
from databricks.sdk import runtime
runtime.dbutils.widgets.text("day", "no day")
runtime.dbutils.widgets.text("unit", "rows")
runtime.dbutils.fs.rm(dbutils.widgets.get("folder"), recurse=True)
tables = [row.tableName for row in spark.sql("SHOW TABLES").collect()]
count = spark.sql("SELECT count(*) AS n FROM imdb.title_ratings").first().n
dbutils.notebook.exit(f"{count} {dbutils.widgets.get('unit')} on {dbutils.widgets.get('day')} {tables}")
"""
ENDLESS = """
open(dbutils.widgets.get("begun"), "w").close()
spark.sql("SELECT count(*) FROM range(100000000) a CROSS JOIN range(100000) b WHERE a.id * b.id % 7 = 3").collect()
"""


@pytest.fixture
def run(spark, tmp_path):
    def run(source, *words, kind="notebook", cancellation=None, **named):
        file = tmp_path / "job.py"
        file.write_text(source)
        return spark.run_python_job(PythonJob(kind, file, named, words), cancellation or Cancellation())

    return run


def test_a_script_has_its_words_its_session_and_nothing_of_the_host(run):
    """It reaches the JVM that is there, sees its command line, and cannot lean on the code beside it."""
    assert run(SCRIPT, "a", "b c", kind="script").logs == "['a', 'b c'] 3\nalone\n"


def test_a_notebook_has_its_widgets_and_the_tables_of_the_lake(run, tmp_path):
    """Parameters take the place of defaults; what another job called its own is not there."""
    (tmp_path / "old" / "deeper").mkdir(parents=True)

    output = run(NOTEBOOK, day="Monday", folder=(tmp_path / "old").as_uri())

    assert output.result == "7 rows on Monday []"
    assert not (tmp_path / "old").exists()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("spark.sql('SELECT foo FROM imdb.title_basics')", "[UNRESOLVED_COLUMN"),
        ("spark.sql('SELECT 1 / 0').collect()", "[DIVIDE_BY_ZERO]"),
        ("raise ValueError('no day')", "ValueError: no day"),
        ("def f(:", "SyntaxError: "),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
    ],
)
def test_code_that_fails_says_why_in_one_message(run, source, message):
    with pytest.raises(JobFailedError) as failure:
        run(source)
    assert str(failure.value).startswith(message)
    assert "JVM stacktrace" not in str(failure.value)


def test_a_process_that_dies_is_the_drivers_failure(run):
    """The code did not get to say anything: the run may be worth repeating."""
    with pytest.raises(RunFailedError, match="exited with code 9") as failure:
        run("import os; os._exit(9)")
    assert failure.value.error_code == "DRIVER_ERROR"


def test_cancelling_ends_the_process_and_its_work_on_spark(run, spark, tmp_path):
    """Spark is free for others at once."""
    cancellation, begun = Cancellation(), tmp_path / "begun"

    def cancel_once_begun():
        while not begun.exists():
            time.sleep(0.05)
        cancellation.request()

    Timer(0, cancel_once_begun).start()
    with pytest.raises(QueryCancelledError):
        run(ENDLESS, cancellation=cancellation, begun=str(begun))
    assert spark.execute("SELECT 1 AS n", (), None, Cancellation()).table.num_rows == 1
