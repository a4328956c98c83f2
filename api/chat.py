"""The chat: ask a question, follow it, read the conversation."""

import asyncio

import azure.durable_functions as df
import azure.functions as func

from api.following import look, read_record, status_body, wait_for_change
from api.requests import read_fields, read_id, read_idempotency_key, read_whole_number
from api.responses import answering, reply, standing
from api.starting import Question, accepted, read_dataset, read_when_rebuilding, start_conversation
from shared.identity import identify

bp = df.Blueprint(http_auth_level=func.AuthLevel.ANONYMOUS)  # who may is decided by `identify`

MAX_QUESTION = 4_000
MAX_USER_ID = 200
MAX_WAIT_SECONDS = 25
"""Well below the 230 s that the platform gives an answer, and below what proxies and browsers give."""
MAX_VERSION = 10**15


@bp.route(route="api/chat/start", methods=["POST"])
@bp.durable_client_input(client_name="client")
@answering
async def start_chat(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Start a conversation: 202 with the URL to poll."""
    caller = await asyncio.to_thread(identify, req.headers)
    key, fields = read_idempotency_key(req), read_fields(req)
    question = Question(
        text=fields.text("question", longest=MAX_QUESTION),
        user_id=fields.text("user_id", longest=MAX_USER_ID, required=False),
        dataset=read_dataset(fields),
        when_rebuilding=read_when_rebuilding(fields),
    )
    fields.check()
    record = await start_conversation(req, client, caller, question, key)
    return accepted(req, record["id"])


@bp.route(route="api/chat/{conversation_id}/status", methods=["GET"])
@bp.durable_client_input(client_name="client")
@answering
async def get_chat_status(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Say where a conversation stands; with ``wait`` and ``since`` as soon as it stands elsewhere."""
    caller = await asyncio.to_thread(identify, req.headers)
    conversation_id = read_id(req, "conversation_id")
    seconds = read_whole_number(req, "wait", highest=MAX_WAIT_SECONDS) or 0
    since = read_whole_number(req, "since", highest=MAX_VERSION)
    snapshot = await look(client, caller, conversation_id)
    known = snapshot.version if since is None else since
    if seconds and snapshot.status == "processing" and snapshot.version <= known:
        await wait_for_change(client, snapshot.record, known, seconds)
        snapshot = await look(client, caller, conversation_id)
    body = status_body(snapshot)
    return standing(req, body, processing=snapshot.status == "processing")


@bp.route(route="api/chat/{conversation_id}/messages", methods=["GET"])
@answering
async def get_chat_messages(req: func.HttpRequest) -> func.HttpResponse:
    """Return what was said so far, by the user and the assistant."""
    caller = await asyncio.to_thread(identify, req.headers)
    record = await read_record(caller, read_id(req, "conversation_id"))
    return reply({"conversation_id": record["id"], "messages": record["messages"]})
