"""What to run for a question, as the model proposes it. The guard decides before anything runs."""

from typing import TYPE_CHECKING

import azure.durable_functions as df

from activities.verdicts import verdict
from shared.conversations import Query, Record, conversations
from shared.payloads import Plan, QueryAttempt, Turn, Verdict

if TYPE_CHECKING:  # the model's and the catalogue's types load pydantic, which the start of the app can do without
    from shared.model import PlainAnswer, Proposal, Refusal

bp = df.Blueprint()

MAX_QUERIES = 5
"""More for one question is a plan gone wrong."""

YOU_COULD_ASK = {"en": "You could ask:", "es": "Puedes preguntar:"}


@bp.activity_trigger(input_name="turn")
@verdict
def plan_answer(turn: Turn) -> Plan:
    """Have the model plan the answer; note its queries, or its answer where none is needed."""
    from shared.catalog import load_dataset
    from shared.model import Proposal, plan

    record = conversations().require(turn["conversation_id"])
    if record["sql"] is not None:  # the caller brought its own
        return _note_queries(record["id"], [Proposal(sql=record["sql"])])
    reply = plan(record["question"], load_dataset(record["dataset"]), record["language"])
    if isinstance(reply, list):
        return _note_queries(record["id"], reply[:MAX_QUERIES])
    return _note_answer(record, reply)


@bp.activity_trigger(input_name="attempt")
@verdict
def repair_query(attempt: QueryAttempt) -> Verdict:
    """Have the model write a failed query anew, knowing every error so far and the columns that exist."""
    from shared.catalog import load_dataset
    from shared.model import plan

    record = conversations().require(attempt["conversation_id"])
    failed = record["queries"][attempt["query_id"]]["failed"]
    reply = plan(
        record["question"],
        load_dataset(record["dataset"]),
        record["language"],
        [{"sql": known["sql"], "error": known["error"]} for known in failed],
    )
    if not isinstance(reply, list):
        return {}  # it has nothing better: the same statement fails again, and the retries run out

    def note(record: Record) -> None:
        query = record["queries"][attempt["query_id"]]
        query["sql"], query["assumptions"] = reply[0].sql, reply[0].assumptions

    conversations().update(record["id"], note)
    return {}


def _note_queries(conversation_id: str, proposals: "list[Proposal]") -> Plan:
    queries: dict[str, Query] = {
        f"q{number}": {
            "sql": proposal.sql,
            "purpose": proposal.purpose,
            "assumptions": proposal.assumptions,
            "failed": [],
            "result": None,
        }
        for number, proposal in enumerate(proposals, start=1)
    }

    def note(record: Record) -> None:
        record["state"], record["queries"] = "generating_sql", queries

    conversations().update(conversation_id, note)
    return {"query_ids": list(queries)}


def _note_answer(record: Record, reply: "Refusal | PlainAnswer") -> Plan:
    from shared.model import Refusal

    suggestions: list[str] = []
    if isinstance(reply, Refusal):
        text, suggestions = reply.reason, reply.suggestions
        if suggestions:
            heading = YOU_COULD_ASK.get(record["language"], YOU_COULD_ASK["en"])
            text = "\n".join([text, "", heading, *(f"- {suggestion}" for suggestion in suggestions)])
    else:
        text = reply.text

    def note(record: Record) -> None:
        record["draft_answer"], record["suggestions"] = text, suggestions

    conversations().update(record["id"], note)
    return {"query_ids": []}
