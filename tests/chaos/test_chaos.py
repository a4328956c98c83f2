"""The campaigns of ``make chaos`` in small: nothing that was acknowledged is lost, nothing is doubled."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from localhost.hub.sqlite.failpoints import NAMES

ROOT = Path(__file__).parents[2]
RUN = "import json, sys; from chaos import {module}; print(json.dumps({module}.{call}))"

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="a life of a hub is a fork, which this system does not have"
)


def chaos(module: str, call: str) -> dict:
    """Run a campaign in a process of its own, which forks the hub's lives."""
    path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    command = [sys.executable, "-c", RUN.format(module=module, call=call)]
    run = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, check=False
    )
    assert run.stdout, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("seed", [1, 2])
def test_fifty_kills_at_random_moments_lose_nothing(seed):
    verdict = chaos("kills", f"at_random({seed}, 50, longest=0.12)")
    assert verdict["violations"] == []
    assert verdict["lives"] == 50


def test_a_kill_at_every_failpoint_loses_nothing_and_every_failpoint_is_there():
    verdict = chaos("kills", "at_failpoints(5, 2)")
    assert verdict["violations"] == []
    assert set(verdict["hits"]) == set(NAMES)
    assert all(verdict["hits"].values())


def test_the_checker_sees_a_hub_that_acknowledges_too_early():
    assert chaos("kills", "at_random(1, 10, longest=0.12, broken=True)")["violations"]


def test_a_power_failure_leaves_what_the_disk_had_confirmed_and_nothing_else():
    verdict = chaos("power", "run(1, instances=24, step=65536, count=40, every=1000)")
    assert verdict["violations"] == []


def test_no_event_is_lost_doubled_or_overtaken_when_each_begins_a_new_run():
    verdict = chaos("events", "run(1, 300)")
    assert verdict["violations"] == []


def test_locks_keep_everybody_apart_and_end_with_their_holders():
    verdict = chaos("locks", "run(1, 40, 4)")
    assert verdict["violations"] == []
    assert verdict["terminated"] > 0
    assert verdict["threw"] > 0


def test_what_kills_its_process_is_given_up_and_the_others_are_not():
    verdict = chaos("poison", "run(30)")
    assert verdict["violations"] == []


def test_no_timer_is_lost_or_early_when_the_clock_jumps_and_the_process_is_stopped():
    verdict = chaos("clock", "run(1, timers=4, stopped=1.0, near=0.8)")
    assert verdict["violations"] == []


def test_a_soak_loses_nothing_and_leaves_nothing_behind():
    verdict = chaos("soak", "run(1, 6, 2)")
    assert verdict["violations"] == []
    assert verdict["kills"] > 1
    assert verdict["purged"] > 0


def test_a_soak_sees_what_grows_and_forgives_what_settles():
    samples = [{"memory_mib": 35 + n / 10, "handles": 19, "file_mib": 2, "log_mib": min(16, 4 + n)} for n in range(480)]
    assert chaos("soak", f"grown('at_rest', {samples})") == ["memory_mib at rest grew from 44.5 to 78.2"]
