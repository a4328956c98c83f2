"""The hub is killed again and again under load, and loses nothing that it acknowledged."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from localhost.hub.sqlite.failpoints import NAMES

ROOT = Path(__file__).parents[4]


def chaos(*arguments: str) -> dict:
    """Run the chaos test in a process of its own, which forks the hub's lives."""
    path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    command = [sys.executable, "-m", "hub_harness.chaos", *arguments]
    run = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, check=False
    )
    assert run.stdout, run.stderr
    return json.loads(run.stdout)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="lives are forks, which this system does not have")
class TestChaos:
    @pytest.mark.parametrize("seed", [1, 2])
    def test_fifty_kills_at_random_moments_lose_nothing(self, seed):
        verdict = chaos("--seed", str(seed), "--kills", "50")
        assert verdict["violations"] == []
        assert verdict["ups"] == 50

    @pytest.mark.parametrize("name", NAMES)
    def test_a_kill_at_every_failpoint_loses_nothing(self, name):
        verdict = chaos("--seed", "5", "--failpoint", name, "--kills", "3", "--operations", "24")
        assert verdict["violations"] == []
        assert verdict["hits"] >= 1, f"{name} was never reached"

    def test_the_checker_sees_a_hub_that_acknowledges_too_early(self):
        verdict = chaos("--seed", "1", "--kills", "10", "--broken")
        assert verdict["violations"]
