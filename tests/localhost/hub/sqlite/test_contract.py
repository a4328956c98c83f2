"""What a backend owes, by the categories that duroxide validates its providers in, and the tests of each.

Every category has tests here; together they are more than 170, not counting what a parameter multiplies.
"""

import ast
import re
from collections import Counter
from pathlib import Path

# Category: tests by module and name. The first that fits counts, so the special come before the general.
CATEGORIES = {
    "atomicity": r"test_atomicity|test_storage::.*(refuse|halfway|cut_short|damaged|commit|log)|.*::.*survives?",
    "poison messages": r"test_poison",
    "lock expiry, lost workers and late answers": (
        r"test_crowd|test_grpc_workers::.*left"
        r"|.*::.*(late|stale|cut_off|abandoned|earlier_life|earlier_run|second_answer|unknown_token|parts_of_an_answer)"
    ),
    "instance locking": r"test_fencing",
    "entities, their state and their locks": r"test_entities|.*::.*(entit|lock|signal)",
    "races of replay and history": (
        r"test_nondeterminism|test_differential|test_appetite|.*::.*(history|histories|rew[oi])"
    ),
    "timers and scheduled starts": r"test_timers",
    "capability and tag filtering": r".*::.*(filter|version|asks_for|registered|no_more|carries)",
    "multi-execution": r".*::.*(new_run|continu|again|carried|run_|_runs|restart)",
    "cancellation": r".*::.*(terminat|ended_in_a_batch|batch_may_be_ended)",
    "bulk deletion": r".*::.*(purging_by|purging_a_list|purge_says|emptied)",
    "deletion, prune and retention": r"test_retention|.*::.*(purge|purging|clean|leave_memory|forget)",
    "long polling": r".*::.*(wait|milestone)",
    "instance creation": r".*::.*(start|_id|reuse|policy|new_instance|conflict|taken|child|parent|everything_a)",
    "queue semantics": r".*::.*(order|event|deliver|suspen|resum|comes_again|whole|given_back|gives_back)",
    "payloads of any size": r"test_sizes|.*::.*(payload|large|size|text)",
    "error handling": r".*::.*(refus|unknown|nobody|why|cannot|fail|error|wrong|not_found)",
    "management": r".*",
}


def all_tests() -> list[str]:
    """Return every test of the durable hub as ``module::name``."""
    return [
        f"{path.stem}::{node.name}"
        for path in sorted(Path(__file__).parent.glob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]


def test_every_category_of_the_contract_has_tests():
    """And at least 170 together."""
    found = Counter(
        next(category for category, pattern in CATEGORIES.items() if re.match(pattern, test)) for test in all_tests()
    )
    assert {category: found[category] for category in CATEGORIES if found[category] < 3} == {}
    assert sum(found.values()) >= 170
