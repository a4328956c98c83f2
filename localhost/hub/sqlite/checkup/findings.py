"""What an examination found, and what to do about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from localhost.hub.sqlite.schema import Holder

type Kind = Literal["integrity", "stuck", "waiting", "orphaned", "poisoned", "oversized"]
type Severity = Literal["error", "warning", "note"]
"""``error`` needs doing now, ``warning`` before it gets worse, ``note`` is only for information."""


@dataclass(slots=True, frozen=True)
class Call:
    """A call of the HTTP API of Durable Functions: the path of an instance's operation, with its query."""

    method: Literal["POST", "DELETE"]
    instance_id: str
    operation: str = ""


@dataclass(slots=True, frozen=True)
class Finding:
    """One thing that is worth knowing; ``subject`` is an instance, an entity, or the hub itself."""

    kind: Kind
    severity: Severity
    subject: str
    problem: str
    fix: str
    since: int | None = None
    call: Call | None = None
    """The one call that does it, where one does."""
    repairable: bool = False
    """Whether ``repair`` does it."""


@dataclass(slots=True)
class Report:
    """A hub that could be read. ``counts`` are instances by status, ``work`` what is under way."""

    host: Holder | None
    stopped: bool
    file_bytes: int
    log_bytes: int
    free_bytes: int
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    work: Mapping[str, int] = field(default_factory=dict[str, int])
    findings: Sequence[Finding] = ()
    left_out: Mapping[Kind, int] = field(default_factory=dict[Kind, int])
    """How many findings of a kind there are beside those that are told."""

    @property
    def needs_doing(self) -> bool:
        """Whether somebody has to do something."""
        return any(finding.severity != "note" for finding in self.findings)
