"""The same raw rows through both lanes: the medallion job on a Databricks that answers, and the engine in pandas."""

import json
import time

import pyarrow.dataset as ds
import pyarrow.parquet as pq
from databricks.sdk.service.jobs import NotebookTask, RunResultState, SubmitTask

from shared.etl.gold import build_gold
from shared.etl.manifest import check_gold, make_manifest
from shared.etl.rules import load_rules, rules_json
from shared.etl.silver import refine

RULES = load_rules()
JOB = "job"
PATIENCE = 3_600


def lay_out(raws, folder):
    """Write raw rows and the rules where the job looks for them."""
    folder.mkdir()
    (folder / "rules.json").write_text(rules_json(RULES), encoding="utf-8")
    writer = None
    for raw in raws:
        table = raw.with_records()
        writer = writer or pq.ParquetWriter(folder / "raw.parquet", table.schema)
        writer.write_table(table)
    writer.close()


def on_spark(jobs, folder, **parameters):
    """Run the job over what was laid out in a folder; return its manifest."""
    places = {"input_url": "raw.parquet", "rules_url": "rules.json", "output_url": "out"}
    places = {name: (folder / path).as_uri() for name, path in places.items()} | {"job_id": JOB} | parameters
    task = SubmitTask("m", notebook_task=NotebookTask("/Workspace/medallion_job", base_parameters=places))
    run, output = until_ended(jobs, jobs.submit(tasks=[task]).bind()["run_id"])
    assert run.state.result_state == RunResultState.SUCCESS, output.error
    manifest = json.loads(output.notebook_output.result)
    assert json.loads(next((folder / "out" / "manifest").glob("part-*")).read_text()) == manifest
    assert not (folder / "out" / "graded").exists()
    return manifest


def until_ended(jobs, run_id):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        run = jobs.get_run(run_id)
        if run.state.result_state:
            return run, jobs.get_run_output(run.tasks[0].run_id)
        time.sleep(0.1)
    raise AssertionError("the run did not end")


def in_pandas(raw):
    """Return the manifest and the tables that the small lane makes."""
    silver = refine(raw, RULES, JOB)
    gold = build_gold(silver.clean, RULES, JOB)
    check_gold(gold.tables, RULES)
    tables = {"silver": silver.clean, "rejects": silver.rejects, "duplicates": silver.duplicates, **gold.tables}
    return make_manifest(silver, gold, RULES, job_id=JOB), tables


def assert_same_manifests(spark, pandas):
    """Equal but for the engine: counts, reasons, notes; rows, checksums and columns of each table."""
    assert spark == {**pandas, "engine": "spark"}
    counts = spark["counts"]
    assert counts["input"] == counts["cleaned"] + counts["rejected"] + counts["duplicates"]


def assert_same_tables(folder, pandas):
    """Equal tables: every row in its place, with its values and its types."""
    for name, table in pandas.items():
        found = ds.dataset(folder / "out" / name).to_table()
        assert found.schema.remove_metadata().names == table.schema.names
        assert [field.type for field in found.schema] == [field.type for field in table.schema]
        assert found.to_pylist() == table.to_pylist(), name
