"""Files that editors and hosts read agree with the code and with each other."""

import json
from dataclasses import fields
from pathlib import Path

from shared.settings import Settings
from tools import settings_page

ROOT = Path(__file__).parents[2]
HOST_SETTINGS = {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage"}


def read(name):
    return json.loads((ROOT / name).read_text(encoding="utf-8"))


def test_the_settings_page_says_what_the_code_says():
    """docs/reference/settings.md is as generated; `python -m tools.settings_page` writes it."""
    assert settings_page.PAGE.read_text(encoding="utf-8") == settings_page.render()


def test_every_setting_is_described():
    """No row of the settings page is empty."""
    assert [line for line in settings_page.render().splitlines() if line.endswith("|  |")] == []


def test_the_example_settings_are_settings():
    """local.settings.json.example names settings that exist, every required one, and no secret."""
    values = read("local.settings.json.example")["Values"]
    known = {field.name.upper(): field for field in fields(Settings)}

    assert set(values) - HOST_SETTINGS <= set(known)
    assert {name.upper() for name in settings_page.STAND_INS} <= set(values)
    assert {name for name, value in values.items() if name in known and not known[name].repr and value} == set()


def test_pressing_f5_finds_its_tasks():
    """Each launch entry starts a task that exists; the func entry is named as the Functions extension looks for it."""
    tasks = {task["label"] for task in read(".vscode/tasks.json")["tasks"]}
    entries = read(".vscode/launch.json")["configurations"]
    functions = next(task for task in read(".vscode/tasks.json")["tasks"] if task["label"] == "func: host start")

    assert {entry["preLaunchTask"] for entry in entries} <= tasks
    assert functions["type"] == "func"
    assert functions["dependsOn"] in tasks
    assert next(e for e in entries if e["request"] == "attach")["connect"]["port"] == 9091


def test_the_dev_container_has_what_the_readme_asks_for():
    """The container brings the Python of .python-version, and Java for Spark, and opens the port of the app."""
    container = read(".devcontainer/devcontainer.json")
    python = (ROOT / ".python-version").read_text(encoding="utf-8").strip()

    assert f":{python}-" in container["image"]
    assert container["features"]["ghcr.io/devcontainers/features/java:1"]["version"] == "17"
    assert 7071 in container["forwardPorts"]
