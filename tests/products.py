"""The running product as a user of it sees it: questions in, conversations out."""

import time
from collections.abc import Mapping
from typing import Any

import hosting

QUESTION = "How many films are there?"
SERVICES = ("model", "databricks", "cosmos")


class Product:
    """A running product whose stand-ins can be made to misbehave."""

    def __init__(self, host: hosting.Host) -> None:
        self.host = host
        self.client = host.client()

    def start(self, question: str = QUESTION, **fields: Any) -> str:
        """Start a conversation and return its id."""
        started = self.client.post("/api/chat/start", json={"question": question, **fields})
        assert started.status_code == 202, started.text
        return started.json()["conversation_id"]

    def finish(self, conversation_id: str, *, patience: float = 90) -> dict[str, Any]:
        """Return the status that a conversation ends with."""
        until = time.monotonic() + patience
        status: dict[str, Any] = {}
        while time.monotonic() < until:
            status = self.client.get(f"/api/chat/{conversation_id}/status", params={"wait": 20}).json()
            if status["status"] != "processing":
                return status
        raise AssertionError(f"no end after {patience} s: {status}")

    def ask(self, question: str = QUESTION) -> dict[str, Any]:
        """Ask and return the status that the conversation ends with."""
        return self.finish(self.start(question))

    def calls(self, service: str, method: str, path: str) -> list[Mapping[str, Any]]:
        """Return the requests that a stand-in was sent with this end of their path."""
        journal = self.host.calls(service)
        return [call for call in journal if call["method"] == method and call["path"].endswith(path)]

    def executions(self) -> int:
        """How many statements and runs Databricks was sent, whatever it answered."""
        statements = self.calls("databricks", "POST", "/api/2.0/sql/statements")
        runs = self.calls("databricks", "POST", "/jobs/run-now")
        return len(statements) + len(runs)

    def reset(self) -> None:
        """Make every stand-in well, with an empty journal."""
        for service in SERVICES:
            self.host.faults(service)
            self.host.forget_calls(service)
