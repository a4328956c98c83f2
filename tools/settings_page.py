"""Write the reference page of the app settings from the code: ``python -m tools.settings_page``."""

import ast
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from shared.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "settings.md"

HEAD = """\
# App settings

<!-- Generated from shared/settings.py by `python -m tools.settings_page`; a test compares them. Do not edit. -->

The app reads its settings from the environment, once, when the first of them is needed. What fills the environment:

| Where the app runs | From, the first that has a value |
| --- | --- |
| `python -m localhost start` | the environment; `Values` of `local.settings.json`; the stand-in services |
| `func start` | the environment; `Values` of `local.settings.json` |
| Azure | the function app's application settings |

On one machine nothing has to be set. Each of the settings marked *stand-in* is filled by the local host when you leave
it out; give it a value and that stand-in stays off. `python -m localhost settings` shows every value, where it came
from, and masks what is secret. Unless you do, the local host also sets `CHAT_ANONYMOUS=true`,
a `JWT_SECRET` of its own and demo users in `LOGIN_USERS`. A missing setting is an error that names all that miss, at
once.

[local.settings.json.example](../../local.settings.json.example) is a file to start from.

| Setting | Default | What it is |
| --- | --- | --- |
"""

STAND_INS = frozenset({"azure_openai_endpoint", "databricks_host", "cosmos_endpoint", "lake_url"})


def render() -> str:
    """Return the page as the code wants it."""
    words = dict(_docstrings())
    rows = [f"| `{f.name.upper()}` | {_default(f)} | {words.get(f.name, '')} |" for f in fields(Settings)]
    return HEAD + "\n".join(rows) + "\n"


def _default(setting: Field[Any]) -> str:
    if setting.name in STAND_INS:
        return "required; *stand-in*"
    value = setting.default
    if value is MISSING:
        return "required"
    secret = "; secret" if not setting.repr else ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`{secret}"
    return f"`{value}`{secret}" if value != "" else f"empty{secret}"


def _docstrings() -> Iterator[tuple[str, str]]:
    """Yield the text that stands under each field."""
    tree = ast.parse((ROOT / "shared" / "settings.py").read_text(encoding="utf-8"))
    [body] = [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Settings"]
    for statement, following in pairwise(body):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                yield name, " ".join(text.split()).replace("``", "`")
            case _:
                pass


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
