"""From staged to published: one manifest, created once, makes a job's Gold the one that readers see."""

import json
from typing import Any, cast

import azure.durable_functions as df

from activities.etl import attempts
from activities.etl.cleaning import counts_of
from activities.verdicts import verdict
from shared import etl_paths
from shared.conversations import now
from shared.errors import LostRowsError
from shared.jobs import JobRecord
from shared.lake_files import copy_parquet, create_bytes, read_bytes, write_batches
from shared.payloads import JobStep, Verdict
from shared.staging import StagedTable, dataset_of, read_staged

bp = df.Blueprint()


@bp.activity_trigger(input_name="work")
@verdict
def publish_gold(work: JobStep) -> Verdict:
    """Put Silver and Gold in their places, then publish them; of several attempts, one is ever published."""
    record = attempts.begin(work, "publishing", 85)
    place = (record["owner"], record["parent_job_id"], record["id"])
    staged = read_staged(record.get("staged_path", ""))
    version = work["attempt"]
    paths = {"silver": etl_paths.silver_path(*place), "rejects": etl_paths.rejects_path(*place)}
    paths |= {name: f"{etl_paths.gold_path(*place)}/{version}/{name}.parquet" for name in etl_paths.GOLD_TABLES}
    for name, path in paths.items():
        _copy(staged["tables"][name], path)
    manifest: dict[str, Any] = {
        "version": 1,
        "job_id": record["id"],
        "gold_version": version,
        "published_at": now(),
        "engine": staged["engine"],
        "lane": work["lane"],
        "rules": staged["rules"],
        "source": record["source"],
        "counts": staged["counts"],
        "reasons": staged["reasons"],
        "notes": staged["notes"],
        "tables": {name: {**staged["tables"][name], "path": path} for name, path in paths.items()},
    }
    at = etl_paths.manifest_path(*place)
    if not create_bytes(at, json.dumps(manifest, indent=2, sort_keys=True).encode()):
        manifest = json.loads(read_bytes(at))  # an earlier try came this far: what it published stays

    def note(record: JobRecord) -> None:
        record["silver_path"], record["rejects_path"] = paths["silver"], paths["rejects"]
        record["counts"] = counts_of(staged)
        record["gold"] = {
            "path": f"{etl_paths.gold_path(*place)}/{manifest['gold_version']}",
            "version": manifest["gold_version"],
            "manifest_path": at,
            "published_at": manifest["published_at"],
        }

    attempts.succeed(work, "publishing", note)
    return {}


def manifest_of(record: JobRecord) -> dict[str, Any]:
    """Return the manifest of a job's published Gold.

    Raises:
        NotFoundError: it has none.
    """
    path = etl_paths.manifest_path(record["owner"], record["parent_job_id"], record["id"])
    return cast("dict[str, Any]", json.loads(read_bytes(path)))


def _copy(table: StagedTable, path: str) -> None:
    """Put a table in its place as one file, whatever it was staged as.

    Raises:
        LostRowsError: rows were lost on the way.
    """
    copied = copy_parquet(table["path"], path)
    if copied is None:
        rows = dataset_of(table)
        copied = write_batches(path, rows.to_batches(), rows.schema)
    if copied != table["rows"]:
        raise LostRowsError(path, expected=table["rows"], found=copied)
