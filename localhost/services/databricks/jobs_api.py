"""The jobs part of the REST API: one job, its runs, one-time runs, and what they left behind."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from localhost.services.databricks.engine import JobFailedError, RunFailedError
from localhost.services.databricks.runs import (
    JOB_ID,
    JOB_NAME,
    JOB_PARAMETERS,
    JOB_TASK,
    TASK_KEY,
    Run,
    RunRequest,
    Runs,
)
from localhost.services.databricks.submissions import submitted
from localhost.services.databricks.wire import (
    ENGINE_HEADER,
    ApiError,
    invalid,
    json_body,
    number,
    page,
)

TOKEN_CHARACTERS = 64
SQL_FAILED = "Workload failed, see run output for details"


class JobsApi:
    """Jobs over HTTP, version 2.2; 2.1 and 2.0 are served the same."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    def routes(self) -> list[Route]:
        """Return what is served under ``/api/2.x/jobs``."""
        endpoints = [
            ("GET", "get", self.get_job),
            ("GET", "list", self.list_jobs),
            ("POST", "run-now", self.run_now),
            ("POST", "runs/submit", self.submit),
            ("GET", "runs/get", self.get_run),
            ("GET", "runs/get-output", self.get_output),
            ("POST", "runs/cancel", self.cancel),
            ("GET", "runs/list", self.list_runs),
        ]
        return [
            Route(f"/api/{version}/jobs/{path}", endpoint, methods=[method])
            for version in ("2.2", "2.1", "2.0")
            for method, path, endpoint in endpoints
        ]

    async def run_now(self, request: Request) -> Response:
        """Start a run; with a token that was seen before, name the run it started then."""
        body = await json_body(request)
        _job(number(body, "job_id"))
        token = _token(body)
        given: dict[str, Any] = body.get("job_parameters") or body.get("notebook_params") or {}
        if unknown := set(given) - set(JOB_PARAMETERS):
            raise invalid(f"Job {JOB_ID} has no parameters called {', '.join(sorted(unknown))}.")
        parameters = JOB_PARAMETERS | {name: str(value) for name, value in given.items()}
        run = self._runs.start(RunRequest(JOB_NAME, TASK_KEY, JOB_TASK, parameters), token)
        return JSONResponse({"run_id": run.id, "number_in_job": run.number})

    async def submit(self, request: Request) -> Response:
        """Start a one-time run; with a token that was seen before, name the run it started then."""
        body = await json_body(request)
        token = _token(body)
        return JSONResponse({"run_id": self._runs.start(submitted(body), token).id})

    async def get_run(self, request: Request) -> Response:
        """Return where a run stands."""
        run_id = number(request.query_params, "run_id")
        run = self._find(run_id)
        page = {"run_page_url": f"{request.base_url}api/2.2/jobs/runs/get?run_id={run.id}"}
        return _answer(run, page | (_task(run) if run_id == run.task_id else _run(run)))

    async def get_output(self, request: Request) -> Response:
        """Return what the task of a run exited with, or the error that ended it."""
        run_id = number(request.query_params, "run_id")
        run = self._find(run_id)
        if run_id != run.task_id:
            raise invalid(
                "Retrieving the output of runs with multiple tasks is not supported. "
                "Please retrieve the output of each individual task run instead."
            )
        content: dict[str, Any] = {"metadata": _task(run)}
        error = run.work.error
        if (output := run.work.result) is not None:
            if "notebook_task" in run.request.task:
                content["notebook_output"] = {"result": output.result or "", "truncated": output.truncated}
            else:
                content |= {"logs": output.logs, "logs_truncated": output.truncated}
        elif error is not None:
            content |= {"error": str(error), "error_trace": error.trace if isinstance(error, JobFailedError) else ""}
        return _answer(run, content)

    async def cancel(self, request: Request) -> Response:
        """Ask for the end of a run."""
        self._find(number(await json_body(request), "run_id")).work.cancel()
        return JSONResponse({})

    async def list_runs(self, request: Request) -> Response:
        """Return the runs, most recently started first."""
        query = request.query_params
        active, completed = query.get("active_only") == "true", query.get("completed_only") == "true"
        if active and completed:
            raise invalid("active_only and completed_only cannot both be true.")
        job_id = number(query, "job_id", 0)
        kind = query.get("run_type")
        since, until = number(query, "start_time_from", 0), number(query, "start_time_to", 2**63)
        matching = [
            run
            for run in self._runs.newest_first()
            if not (job_id and (run.request.one_time or job_id != JOB_ID))
            and kind in {None, "", _kind(run)}
            and since <= run.work.created_at <= until
            and not (active and run.work.ended_at is not None)
            and not (completed and run.work.ended_at is None)
        ]
        runs, token = page(matching, query.get("page_token"), number(query, "limit", 20))
        content: dict[str, Any] = {"runs": [_run(run) for run in runs], "has_more": token is not None}
        return JSONResponse(content | ({"next_page_token": token} if token else {}))

    async def get_job(self, request: Request) -> Response:
        """Return the one job."""
        return JSONResponse(_job(number(request.query_params, "job_id")))

    async def list_jobs(self, request: Request) -> Response:
        """Return the one job, in a list."""
        name = request.query_params.get("name", JOB_NAME)
        return JSONResponse({"jobs": [_job(JOB_ID)] if name.lower() == JOB_NAME else [], "has_more": False})

    def _find(self, run_id: int) -> Run:
        run = self._runs.get(run_id)
        if run is None:
            raise invalid(f"Run {run_id} does not exist.")
        return run


