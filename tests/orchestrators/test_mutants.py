"""Recorded histories, and orchestrators that are no longer what they were: each change is flagged."""

import ast
from pathlib import Path

import pytest
from hub_harness.mutants import Mutant, mutants
from replaying import replayed

from localhost.host.lost_steps import flag_lost_steps

ROOT = Path(__file__).parents[2]
ORCHESTRATORS = ("conversation", "databricks_query")
# A mutant that is no program that anybody would deploy.
UNFIT = ("NameError", "UnboundLocalError", "TypeError")


def is_step(statement: ast.stmt) -> bool:
    """Whether a statement itself does something that history knows."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.For | ast.If | ast.Try | ast.While | ast.Return):
        return False
    return any(word in ast.unparse(statement) for word in ("step(ctx", "ctx.create_timer", "ctx.call_"))


def reached(name: str) -> list[Mutant]:
    """Return the mutants of an orchestrator whose changed step the recorded history has."""
    source = (ROOT / "orchestrators" / f"{name}.py").read_text(encoding="utf-8")
    found = [m for m in mutants(source, is_step) if "ReachedError" in errors(m.probing(name, scope(name)), name)]
    assert found, f"the history of {name} reaches no step"
    return found


def scope(name: str) -> dict[str, object]:
    return {"__name__": f"orchestrators.{name}"}


def errors(orchestrator: object, name: str) -> str:
    """Return why the recorded history of ``name`` ends in failure with an orchestrator; empty where it does not."""
    [path] = (ROOT / "tests" / "histories").glob(f"{name}-*.json")
    actions = replayed(orchestrator, path)
    return " ".join(action.completeOrchestration.failureDetails.errorType for action in actions)


@pytest.mark.parametrize("name", ORCHESTRATORS)
def test_every_change_to_a_step_that_was_recorded_is_flagged(name: str) -> None:
    """Dropped, doubled, swapped, renamed, of another kind: the replay fails as non-deterministic."""
    flag_lost_steps()
    found = reached(name)
    ends = {mutant.change: errors(mutant.function(name, scope(name)), name) for mutant in found}
    assert [change for change, error in ends.items() if not error.endswith(("NonDeterminismError", *UNFIT))] == []
    assert sum(error.endswith("NonDeterminismError") for error in ends.values()) >= 10
