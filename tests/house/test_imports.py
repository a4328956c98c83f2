"""What the import contracts cannot see: the composing module, and what is deployed."""

import ast
import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEPLOYED = {
    "function_app.py",
    "host.json",
    "requirements.txt",
    "activities",
    "api",
    "catalog",
    "entities",
    "orchestrators",
    "shared",
    "web",
}


def test_function_app_only_composes():
    """function_app.py imports the surfaces and the SDK, defines no function, and knows nothing of localhost."""
    tree = ast.parse((ROOT / "function_app.py").read_text(encoding="utf-8"))
    roots = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    assert roots <= {"azure", "api", "orchestrators", "activities", "entities", "shared"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_the_app_is_deployed_without_its_house():
    """.funcignore leaves what the app runs on, and neither the local host nor the tests."""
    lines = (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()
    patterns = [line.lstrip("/") for line in lines if line and not line.startswith("#")]
    house = {"localhost", "databricks", "tests", "tools", "benchmarks", "docs", "dev.py", ".venv", ".data"}
    ignored = {name for name in DEPLOYED | house if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)}

    assert ignored == house


def test_ignored_names_are_anchored():
    """A bare `databricks` in .funcignore would leave out shared/databricks as well: plain names start with a slash."""
    lines = (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if line and line[0] not in "#/._"] == []
