"""The Spark session of the stand-in, and the process of its JVM."""

import importlib.util
import logging
import os
import re
import shutil
import subprocess
import sys
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

JAVA_VERSION = 17
STOP_SECONDS = 10

# The second half trades speed on large data for a quick start and a quick first query.
_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.ui.retainedJobs": "50",
    "spark.ui.retainedStages": "50",
    "spark.sql.ui.retainedExecutions": "20",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "1g",
    "spark.driver.maxResultSize": "128m",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.variable.substitute": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.driver.extraJavaOptions": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto",
}
_HOME = "lakehouse-spark-"
_NO_LOG = """\
rootLogger.level = off
rootLogger.appenderRef.console.ref = console
logger.gateway.name = org.apache.spark.api.python.PythonGatewayServer
logger.gateway.level = off
appender.console.type = Console
appender.console.name = console
"""


@cache
def missing_for_spark() -> str | None:
    """Return why Spark cannot run here, or None where it can."""
    if sys.platform == "win32":
        return "Spark is not started on Windows"
    if importlib.util.find_spec("pyspark") is None:
        return "PySpark is not installed"
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None or not Path(java).is_file():
        return f"Java {JAVA_VERSION} was not found"
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 - the user's Java
    match = re.search(r'version "(\d+)', answer.stderr)
    if match is None or int(match[1]) < JAVA_VERSION:
        return f"Java {match[1] if match else 'of an unknown version'} is too old, Spark needs {JAVA_VERSION}"
    return None


def new_home() -> Path:
    """Create a folder for what Spark writes, and remove those of processes that were killed."""
    for left in Path(gettempdir()).glob(f"{_HOME}*-*"):
        owner = left.name.removeprefix(_HOME).partition("-")[0]
        if owner.isdigit() and not _alive(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    return Path(mkdtemp(prefix=f"{_HOME}{os.getpid()}-"))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def open_session(home: Path) -> "SparkSession":
    """Start the JVM and return its session; ``home`` is a folder for what it writes."""
    # Spark would print its own log beside the host's; its errors reach the caller anyway.
    (home / "log4j2.properties").write_text(_NO_LOG, encoding="utf-8")
    # By its level: whoever configures logging later, as a web server does, enables what was disabled.
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL + 1)
    os.environ |= {
        "SPARK_CONF_DIR": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,  # the `python3` of the path may be another version
    }
    # Of pandas PySpark says so at every start; rows come as Arrow, without pandas.
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
    from pyspark.sql import SparkSession

    builder: Any = SparkSession.builder
    builder = builder.master("local[2]").appName("durable-lakehouse-stand-in")
    folders = {"spark.sql.warehouse.dir": str(home / "warehouse"), "spark.local.dir": str(home)}
    for name, value in (_SETTINGS | folders).items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def _spark_context() -> Any:
    """Return PySpark's context class once it is imported; importing it in two threads at once breaks it."""
    return getattr(sys.modules.get("pyspark"), "SparkContext", None)


def jvm_process() -> "subprocess.Popen[bytes] | None":
    """Return the process of the JVM, or None where there is none yet."""
    gateway = getattr(_spark_context(), "_gateway", None)  # the only hold on the JVM's process
    return None if gateway is None else gateway.proc


def cancel(spark_context: "SparkContext", group: str) -> None:
    """End the jobs of a group; one that is only being planned yet does not begin."""
    context: Any = spark_context  # of its JVM nothing is typed
    context._jsc.sc().cancelJobGroupAndFutureJobs(group)  # noqa: SLF001 - PySpark's own ends only what runs


def stop(session: "SparkSession | None") -> None:
    """End Spark, then its JVM: the end of its input is its sign to exit."""
    context, jvm = _spark_context(), jvm_process()
    if context is None or jvm is None:
        return
    with suppress(Exception):  # what was killed cannot be asked to stop
        if session is not None:
            session.stop()
        context._gateway.shutdown()  # noqa: SLF001
    if jvm.stdin is not None:
        jvm.stdin.close()
    try:
        jvm.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        jvm.kill()
        jvm.wait()
    # Or the next session would look for this JVM: what was killed has not been asked to forget it.
    context._gateway = context._jvm = context._active_spark_context = None  # noqa: SLF001
    sessions: Any = sys.modules["pyspark.sql"].SparkSession
    sessions._instantiatedSession = sessions._activeSession = None  # noqa: SLF001
