"""Starting a conversation: a token of the caller's allowance, a record, one orchestration."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import azure.durable_functions as df
import azure.functions as func
import grpc

from api.requests import client_address
from api.responses import RETRY_AFTER_SECONDS, reply
from shared.conversations import Record, conversations
from shared.identity import Caller
from shared.ids import derived_id, fingerprint, new_id
from shared.payloads import Turn
from shared.rate_limit import Allowance, rate_limits
from shared.settings import settings

FORGOTTEN_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a caller wants to know. ``sql`` is a checked query of their own, in place of one from the model."""

    text: str
    user_id: str
    dataset: str
    sql: str | None = None


async def start_conversation(
    req: func.HttpRequest, client: df.DurableFunctionsClient, caller: Caller, question: Question, key: str | None
) -> Record:
    """Start a conversation and return its record; with ``key`` (an ``Idempotency-Key``) at most once.

    Raises:
        RateLimitedError: the caller has started too many.
        ConflictError: ``key`` was used for another question.
    """
    record = await asyncio.to_thread(_create, caller, client_address(req), question, key)
    if key is None or await _is_to_start(client, record):
        await _schedule(client, record)
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
        fingerprint=fingerprint(
            {
                "question": question.text,
                "user_id": question.user_id,
                "dataset": question.dataset,
                "sql": question.sql,
            }
        ),
    )


async def _is_to_start(client: df.DurableFunctionsClient, record: Record) -> bool:
    """Whether no orchestration has taken the conversation of a repeated request yet."""
    if record["status"] != "processing":
        return False
    state = await client.get_orchestration_state(record["id"], fetch_payloads=False)
    if state is None:
        return True
    # The record of an earlier use of the key has expired, its orchestration is still known: it makes room.
    last = state.last_updated_at.replace(tzinfo=UTC)
    if state.runtime_status.name in ENDED and last + FORGOTTEN_AFTER < datetime.fromisoformat(record["created_at"]):
        await client.purge_orchestration(record["id"])
        return True
    return False


ENDED = frozenset({"COMPLETED", "FAILED", "TERMINATED"})
"""Names of the states in which an orchestration stays."""


async def _schedule(client: df.DurableFunctionsClient, record: Record) -> None:
    turn: Turn = {"conversation_id": record["id"], "turn": record["turn"], "owner": record["owner"]}
    with _already_there():
        await client.schedule_new_orchestration("conversation", input=turn, instance_id=record["id"])


@contextmanager
def _already_there() -> Generator[None]:
    """Let a twin of the request be first."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.ALREADY_EXISTS:
            raise
