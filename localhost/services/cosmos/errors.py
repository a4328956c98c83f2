"""The errors of the Cosmos DB service, as its clients know them."""

from http import HTTPStatus


class CosmosError(Exception):
    """A request that is answered with ``status``; ``code`` and the message are the body.

    ``substatus`` tells clients why, where one status has several reasons.
    """

    def __init__(self, status: int, message: str, *, substatus: int = 0, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.substatus = substatus
        self.code = code or HTTPStatus(status).phrase.title().replace(" ", "")
        self.message = message


def bad_request(message: str, *, substatus: int = 0) -> CosmosError:
    """Return the error for a request that cannot be served as it is."""
    return CosmosError(400, message, substatus=substatus)


def not_found(what: str, *, substatus: int = 0) -> CosmosError:
    """Return the error for a resource that is not there (any more)."""
    return CosmosError(404, f"Resource Not Found: there is no {what}.", substatus=substatus)


def conflict(what: str) -> CosmosError:
    """Return the error for an id that is taken."""
    return CosmosError(409, f"Resource with specified id or name already exists: {what}.")


def precondition_failed() -> CosmosError:
    """Return the error for an item that is not the one the writer read, or does not meet its condition."""
    return CosmosError(
        412,
        "Operation cannot be performed because one of the specified precondition is not met.",
        code="PreconditionFailed",
    )


def too_large(limit: int) -> CosmosError:
    """Return the error for an item or request above ``limit`` bytes."""
    return CosmosError(413, f"Request size is too large: more than {limit} bytes.", code="RequestEntityTooLarge")


def not_supported(operation: str) -> CosmosError:
    """Return the error for what the real service does and this stand-in does not."""
    return CosmosError(
        501,
        f"The local Cosmos DB stand-in does not support {operation}; see docs/reference/cosmos-stand-in.md. "
        "Set COSMOS_ENDPOINT to use a real account.",
        code="NotImplemented",
    )
