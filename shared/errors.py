"""Every error a user can meet, in one tree.

    LakehouseError                 500 internal_error
    ├── RequestError               400 invalid_request
    │   ├── UnauthenticatedError   401 unauthenticated
    │   ├── ForbiddenError         403 forbidden
    │   ├── NotFoundError          404 not_found          (unknown and foreign alike)
    │   ├── ConflictError          409 conflict
    │   │   ├── SourceChangedError 409 source_changed       (Bronze is not what the job was accepted with)
    │   │   └── NoDataError        409 no_data              (none of the asker's jobs has published its Gold)
    │   ├── TooLargeError          413 too_large
    │   ├── MediaTypeError         415 unsupported_media_type
    │   ├── InvalidFieldError      422 invalid_field
    │   └── RateLimitedError       429 rate_limited
    ├── SqlRefusedError            422 sql_refused        (the guard said no; `reason` says why)
    ├── SettingsError              500 settings_missing
    ├── CatalogError               500 catalog_invalid
    ├── RulesError                 500 rules_invalid        (the ETL's rule file does not hold together)
    ├── GoldError                  500 gold_invalid         (a table breaks its own constraints; nothing is published)
    ├── ModelError                 502 model_failed
    │   └── ModelUnavailableError  503 model_unavailable  (nothing happened; worth repeating)
    ├── QueryError                 502 query_failed
    │   ├── WarehouseUnavailableError 503 warehouse_unavailable (nothing ran; worth repeating)
    │   └── QueryTimeoutError      504 query_timeout
    ├── RecordError                500 record_failed
    │   └── RecordUnavailableError 503 record_unavailable (worth repeating)
    ├── LakeError                  500 lake_failed
    │   └── LostRowsError          500 rows_lost            (a copy is not complete; nothing is published)
    ├── ServingError               500 serving_failed
    │   └── ServingUnavailableError 503 serving_unavailable (nothing was loaded; worth repeating)
    ├── HubUnavailableError        503 hub_unavailable      (the task hub cannot be reached; worth repeating)
    └── KeysUnavailableError       503 keys_unavailable     (the keys that check tokens cannot be fetched)

A message is one line: what was wrong with which input, then what to do about it. It never holds a secret or
tells of another user. ``code`` is stable: clients branch on it.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar


class LakehouseError(Exception):
    """Something the product can say about what went wrong."""

    code: ClassVar[str] = "internal_error"
    http_status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR


class RequestError(LakehouseError):
    """The request cannot be served as it is."""

    code = "invalid_request"
    http_status = HTTPStatus.BAD_REQUEST


class UnauthenticatedError(RequestError):
    """No token, or one that does not hold."""

    code = "unauthenticated"
    http_status = HTTPStatus.UNAUTHORIZED


class ForbiddenError(RequestError):
    """The caller is known, and may not do this."""

    code = "forbidden"
    http_status = HTTPStatus.FORBIDDEN


class NotFoundError(RequestError):
    """Nothing of the caller's has this id; whether somebody else's does is not said."""

    code = "not_found"
    http_status = HTTPStatus.NOT_FOUND


class ConflictError(RequestError):
    """The request contradicts what is already there."""

    code = "conflict"
    http_status = HTTPStatus.CONFLICT


class SourceChangedError(ConflictError):
    """Somebody changed Bronze under a job."""

    code = "source_changed"

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is not what it was when the job was accepted; start a new job for what it is now.")


class NoDataError(ConflictError):
    """The question is about the asker's own data, and there is none yet."""

    code = "no_data"


class TooLargeError(RequestError):
    """The body is larger than the route takes."""

    code = "too_large"
    http_status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class MediaTypeError(RequestError):
    """The body is not of a kind the route reads."""

    code = "unsupported_media_type"
    http_status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class InvalidFieldError(RequestError):
    """A field of the body, path or query string has a value it cannot have."""

    code = "invalid_field"
    http_status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, message: str, *, problems: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.problems = problems or {}
        """What is wrong, by name of the field."""


class RateLimitedError(RequestError):
    """Too many requests; ``retry_after`` seconds later there is room again."""

    code = "rate_limited"
    http_status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SqlRefusedError(LakehouseError):
    """The guard did not let the SQL pass; nothing ran.

    ``reason`` is a stable word (see ``shared.sql_guard``). ``correctable`` tells a slip that a model can mend
    (an unknown column, a syntax error) from a statement that must not run at all.
    """

    code = "sql_refused"
    http_status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, reason: str, message: str, *, correctable: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.correctable = correctable


class SettingsError(LakehouseError):
    """App settings are missing or cannot be read."""

    code = "settings_missing"


class CatalogError(LakehouseError):
    """A dataset of the catalogue is unknown or does not hold together."""

    code = "catalog_invalid"


class RulesError(LakehouseError):
    """The ETL's rule file cannot be read, or does not hold together."""

    code = "rules_invalid"


class GoldError(LakehouseError):
    """A Gold table does not hold what the rules declare of it; it must not be published."""

    code = "gold_invalid"


class ModelError(LakehouseError):
    """The language model answered with something that cannot be used."""

    code = "model_failed"
    http_status = HTTPStatus.BAD_GATEWAY


class ModelUnavailableError(ModelError):
    """The language model did not take the request; ``retry_after`` seconds later it may."""

    code = "model_unavailable"
    http_status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QueryError(LakehouseError):
    """Databricks ran the query and it failed."""

    code = "query_failed"
    http_status = HTTPStatus.BAD_GATEWAY


class WarehouseUnavailableError(QueryError):
    """Databricks did not take the request; ``retry_after`` seconds later it may."""

    code = "warehouse_unavailable"
    http_status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QueryTimeoutError(QueryError):
    """The query was still running at its deadline and was cancelled."""

    code = "query_timeout"
    http_status = HTTPStatus.GATEWAY_TIMEOUT


class RecordError(LakehouseError):
    """The conversation's record could not be read or written."""

    code = "record_failed"


class RecordUnavailableError(RecordError):
    """Cosmos DB did not take the request, or others kept changing the record; worth repeating."""

    code = "record_unavailable"
    http_status = HTTPStatus.SERVICE_UNAVAILABLE


class LakeError(LakehouseError):
    """The lake could not be read or written."""

    code = "lake_failed"


class ServingError(LakehouseError):
    """A serving store refused what was to be loaded."""

    code = "serving_failed"


class ServingUnavailableError(ServingError):
    """A serving store cannot be reached, or is busy; nothing was loaded."""

    code = "serving_unavailable"
    http_status = HTTPStatus.SERVICE_UNAVAILABLE


class LostRowsError(LakeError):
    """A table was copied and has not the rows that it had; nothing may be published."""

    code = "rows_lost"

    def __init__(self, path: str, *, expected: int, found: int) -> None:
        super().__init__(f"{path} has {found} rows and should have {expected}; retry the job.")


class HubUnavailableError(LakehouseError):
    """The task hub cannot be reached, so nothing can be started or looked up now."""

    code = "hub_unavailable"
    http_status = HTTPStatus.SERVICE_UNAVAILABLE


class KeysUnavailableError(LakehouseError):
    """The public keys that a token is checked with cannot be fetched; the token may well be good."""

    code = "keys_unavailable"
    http_status = HTTPStatus.SERVICE_UNAVAILABLE
