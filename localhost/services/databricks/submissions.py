"""What ``jobs/runs/submit`` is sent, checked: one task, a notebook or a Python file, on any compute."""

from collections.abc import Mapping
from typing import Any, cast

from localhost.services.databricks.runs import RunRequest
from localhost.services.databricks.wire import invalid, not_implemented, number

KINDS = ("notebook_task", "spark_python_task")
COMPUTE = ("new_cluster", "existing_cluster_id", "environment_key", "job_cluster_key")
# Databricks' own name for a one-time run that was given none.
UNNAMED = "Untitled"


def submitted(body: Mapping[str, Any]) -> RunRequest:
    """Return what ``body`` asks for.

    Raises:
        ApiError: Databricks would refuse it, or the stand-in does not have it.
    """
    tasks: list[dict[str, Any]] = body.get("tasks") or []
    if not tasks:
        raise invalid("Missing required field: tasks")
    if body.get("git_source"):
        raise not_implemented("runs of files from Git")
    kinds = sorted({name for task in tasks for name in task if name.endswith("_task")})
    if len(tasks) > 1:
        raise not_implemented(f"jobs/runs/submit of {len(tasks)} tasks ({', '.join(kinds)}), only of one")
    [task] = tasks
    if len(kinds) != 1 or kinds[0] not in KINDS:
        raise not_implemented(f"jobs/runs/submit ({', '.join(kinds) or 'no task'})")
    [kind] = kinds
    if not task.get("task_key"):
        raise invalid("Missing required field: task_key")
    _check_compute(kind, task, body)
    content: dict[str, Any] = task[kind]
    if content.get("source", "WORKSPACE") != "WORKSPACE":
        raise not_implemented(f"files from {content['source']}")
    if content.get("warehouse_id"):
        raise not_implemented("notebooks on SQL warehouses")
    if not content.get("notebook_path" if kind == "notebook_task" else "python_file"):
        raise invalid(f"Missing required field: {kind} needs a file")
    return RunRequest(
        name=body.get("run_name") or UNNAMED,
        task_key=task["task_key"],
        task={name: task[name] for name in (kind, *COMPUTE) if name in task},
        parameters=_parameters(kind, content),
        one_time=True,
        timeout_seconds=_timeout(task) or _timeout(body),
    )


def _check_compute(kind: str, task: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    given = [name for name in COMPUTE if task.get(name)]
    if len(given) > 1:
        raise invalid(f"Task {task['task_key']} names several kinds of compute: {', '.join(given)}.")
    if not given and kind != "notebook_task":
        raise invalid(f"Task {task['task_key']} needs an environment_key or a cluster.")
    environments: list[dict[str, Any]] = body.get("environments") or []
    known = {environment.get("environment_key") for environment in environments}
    if task.get("environment_key") and task["environment_key"] not in known:
        raise invalid(f"Task {task['task_key']} names an environment that there is not: {task['environment_key']}.")


def _parameters(kind: str, content: Mapping[str, Any]) -> dict[str, str]:
    if kind == "notebook_task":
        named: dict[str, Any] = content.get("base_parameters") or {}
        return {name: str(value) for name, value in named.items()}
    words: Any = content.get("parameters") or []
    if not isinstance(words, list) or not all(isinstance(word, str) for word in cast("list[Any]", words)):
        raise invalid("parameters has to be a list of texts.")
    return {str(place): word for place, word in enumerate(cast("list[str]", words))}


def _timeout(settings: Mapping[str, Any]) -> int:
    seconds = number(settings, "timeout_seconds", 0)
    if seconds < 0:
        raise invalid("timeout_seconds must not be negative.")
    return seconds
