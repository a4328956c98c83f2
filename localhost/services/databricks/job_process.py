"""The process of one Python job: a driver's Python on the session of a JVM that runs already.

It is started as a script, knows nothing of the host's code, and is told what to do by one line of JSON on its standard
input. It ends with that input, so it never outlives the stand-in.
"""

import json
import os
import re
import shutil
import sys
import threading
import traceback
import warnings
from pathlib import Path
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit


class _Exited(BaseException):
    """Raised by ``dbutils.notebook.exit``."""


class _Widgets:
    """The parameters of a notebook."""

    def __init__(self, given: dict[str, str]) -> None:
        self._values = dict(given)

    def text(self, name: str, default: str = "", label: str | None = None) -> None:  # noqa: ARG002 - as notebooks call it
        self._values.setdefault(name, default)

    def get(self, name: str) -> str:
        if name not in self._values:
            raise LookupError(f"InputWidgetNotDefined: No input widget named {name} is defined")
        return self._values[name]


class _Files:
    """As much of ``dbutils.fs`` as the jobs here use, over the folders of this machine."""

    def rm(self, url: str, recurse: bool = False) -> bool:  # noqa: FBT001, FBT002 - as notebooks call it
        path = Path(unquote(urlsplit(url).path) if "://" in url or url.startswith("file:") else url)
        if path.is_dir() and recurse:
            shutil.rmtree(path)
        elif path.is_dir():
            path.rmdir()
        elif path.exists():
            path.unlink()
        else:
            return False
        return True


def main() -> int:
    """Do what the order says, and leave what came of it in the file that it names."""
    order: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    # Of pandas PySpark says so at every start; jobs get their rows as Arrow.
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
    outcome = _run(order)
    staged = Path(order["outcome"] + ".part")
    staged.write_text(json.dumps(outcome), encoding="utf-8")
    staged.rename(order["outcome"])
    sys.stdout.flush()
    os._exit(0)  # threads of the job must not keep the process, and the JVM is not ours to stop


def _run(order: dict[str, Any]) -> dict[str, Any]:
    file = order["file"]
    sys.argv = [file, *order["words"]]
    try:
        code = compile(Path(file).read_text(encoding="utf-8"), file, "exec")
        spark = _session(order["group"], order["settings"])
        return _executed(code, spark, order)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the job fails with
        return {"error": _words(error), "trace": traceback.format_exc()}


def _executed(code: CodeType, spark: Any, order: dict[str, Any]) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "__main__", "__file__": order["file"], "spark": spark}
    if order["kind"] == "notebook":
        notebook = SimpleNamespace(exit=_leave)
        dbutils = SimpleNamespace(widgets=_Widgets(order["named"]), notebook=notebook, fs=_Files())
        namespace["dbutils"] = dbutils
        runtime: Any = ModuleType("databricks.sdk.runtime")
        runtime.spark, runtime.dbutils = spark, dbutils
        sys.modules["databricks.sdk.runtime"] = runtime
    try:
        exec(code, namespace)  # noqa: S102 - it is the job
    except _Exited as exited:
        return {"result": str(exited)}
    except SystemExit as left:
        if left.code not in (None, 0):
            return {"error": f"SystemExit: {left.code}", "trace": ""}
    return {}


def _session(group: str, settings: dict[str, str]) -> Any:
    """Return a session of its own in the JVM, whose address is in the environment."""
    from pyspark import SparkConf, SparkContext, java_gateway
    from pyspark.sql import SparkSession

    gateway: Any = java_gateway.launch_gateway()  # pyright: ignore[reportUnknownMemberType] - it has no types
    jvm = gateway.jvm
    running = jvm.org.apache.spark.api.java.JavaSparkContext.fromSparkContext(
        jvm.org.apache.spark.SparkContext.getOrCreate()
    )
    conf = SparkConf(_jvm=jvm, _jconf=running.getConf())
    context = SparkContext(gateway=gateway, jsc=running, conf=conf)
    context.setJobGroup(group, "job", interruptOnCancel=True)
    spark: Any = SparkSession(context).newSession()
    for name, value in settings.items():
        spark.conf.set(name, value)
    setattr(SparkSession, "_instantiatedSession", spark)  # noqa: B010 - what getOrCreate() of the job returns
    return spark


def _leave(value: str = "") -> NoReturn:
    raise _Exited(value)


def _words(error: Exception) -> str:
    """Return the message without a query plan or the JVM's stack."""
    text = re.split(r"\n== SQL|\n'|\n\+-|\nJVM stacktrace", str(error))[0].strip().rstrip(";")
    return text if text.startswith("[") else f"{type(error).__name__}: {text}"


def _end_with_input() -> None:
    while sys.stdin.buffer.read(1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
