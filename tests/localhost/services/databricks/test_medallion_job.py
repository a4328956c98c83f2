"""The medallion job on real Spark: what it leaves is what the pandas lane leaves."""

import json
import time
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from databricks.sdk.service.jobs import NotebookTask, RunResultState, SubmitTask
from etl_samples import BASE, SAMPLES, awkward, patched
from serving import serving
from small_workspace import connect

from localhost.services.databricks.app import create_app
from localhost.services.faults import Faults
from shared.etl.generate import generate_blocks
from shared.etl.gold import build_gold
from shared.etl.manifest import make_manifest
from shared.etl.reading import read_records
from shared.etl.rules import load_rules, rules_json
from shared.etl.silver import refine

pytestmark = pytest.mark.spark

RULES = load_rules()
DATASETS = 20


class Shared:
    """An engine that others use too: nobody here starts or ends it."""

    def __init__(self, engine):
        self.run_python_job = engine.run_python_job

    def start(self):
        pass

    def close(self):
        pass


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "jobs"
    folder.mkdir()
    return folder


@pytest.fixture
def serve(spark, lake, files, monkeypatch):
    """Serve the stand-in on the session that the tests share."""
    monkeypatch.setattr("localhost.services.databricks.app.open_engine", lambda *_: Shared(spark))

    def serve(job_files=files):
        return serving(create_app(lake, "spark", Faults(), job_files=job_files))

    return serve


def until_ended(jobs, run_id):
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        run = jobs.get_run(run_id)
        if run.state.result_state:
            return run, jobs.get_run_output(run.tasks[0].run_id)
        time.sleep(0.1)
    raise AssertionError("the run did not end")


def on_spark(jobs, raw, folder):
    """Run the job over raw rows; return its manifest and its tables."""
    folder.mkdir()
    pq.write_table(raw.with_records(), folder / "raw.parquet")
    (folder / "rules.json").write_text(rules_json(RULES), encoding="utf-8")
    parameters = {"input_url": "raw.parquet", "rules_url": "rules.json", "output_url": "out"}
    parameters = {name: (folder / path).as_uri() for name, path in parameters.items()} | {"job_id": "job"}
    task = SubmitTask("m", notebook_task=NotebookTask("/Workspace/medallion_job", base_parameters=parameters))
    run, output = until_ended(jobs, jobs.submit(tasks=[task]).bind()["run_id"])
    assert run.state.result_state == RunResultState.SUCCESS, output.error
    manifest = json.loads(output.notebook_output.result)
    assert json.loads(next((folder / "out" / "manifest").glob("part-*")).read_text()) == manifest
    assert not (folder / "out" / "graded").exists()
    return manifest, {name: ds.dataset(folder / "out" / name).to_table() for name in manifest["tables"]}


def in_pandas(raw):
    silver = refine(raw, RULES, "job")
    gold = build_gold(silver.clean, RULES, "job")
    tables = {"silver": silver.clean, "rejects": silver.rejects, "duplicates": silver.duplicates, **gold.tables}
    return make_manifest(silver, gold, RULES, job_id="job"), tables


def assert_same(spark, pandas):
    """Equal manifests but for the engine, and equal tables: every row in its place, with its values and its types."""
    (made, tables), (expected, wanted) = spark, pandas
    assert made == {**expected, "engine": "spark"}
    for name, table in wanted.items():
        assert tables[name].schema.remove_metadata().names == table.schema.names
        assert [field.type for field in tables[name].schema] == [field.type for field in table.schema]
        assert tables[name].to_pylist() == table.to_pylist(), name


def hostile_records():
    """Return every awkward value in a record that is otherwise good, and the shared samples where they are."""
    records = [
        BASE | {"order_id": f"o-{name}-{at}", name: value} for name in BASE for at, value in enumerate(awkward(name))
    ]
    records += [None, 5, [], {}, {"user_id": None}, BASE | {"role": "admin"}]
    if SAMPLES.exists():
        samples = [json.loads(line) for line in SAMPLES.read_text().splitlines()]
        records += [patched(sample["patch"]) for sample in samples if sample["kind"] == "record"]
        records += [record for sample in samples if sample["kind"] == "batch" for record in sample["records"]]
    return records


def datasets():
    """Return as many datasets as promised, each with its own share of dirt, users, orders and products; and the
    hostile one.
    """
    for seed in range(DATASETS):
        [block] = generate_blocks(150, seed=seed, dirty=0.04 * seed)
        for record in block:
            for name in ("user_id", "order_id", "product"):
                if isinstance(record.get(name), str):
                    record[name] = f"{record[name]}-{seed}"
        yield block
    yield hostile_records()


def test_both_lanes_leave_the_same(serve, tmp_path):
    """Twenty generated datasets and the hostile one: all nine tables are equal, row by row, and the manifests too."""
    raw = read_records([record for dataset in datasets() for record in dataset], RULES)
    with serve(Path(__file__).parents[4] / "databricks") as url:
        made = on_spark(connect(url).jobs, raw, tmp_path / "all of them")

    assert_same(made, in_pandas(raw))
    counts = made[0]["counts"]
    assert min(counts.values()) > 50
    assert all(made[0]["reasons"][reason] for reason in ("email.format", "age.range", "order_date.format"))
