"""The app as a whole: what it loads when it starts."""

import json
import subprocess
import sys

from tests.hosting import ROOT

HEAVY = (
    "pandas",
    "pyarrow",
    "databricks.sdk",
    "openai",
    "sqlglot",
    "azure.cosmos",
    "jwt",
    "argon2",
    "ruamel",
    "pydantic",
)


def test_the_app_starts_light():
    """Importing the app loads no heavy SDK; benchmarks/imports.py measures what that is worth."""
    code = f"import sys, json, function_app; print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert json.loads(run.stdout) == []
