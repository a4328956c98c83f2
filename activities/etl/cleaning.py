"""The small lane: measure, clean and model in this process, with what the worker's memory holds."""

import azure.durable_functions as df

from activities.etl import attempts
from activities.etl.source import check_unchanged, raw_blocks, stage_raw
from activities.verdicts import verdict
from shared.etl_paths import staging_path
from shared.jobs import Counts, JobRecord
from shared.payloads import JobStep, Measured, Refined, Verdict
from shared.settings import settings
from shared.staging import Staged, note_staged, read_staged, stage_tables, table_of

bp = df.Blueprint()


@bp.activity_trigger(input_name="work")
@verdict
def measure_source(work: JobStep) -> Measured:
    """Count the rows of the source, unless that was done when it came; those of a large one are laid out for Spark."""
    record = attempts.begin(work, "measuring", 5)
    count = _measure(record)

    def note(record: JobRecord) -> None:
        record["measured_count"] = count

    attempts.succeed(work, "measuring", note)
    return {"count": count}


def _measure(record: JobRecord) -> int:
    from shared.etl.rules import load_rules

    source, limit = record["source"], settings().etl_small_limit
    if "rows" in source and source["rows"] <= limit:
        check_unchanged(source)
        return source["rows"]
    with raw_blocks(source, load_rules()) as blocks:
        return stage_raw(record, blocks, beyond=limit)


@bp.activity_trigger(input_name="work")
@verdict
def refine_small(work: JobStep) -> Refined:
    """Make Silver, rejects and duplicates of the source, in the folder of this attempt."""
    from shared.etl.reading import joined
    from shared.etl.rules import load_rules, rules_hash
    from shared.etl.silver import refine

    record = attempts.begin(work, "cleaning", 15)
    rules = load_rules()
    with raw_blocks(record["source"], rules) as blocks:
        silver = refine(joined(blocks), rules, record["id"])
    tables = {"silver": silver.clean, "rejects": silver.rejects, "duplicates": silver.duplicates}
    folder = folder_of(record, work)
    staged = Staged(
        engine="pandas",
        rules=rules_hash(rules),
        counts=silver.counts,
        reasons=silver.reasons,
        notes=silver.notes,
        tables=stage_tables(folder, tables, silver.checksums),
    )
    note_staged(folder, staged)
    return note_silver(work, folder, staged)


@bp.activity_trigger(input_name="work")
@verdict
def model_small(work: JobStep) -> Verdict:
    """Make Gold of the Silver there is, unless Databricks has made it in the same run."""
    from shared.etl.gold import build_gold
    from shared.etl.manifest import check_gold
    from shared.etl.rules import load_rules

    record = attempts.begin(work, "modelling", 65)
    if not record.get("staged_gold", False):
        staged = read_staged(record.get("staged_path", ""))
        rules = load_rules()
        gold = build_gold(table_of(staged["tables"]["silver"]), rules, record["id"])
        check_gold(gold.tables, rules)
        folder = f"{folder_of(record, work)}-gold"
        tables = stage_tables(folder, gold.tables, gold.checksums)
        note_staged(folder, {**staged, "tables": {**staged["tables"], **tables}})
    else:
        folder = record.get("staged_path", "")

    def note(record: JobRecord) -> None:
        record["staged_path"], record["staged_gold"] = folder, True

    attempts.succeed(work, "modelling", note)
    return {}


def folder_of(record: JobRecord, work: JobStep) -> str:
    """Return where this attempt works."""
    return staging_path(record["owner"], record["parent_job_id"], record["id"], work["attempt"])


def note_silver(work: JobStep, folder: str, staged: Staged, *, gold: bool = False) -> Refined:
    """Note the Silver in ``folder`` as the newest of the job; return what it came to."""
    counts = staged["counts"]
    review = counts["rejected"] > settings().etl_review_threshold * counts["input"]

    def note(record: JobRecord) -> None:
        record["staged_path"], record["staged_gold"], record["review_due"] = folder, gold, review
        record["counts"] = counts_of(staged)
        record["measured_count"] = counts["input"]

    attempts.succeed(work, "cleaning", note)
    return {"review": review, "rejected": counts["rejected"]}


def counts_of(staged: Staged) -> Counts:
    """Return where the rows went, as the record says it."""
    counts = staged["counts"]
    return {
        "input": counts["input"],
        "cleaned": counts["cleaned"],
        "rejected": counts["rejected"],
        "duplicates": counts["duplicates"],
        "reasons": {reason: count for reason, count in staged["reasons"].items() if count},
    }
