"""The guide to the local host, done as it says: three files, a command, curl, an answer."""

import json
import re
import shlex
import subprocess

import hosting
import pytest

from tools.pages import examples

PAGE = hosting.ROOT / "docs" / "local-host.md"


def shown(language, containing):
    return next(e.text for e in examples(language) if e.page == PAGE and containing in e.text)


@pytest.fixture(scope="module")
def greetings(tmp_path_factory):
    """The app of the guide, in a folder, run by the command of the guide."""
    folder = tmp_path_factory.mktemp("guide") / "greetings"
    folder.mkdir()
    named = re.findall(r"^`greetings/(\S+)`.*?\n\n```\w+\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    for name, text in named:
        (folder / name).write_text(text)
    assert {path.name for path in folder.iterdir()} == {"function_app.py", "host.json", "local.settings.json"}
    command = shlex.split(shown("sh", "-m localhost start"))
    options = command[command.index("start") + 1 :]
    host = hosting.start(*(str(folder) if o == "../greetings" else o for o in options), data=folder / ".data")
    yield folder, host
    assert host.stop() == 0, "".join(host.errors)


def do(script, greetings):
    """Run a script of the guide against the host and return the last line that it prints, read as JSON."""
    folder, host = greetings
    script = script.replace("http://localhost:7071", host.url).replace("../greetings", str(folder))
    done = subprocess.run(
        ["/bin/sh", "-ec", script], capture_output=True, text=True, check=True, timeout=hosting.PATIENCE
    )
    return done.stdout


def test_the_app_of_the_guide_answers_as_it_says(greetings):
    """The command starts it, curl asks it, and the answer is the one on the page."""
    assert json.loads(do(shown("sh", "/api/greet"), greetings)) == json.loads(shown("json", "Hello, Ada!"))


def test_its_orchestrations_are_steered_as_the_guide_shows(greetings):
    """With the key of keys.json, an orchestration is started by name and looked at."""
    _folder, host = greetings
    said = do(f"URL={host.url}\n" + shown("sh", "CODE="), greetings)
    started, _, status = said.partition("}{")
    assert json.loads(started + "}")["id"] == "first"
    assert json.loads("{" + status)["name"] == "greet_all"
