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
from tools.pages import PAGES, ROOT, examples

LANGUAGES = {"sh", "powershell", "json", "python", "javascript", "text", "http", "sql", "yaml"}
COMMANDS = {"run", "test", "check", "setup", "lock"}
OTHER_PROGRAMS = {"cp", "curl", "git", "cd", "python3", "sleep", "echo", "export", "winget", "powershell", "func"}
NOT_SETTINGS = {
    "NO_COLOR",
    "JAVA_HOME",
    "HTTP_PORT",
    "CONVERSATION_ID",
    "FUNCTIONS_WORKER_RUNTIME",
}
URL = re.compile(r"(?:localhost|127\.0\.0\.1):\d+(/[^\s\"'`?)]*)")
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


@pytest.mark.parametrize("example", examples("json"), ids=str)
def test_json_examples_are_json(example):
    """A JSON example can be pasted."""
    json.loads(example.text)


@pytest.mark.parametrize("example", examples("python"), ids=str)
def test_python_examples_compile(example):
    """A Python example can be pasted."""
    compile(example.text, str(example), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("example", examples("javascript"), ids=str)
def test_javascript_examples_parse(example, tmp_path):
    """A JavaScript example can be pasted; Node says so where it is installed."""
    script = tmp_path / "example.mjs"
    script.write_text(example.text, encoding="utf-8")

    if node := shutil.which("node"):
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


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_routes_exist(page):
    """A URL or a route on a page is one that the app or the local host serves."""
    text = page.read_text(encoding="utf-8")
    paths = {path.rstrip(".,;:") for path in URL.findall(text)} | {path for _, path in ROUTE.findall(text)}
    own = served_paths()

    unknown = {path for path in paths if not any(re.fullmatch(pattern, path) for pattern in own)}

    assert unknown == set()


def served_paths():
    """Return a pattern for each route of the app, of the host and of the stand-ins' switches."""
    from function_app import app

    bindings = [binding for function in app.get_functions() for binding in function.get_bindings_dict()["bindings"]]
    routes = [binding["route"] for binding in bindings if binding["type"] == "httpTrigger"]
    patterns = ["/" + re.sub(r"\\\{[^}]*\\\}", r"[^/]+", re.escape(route.lstrip("/"))) for route in routes]
    return [*patterns, "/", "/_(faults|calls|about)", "/admin/.*", "/runtime/webhooks/durabletask/.*"]


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_settings_exist(page):
    """A setting on a page is one of the app's."""
    known = {field.name.upper() for field in fields(Settings)} | NOT_SETTINGS
    named = set(re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+)(?:=[^`]*)?`", page.read_text(encoding="utf-8")))

    assert named <= known
