"""The beginning and the end of a turn, in the conversation's record."""

import azure.durable_functions as df

from activities.verdicts import verdict
from shared.conversations import Message, Record, conversations, now
from shared.language import detect_language
from shared.payloads import Begun, Turn, TurnFailure, Verdict
from shared.settings import settings

bp = df.Blueprint()


@bp.activity_trigger(input_name="turn")
@verdict
def begin_turn(turn: Turn) -> Begun:
    """Note the language of the question and the catalogue it is asked of; return the limits of the turn."""
    from shared.catalog import load_dataset

    def begin(record: Record) -> None:
        record["state"] = "analyzing"
        record["language"] = detect_language(record["question"])
        record["catalog_digest"] = load_dataset(record["dataset"]).digest

    conversations().update(turn["conversation_id"], begin)
    return {
        "query_deadline_seconds": settings().query_deadline_seconds,
        "max_sql_retries": settings().max_sql_retries,
    }


@bp.activity_trigger(input_name="turn")
@verdict
def finish_turn(turn: Turn) -> Verdict:
    """Publish the drafted answer; done twice, it is there once."""

    def finish(record: Record) -> None:
        if record["status"] == "completed":
            return
        answer = record["draft_answer"] or ""
        record["status"], record["state"] = "completed", "completed"
        record["final_answer"], record["draft_answer"] = answer, None
        message: Message = {"role": "assistant", "content": answer, "timestamp": now(), "turn": turn["turn"]}
        calls = [
            {"id": query_id, "type": "function", "function": {"name": "run_sql", "arguments": {"sql": query["sql"]}}}
            for query_id, query in record["queries"].items()
        ]
        if calls:
            message["tool_calls"] = calls
        record["messages"].append(message)

    conversations().update(turn["conversation_id"], finish)
    return {}


@bp.activity_trigger(input_name="failed")
@verdict
def fail_turn(failed: TurnFailure) -> Verdict:
    """Say in the record why there is no answer."""

    def fail(record: Record) -> None:
        record["status"], record["state"] = "error", "failed"
        record["error"], record["error_code"] = failed["message"], failed["code"]

    conversations().update(failed["conversation_id"], fail)
    return {}
