"""Makes the SDK say so when an orchestrator no longer asks for the last step that its history knows.

The SDK finds such a step only after the orchestrator has returned; it then drops both the result and its own complaint,
and the orchestration stays in the state it was, for ever, with each event that it gets making its history longer.
Here it fails. What the SDK finds by itself is not changed.
"""

from typing import Any

from durabletask import task, worker


def flag_lost_steps() -> None:
    """Do it, once for this process."""
    context: Any = worker._RuntimeOrchestrationContext  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001  # there is no public place
    if hasattr(context.set_failed, "flags_lost_steps"):
        return
    original = context.set_failed

    def set_failed(self: Any, ex: Any) -> None:
        if isinstance(ex, task.NonDeterminismError):
            self._is_complete = False
        original(self, ex)

    set_failed.flags_lost_steps = True  # pyright: ignore[reportFunctionMemberAccess]  # so that it is done once
    context.set_failed = set_failed
