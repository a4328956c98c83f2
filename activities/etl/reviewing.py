"""What somebody decided about the rejects of a job: accept them, or run them again."""

from typing import TYPE_CHECKING

import azure.durable_functions as df

from activities.etl import attempts
from activities.etl.cleaning import folder_of, note_silver
from activities.verdicts import verdict
from shared.conversations import now
from shared.errors import InvalidFieldError
from shared.jobs import JobRecord
from shared.lake_files import opened
from shared.payloads import JobStep, Refined
from shared.staging import Staged, is_staged, note_staged, read_staged, stage_tables, table_of

if TYPE_CHECKING:
    import pyarrow as pa

    from shared.etl.reading import Raw
    from shared.etl.rules import Rules

bp = df.Blueprint()


@bp.activity_trigger(input_name="work")
@verdict
def settle_review(work: JobStep) -> Refined:
    """Go on with the rejects as they are, or clean the corrected ones and merge them into Silver.

    Without corrections a replay runs every reject once more, as it came, by the rules as they are now.
    """
    record = attempts.begin(work, "cleaning", 60)
    decision = work.get("review", {"decision": "accept"})
    if decision["decision"] == "accept":
        _note_decision(work, done=True)
        return {"review": False}
    refined = _replay(work, record, decision.get("path"))
    _note_decision(work, done=not refined.get("review", False))
    return refined


def _replay(work: JobStep, record: JobRecord, path: str | None) -> Refined:
    from shared.etl.merging import merge
    from shared.etl.rules import load_rules, rules_hash
    from shared.etl.silver import Silver

    folder = folder_of(record, work)
    if is_staged(folder):  # an earlier try came this far; its corrections are not there to be applied again
        return note_silver(work, folder, read_staged(folder))
    rules = load_rules()
    staged = read_staged(record.get("staged_path", ""))
    silver = Silver(
        clean=table_of(staged["tables"]["silver"]),
        rejects=table_of(staged["tables"]["rejects"]),
        duplicates=table_of(staged["tables"]["duplicates"]),
        checksums={},
        reasons=staged["reasons"],
        notes=staged["notes"],
    )
    merged = merge(silver, _again(silver.rejects, path, rules), rules, record["id"])
    if merged.counts["input"] != staged["counts"]["input"]:
        raise InvalidFieldError("The corrections do not add up with the rejects of this job.")
    tables = {"silver": merged.clean, "rejects": merged.rejects, "duplicates": merged.duplicates}
    again = Staged(
        engine=staged["engine"],
        rules=rules_hash(rules),
        counts=merged.counts,
        reasons=merged.reasons,
        notes=merged.notes,
        tables=stage_tables(folder, tables, merged.checksums),
    )
    note_staged(folder, again)
    return note_silver(work, folder, again)


def _again(rejects: "pa.Table", path: str | None, rules: "Rules") -> "Raw":
    from shared.etl.merging import corrections, rejected_again
    from shared.etl.reading import format_of, joined, read_raw

    if path is None:
        return rejected_again(rejects, rules)
    with opened(path) as stream:
        return corrections(joined(read_raw(stream, format_of(name=path), rules)), rejects)


def _note_decision(work: JobStep, *, done: bool) -> None:
    decision = work.get("review", {"decision": "accept"})

    def note(record: JobRecord) -> None:
        record["review"] = {"decision": decision["decision"], "by": decision.get("by", ""), "at": now()}
        if "path" in decision:
            record["review"]["path"] = decision["path"]
        record["error"] = None
        if done:
            record["review_due"] = False

    attempts.succeed(work, "cleaning", note)
