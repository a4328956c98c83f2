"""The medallion job on real Spark: what it leaves is what the pandas lane leaves."""

from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from etl_lanes import RULES, assert_same_manifests, assert_same_tables, in_pandas, lay_out, on_spark
from etl_samples import generated_datasets, hostile_records
from serving import serving
from small_workspace import connect

from localhost.services.databricks.app import create_app
from localhost.services.faults import Faults
from shared.etl.reading import read_records

pytestmark = pytest.mark.spark


class Shared:
    """An engine that others use too: nobody here starts or ends it."""

    def __init__(self, engine):
        self.run_python_job = engine.run_python_job

    def start(self):
        pass

    def close(self):
        pass


@pytest.fixture
def jobs(spark, lake, monkeypatch):
    """Serve the stand-in on the session that the tests share."""
    monkeypatch.setattr("localhost.services.databricks.app.open_engine", lambda *_: Shared(spark))
    files = Path(__file__).parents[4] / "databricks"
    with serving(create_app(lake, "spark", Faults(), job_files=files)) as url:
        yield connect(url).jobs


def test_both_lanes_leave_the_same(jobs, tmp_path):
    """Twenty generated datasets and the hostile one: all nine tables are equal, row by row, and the manifests too.

    They are one input, because every run costs seconds; ``benchmarks/etl_large.py --datasets`` runs them one by one.
    """
    datasets = [*generated_datasets(), hostile_records()]
    raw = read_records([record for dataset in datasets for record in dataset], RULES)
    folder = tmp_path / "all of them"
    lay_out([raw], folder)
    made = on_spark(jobs, folder)

    manifest, tables = in_pandas(raw)
    assert_same_manifests(made, manifest)
    assert_same_tables(folder, tables)
    assert min(made["counts"].values()) > 50
    assert all(made["reasons"][reason] for reason in ("email.format", "age.range", "order_date.format"))


def test_gold_alone_is_made_of_the_silver_that_is_there(jobs, tmp_path):
    """The same tables again; and where Silver has an order twice, there is no manifest, but what is wrong."""
    raw = read_records(hostile_records(), RULES)
    folder = tmp_path / "twice"
    lay_out([raw], folder)
    made = on_spark(jobs, folder, steps="silver")
    assert set(made["tables"]) == {"silver", "rejects", "duplicates"}
    again = on_spark(jobs, folder, steps="gold")
    assert_same_manifests(again, in_pandas(raw)[0])

    silver = folder / "out" / "silver"
    table = ds.dataset(silver).to_table()
    pq.write_table(table.slice(0, 1), silver / "part-99999.snappy.parquet")
    with pytest.raises(AssertionError, match=r"ConstraintError.*fact_orders\.order_id repeats in \d+ rows"):
        on_spark(jobs, folder, steps="gold")
    assert not (folder / "out" / "manifest").exists()


def test_no_records_make_empty_tables(jobs, tmp_path):
    """Nine tables without rows, with their columns, and a manifest: as the pandas lane."""
    raw = read_records([], RULES)
    folder = tmp_path / "none"
    lay_out([raw], folder)
    assert_same_manifests(on_spark(jobs, folder), in_pandas(raw)[0])
