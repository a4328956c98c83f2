"""Starting a conversation: a token of the caller's allowance, a record, one orchestration."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import azure.durable_functions as df
import azure.functions as func

from api.instances import beginning_once, is_to_begin
from api.requests import Fields, client_address
from api.responses import RETRY_AFTER_SECONDS, reply
from shared.conversations import Record, WhenRebuilding, conversations
from shared.errors import UnauthenticatedError
from shared.identity import Caller
from shared.ids import derived_id, fingerprint, new_id
from shared.payloads import Turn
from shared.rate_limit import Allowance, rate_limits
from shared.settings import settings

MAX_DATASET_NAME = 63
WHEN_REBUILDING: Mapping[str, WhenRebuilding] = {"answer": "answer", "wait": "wait"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a caller wants to know. ``sql`` is a checked query of their own, in place of one from the model."""

    text: str
    user_id: str
    dataset: str
    sql: str | None = None
    when_rebuilding: WhenRebuilding = "answer"


async def start_conversation(
    req: func.HttpRequest, client: df.DurableFunctionsClient, caller: Caller, question: Question, key: str | None
) -> Record:
    """Start a conversation and return its record; with ``key`` (an ``Idempotency-Key``) at most once.

    Raises:
        UnauthenticatedError: a stranger asks about data that each user has alone.
        RateLimitedError: the caller has started too many.
        ConflictError: ``key`` was used for another question.
    """
    record = await asyncio.to_thread(_create, caller, client_address(req), question, key)
    if key is None or (
        record["status"] == "processing" and await is_to_begin(client, record["id"], record["created_at"])
    ):
        turn: Turn = {"conversation_id": record["id"], "turn": record["turn"], "owner": record["owner"]}
        with beginning_once():
            await client.schedule_new_orchestration("conversation", input=turn, instance_id=record["id"])
    return record


def accepted(req: func.HttpRequest, conversation_id: str) -> func.HttpResponse:
    """Return 202 with where to go on."""
    poll_url = f"/api/chat/{conversation_id}/status"
    body = {
        "status": "success",
        "conversation_id": conversation_id,
        "processing_status": "started",
        "message": "Conversation started. Poll /chat/{id}/status for updates.",
        "poll_url": poll_url,
        "statusQueryGetUri": f"{origin(req)}/api/instances/{conversation_id}",
    }
    return reply(body, 202, headers={"Location": poll_url, "Retry-After": str(RETRY_AFTER_SECONDS)})


def origin(req: func.HttpRequest) -> str:
    """Return scheme and host that the caller used."""
    scheme, _, rest = req.url.partition("://")
    return f"{scheme}://{rest.partition('/')[0].partition('?')[0]}"


def _create(caller: Caller, address: str, question: Question, key: str | None) -> Record:
    chosen = settings()
    if caller.anonymous and _is_per_owner(question.dataset):
        raise UnauthenticatedError(f"The dataset {question.dataset} is each user's own: log in to ask about yours.")
    # Strangers share one name; where the platform tells their addresses apart, so do we.
    subject = f"start:{caller.owner}:{address if caller.anonymous else ''}"
    rate_limits().take(subject, Allowance(chosen.chat_burst, chosen.chat_starts_per_second))
    secret = chosen.jwt_secret or chosen.cosmos_key
    return conversations().create(
        conversation_id=new_id() if key is None else derived_id(caller.owner, key, secret=secret),
        owner=caller.owner,
        user_id=question.user_id or caller.owner,
        question=question.text,
        dataset=question.dataset,
        sql=question.sql,
        when_rebuilding=question.when_rebuilding,
        fingerprint=fingerprint(
            {
                "question": question.text,
                "user_id": question.user_id,
                "dataset": question.dataset,
                "sql": question.sql,
                # Left out where nothing was asked for, so that keys of earlier versions still fit.
                **({"when_rebuilding": "wait"} if question.when_rebuilding == "wait" else {}),
            }
        ),
    )


def read_dataset(fields: Fields) -> str:
    """Return the dataset that a question is about, and refuse one that the catalogue does not have."""
    name = fields.text("dataset", longest=MAX_DATASET_NAME, required=False)
    if name:
        from shared.catalog import dataset_names

        if name not in dataset_names():
            fields.refuse("dataset", "There is no such dataset.")
    return name or settings().chat_dataset


def read_when_rebuilding(fields: Fields) -> WhenRebuilding:
    """Return what a question is to do while its data is made anew."""
    return fields.choice("when_rebuilding", WHEN_REBUILDING, default="answer")


def _is_per_owner(dataset: str) -> bool:
    from shared.catalog import load_dataset

    return load_dataset(dataset).per_owner
