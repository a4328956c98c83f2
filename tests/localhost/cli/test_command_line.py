"""The command line keeps the promises of its reference page."""

import json

import hosting
import pytest

from localhost.cli import reference
from localhost.cli.main import COMMANDS

PAGE = hosting.ROOT / "docs" / "reference" / "command-line.md"
APP = """
import azure.functions as func
app = func.FunctionApp()

@app.route(route="items/{id}", methods=["GET"])
def item(req: func.HttpRequest) -> str:
    return ""

@app.timer_trigger(schedule="0 * * * * *", arg_name="t")
def tick(t: func.TimerRequest) -> None:
    pass
"""


def test_the_reference_page_is_what_the_command_line_says():
    """Write it again with `python -m localhost.cli.reference > docs/reference/command-line.md`."""
    assert PAGE.read_text(encoding="utf-8") == reference.page()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(command):
    """-h everywhere, on standard output, with at least two lines to copy where there is a choice."""
    shown = hosting.run(command, "-h")
    assert shown.returncode == 0
    assert "Examples:" in shown.stdout
    assert shown.stdout.count("python -m localhost") >= 2
    assert shown.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [(["strat"], "'start'"), (["start", "--prot", "1"], "'--port'"), (["setings"], "'settings'")],
)
def test_a_misspelt_word_gets_a_suggestion_and_exit_2(arguments, meant):
    """On standard error; nothing on standard output."""
    shown = hosting.run(*arguments)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert "Did you mean" in shown.stderr
    assert meant in shown.stderr


def test_functions_lists_what_an_app_holds(tmp_path):
    """As a table for people and JSON for programs, without starting anything."""
    (tmp_path / "function_app.py").write_text(APP)
    table = hosting.run("functions", "--script-root", tmp_path)
    assert table.stdout.splitlines()[0].split() == ["NAME", "TRIGGER", "METHODS", "AUTH", "DETAIL"]
    listed = json.loads(hosting.run("functions", "--script-root", tmp_path, "-o", "json").stdout)
    assert listed == [
        {"name": "item", "trigger": "http", "methods": ["GET"], "auth": "function", "detail": "/api/items/{id}"},
        {"name": "tick", "trigger": "timer", "methods": [], "auth": None, "detail": "0 * * * * *"},
    ]


def test_settings_show_their_source_and_hide_secrets(tmp_path):
    """The environment before the file, the file before the default; a secret is never printed."""
    (tmp_path / "local.settings.json").write_text(
        json.dumps({"Values": {"A": "file", "B": "file", "MY_API_KEY": "hush"}, "Host": {"LocalHttpPort": 7100}})
    )
    shown = hosting.run("settings", "--script-root", tmp_path, "-o", "json", B="environment")
    rows = {row["name"]: (row["value"], row["source"]) for row in json.loads(shown.stdout)}
    assert rows["A"] == ("file", "local.settings.json")
    assert rows["B"] == ("environment", "environment")
    assert rows["LOCALHOST_PORT"] == ("7100", "local.settings.json")
    assert rows["LOCALHOST_ADDRESS"] == ("127.0.0.1", "host default")
    assert rows["MY_API_KEY"][0] == "********"
    assert "hush" not in shown.stdout


def test_settings_of_this_app_name_every_field_once():
    """Each field of shared.settings.Settings, with the secrets masked and the stand-ins named."""
    from dataclasses import fields

    from shared.settings import Settings

    rows = json.loads(hosting.run("settings", "-o", "json").stdout)
    names = [row["name"] for row in rows]
    assert len(names) == len(set(names))
    assert {f.name.upper() for f in fields(Settings)} <= set(names)
    values = {row["name"]: row for row in rows}
    assert values["JWT_SECRET"]["value"] == "********"
    assert "stand-in" in values["COSMOS_ENDPOINT"]["value"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completion_prints_a_script(shell):
    """For each shell, defining `localhost` as well."""
    shown = hosting.run("completion", shell)
    assert shown.returncode == 0
    assert "-m localhost" in shown.stdout


def test_bash_completes_commands_and_options():
    """The script asks this program, and gets the names."""
    shown = hosting.run("completion", "bash").stdout
    script = f"{shown}\nCOMP_WORDS=(localhost start --po); COMP_CWORD=2; _localhost_completion; echo ${{COMPREPLY[@]}}"
    import subprocess

    done = subprocess.run(["bash", "-c", script], cwd=hosting.ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["--port"], done.stderr
