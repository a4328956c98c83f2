"""The Databricks client, and its errors in our words."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from shared.errors import QueryError, WarehouseUnavailableError
from shared.settings import settings

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

HTTP_TIMEOUT_SECONDS = 30


class _RetryElsewhereError(Exception):
    """Raised where the SDK would sleep before it repeats a call: our orchestrations wait, durably."""


class ExecutionGoneError(QueryError):
    """Databricks does not know the execution (any more): it was lost or has expired, and its rows with it."""


class _NoWaiting:
    """A clock for the SDK on which nobody sleeps."""

    def time(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        raise _RetryElsewhereError(seconds)


@cache
def workspace() -> "WorkspaceClient":
    """Return the client of the workspace ``DATABRICKS_HOST``, signed in by token or by the managed identity."""
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.config import Config

    clock: Any = _NoWaiting()
    options: dict[str, Any] = {"token": settings().databricks_token, "auth_type": "pat"}
    if not settings().databricks_token:
        options = {"azure_use_msi": True, "auth_type": "azure-msi"}
    config = Config(host=settings().databricks_host, http_timeout_seconds=HTTP_TIMEOUT_SECONDS, clock=clock, **options)
    return WorkspaceClient(config=config)


@contextmanager
def databricks_errors(subject: str) -> Generator[None]:
    """Raise the SDK's errors as ours: what is worth repeating, and what is not."""
    import requests
    from databricks.sdk.errors import InternalError, NotFound, TemporarilyUnavailable, TooManyRequests
    from databricks.sdk.errors.base import DatabricksError

    try:
        yield
    except _RetryElsewhereError as error:
        cause = error.__context__
        message = f"Databricks did not take {subject} ({_kind(cause)}); try again."
        after = getattr(cause, "retry_after_secs", None)
        raise WarehouseUnavailableError(message, retry_after=after) from cause
    except (TooManyRequests, TemporarilyUnavailable, InternalError) as error:
        after = error.retry_after_secs
        message = f"Databricks did not take {subject} ({_kind(error)}); try again."
        raise WarehouseUnavailableError(message, retry_after=after) from error
    except NotFound as error:
        raise ExecutionGoneError(f"Databricks does not know {subject} any more.") from error
    except DatabricksError as error:
        if "does not exist" in str(error):  # the jobs API says so with 400, and the SDK translates it only for reads
            raise ExecutionGoneError(f"Databricks refused {subject}: {str(error).splitlines()[0][:300]}") from error
        message = str(error).splitlines()[0][:300] if str(error) else _kind(error)
        raise QueryError(f"Databricks refused {subject}: {message}") from error
    except (requests.RequestException, TimeoutError) as error:
        raise WarehouseUnavailableError(f"Databricks could not be reached for {subject}; try again.") from error


def _kind(error: BaseException | None) -> str:
    return type(error).__name__ if error is not None else "busy"
