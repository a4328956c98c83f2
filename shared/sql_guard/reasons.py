"""Why a statement is refused: one stable word each, and whether a model can mend it."""

from shared.errors import SqlRefusedError

# The slips. Everything else must not run at all, however it is worded.
CORRECTABLE = frozenset(
    {
        "syntax",
        "unsupported",
        "unqualified_table",
        "unknown_column",
        "ambiguous_column",
        "unknown_function",
        "recursive_cte",
        "join_without_equality",
        "unbounded_generator",
        "unbounded_pattern",
        "too_long",
        "too_deep",
        "too_many_relations",
    }
)

REASONS = CORRECTABLE | {
    "not_text",
    "empty",
    "control_character",
    "substitution",
    "comment",
    "parameter",
    "several_statements",
    "not_a_query",
    "write",
    "admin",
    "dynamic",
    "table",
    "file",
    "time_travel",
    "hidden_column",
    "code",
    "network",
    "secret",
}


def refusal(reason: str, message: str) -> SqlRefusedError:
    """Return the refusal called ``reason``, to be raised; ``message`` is one sentence on what to do instead."""
    return SqlRefusedError(reason, message, correctable=reason in CORRECTABLE)
