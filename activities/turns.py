"""The beginning and the end of a turn, in the conversation's record."""

import azure.durable_functions as df

from activities.verdicts import verdict
from shared.conversations import Message, Record, conversations, now
from shared.errors import NoDataError
from shared.language import detect_language
from shared.own_gold import OwnGold, own_gold
from shared.payloads import Begun, DataAwaited, DataWait, Turn, TurnFailure, Verdict
from shared.settings import settings

bp = df.Blueprint()


@bp.activity_trigger(input_name="turn")
@verdict
def begin_turn(turn: Turn) -> Begun:
    """Note the language of the question, the catalogue and the data it is asked of; return the limits of the turn."""
    from shared.catalog import load_dataset

    record = conversations().require(turn["conversation_id"])
    dataset = load_dataset(record["dataset"])
    own = own_gold(record["owner"]) if dataset.per_owner else None

    def begin(record: Record) -> None:
        record["state"] = "analyzing"
        record["language"] = detect_language(record["question"])
        record["catalog_digest"] = dataset.digest
        if own is not None:
            _note_data(record, own)

    begun: Begun = {
        "query_deadline_seconds": settings().query_deadline_seconds,
        "max_sql_retries": settings().max_sql_retries,
    }
    if own is not None and _is_to_wait(record, own):
        begun["wait_seconds"] = settings().chat_data_wait_seconds
    elif own is not None:
        _check_data(own)
    conversations().update(turn["conversation_id"], begin)
    return begun


@bp.activity_trigger(input_name="wait")
@verdict
def await_data(wait: DataWait) -> DataAwaited:
    """Look whether the asker's newer data is there; if so, or if this is the last look, the turn is about it."""
    record = conversations().require(wait["conversation_id"])
    own = own_gold(record["owner"])
    if not wait["last"] and _is_to_wait(record, own):
        return {"waiting": True}
    _check_data(own)
    conversations().update(wait["conversation_id"], lambda record: _note_data(record, own))
    return {"waiting": False}


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


def _is_to_wait(record: Record, own: OwnGold) -> bool:
    """Whether a newer version is being made, and the question is to wait for it; a review may take for ever."""
    making = own.coming is not None and own.coming["state"] == "making"
    return making and record.get("when_rebuilding") == "wait"


def _check_data(own: OwnGold) -> None:
    """Refuse a question about data that there is not.

    Raises:
        NoDataError: none of the asker's jobs has published anything yet.
    """
    if own.published is not None:
        return
    if own.coming is None:
        raise NoDataError("You have no data yet: none of your jobs has published its Gold.")
    if own.coming["state"] == "awaiting_review":
        raise NoDataError(f"You have no data yet: job {own.coming['job_id']} waits for your review of its rejects.")
    raise NoDataError(f"You have no data yet: job {own.coming['job_id']} is making it.")


def _note_data(record: Record, own: OwnGold) -> None:
    if own.published is not None:
        record["data"] = own.published
    record["coming"] = own.coming
