"""The pages say what is so: links lead somewhere, and commands, routes, settings and code are the real ones."""

import ast
import json
import re
import shlex
import shutil
import subprocess
from dataclasses import fields
from itertools import dropwhile

import click
import pytest

from shared.settings import Settings
from tools import pages
from tools.app_functions import app_functions
from tools.pages import PAGES, ROOT, examples

LANGUAGES = {"sh", "powershell", "json", "python", "javascript", "text", "http", "sql", "yaml"}
COMMANDS = {"run", "test", "check", "chaos", "setup", "lock"}
OTHER_PROGRAMS = {
    "cp",
    "curl",
    "git",
    "cd",
    "python3",
    "sleep",
    "echo",
    "export",
    "winget",
    "powershell",
    "func",
    "mkdir",
    "mv",
}
NOT_SETTINGS = {
    "NO_COLOR",
    "JAVA_HOME",
    "HTTP_PORT",
    "CONVERSATION_ID",
    "FUNCTIONS_WORKER_RUNTIME",
    "WEBSITE_AUTH_ENABLED",
}
URL = re.compile(r"(?:localhost|127\.0\.0\.1):\d+(/[^\s\"'`?)]*)")
HOST_PATHS = r"/_(faults|calls|about)$|/admin/|/runtime/webhooks/durabletask/"
ROUTE = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`?\s]*)")


def relative(path):
    return path.relative_to(ROOT).as_posix()


def sh_commands():
    """Yield every command of the shell examples, as words."""
    for example in examples("sh"):
        text = example.text.replace("\\\n", " ")
        for line in text.splitlines():
            words = [*dropwhile(re.compile(r"[A-Z_]+=").match, shlex.split(line, comments=True))]
            if words:
                yield pytest.param(words, id=f"{example} {' '.join(words)[:50]}")


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_somewhere(page):
    """Each relative link leads to a file that exists and, with an anchor, to a heading in it."""
    broken = []
    for link in pages.links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in pages.anchors(target)):
            broken.append(link)

    assert broken == []


def test_every_page_is_on_the_index():
    """No page of docs/ is hidden: each is linked from docs/index.md."""
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in pages.links(index)}

    assert [
        relative(page) for page in PAGES if page.is_relative_to(index.parent) and page not in {index, *linked}
    ] == []


@pytest.mark.parametrize("example", examples(), ids=str)
def test_examples_say_their_language(example):
    """A fenced block names a language that is checked here."""
    assert example.language in LANGUAGES


@pytest.mark.parametrize("example", examples("json", "python", "javascript"), ids=str)
def test_examples_can_be_pasted(example, tmp_path):
    """JSON is JSON, Python compiles, and JavaScript parses: Node says so where it is installed."""
    match example.language, shutil.which("node"):
        case "json", _:
            json.loads(example.text)
        case "python", _:
            compile(example.text, str(example), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        case "javascript", str(node):
            script = tmp_path / "example.mjs"
            script.write_text(example.text, encoding="utf-8")
            subprocess.run([node, "--check", script], check=True)


@pytest.mark.parametrize("words", list(sh_commands()))
def test_commands_exist(words):
    """A command of an example exists, with the subcommands and options that it is given."""
    match words:
        case ["make", *rest]:
            assert {word for word in rest if "=" not in word} <= COMMANDS | {"help"}
        case ["uv", "run", "--no-project", "dev.py" | "./dev.py", command, *_] | [
            "python3" | "py",
            "dev.py",
            command,
            *_,
        ]:
            assert command in COMMANDS
        case ["./run.ps1" | r".\run.ps1", *rest]:
            assert set(rest[:1]) <= COMMANDS
        case [".venv/bin/python" | "python", "-m", "localhost", *rest]:
            check_click(rest)
        case [".venv/bin/python" | "python", "-m", module, *_]:
            assert module.startswith("tools.")
            assert (ROOT / (module.replace(".", "/") + ".py")).exists()
        case [program, *_]:
            assert program in OTHER_PROGRAMS


def check_click(words):
    """Walk through the commands of the local host's command line."""
    from localhost.cli.main import cli as command

    for word in words:
        if word.startswith("-"):
            options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
            assert word.partition("=")[0] in options | {"-h", "--help"}
        elif isinstance(command, click.Group):
            command = command.get_command(click.Context(command), word)
            assert command is not None, word


@pytest.mark.parametrize("page", [*PAGES, ROOT / "test.http"], ids=relative)
def test_routes_exist(page):
    """A URL on a page is served by the app or the local host, and a route with its method by the app."""
    text = re.sub(r"\{\{host\}\}", "localhost:7071", page.read_text(encoding="utf-8"))
    paths = {path.rstrip(".,;:") for path in URL.findall(text)} - {"/"}
    routes = {(method, path) for method, path in ROUTE.findall(text) if not re.match(HOST_PATHS, path)}
    served = [(function.methods, path_pattern(function.route)) for function in app_functions() if function.route]

    assert {p for p in paths if not re.match(HOST_PATHS, p) and not any(re.fullmatch(r, p) for _, r in served)} == set()
    assert {(m, p) for m, p in routes if not any(m in methods and re.fullmatch(r, p) for methods, r in served)} == set()


def path_pattern(route):
    """Return what matches the paths of ``route``, and its template as pages write it."""
    return "/" + re.sub(r"\\\{[^}]*\\\}", r"[^/]+", re.escape(route.lstrip("/")))


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name != "reference"], ids=relative)
def test_settings_exist(page):
    """A setting on a page is one of the app's. (The reference pages are generated, or speak of SQL.)"""
    known = {field.name.upper() for field in fields(Settings)} | NOT_SETTINGS
    named = set(re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+)(?:=[^`]*)?`", page.read_text(encoding="utf-8")))

    assert named <= known
