"""Python jobs on the stand-in's Spark: each file runs in a process of its own, as on a driver.

The process speaks to the JVM that is there already. It sees nothing of the host's code: a job has to bring what it
needs. See ``job_process.py`` for the other side.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from localhost.services.databricks.engine import Cancellation, JobFailedError, JobOutput, PythonJob, RunFailedError
from localhost.services.databricks.spark_session import cancel

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PROCESS = Path(__file__).with_name("job_process.py")
LOG_BYTES = 5 * 2**20
"""Databricks returns no more of an output."""

# The session's own settings are for the quick first query; a job has many rows and some seconds.
SETTINGS = {
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.codegen.factoryMode": "FALLBACK",
    "spark.sql.codegen.wholeStage": "true",
    "spark.sql.shuffle.partitions": "4",
}


def job_file(folder: Path, path: str) -> Path:
    """Return the file that stands for ``path`` of the workspace: the one of its name in ``folder``.

    Raises:
        RunFailedError: there is none.
    """
    match = re.search(r"(?:^|/)([A-Za-z0-9_][A-Za-z0-9_.-]*?)(?:\.py)?$", path)
    file = folder / f"{match[1]}.py" if match else folder
    if not file.is_file():
        raise RunFailedError(f"Unable to access {path!r}: it does not exist.", error_code="RESOURCE_NOT_FOUND")
    return file


def run_python_job(session: "SparkSession", job: PythonJob, cancellation: Cancellation) -> JobOutput:
    """Run ``job`` to its end.

    Raises:
        JobFailedError: its code failed.
        RunFailedError: its process died.
        QueryCancelledError: ``cancellation`` was requested.
    """
    context: Any = session.sparkContext
    gateway = context._gateway.gateway_parameters  # noqa: SLF001 - the way that notebooks reach a JVM
    group = uuid4().hex
    folder = Path(mkdtemp(prefix="databricks-job-"))
    order = {
        "kind": job.kind,
        "file": str(job.file),
        "named": job.named,
        "words": list(job.words),
        "group": group,
        "settings": SETTINGS,
        "outcome": str(folder / "outcome.json"),
    }
    environment = os.environ | {
        "PYSPARK_GATEWAY_PORT": str(gateway.port),
        "PYSPARK_GATEWAY_SECRET": gateway.auth_token,
        "PYTHONUNBUFFERED": "1",
    }
    try:
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - the job of the user
                [sys.executable, "-P", str(PROCESS)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment,
            )

        def interrupt() -> None:
            process.kill()
            cancel(context, group)

        with process, cancellation.interrupting(interrupt):
            if process.stdin is not None:
                with suppress(BrokenPipeError):  # it died at once, and its code says so
                    process.stdin.write(json.dumps(order).encode() + b"\n")
                    process.stdin.flush()
            code = process.wait()
            cancellation.check()
        return _output(folder, code)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _output(folder: Path, code: int) -> JobOutput:
    logs = (folder / "log").read_bytes()
    try:
        outcome = json.loads((folder / "outcome.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        tail = logs[-500:].decode(errors="replace").strip()
        message = f"The Python process exited with code {code}. {tail}".strip()
        raise RunFailedError(message, error_code="DRIVER_ERROR") from None
    if "error" in outcome:
        raise JobFailedError(outcome["error"], outcome["trace"])
    result: str | None = outcome.get("result")
    cut = len(result.encode()) > LOG_BYTES if result else len(logs) > LOG_BYTES
    if result and cut:
        result = result.encode()[:LOG_BYTES].decode(errors="ignore")
    return JobOutput(result, logs[:LOG_BYTES].decode(errors="replace"), cut)
