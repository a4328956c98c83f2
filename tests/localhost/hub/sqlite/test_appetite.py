"""Large orchestrations end, give their memory back, and cost nobody else anything."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_large_orchestrations_end_and_leave_the_memory_as_it_was():
    """Fan-outs ran out of memory elsewhere (extension 340, 1878), histories grew without end (3119).

    The figures are those of a process of its own; its bounds here are generous, `docs/reliability.md` has the measured.
    """
    path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    command = [sys.executable, "-m", "hub_harness.appetite", "--activities", "800", "--runs", "50"]
    run = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, check=True
    )
    seen = json.loads(run.stdout)
    for name in ("wide", "again"):
        assert seen[name]["grown_mb"] <= 200
        assert seen[name]["after_mb"] <= 1.5 * seen[name]["before_mb"]
    assert seen["endless"]["error"] == "HistoryTooLarge"
    assert "sub-orchestrations or continue as new" in seen["endless"]["message"]
    assert seen["endless"]["events"] <= 3 * 800 + 105, "no more than what had come in when it was too much"
    assert seen["endless"]["others"] == 50
