"""A step or batch is the same whether its trigger is invoked or the SDK's entry for it is called."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import hosting
import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, Any]]:
    """What came of each orchestrator: by the library, in a thread, and on the event loop."""
    script, app = HERE / "steps_both_ways.py", HERE / "apps" / "both_ways"
    environment = hosting.environment(FUNCTIONS_WORKER_RUNTIME="python", PYTHONPATH=str(hosting.ROOT))
    command = [sys.executable, script, app]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


NAMES = "native first_style under_another_name with_a_type no_generator failing what_it_sees".split()


@pytest.mark.parametrize("name", NAMES)
def test_every_way_comes_to_the_same(found, name):
    """Actions, status and failures are the same in all ways, for every style of orchestrator."""
    library, in_a_thread, at_once = found[name]["answers"]
    assert library is not None, found[name]["errors"]
    assert in_a_thread == library
    assert at_once == library
    assert set(found[name]["errors"]) == {"None"}


@pytest.mark.parametrize("name", ["native_entity", "first_style_entity"])
def test_a_batch_comes_to_the_same(found, name):
    """State, results, failures and what it sends are the same, for every style of entity."""
    library, directly = found[name]["answers"]
    assert found[name]["direct"]
    assert directly == library
    assert library["entityState"] == "9"
    assert [next(iter(result)) for result in library["results"]] == ["success", "failure", "success"]


def test_a_trigger_that_the_app_answers_itself_is_invoked(found):
    """Where the SDK has not registered the orchestrator, only the library can make its steps."""
    [answer] = found["by_hand"]["answers"]
    assert answer["actions"][0]["completeOrchestration"]["result"] == "3"


def test_what_an_orchestrator_sees_is_the_same(found):
    """It has an invocation of its own and a fresh context, may run an event loop, and its log carries its name."""
    [action] = found["what_it_sees"]["answers"][2]["actions"]
    assert json.loads(action["completeOrchestration"]["result"]) == [True, "nothing", "its own loop"]
    assert found["what_it_sees"]["said"] == [["from inside", "what_it_sees"]] * 3
