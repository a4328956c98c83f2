"""How activities report what went wrong: as a verdict that the orchestrator acts on.

A retry policy repeats every exception alike, and a failed activity tells the orchestrator a class name and one
line. A verdict says what a client may branch on (``code``), and whether and when the step is worth repeating.
Exceptions that nobody foresaw still propagate, and the retry policy takes them.
"""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from shared.errors import (
    LakehouseError,
    ModelUnavailableError,
    RecordUnavailableError,
    ServingUnavailableError,
    WarehouseUnavailableError,
)
from shared.payloads import Failure, Verdict

logger = logging.getLogger(__name__)

WORTH_REPEATING = (ModelUnavailableError, WarehouseUnavailableError, RecordUnavailableError, ServingUnavailableError)


def verdict[**P, V: Verdict](activity: Callable[P, V]) -> Callable[P, V]:
    """Return ``activity`` with the errors of ``shared.errors`` turned into a verdict's ``failure``."""

    @wraps(activity)
    def reporting(*args: P.args, **kwargs: P.kwargs) -> V:
        try:
            return activity(*args, **kwargs)
        except LakehouseError as error:
            failure: Failure = {"code": error.code, "message": str(error), "again": False}
            if isinstance(error, WORTH_REPEATING):
                failure["again"] = True
                after: float | None = getattr(error, "retry_after", None)
                if after is not None:
                    failure["retry_after"] = after
            logger.warning("%s: %s: %s", activity.__name__, error.code, error)
            return cast(V, cast(Any, {"failure": failure}))

    return reporting
