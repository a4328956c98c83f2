"""Loading the serving stores with a job's published Gold, and taking it back where only one of them took it."""

import azure.durable_functions as df

from activities.etl import attempts
from activities.etl.publishing import manifest_of
from activities.verdicts import verdict
from shared.etl_paths import GOLD_TABLES, views_path
from shared.jobs import JobRecord, Served, jobs
from shared.lake_files import remove, write_bytes
from shared.payloads import JobStep, Verdict
from shared.serving import serving_store, synapse_views
from shared.staging import dataset_of

bp = df.Blueprint()


@bp.activity_trigger(input_name="work")
@verdict
def serve_mysql(work: JobStep) -> Verdict:
    """Load the job's Gold tables in one transaction; loaded twice, they are there once."""
    record = attempts.begin(work, "serving", 90)
    store = serving_store()
    served: Served = {"state": "skipped"}
    if store is not None:
        manifest = manifest_of(record)
        tables = {name: dataset_of(manifest["tables"][name]) for name in GOLD_TABLES}
        served = {"state": "loaded", "rows": store.load(tables)}
    _note(work, "mysql", served)
    return {}


@bp.activity_trigger(input_name="work")
@verdict
def serve_synapse(work: JobStep) -> Verdict:
    """Lay out the views of Synapse serverless over the job's Gold, as SQL beside it."""
    record = jobs().read(work["job_id"], work["owner"])
    sql = synapse_views(manifest_of(record))
    write_bytes(views_path(record["owner"], record["parent_job_id"], record["id"]), sql.encode())
    _note(work, "synapse", {"state": "loaded", "views": sql.count("CREATE OR ALTER VIEW")})
    return {}


@bp.activity_trigger(input_name="work")
@verdict
def unserve_mysql(work: JobStep) -> Verdict:
    """Take the job's rows back: the other store has none, and the two must agree."""
    record = jobs().read(work["job_id"], work["owner"])
    store = serving_store()
    if store is not None:
        store.unload(record["id"])
    remove(views_path(record["owner"], record["parent_job_id"], record["id"]))
    _note(work, "mysql", {"state": "compensated" if store is not None else "skipped"})
    _note(work, "synapse", {"state": "failed"})
    return {}


def _note(work: JobStep, store: str, served: Served) -> None:
    def note(record: JobRecord) -> None:
        known = record["serving"] or {"mysql": {"state": "pending"}, "synapse": {"state": "pending"}}
        if store == "mysql":
            record["serving"] = {**known, "mysql": served}
        else:
            record["serving"] = {**known, "synapse": served}

    jobs().update(work["job_id"], work["owner"], note)
