"""The statement lane: SQL sent to a SQL warehouse through the Statement Execution API."""

import time
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from shared.conversations import ColumnType
from shared.databricks.client import ExecutionGoneError, databricks_errors, workspace
from shared.databricks.execution import Execution, QueryKey, failure_of, first_line, gone
from shared.errors import QueryError

if TYPE_CHECKING:
    from databricks.sdk.service.sql import StatementExecutionAPI, StatementResponse

# Most statements end while the call waits, and then need no second call; the shortest wait the API takes.
WAIT = "5s"
TWIN_WINDOW_SECONDS = 3_600
TAG = "lakehouse_query"


class StatementLane:
    """Statements of one warehouse.

    The API has no idempotency token. A statement therefore carries its attempt as a tag, and a submission that
    was begun before looks for its twin in the warehouse's query history first.
    """

    def __init__(self, warehouse_id: str) -> None:
        self._warehouse_id = warehouse_id

    @cached_property
    def _api(self) -> "StatementExecutionAPI":
        return workspace().statement_execution

    def submit(self, sql: str, key: QueryKey, *, result_url: str, row_limit: int, begun_before: bool) -> Execution:
        """Send ``sql`` and wait a moment for its end, unless this attempt already runs or ran."""
        from databricks.sdk.service.sql import Disposition, ExecuteStatementRequestOnWaitTimeout, Format, QueryTag

        if begun_before and (twin := self._find(key)):
            return self.fetch(twin, result_url=result_url, row_limit=row_limit)
        with databricks_errors("the statement"):
            response = self._api.execute_statement(
                sql,
                self._warehouse_id,
                disposition=Disposition.INLINE,
                format=Format.JSON_ARRAY,
                on_wait_timeout=ExecuteStatementRequestOnWaitTimeout.CONTINUE,
                query_tags=[QueryTag(TAG, key.token), QueryTag("instance_id", key.instance_id)],
                wait_timeout=WAIT,
            )
        return self._read(response, result_url, row_limit)

    def fetch(self, handle: str, *, result_url: str, row_limit: int) -> Execution:
        """Return where the statement stands; once it succeeded, its rows are in the lake."""
        try:
            with databricks_errors("the statement"):
                response = self._api.get_statement(handle)
        except ExecutionGoneError:
            return replace(gone(handle, _run_id(handle)), statement_id=handle)
        return self._read(response, result_url, row_limit)

    def cancel(self, handle: str) -> None:
        """Ask for the end of the statement."""
        with suppress(ExecutionGoneError), databricks_errors("the cancellation"):  # what is gone is over
            self._api.cancel_execution(handle)

    def _find(self, key: QueryKey) -> str | None:
        """Return the statement id of an earlier submission of this attempt, if there was one."""
        from databricks.sdk.service.sql import QueryFilter, TimeRange

        until = int(time.time() * 1000) + 60_000
        span = TimeRange(start_time_ms=until - TWIN_WINDOW_SECONDS * 1000, end_time_ms=until)
        only = QueryFilter(query_start_time_range=span, warehouse_ids=[self._warehouse_id])
        page_token: str | None = None
        while True:
            with databricks_errors("the query history"):
                page = workspace().query_history.list(filter_by=only, max_results=100, page_token=page_token)
            for query in page.res or []:
                tags = {tag.key: tag.value for tag in query.query_tags or []}
                if tags.get(TAG) == key.token:
                    return query.query_id
            if not page.has_next_page or not page.next_page_token:
                return None
            page_token = page.next_page_token

    def _read(self, response: "StatementResponse", result_url: str, row_limit: int) -> Execution:
        from databricks.sdk.service.sql import StatementState

        if response.statement_id is None or response.status is None or response.status.state is None:
            raise QueryError("Databricks answered the statement without an id or a state; ask again.")
        facts: dict[str, Any] = {
            "handle": response.statement_id,
            "statement_id": response.statement_id,
            "run_id": _run_id(response.statement_id),
        }
        match response.status.state:
            case StatementState.PENDING | StatementState.RUNNING:
                return Execution(state="running", **facts)
            case StatementState.SUCCEEDED:
                return self._keep(response, result_url, row_limit, facts)
            case StatementState.CANCELED | StatementState.CLOSED:
                return Execution(state="canceled", error="The statement was cancelled.", **facts)
            case StatementState.FAILED:
                error = response.status.error
                message = first_line((error.message if error else None) or "")
                code = error.error_code.value if error and error.error_code else ""
                kind = failure_of(message)
                if kind == "infrastructure" and code == "BAD_REQUEST":
                    kind = "sql"
                return Execution(state="failed", error=message, failure=kind, **facts)

    def _keep(self, response: "StatementResponse", result_url: str, row_limit: int, facts: dict[str, Any]) -> Execution:
        from shared.databricks.results import to_table
        from shared.lake import write_rows

        schema = response.manifest.schema if response.manifest else None
        columns: list[ColumnType] = [
            {"name": column.name or "", "type": column.type_text or "STRING"}
            for column in (schema.columns if schema and schema.columns else [])
        ]
        rows = self._rows(response)
        kept = rows[:row_limit]
        write_rows(result_url, to_table(columns, kept))
        cut_by_databricks = bool(response.manifest and response.manifest.truncated)
        state: Literal["succeeded"] = "succeeded"
        return Execution(
            state=state,
            columns=columns,
            row_count=len(kept),
            truncated=len(rows) > row_limit or cut_by_databricks,
            **facts,
        )

    def _rows(self, response: "StatementResponse") -> list[list[str | None]]:
        rows: list[list[Any]] = []
        chunk = response.result
        while chunk is not None:
            rows += chunk.data_array or []
            if chunk.next_chunk_index is None:
                break
            with databricks_errors("a chunk of the result"):
                chunk = self._api.get_statement_result_chunk_n(response.statement_id or "", chunk.next_chunk_index)
        return rows


def _run_id(statement_id: str) -> int:
    """Return a number for readers of ``run_id``: the first 48 bits of the statement's id."""
    try:
        return int(UUID(statement_id).hex[:12], 16)
    except ValueError:
        return int.from_bytes(statement_id.encode()[:6], "big")
