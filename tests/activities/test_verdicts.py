"""Errors of the doors as verdicts that an orchestrator can act on."""

import json

import pytest

from activities.verdicts import verdict
from shared.errors import (
    LakeError,
    LakehouseError,
    ModelError,
    ModelUnavailableError,
    RecordUnavailableError,
    WarehouseUnavailableError,
)
from shared.payloads import Verdict


def failing(error: Exception) -> Verdict:
    @verdict
    def activity(payload: str) -> Verdict:
        raise error

    return activity(payload="x")


@pytest.mark.parametrize(
    "error",
    [
        ModelUnavailableError("busy", retry_after=7),
        WarehouseUnavailableError("busy", retry_after=7),
        RecordUnavailableError("busy"),
    ],
)
def test_what_is_busy_is_worth_repeating_when_it_says(error: LakehouseError) -> None:
    failure = failing(error)["failure"]
    assert failure["again"] is True
    assert failure.get("retry_after") == getattr(error, "retry_after", None)
    assert failure["code"] == error.code
    json.dumps(failure)


@pytest.mark.parametrize("error", [ModelError("no"), LakeError("no")])
def test_what_is_broken_is_not(error: LakehouseError) -> None:
    assert failing(error)["failure"] == {"code": error.code, "message": "no", "again": False}


def test_what_nobody_foresaw_is_left_to_the_retry_policy() -> None:
    with pytest.raises(ZeroDivisionError):
        failing(ZeroDivisionError())


def test_a_verdict_keeps_the_name_and_the_parameters_of_its_activity() -> None:
    """The worker binds inputs by parameter name."""

    @verdict
    def begin(turn: str) -> Verdict:
        return {}

    assert begin.__name__ == "begin"
    assert begin(turn="x") == {}
