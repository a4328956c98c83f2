"""How much is too much, and what is said then."""

import durabletask.internal.orchestrator_service_pb2 as pb
from google.protobuf import wrappers_pb2

from localhost.hub.interface import PayloadTooLargeError

WARN_EVENTS = 10_240
MAX_EVENTS = 51_200
MAX_HISTORY_BYTES = 50 * 1024 * 1024
# One can come in, go to an activity and come back before the history is full.
MAX_PAYLOAD_BYTES = 16 * 1024 * 1024
MAX_ATTEMPTS = 10
MAX_ERROR_TEXT = 16_384
MAX_BATCH = 500
GRPC_MESSAGE = 4 * 1024 * 1024
HISTORY_CACHE_BYTES = 64 * 1024 * 1024
ENTITY_CACHE = 10_000
PAGE = 1_000
# However many a client asks for: it takes 4 MiB a message unless told otherwise, and goes on with the token.
MOST_IN_PAGE = 20_000
PAGE_BYTES = 2 * 1024 * 1024

# By these words a failure is known for one of work that was given up, also when an orchestrator passed it on.
POISONED = "PoisonedWorkItem"
GIVEN_UP = f"was handed out {MAX_ATTEMPTS} times and never answered"


def history_too_large(events: int, size: int) -> pb.TaskFailureDetails | None:
    """Say why an orchestration with such a history must end, or nothing when it may go on."""
    if events <= MAX_EVENTS and size <= MAX_HISTORY_BYTES:
        return None
    return pb.TaskFailureDetails(
        errorType="HistoryTooLarge",
        errorMessage=f"The history would reach {events:,} events and {size:,} bytes; at most {MAX_EVENTS:,} events and "
        f"{MAX_HISTORY_BYTES:,} bytes are allowed. Split the work into sub-orchestrations or continue as new.",
        isNonRetriable=True,
    )


def check_payload(what: str, payload: wrappers_pb2.StringValue) -> None:
    """Refuse a payload while nothing has happened yet.

    Raises:
        PayloadTooLargeError: it is larger than a payload may be.
    """
    if (size := payload_bytes(payload.value)) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLargeError(
            f"{what} has {size:,} bytes; at most {MAX_PAYLOAD_BYTES:,} are taken. Put it into a file or blob and send "
            "its address."
        )


def payload_too_large(what: str, payload: str) -> pb.TaskFailureDetails | None:
    """Say why a result fails whoever waits for it, or nothing when its size is fine."""
    if (size := payload_bytes(payload)) <= MAX_PAYLOAD_BYTES:
        return None
    return pb.TaskFailureDetails(
        errorType="PayloadTooLarge",
        errorMessage=f"{what} has {size:,} bytes; at most {MAX_PAYLOAD_BYTES:,} are kept. Put it into a file or blob "
        "and return its address.",
        isNonRetriable=True,
    )


def payload_bytes(payload: str) -> int:
    """Return the size of a payload on the wire; of one that is small for sure, its length."""
    return len(payload) if len(payload) * 4 <= MAX_PAYLOAD_BYTES else len(payload.encode())


def poisoned(what: str, size: int = 0) -> pb.TaskFailureDetails:
    """Say that an item of ``size`` bytes was given up after it was handed out too often."""
    hint = (
        f" It has {size:,} bytes; a worker over gRPC takes {GRPC_MESSAGE:,} unless it is given another "
        "max_receive_message_length."
        if size > GRPC_MESSAGE
        else ""
    )
    return pb.TaskFailureDetails(
        errorType=POISONED,
        errorMessage=f"{what} {GIVEN_UP}: whoever ran it died or gave it back each time. It was given up.{hint}",
        isNonRetriable=True,
    )


def unreadable(instance_id: str) -> pb.TaskFailureDetails:
    """Say that a history is damaged, of which nothing can be made any more."""
    return pb.TaskFailureDetails(
        errorType="HistoryUnreadable",
        errorMessage=f"The history of orchestration {instance_id!r} is damaged. Restore the task hub from a backup, or "
        "run it again with its input.",
        isNonRetriable=True,
    )


def cut(details: pb.TaskFailureDetails) -> pb.TaskFailureDetails:
    """Return ``details`` with texts of bounded length, causes included."""
    result = pb.TaskFailureDetails()
    result.CopyFrom(details)
    level = result
    while True:
        level.errorMessage = _short(level.errorMessage)
        if level.HasField("stackTrace"):
            level.stackTrace.value = _short(level.stackTrace.value)
        if not level.HasField("innerFailure"):
            return result
        level = level.innerFailure


def _short(text: str) -> str:
    if len(text) <= MAX_ERROR_TEXT:
        return text
    return f"{text[:MAX_ERROR_TEXT]}... ({len(text) - MAX_ERROR_TEXT:,} characters cut)"
