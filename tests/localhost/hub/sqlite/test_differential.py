"""Random orchestrations end the same on the durable hub as on the one over Microsoft's in-memory backend.

All that both can do: activities that fail and are repeated, fan-outs, timers, races, sub-orchestrations, events from
inside and from outside, before and after somebody waits for them, entities called, signalled, broken, locked and
starting orchestrations, continuing as new with events carried over, suspension, termination. Where the one in memory is
wrong, `hub_harness.programs` says so and keeps off. More seeds: `python -m hub_harness.differential --seeds 1000`.
"""

import pytest
from hub_harness.differential import differences


@pytest.mark.parametrize("seed", range(12))
async def test_random_orchestrations_end_the_same_on_both_hubs(seed, tmp_path):
    assert await differences(seed, 12, tmp_path) == {}
