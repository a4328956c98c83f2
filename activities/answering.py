"""The answer in words, and below it the rows it stands on."""

from typing import TYPE_CHECKING, Any, NamedTuple

import azure.durable_functions as df

from activities.verdicts import verdict
from shared.answers import TABLE_ROWS, answer_table, summarise
from shared.conversations import Query, Record, Result, conversations
from shared.lake import json_rows, read_table
from shared.payloads import Turn, Verdict
from shared.settings import settings

if TYPE_CHECKING:  # the model's types load pydantic, which the start of the app can do without
    from shared.model import Evidence

bp = df.Blueprint()

ROWS_IN_WORDS = {"en": "Rows found: {count}.", "es": "Filas encontradas: {count}."}
FROM_VERSION = {
    "en": "From your data as job {job_id} published it on {at} (UTC).",
    "es": "Según tus datos tal como los publicó el trabajo {job_id} el {at} (UTC).",
}
COMING = {
    "making": {
        "en": "A newer version is being made by job {job_id}.",
        "es": "El trabajo {job_id} está haciendo una versión más nueva.",
    },
    "awaiting_review": {
        "en": "A newer version waits for your review of the rejects of job {job_id}.",
        "es": "Una versión más nueva espera tu decisión sobre los rechazos del trabajo {job_id}.",
    },
}


class _Found(NamedTuple):
    query: Query
    result: Result
    names: list[str]
    rows: list[list[Any]]
    aggregates: dict[str, dict[str, Any]]


@bp.activity_trigger(input_name="turn")
@verdict
def answer_question(turn: Turn) -> Verdict:
    """Draft the answer: the model's words for the first rows, then the table that we write from the rows."""
    record = conversations().require(turn["conversation_id"])
    found = [_read(query, query["result"]) for query in record["queries"].values() if query["result"] is not None]
    if record["sql"] is not None:  # the caller asked for rows, not for words
        count = sum(one.result["row_count"] for one in found)
        text = ROWS_IN_WORDS[record["language"]].format(count=count)
    else:
        from shared.model import describe

        text = describe(record["question"], record["language"], [_evidence(one) for one in found])
    tables = [
        answer_table(
            one.names,
            one.rows,
            row_count=one.result["row_count"],
            truncated=one.result["truncated"],
            language=record["language"],
        )
        for one in found
        if one.result["row_count"] > 1
    ]

    def draft(record: Record) -> None:
        record["state"] = "finishing"
        record["draft_answer"] = "\n\n".join([text, *tables, *_provenance(record)])

    conversations().update(record["id"], draft)
    return {}


def _provenance(record: Record) -> list[str]:
    """Return which version of the asker's own data the answer is from, and what is newer than that."""
    if "data" not in record:
        return []
    language, data, coming = record["language"], record["data"], record.get("coming")
    at = data["published_at"][:16].replace("T", " ")
    text = FROM_VERSION[language].format(job_id=data["job_id"], at=at)
    if coming is not None:
        text += " " + COMING[coming["state"]][language].format(job_id=coming["job_id"])
    return [text]


def _read(query: Query, result: Result) -> _Found:
    table = read_table(result["path"])
    names, rows = json_rows(table.slice(0, TABLE_ROWS))
    return _Found(query, result, names, rows, summarise(table))


def _evidence(found: _Found) -> "Evidence":
    """Return what the model may see: never more rows than ``HEAD_ROWS``."""
    return {
        "sql": found.query["sql"],
        "purpose": found.query["purpose"],
        "assumptions": found.query["assumptions"],
        "columns": [{"name": column["name"], "type": column["type"]} for column in found.result["columns"]],
        "rows": found.rows[: settings().head_rows],
        "row_count": found.result["row_count"],
        "truncated": found.result["truncated"],
        "aggregates": found.aggregates,
    }
