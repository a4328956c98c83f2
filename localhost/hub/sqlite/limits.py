"""How much is too much, and what is said then."""

import durabletask.internal.orchestrator_service_pb2 as pb

WARN_EVENTS = 10_240
MAX_EVENTS = 51_200
MAX_HISTORY_BYTES = 50 * 1024 * 1024
MAX_ATTEMPTS = 10
MAX_ERROR_TEXT = 16_384
MAX_BATCH = 500
HISTORY_CACHE_BYTES = 64 * 1024 * 1024
ENTITY_CACHE = 10_000
PAGE = 1_000


def history_too_large(events: int, size: int) -> pb.TaskFailureDetails | None:
    """Say why an orchestration with such a history must end, or nothing when it may go on."""
    if events <= MAX_EVENTS and size <= MAX_HISTORY_BYTES:
        return None
    return pb.TaskFailureDetails(
        errorType="HistoryTooLarge",
        errorMessage=f"The history reached {events:,} events and {size:,} bytes; at most {MAX_EVENTS:,} events and "
        f"{MAX_HISTORY_BYTES:,} bytes are allowed. Split the work into sub-orchestrations or continue as new.",
        isNonRetriable=True,
    )


def poisoned(what: str) -> pb.TaskFailureDetails:
    """Say that an item was given up after it was handed out too often."""
    return pb.TaskFailureDetails(
        errorType="PoisonedWorkItem",
        errorMessage=f"{what} was handed out {MAX_ATTEMPTS} times and never answered: whoever ran it died or gave it "
        "back each time. It was given up.",
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
