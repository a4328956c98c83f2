"""The job's file, as Databricks runs it."""

import json
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import databricks.sdk
import pyarrow.dataset as ds
import pytest

from localhost.services.databricks.engine import Cancellation

ROOT = Path(__file__).parents[4]
JOB = ROOT / "databricks" / "sql_query_job.py"


class Widgets(dict):
    def text(self, name, default):
        self.setdefault(name, default)


@pytest.mark.spark
def test_runs_as_a_notebook(spark, tmp_path, monkeypatch):
    """Run as a notebook, it takes its parameters from widgets and exits with its report."""
    spark.execute("SELECT 1", (), None, Cancellation())  # from here on there is a session
    widgets = Widgets(sql="SELECT id AS n FROM range(5) ORDER BY id", result_url=str(tmp_path / "q"), row_limit="3")
    exits = []
    dbutils = SimpleNamespace(widgets=widgets, notebook=SimpleNamespace(exit=exits.append))
    runtime = SimpleNamespace(spark=spark._session, dbutils=dbutils)
    monkeypatch.setitem(sys.modules, "databricks.sdk.runtime", runtime)
    monkeypatch.setattr(databricks.sdk, "runtime", runtime, raising=False)

    runpy.run_path(str(JOB), run_name="__main__")

    assert json.loads(exits[0]) == {"row_count": 3, "truncated": True, "columns": [{"name": "n", "type": "BIGINT"}]}
    assert ds.dataset(tmp_path / "q", format="parquet").to_table()["n"].to_pylist() == [0, 1, 2]
    assert {"instance_id", "query_id", "attempt"} <= set(widgets)


def test_leaves_the_sdk_its_name():
    """The folder of the jobs has the SDK's name and does not get in its way."""
    assert JOB.read_text(encoding="utf-8").startswith("# Databricks notebook source\n")
    subprocess.run([sys.executable, "-c", "from databricks.sdk import WorkspaceClient"], cwd=ROOT, check=True)
