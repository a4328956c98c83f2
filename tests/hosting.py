"""A local host as its users start it: a process of its own, spoken to over HTTP."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).parents[1]
PATIENCE = 60.0


@dataclass
class Host:
    """A running host. ``lines`` is what it has logged so far, one object a line; ``errors`` its standard error."""

    process: subprocess.Popen[str]
    url: str
    data: Path
    services: Mapping[str, str]
    keys: Mapping[str, str]
    lines: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def master_key(self) -> str:
        return self.keys["master"]

    @property
    def system_key(self) -> str:
        return self.keys["system"]

    @property
    def function_key(self) -> str:
        return self.keys["function"]

    def client(self, **options: Any) -> httpx2.Client:
        """Return a client whose URLs begin at this host."""
        return httpx2.Client(base_url=self.url, trust_env=False, timeout=PATIENCE, **options)

    def token(self, user: str = "demo") -> str:
        """Log a demo user in; the password is the name."""
        with self.client() as client:
            answer = client.post("/login", json={"username": user, "password": user})
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def faults(self, service: str, *faults: Mapping[str, Any]) -> None:
        """Replace the faults of a stand-in; none, and it works again."""
        with httpx2.Client(base_url=self.services[service], trust_env=False) as client:
            assert client.delete("/_faults").status_code == 204
            if faults:
                assert client.post("/_faults", json=list(faults)).status_code == 204

    def calls(self, service: str) -> Sequence[Mapping[str, Any]]:
        """Return what a stand-in was asked since its journal was last cleared."""
        return httpx2.get(f"{self.services[service]}/_calls", trust_env=False).json()

    def forget_calls(self, service: str) -> None:
        """Clear the journal of a stand-in."""
        httpx2.delete(f"{self.services[service]}/_calls", trust_env=False)

    def logged(self, wanted: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any]:
        """Return the first line of the log that is wanted; it may still be on its way."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            found = next((line for line in list(self.lines) if wanted(line)), None)
            if found is not None:
                return found
            time.sleep(0.02)
        raise AssertionError(f"nothing like that was logged: {self.lines[-20:]}")

    def read_log(self) -> None:
        """Keep the log as it comes."""
        assert self.process.stdout is not None
        self.lines.extend(json.loads(line) for line in self.process.stdout)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        for thread in self.threads:
            thread.join(PATIENCE)
        _close(self.process)
        return code


def environment(**settings: str) -> dict[str, str]:
    """Return this environment without what would lead the host elsewhere."""
    foreign = ("AZURE_", "DATABRICKS_", "COSMOS_", "LOCALHOST_", "LAKE_URL", "JWT_", "LOGIN_USERS", "CHAT_")
    return {n: v for n, v in os.environ.items() if not n.startswith(foreign)} | settings


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "localhost", *map(str, arguments)]


def run(*arguments: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the local host to its end."""
    return subprocess.run(
        command(*arguments),
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        check=False,
        text=True,
        timeout=PATIENCE,
    )


def start(*arguments: str | Path, data: Path, **settings: str) -> Host:
    """Start a host on a free port and wait until it is ready."""
    process = subprocess.Popen(
        command("start", "--port", "0", "--data", data, "--enable-json-output", *arguments),
        cwd=ROOT,
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    errors: list[str] = []
    listening = threading.Thread(target=errors.extend, args=(process.stderr,))
    listening.start()
    lines = _until_ready(process)
    if not lines or lines[-1].get("event") != "ready":
        process.wait(PATIENCE)
        listening.join(PATIENCE)
        _close(process)
        raise AssertionError(f"The host did not start (exit code {process.returncode}):\n{''.join(errors)}")
    ready = lines[-1]
    services = {name: url for name, url in ready["services"].items() if str(url).startswith("http")}
    keys = json.loads((data / "keys.json").read_text())
    host = Host(process, ready["url"], data, services, keys, lines, errors)
    logging = threading.Thread(target=host.read_log)
    logging.start()
    host.threads = [listening, logging]
    return host


def _until_ready(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Return what the host wrote up to the line that says it is ready, or up to its end."""
    assert process.stdout is not None
    lines: list[dict[str, Any]] = []
    for line in process.stdout:
        lines.append(json.loads(line))
        if lines[-1].get("event") == "ready":
            break
    return lines


def _close(process: subprocess.Popen[str]) -> None:
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()
