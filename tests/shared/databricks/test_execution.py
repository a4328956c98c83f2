"""Which failure of Databricks asks for which remedy, and how an attempt is recognised."""

import pytest

from shared.databricks.execution import QueryKey, failure_of, first_line


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column `x` cannot be resolved. SQLSTATE: 42703", "sql"),
        ("AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] The table cannot be found.", "sql"),
        ("[PARSE_SYNTAX_ERROR] Syntax error at or near 'FORM'.", "sql"),
        ("[DIVIDE_BY_ZERO] Division by zero.", "sql"),
        ("[INSUFFICIENT_PERMISSIONS] Insufficient privileges", "permission"),
        ("PERMISSION_DENIED: User does not have USE SCHEMA", "permission"),
        ("Cluster 0612 was terminated. Reason: CLOUD_PROVIDER_SHUTDOWN", "infrastructure"),
        ("", "infrastructure"),
    ],
)
def test_the_error_class_tells_what_helps(message: str, kind: str) -> None:
    assert failure_of(message) == kind


def test_a_message_is_one_bounded_line_without_a_stack_trace() -> None:
    assert first_line("\n  broken\n\tat org.apache.spark.X(Y.scala:1)\n") == "broken"
    assert len(first_line("x" * 10_000)) == 1_000
    assert first_line(" \n") == "Databricks gave no reason."


def test_one_attempt_has_one_token_and_no_other_attempt_shares_it() -> None:
    """Databricks takes at most 64 characters."""
    token = QueryKey("c", "q1", 1).token
    assert token == QueryKey("c", "q1", 1).token
    assert len(token) == 64
    others = {QueryKey("c", "q1", 2).token, QueryKey("c", "q2", 1).token, QueryKey("d", "q1", 1).token}
    assert token not in others
    assert len(others) == 3