def _token(body: dict[str, Any]) -> str | None:
    token = body.get("idempotency_token")
    if token is not None and len(token) > TOKEN_CHARACTERS:
        raise invalid(f"The idempotency token has {len(token)} characters, at most {TOKEN_CHARACTERS} are allowed.")
    return token


def _kind(run: Run) -> str:
    return "SUBMIT_RUN" if run.request.one_time else "JOB_RUN"


def _answer(run: Run, content: dict[str, Any]) -> Response:
    return JSONResponse(content, headers={ENGINE_HEADER: run.engine} if run.engine else None)


def _job(job_id: int) -> dict[str, Any]:
    if job_id != JOB_ID:
        raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Job {job_id} does not exist.")
    return {
        "job_id": JOB_ID,
        "creator_user_name": "stand-in",
        "settings": {
            "name": JOB_NAME,
            "description": "Stand-in of the local host for databricks/sql_query_job.py",
            "format": "MULTI_TASK",
            "max_concurrent_runs": 1000,
            "parameters": [{"name": name, "default": value} for name, value in JOB_PARAMETERS.items()],
            "tasks": [{"task_key": TASK_KEY, **JOB_TASK}],
        },
    }


def _run(run: Run) -> dict[str, Any]:
    request = run.request
    content: dict[str, Any] = {
        **_common(run, f"Task {request.task_key} failed with message: "),
        "run_id": run.id,
        "job_run_id": run.id,
        "number_in_job": run.number,
        "original_attempt_run_id": run.id,
        "run_name": request.name,
        "run_type": _kind(run),
        "trigger": "ONE_TIME",
        "creator_user_name": "stand-in",
        "tasks": [_task(run)],
    }
    if not request.one_time:
        content["job_id"] = JOB_ID
        content["job_parameters"] = [
            {"name": name, "default": JOB_PARAMETERS[name], "value": value}
            for name, value in request.parameters.items()
        ]
    return content


def _task(run: Run) -> dict[str, Any]:
    return {
        **_common(run, ""),
        **run.request.task,
        "run_id": run.task_id,
        "task_key": run.request.task_key,
        "timeout_seconds": run.request.timeout_seconds,
        "description": f"Stand-in, run by {run.engine}" if run.engine else "Stand-in",
    }


def _common(run: Run, blame: str) -> dict[str, Any]:
    """Return what a job run and its task run both say: states in the old form and the new one, and times."""
    work = run.work
    busy = work.state == "canceled" and not work.left.is_set()
    state, status = _states(run, blame)
    if busy:
        state, status = {"life_cycle_state": "TERMINATING", "state_message": "Cancelling"}, {"state": "TERMINATING"}
    ended_at = 0 if busy else work.ended_at or 0
    return {
        "state": state,
        "status": status,
        "start_time": work.created_at,
        "end_time": ended_at,
        "setup_duration": 0,
        "execution_duration": ended_at and ended_at - work.created_at,
        "run_duration": ended_at and ended_at - work.created_at,
        "attempt_number": 0,
    }


def _states(run: Run, blame: str) -> tuple[dict[str, Any], dict[str, Any]]:
    work = run.work
    if work.state in {"waiting", "running"}:
        name = "PENDING" if work.state == "waiting" else "RUNNING"
        return {"life_cycle_state": name, "state_message": ""}, {"state": name}
    life_cycle, result, code, kind, message = "TERMINATED", "SUCCESS", "SUCCESS", "SUCCESS", ""
    if work.state == "canceled" and run.timed_out:
        result, code, kind, message = "TIMEDOUT", "CANCELED", "CLIENT_ERROR", "Run timed out."
    elif work.state == "canceled":
        result, code, message = "CANCELED", "USER_CANCELED", "Run cancelled."
    elif isinstance(work.error, RunFailedError):
        life_cycle, result, code, kind = "INTERNAL_ERROR", "FAILED", work.error.error_code, "CLOUD_FAILURE"
        message = f"{blame}{work.error}"
    elif work.error is not None:
        result, code, kind, message = "FAILED", "RUN_EXECUTION_ERROR", "CLIENT_ERROR", f"{blame}{SQL_FAILED}"
    state = {
        "life_cycle_state": life_cycle,
        "result_state": result,
        "state_message": message,
        "user_cancelled_or_timedout": work.state == "canceled",
    }
    details = {"code": code, "type": kind, "message": message}
    return state, {"state": "TERMINATED", "termination_details": details}
