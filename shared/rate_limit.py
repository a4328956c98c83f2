"""How often one caller may do something: exact, however many workers the app runs on.

The allowance is a token bucket, kept as the single number of the generic cell rate algorithm: ``due``, the time in
microseconds at which the bucket will be full again. It lives in Cosmos DB (container ``limits``), and is only ever
changed by a patch that the server applies if its condition holds, so that two requests never take one token twice.
A caller that was idle costs one call, a busy one two.
"""

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from shared.cosmos import container, cosmos_errors
from shared.errors import RateLimitedError, RecordUnavailableError

if TYPE_CHECKING:
    from azure.cosmos import ContainerProxy

MAX_TURNS = 5
"""How often the bucket may appear or vanish under our hands before we give up."""
_KEEP_SECONDS = 3_600


@dataclass(frozen=True, slots=True)
class Allowance:
    """``burst`` at once, then ``per_second``."""

    burst: int
    per_second: float

    @property
    def step(self) -> int:
        """How many microseconds one token takes to come back."""
        return max(1, round(1_000_000 / self.per_second))

    @property
    def retry_after(self) -> int:
        """Whole seconds after which a refused caller has a token: a refusal takes none, so one step is enough."""
        return max(1, math.ceil(self.step / 1_000_000))


class RateLimits:
    """The buckets. Safe to use from several threads."""

    def __init__(self, items: "ContainerProxy", *, clock: Callable[[], int] = lambda: time.time_ns() // 1_000) -> None:
        self._items = items
        self._clock = clock

    def take(self, subject: str, allowance: Allowance) -> int:
        """Take one token of ``subject`` and return how many are left.

        Raises:
            RateLimitedError: there was none.
            RecordUnavailableError: Cosmos DB cannot be reached now.
        """
        from azure.cosmos.exceptions import (
            CosmosAccessConditionFailedError,
            CosmosResourceExistsError,
            CosmosResourceNotFoundError,
        )

        item_id, step = _item_id(subject), allowance.step
        for _ in range(MAX_TURNS):
            now = self._clock()
            latest = now + (allowance.burst - 1) * step
            # A full bucket is started anew, any other is added to. Between the two patches ``due`` only grows.
            patches = (
                ([{"op": "set", "path": "/due", "value": now + step}], f"from c where c.due <= {now}"),
                ([{"op": "incr", "path": "/due", "value": step}], f"from c where c.due <= {latest}"),
            )
            try:
                for operations, condition in patches:
                    try:
                        due = self._patch(item_id, operations, condition)
                    except CosmosAccessConditionFailedError:
                        continue
                    return max(0, (latest + step - due) // step)
            except CosmosResourceNotFoundError:
                item: dict[str, Any] = {"id": item_id, "due": now + step, "ttl": _ttl(allowance)}
                try:
                    with cosmos_errors("a rate limit"):
                        self._items.create_item(item)
                except CosmosResourceExistsError:
                    continue
                return allowance.burst - 1
            raise RateLimitedError(
                f"More than {allowance.burst} requests at once, or {allowance.per_second:g} a second after that.",
                retry_after=allowance.retry_after,
            )
        raise RecordUnavailableError("Cosmos DB kept losing a rate limit; try again.")

    def give_back(self, subject: str, allowance: Allowance) -> None:
        """Return the token that ``take`` took, because what it was taken for does not count."""
        from azure.cosmos.exceptions import CosmosAccessConditionFailedError, CosmosResourceNotFoundError

        operations = [{"op": "incr", "path": "/due", "value": -allowance.step}]
        try:
            self._patch(_item_id(subject), operations, f"from c where c.due > {self._clock()}")
        except (CosmosAccessConditionFailedError, CosmosResourceNotFoundError):
            return  # it is full again by now

    def _patch(self, item_id: str, operations: list[dict[str, Any]], condition: str) -> int:
        with cosmos_errors("a rate limit"):
            item = self._items.patch_item(item_id, item_id, operations, filter_predicate=condition)
        return int(item["due"])


@cache
def rate_limits() -> RateLimits:
    """Return the buckets in this app's Cosmos DB."""
    return RateLimits(container("limits"))


def _item_id(subject: str) -> str:
    # A Cosmos id may not hold every character that a user name may.
    return hashlib.sha256(subject.encode()).hexdigest()


def _ttl(allowance: Allowance) -> int:
    """Longer than an empty bucket takes to fill: a bucket that is gone counts as full."""
    return max(_KEEP_SECONDS, 2 * math.ceil(allowance.burst * allowance.step / 1_000_000))
