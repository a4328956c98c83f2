"""The one way to Cosmos DB: containers, and its errors in our words."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from shared.errors import RecordError, RecordUnavailableError
from shared.settings import settings

if TYPE_CHECKING:
    from azure.cosmos import ContainerProxy, CosmosClient

TIMEOUT_SECONDS = 10


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


@cache
def _client() -> "CosmosClient":
    from azure.cosmos import CosmosClient

    credential: Any = settings().cosmos_key
    if not credential:
        from azure.identity import DefaultAzureCredential

        credential = DefaultAzureCredential()
    return CosmosClient(settings().cosmos_endpoint, credential, timeout=TIMEOUT_SECONDS)
