"""One attempt at one query on Databricks: submit, ask, cancel. What happens is kept in the record."""

import azure.durable_functions as df

from activities.verdicts import verdict
from shared.conversations import DatabricksJob, Record, conversations, now
from shared.databricks import Execution, LaneName, QueryKey, lane, preferred_lane
from shared.errors import SqlRefusedError
from shared.lake import result_url
from shared.payloads import QueryAttempt, QueryStatus, Verdict
from shared.settings import settings

bp = df.Blueprint()


@bp.activity_trigger(input_name="attempt")
@verdict
def submit_query(attempt: QueryAttempt) -> QueryStatus:
    """Guard the query's SQL and run what the guard made of it, unless this attempt was submitted before."""
    from shared.catalog import load_dataset
    from shared.sql_guard import guard_sql

    record = conversations().require(attempt["conversation_id"])
    query = record["queries"][attempt["query_id"]]
    row_limit = settings().row_limit
    try:
        # One row more than is kept tells whether the result was cut.
        guarded = guard_sql(query["sql"], load_dataset(record["dataset"]), row_limit=row_limit + 1)
    except SqlRefusedError as error:
        refusal = str(error)
        conversations().update(record["id"], lambda record: _add_failure(record, attempt, refusal))
        cause = "sql" if error.correctable else "final"
        return {"state": "failed", "cause": cause, "code": error.code, "message": str(error)}

    begun_before = False

    def begin(record: Record) -> None:
        nonlocal begun_before
        begun_before = _job(record, attempt) is not None
        if begun_before:
            return
        record["state"] = "executing"
        job: DatabricksJob = {
            "query_id": attempt["query_id"],
            "attempt": attempt["attempt"],
            "run_id": None,
            "sql_query": guarded.sql,
            "status": "running",
            "started_at": now(),
        }
        record["databricks_jobs"].append(job)

    conversations().update(record["id"], begin)
    name = preferred_lane()
    execution = lane(name).submit(
        _over_own_data(guarded.sql, record),
        QueryKey(record["id"], attempt["query_id"], attempt["attempt"]),
        result_url=_result_url(attempt),
        row_limit=row_limit,
        begun_before=begun_before,
    )
    return _note(attempt, name, execution)


@bp.activity_trigger(input_name="attempt")
@verdict
def poll_query(attempt: QueryAttempt) -> QueryStatus:
    """Ask where the attempt stands; once it ended, note how."""
    name, handle = _submitted(attempt)
    execution = lane(name).fetch(handle, result_url=_result_url(attempt), row_limit=settings().row_limit)
    if execution.state == "running":
        return {"state": "running", "lane": name, "handle": handle}
    return _note(attempt, name, execution)


@bp.activity_trigger(input_name="attempt")
@verdict
def cancel_query(attempt: QueryAttempt) -> Verdict:
    """Ask Databricks to end the attempt."""
    name, handle = _submitted(attempt)
    lane(name).cancel(handle)
    return {}


def _over_own_data(sql: str, record: Record) -> str:
    """Return what runs: of a dataset that each user has alone, the tables are the files of the asker's version."""
    if "data" not in record:
        return sql
    from shared.catalog import load_dataset
    from shared.own_gold import places
    from shared.sql_guard.placing import placed

    return placed(sql, places(load_dataset(record["dataset"]).namespace, record["data"]))


def _note(attempt: QueryAttempt, name: LaneName, execution: Execution) -> QueryStatus:
    """Write what is known of the execution into the record; return it as a status."""

    def note(record: Record) -> None:
        job = _job(record, attempt)
        if job is None:
            return
        job["run_id"] = execution.run_id
        if execution.statement_id is not None:
            job["statement_id"] = execution.statement_id
        if execution.state == "running":
            return
        job["status"] = "completed" if execution.state == "succeeded" else execution.state
        job["finished_at"] = now()
        if execution.state == "succeeded":
            record["queries"][attempt["query_id"]]["result"] = {
                "path": _result_url(attempt),
                "columns": execution.columns,
                "row_count": execution.row_count,
                "truncated": execution.truncated,
            }
        else:
            job["error"] = execution.error
            _add_failure(record, attempt, execution.error)

    conversations().update(attempt["conversation_id"], note)
    if execution.state == "running":
        return {"state": "running", "lane": name, "handle": execution.handle}
    if execution.state == "succeeded":
        return {"state": "succeeded"}
    return _failed(execution)


def _failed(execution: Execution) -> QueryStatus:
    if execution.failure == "sql":
        message = f"Databricks could not run the query: {execution.error}"
        return {"state": "failed", "cause": "sql", "code": "query_failed", "message": message}
    if execution.failure == "infrastructure":
        message = f"The query broke on Databricks: {execution.error} Ask again later."
        return {"state": "failed", "cause": "infrastructure", "code": "query_failed", "message": message}
    code = "query_timeout" if execution.state == "timeout" else "query_failed"
    return {"state": "failed", "cause": "final", "code": code, "message": execution.error}


def _add_failure(record: Record, attempt: QueryAttempt, error: str) -> None:
    query = record["queries"][attempt["query_id"]]
    if all(known["attempt"] != attempt["attempt"] for known in query["failed"]):
        query["failed"].append({"attempt": attempt["attempt"], "sql": query["sql"], "error": error})


def _job(record: Record, attempt: QueryAttempt) -> DatabricksJob | None:
    key = (attempt["query_id"], attempt["attempt"])
    return next((job for job in record["databricks_jobs"] if (job["query_id"], job["attempt"]) == key), None)


def _submitted(attempt: QueryAttempt) -> tuple[LaneName, str]:
    return attempt.get("lane", "statement"), attempt.get("handle", "")


def _result_url(attempt: QueryAttempt) -> str:
    return result_url(attempt["conversation_id"], attempt["query_id"], attempt["attempt"])
