"""The one way to Cosmos DB: containers, and its errors in our words."""

import random
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from shared.errors import RecordError, RecordUnavailableError
from shared.settings import settings

if TYPE_CHECKING:
    from azure.cosmos import ContainerProxy, CosmosClient

TIMEOUT_SECONDS = 10
MAX_WRITERS_MET = 12
"""How often a change is applied anew because another writer was first."""


class _Container(NamedTuple):
    partition_key: str
    default_ttl: int  # seconds; -1: kept unless an item says otherwise


CONTAINERS = {
    "conversations": _Container("/partition_key", -1),
    "jobs": _Container("/owner", -1),
    "limits": _Container("/id", 3_600),
}

_opening = threading.Lock()
_containers: "dict[str, ContainerProxy]" = {}


def container(name: str) -> "ContainerProxy":
    """Return the container called ``name``; it is created where it is missing and the identity may do so.

    Raises:
        RecordUnavailableError: Cosmos DB cannot be reached now.
        RecordError: it refused.
    """
    with _opening:
        if name not in _containers:
            from azure.cosmos import PartitionKey

            kind = CONTAINERS[name]
            with cosmos_errors(f"container {name!r}"):
                database = _client().create_database_if_not_exists(settings().cosmos_database)
                _containers[name] = database.create_container_if_not_exists(
                    name, PartitionKey(kind.partition_key), default_ttl=kind.default_ttl
                )
        return _containers[name]


@contextmanager
def cosmos_errors(subject: str) -> Generator[None]:
    """Raise errors of Cosmos DB as ours; 404, 409 and 412 pass, because callers decide on them."""
    from azure.core.exceptions import AzureError
    from azure.cosmos.exceptions import CosmosHttpResponseError

    try:
        yield
    except CosmosHttpResponseError as error:
        if error.status_code in {404, 409, 412}:
            raise
        status = error.status_code or 0
        if status in {408, 429, 449} or status >= 500:
            message = f"Cosmos DB answered {status} for {subject}; try again."
            raise RecordUnavailableError(message) from error
        message = f"Cosmos DB refused {subject} with {status}; check COSMOS_ENDPOINT and the identity's role."
        raise RecordError(message) from error
    except AzureError as error:
        raise RecordUnavailableError(f"Cosmos DB could not be reached for {subject}; try again.") from error


def change_item[Item: Mapping[str, object]](
    items: "ContainerProxy", subject: str, read: Callable[[int], Item], change: Callable[[Item], Item]
) -> Mapping[str, Any]:
    """Apply ``change`` to an item, replace it if nobody else did in between (ETag), and return what is stored now.

    ``read`` gives the item, and is told how many writers were first so far. ``change`` gives what to store in its
    place; it is applied anew for each of them.

    Raises:
        CosmosResourceNotFoundError: the item is not there (any more).
        RecordUnavailableError: Cosmos DB cannot be reached, or other writers were always first.
    """
    from azure.core import MatchConditions
    from azure.cosmos.exceptions import CosmosAccessConditionFailedError

    for met in range(MAX_WRITERS_MET):
        item = read(met)
        expected: Any = {"etag": item["_etag"], "match_condition": MatchConditions.IfNotModified}
        changed = cast("dict[str, Any]", change(item))
        try:
            with cosmos_errors(subject):
                return items.replace_item(changed["id"], changed, **expected)
        except CosmosAccessConditionFailedError:
            if met:  # spreads writers, hides nothing
                time.sleep(random.uniform(0, 0.01 * 2 ** min(met, 5)))  # noqa: S311
    raise RecordUnavailableError(f"Others changed {subject} {MAX_WRITERS_MET} times in a row; try again.")


@cache
def _client() -> "CosmosClient":
    from azure.cosmos import CosmosClient

    credential: Any = settings().cosmos_key
    if not credential:
        from azure.identity import DefaultAzureCredential

        credential = DefaultAzureCredential()
    return CosmosClient(settings().cosmos_endpoint, credential, timeout=TIMEOUT_SECONDS)
