"""Where the medallion job writes its tables, and as what: by what it asks of Spark, for Delta does not run here."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("pyspark")

FILE = Path(__file__).parents[4] / "databricks" / "medallion_job.py"


class Asked:
    """Notes every call and every name, in their order, and goes along with all of them."""

    def __init__(self):
        self.words = []

    def __getattr__(self, name):
        self.words.append(name)
        return self

    def __call__(self, *words):
        self.words += words
        return self


class Counted:
    """Takes the place of Spark's observation of a write."""

    get = {"rows": 2, "high": 1, "low": None}  # noqa: RUF012 - as Spark's: an attribute


@pytest.fixture
def job(monkeypatch):
    spec = importlib.util.spec_from_file_location("medallion_job", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "Observation", Counted)
    monkeypatch.setattr(module, "to_count", lambda *_: dict.fromkeys(("rows", "high", "low"), Asked()))
    return module


@pytest.mark.parametrize("table_format", ["parquet", "delta"])
def test_tables_are_written_and_read_in_the_format_asked_for(job, table_format):
    """One folder for each table, whose rows are replaced; what is read back is read in the same format."""
    spark, table = Asked(), Asked()
    output = job.Output(spark, "abfss://lake/out", table_format, {})
    output.put("silver", table)

    wanted = ["write", "format", table_format, "mode", "overwrite", "save", "abfss://lake/out/silver"]
    assert table.words[-len(wanted) :] == wanted
    assert spark.words == ["read", "format", table_format, "load", "abfss://lake/out/silver"]
    assert output.counts == {"silver": {"rows": 2, "high": 1, "low": 0}}


def test_a_job_takes_no_other_format(job):
    """It says so before it touches what an earlier run left."""
    spark, removed = Asked(), []
    with pytest.raises(ValueError, match="parquet, delta"):
        job.run(
            spark,
            input_url="in",
            rules_url="rules",
            output_url="out",
            job_id="job",
            table_format="csv",
            remove=removed.append,
        )
    assert (spark.words, removed) == ([], [])
