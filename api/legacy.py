"""The route of the first version, kept for its clients: one call that waits for the answer, for a while."""

import asyncio
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from api.chat import MAX_QUESTION, MAX_USER_ID
from api.following import Snapshot, look, status_body
from api.instances import wait_for_end
from api.requests import Fields, read_fields, read_idempotency_key
from api.responses import ConversationFailedError, answering, reply
from api.starting import Question, accepted, read_dataset, read_when_rebuilding, start_conversation
from shared.conversations import Result
from shared.identity import identify
from shared.settings import settings

bp = df.Blueprint(http_auth_level=func.AuthLevel.ANONYMOUS)  # who may is decided by `identify`

DEFAULT_WAIT_SECONDS = 25
MAX_WAIT_SECONDS = 60
MAX_SQL = 20_000
MAX_ROWS = 100


@bp.route(route="api/run_databricks_job", methods=["POST"])
@bp.durable_client_input(client_name="client")
@answering
async def run_databricks_job(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Run a question or a query and return its rows; 202 as ``start_chat`` if that takes longer than ``wait``."""
    caller = await asyncio.to_thread(identify, req.headers)
    key, fields = read_idempotency_key(req), read_fields(req)
    seconds = fields.whole_number("wait", default=DEFAULT_WAIT_SECONDS, highest=MAX_WAIT_SECONDS)
    question = _read_question(fields)
    if question.sql is not None:
        await asyncio.to_thread(_guard, question.sql, question.dataset)
    record = await start_conversation(req, client, caller, question, key)
    if seconds:
        await wait_for_end(client, record["id"], seconds)
    snapshot = await look(client, caller, record["id"])
    if snapshot.status == "processing":
        return accepted(req, record["id"])
    return reply(await asyncio.to_thread(_answer, snapshot))


def _read_question(fields: Fields) -> Question:
    sql = fields.text("sql", longest=MAX_SQL, required=False) or None
    text = fields.text("question", longest=MAX_QUESTION, required=False) or None
    if (sql is None) == (text is None):
        fields.refuse("question", "Send one of question and sql.")
    question = Question(
        text=text or sql or "",
        user_id=fields.text("user_id", longest=MAX_USER_ID, required=False),
        dataset=read_dataset(fields),
        sql=sql,
        when_rebuilding=read_when_rebuilding(fields),
    )
    fields.check()
    return question


def _guard(sql: str, dataset: str) -> None:
    """Refuse a query before anything is started for it.

    Raises:
        SqlRefusedError: it may not run.
    """
    from shared.catalog import load_dataset
    from shared.sql_guard import guard_sql

    guard_sql(sql, load_dataset(dataset), row_limit=settings().row_limit)


def _answer(snapshot: Snapshot) -> dict[str, Any]:
    from shared.lake import read_rows

    body = status_body(snapshot)
    if snapshot.status == "error":
        raise ConversationFailedError(body["conversation_id"], body["error_code"] or "internal_error", body["error"])
    record = snapshot.record
    results = [query["result"] for query in record["queries"].values() if query["result"] is not None]
    result: Result = results[-1] if results else {"path": "", "columns": [], "row_count": 0, "truncated": False}
    job = next((job for job in reversed(record["databricks_jobs"]) if job["status"] == "completed"), None)
    return {
        "status": "success",
        "conversation_id": record["id"],
        "run_id": job["run_id"] if job else None,
        "sql_query": job["sql_query"] if job else None,
        "final_answer": record["final_answer"],
        "columns": result["columns"],
        "rows": read_rows(result["path"], MAX_ROWS)[1] if result["path"] else [],
        "row_count": result["row_count"],
        "truncated": result["truncated"],
    }
