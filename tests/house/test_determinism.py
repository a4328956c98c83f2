"""Orchestrators and entities say the same thing at every replay, and the check that says so is not blind."""

from pathlib import Path

import pytest

from tools.app_functions import app_functions
from tools.called_names import CalledName, called_names
from tools.determinism import violations

ROOT = Path(__file__).parents[2]
REPLAYED = [path for folder in ("orchestrators", "entities") for path in sorted((ROOT / folder).rglob("*.py"))]

BAD = {
    "clock": "def o(ctx):\n    at = datetime.now()",
    "clock through a name": "def o(ctx):\n    at = utcnow()",
    "dice": "def o(ctx):\n    key = uuid4()",
    "sleep": "def o(ctx):\n    time.sleep(1)",
    "import of a clock": "import time",
    "import of dice": "from random import choice",
    "import of an SDK": "from azure.cosmos import CosmosClient",
    "import of a door": "from shared.lake import open_lake",
    "import of the settings": "from shared import settings",
    "environment": "def o(ctx):\n    return os.getenv('X')",
    "file": "def o(ctx):\n    return open('x')",
    "hash": "def o(ctx):\n    return hash('x')",
    "loop over a set": "def o(ctx):\n    for name in {'a', 'b'}:\n        yield name",
    "set from a list": "def o(ctx, names):\n    unique = set(names)",
    "set comprehension": "def o(ctx, names):\n    return list({n for n in names})",
    "module logger": "logger = logging.getLogger(__name__)\ndef o(ctx):\n    logger.info('again')",
    "logging itself": "def o(ctx):\n    logging.warning('again')",
    "retry timeout": "RETRY = task.RetryPolicy(max_number_of_attempts=3, retry_timeout=LONG)",
    "async": "async def o(ctx):\n    pass",
    "await": "async def o(ctx):\n    await ctx.call_activity('x')",
    "global": "def o(ctx):\n    global seen\n    seen = 1",
    "module state": "SEEN = {}\ndef o(ctx):\n    SEEN['x'] = 1",
    "module state by a method": "SEEN: list[str] = []\ndef o(ctx):\n    SEEN.append('x')",
    "endless loop": "def o(ctx):\n    while True:\n        yield ctx.create_timer(PAUSE)",
}
GOOD = {
    "time of the context": "def o(ctx):\n    return ctx.current_utc_datetime",
    "membership in a set": "def o(ctx, state):\n    return state in {'a', 'b'}",
    "sorted set": "def o(ctx, names):\n    return sorted(set(names))",
    "replay-safe logger": "log = getLogger('x')\ndef o(ctx):\n    return ctx.create_replay_safe_logger(log)",
    "bounded loop": "def o(ctx, deadline):\n    while ctx.current_utc_datetime < deadline:\n        yield",
    "a local list": "def o(ctx):\n    done = []\n    done.append(1)",
    "allowed imports": "from durabletask import task\nfrom shared.payloads import Turn",
}


@pytest.mark.parametrize("path", REPLAYED, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_replayed_code_is_deterministic(path):
    """Nothing in an orchestrator or an entity differs from one replay to the next."""
    assert violations(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("source", BAD.values(), ids=BAD.keys())
def test_the_check_sees(source):
    """Each way to break a replay is found."""
    assert violations(source)


@pytest.mark.parametrize("source", GOOD.values(), ids=GOOD.keys())
def test_the_check_lets_pass(source):
    """What a replay cannot see is no violation."""
    assert violations(source) == []


def test_every_name_an_orchestrator_calls_exists():
    """Names of activities, orchestrators and entities are literals, and functions of the app."""
    triggers = {"activity": "activityTrigger", "orchestrator": "orchestrationTrigger", "entity": "entityTrigger"}
    names = {kind: {f.name for f in app_functions() if f.trigger == trigger} for kind, trigger in triggers.items()}
    folders = ("orchestrators", "entities", "api")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    called = called_names({path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths})

    assert called
    assert [call for call in called if call.name not in names[call.kind]] == []


def test_called_names_are_found_through_a_helper():
    """A helper that hands a name on is looked through; a name that is computed is reported as none."""
    sources = {
        "steps": "def step(ctx, activity, payload):\n    yield ctx.call_activity(activity, input=payload)",
        "turn": "def turn(ctx):\n    step(ctx, 'plan', 1)\n    step(ctx, 'pl' + 'an', 1)",
    }

    assert called_names(sources) == [
        CalledName("activity", None, "turn", 3),
        CalledName("activity", "plan", "turn", 2),
    ]
