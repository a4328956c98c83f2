"""W3C trace context, handed on as it came: from a request to functions, and by the hub to what they start."""

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import durabletask.internal.orchestrator_service_pb2 as pb
from durabletask.internal import tracing
from google.protobuf import wrappers_pb2

_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")


@dataclass(frozen=True, slots=True)
class Trace:
    """What ``traceparent`` and ``tracestate`` say."""

    parent: str
    state: str = ""

    @classmethod
    def of_headers(cls, headers: Mapping[str, str]) -> Self | None:
        """Return the trace of a request; a ``traceparent`` that is none is left out, as the standard has it."""
        parent = headers.get("traceparent", "")
        return cls(parent, headers.get("tracestate", "")) if _PARENT.fullmatch(parent) else None

    @classmethod
    def of_message(cls, message: pb.TraceContext) -> Self | None:
        """Return the trace that a message of the hub carries."""
        return cls(message.traceParent, message.traceState.value) if message.traceParent else None

    def message(self) -> pb.TraceContext:
        """Return it as the hub keeps it."""
        state = wrappers_pb2.StringValue(value=self.state) if self.state else None
        return pb.TraceContext(traceParent=self.parent, spanID=self.parent.split("-")[2], traceState=state)

    @contextmanager
    def current(self) -> Generator[None]:
        """Make it what OpenTelemetry calls current, so that a durable client hands it to what it starts."""
        with tracing.use_trace_context(self.message()):
            yield
