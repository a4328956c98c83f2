"""The SQL part of the REST API: statements, query history, warehouses."""

import asyncio
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from localhost.services.databricks import results
from localhost.services.databricks.engine import Parameter, ResultSet
from localhost.services.databricks.statements import Statement, StatementRequest, Statements
from localhost.services.databricks.wire import (
    ENGINE_HEADER,
    ApiError,
    invalid,
    json_body,
    not_implemented,
    number,
    page,
)

WAREHOUSE_ID = "standin000000001"
QUERY_TAGS = 20
FEW_ROWS = 500
_HISTORY_STATES = {
    "PENDING": "QUEUED",
    "RUNNING": "RUNNING",
    "SUCCEEDED": "FINISHED",
    "CLOSED": "FINISHED",
    "FAILED": "FAILED",
    "CANCELED": "CANCELED",
}


class SqlApi:
    """Statements over HTTP. Any warehouse id is taken, because there is one warehouse whatever it is called."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def routes(self) -> list[Route]:
        """Return what is served under ``/api/2.0/sql``."""
        at = "/api/2.0/sql/statements"
        return [
            Route(at, self.execute, methods=["POST"]),
            Route(f"{at}/", self.execute, methods=["POST"]),
            Route(f"{at}/{{id}}", self.get, methods=["GET"]),
            Route(f"{at}/{{id}}/cancel", self.cancel, methods=["POST"]),
            Route(f"{at}/{{id}}/result/chunks/{{index:int}}", self.chunk, methods=["GET"]),
            Route("/api/2.0/sql/history/queries", self.history, methods=["GET"]),
            Route("/api/2.0/sql/warehouses", self.warehouses, methods=["GET"]),
            Route("/api/2.0/sql/warehouses/{id}", self.warehouse, methods=["GET"]),
        ]

    async def execute(self, request: Request) -> Response:
        """Start a statement, and wait for its end as long as the client asks."""
        body = await json_body(request)
        seconds = _wait_seconds(body.get("wait_timeout", "10s"))
        on_timeout = body.get("on_wait_timeout", "CONTINUE")
        if on_timeout not in {"CONTINUE", "CANCEL"}:
            raise invalid(f"Invalid on_wait_timeout: {on_timeout!r}. Use CONTINUE or CANCEL.")
        statement = self._statements.execute(_statement_request(body))
        ended = asyncio.wrap_future(statement.work.ended)
        if seconds:
            await asyncio.wait([ended], timeout=seconds)
            if not ended.done() and on_timeout == "CANCEL":
                statement.work.cancel()
        return await _answer(statement)

    async def get(self, request: Request) -> Response:
        """Return where a statement stands, with the first chunk of its rows once it has succeeded."""
        return await _answer(self._find(request))

    async def cancel(self, request: Request) -> Response:
        """Ask for the end of a statement."""
        self._find(request).work.cancel()
        return JSONResponse({})

    async def chunk(self, request: Request) -> Response:
        """Return one chunk of the rows."""
        statement = self._find(request)
        result = statement.work.result
        if result is None:
            raise ApiError(404, "NOT_FOUND", f"The statement {statement.id} has no result: it is {statement.state}.")
        content = await _chunk(result, request.path_params["index"], statement.id)
        if content is None:
            raise invalid(f"The statement {statement.id} has no chunk {request.path_params['index']}.")
        return JSONResponse(content)

    async def history(self, request: Request) -> Response:
        """Return the statements that were run, most recently started first."""
        query = request.query_params
        size = number(query, "max_results", 100)
        if not 1 <= size <= 1000:
            raise invalid("max_results must be between 1 and 1000.")
        ids = set(query.getlist("filter_by.statement_ids"))
        warehouses = set(query.getlist("filter_by.warehouse_ids"))
        statuses = set(query.getlist("filter_by.statuses"))
        since = number(query, "filter_by.query_start_time_range.start_time_ms", 0)
        until = number(query, "filter_by.query_start_time_range.end_time_ms", 2**63)
        matching = [
            statement
            for statement in self._statements.newest_first()
            if (not ids or statement.id in ids)
            and (not warehouses or statement.request.warehouse_id in warehouses)
            and (not statuses or _HISTORY_STATES[statement.state] in statuses)
            and since <= statement.work.created_at <= until
        ]
        statements, token = page(matching, query.get("page_token"), size)
        content: dict[str, Any] = {"res": [_history_entry(s) for s in statements], "has_next_page": token is not None}
        return JSONResponse(content | ({"next_page_token": token} if token else {}))

    async def warehouses(self, _: Request) -> Response:
        """Return the one warehouse."""
        return JSONResponse({"warehouses": [_warehouse(WAREHOUSE_ID)]})

    async def warehouse(self, request: Request) -> Response:
        """Return the warehouse; it answers to any id."""
        return JSONResponse(_warehouse(request.path_params["id"]))

    def _find(self, request: Request) -> Statement:
        statement = self._statements.get(request.path_params["id"])
        if statement is None:
            raise ApiError(404, "NOT_FOUND", f"The statement {request.path_params['id']} was not found.")
        return statement


def _wait_seconds(text: Any) -> int:
    match = re.fullmatch(r"(\d+)s", str(text))
    seconds = int(match[1]) if match else -1
    if seconds != 0 and not 5 <= seconds <= 50:
        raise invalid(f"Invalid wait_timeout: {text!r}. Use 0s, or between 5s and 50s.")
    return seconds


def _statement_request(body: dict[str, Any]) -> StatementRequest:
    if not body.get("statement") or not body.get("warehouse_id"):
        raise invalid("Missing required field: statement and warehouse_id are needed.")
    if body.get("disposition", "INLINE") != "INLINE" or body.get("format", "JSON_ARRAY") != "JSON_ARRAY":
        raise not_implemented(f"results as {body.get('disposition')} {body.get('format')}, only INLINE JSON_ARRAY")
    if body.get("catalog") not in {None, "", "spark_catalog"}:
        raise not_implemented(f"the catalogue {body['catalog']!r}, only two-part names")
    row_limit = number(body, "row_limit") if "row_limit" in body else None
    if row_limit is not None and row_limit < 1:
        raise invalid("row_limit must be positive.")
    return StatementRequest(
        sql=body["statement"],
        warehouse_id=body["warehouse_id"],
        parameters=[
            Parameter(p["name"], p.get("value"), p.get("type") or "STRING") for p in body.get("parameters", [])
        ],
        row_limit=row_limit,
        byte_limit=number(body, "byte_limit") if "byte_limit" in body else None,
        schema=body.get("schema"),
        query_tags=body.get("query_tags", [])[:QUERY_TAGS],
    )


async def _answer(statement: Statement) -> Response:
    work, state = statement.work, statement.state
    content: dict[str, Any] = {"statement_id": statement.id, "status": {"state": state}}
    if state == "FAILED" and work.error is not None:
        content["status"]["error"] = {"error_code": work.error.error_code, "message": str(work.error)}
        if work.error.sql_state:
            content["status"]["sql_state"] = work.error.sql_state
    elif (result := work.result) is not None:
        content["manifest"] = results.manifest(result)
        content["result"] = await _chunk(result, 0, statement.id)
    return JSONResponse(content, headers={ENGINE_HEADER: statement.engine} if statement.engine else None)


async def _chunk(result: ResultSet, index: int, statement_id: str) -> dict[str, Any] | None:
    if result.table.num_rows <= FEW_ROWS:
        return results.chunk(result, index, statement_id)
    # Others should not wait while thousands of rows become text.
    return await asyncio.to_thread(results.chunk, result, index, statement_id)


def _history_entry(statement: Statement) -> dict[str, Any]:
    work, request = statement.work, statement.request
    entry: dict[str, Any] = {
        "query_id": statement.id,
        "status": _HISTORY_STATES[statement.state],
        "query_text": request.sql,
        "statement_type": statement.kind,
        "query_start_time_ms": work.created_at,
        "warehouse_id": request.warehouse_id,
        "endpoint_id": request.warehouse_id,
        "user_name": "stand-in",
        "is_final": work.ended_at is not None,
        "query_tags": list(request.query_tags),
        "channel_used": {"name": "CHANNEL_NAME_CURRENT", "dbsql_version": f"stand-in/{statement.engine or 'none'}"},
    }
    if work.ended_at is not None:
        entry |= {
            "query_end_time_ms": work.ended_at,
            "execution_end_time_ms": work.ended_at,
            "duration": work.ended_at - work.created_at,
            "rows_produced": statement.rows,
        }
    if work.error is not None:
        entry["error_message"] = str(work.error)
    return entry


def _warehouse(warehouse_id: str) -> dict[str, Any]:
    return {
        "id": warehouse_id,
        "name": "Stand-in warehouse of the local host",
        "state": "RUNNING",
        "cluster_size": "2X-Small",
        "warehouse_type": "PRO",
        "num_clusters": 1,
        "health": {"status": "HEALTHY"},
    }
