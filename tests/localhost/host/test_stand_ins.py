"""The host with its stand-in services: what it starts, tells and ends."""

import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import hosting
import httpx2
import pytest

APP = """
import json, os
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="settings")
def settings(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(dict(os.environ)))
"""


@pytest.fixture
def app(tmp_path):
    """An app that wants stand-ins; the lake is not empty, so nothing is generated."""
    (tmp_path / "function_app.py").write_text(APP)
    made = hosting.run("generate", "imdb", "--rows", "2000", "--data", tmp_path / "data")
    assert made.returncode == 0, made.stderr
    return tmp_path


def start(app, *options, **settings):
    return hosting.start(
        "--script-root", app, "--services", "--sql-engine", "duckdb", *options, data=app / "data", **settings
    )


def seen_by(host):
    with host.client() as client:
        return client.get("/api/settings").json()


def gone(url):
    """Wait until nobody listens at ``url``."""
    for _ in range(200):
        try:
            httpx2.get(f"{url}/_about", trust_env=False)
        except httpx2.TransportError:
            return True
        time.sleep(0.05)
    return False


def children(pid: int) -> Sequence[int]:
    """Return the processes that ``pid`` started."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def test_the_app_is_led_to_the_stand_ins(app):
    """Each service says that it is a stand-in, and the settings point at it; nothing lands in standard output."""
    host = start(app)
    settings = seen_by(host)
    assert set(host.services) == {"model", "databricks", "cosmos"}
    for name, service in [
        ("AZURE_OPENAI_ENDPOINT", "model"),
        ("DATABRICKS_HOST", "databricks"),
        ("COSMOS_ENDPOINT", "cosmos"),
    ]:
        assert settings[name] == host.services[service]
        assert httpx2.get(f"{host.services[service]}/_about", trust_env=False).json()["stand_in"] is True
    assert settings["LAKE_URL"] == (host.data / "lake").as_uri()
    assert settings["COSMOS_KEY"] == host.keys["cosmos_key"]
    assert set(json.loads(settings["LOGIN_USERS"])) == {"demo", "ana", "admin"}
    assert host.stop() == 0
    assert all(gone(url) for url in host.services.values())
    text = "".join(host.errors)
    assert "Stand-ins, not the real thing: model, Databricks, Cosmos DB." in text
    assert "DuckDB" in text
    assert "demo/demo" in text
    assert not any(secret in text + json.dumps(host.lines) for secret in host.keys.values() if secret)


def test_a_service_with_an_address_is_left_alone(app):
    """Its stand-in stays off, and none of its settings is invented."""
    host = start(app, DATABRICKS_HOST="https://real.example", COSMOS_ENDPOINT="https://cosmos.example")
    settings = seen_by(host)
    assert set(host.services) == {"model"}
    assert settings["DATABRICKS_HOST"] == "https://real.example"
    assert "DATABRICKS_TOKEN" not in settings
    assert "COSMOS_KEY" not in settings
    assert host.stop() == 0
    assert "Real: Databricks at https://real.example" in "".join(host.errors)


def test_demo_users_are_for_this_machine_only(app):
    """When others can reach the host there are none, and it says so."""
    host = start(app, "--address", "0.0.0.0")
    assert "LOGIN_USERS" not in seen_by(host)
    host.stop()
    text = "".join(host.errors)
    assert "No demo users" in text
    assert "demo/demo" not in text


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for children in /proc")
def test_a_killed_host_takes_its_services_with_it(app):
    """kill -9 leaves nothing running."""
    host = start(app)
    assert len(children(host.process.pid)) == 1
    assert host.stop(signal.SIGKILL) == -signal.SIGKILL
    assert all(gone(url) for url in host.services.values())


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for children in /proc")
def test_the_host_ends_when_its_services_do(app):
    """It does not go on half alive: exit code 1, and a line that says why."""
    host = start(app)
    [services] = children(host.process.pid)
    os.kill(services, signal.SIGKILL)
    assert host.process.wait(hosting.PATIENCE) == 1
    host.stop()
    assert host.logged(lambda line: "stand-in services ended" in line.get("message", ""))


def test_an_empty_lake_is_filled_at_the_first_start_and_it_says_so(tmp_path):
    """Invented data is called invented."""
    (tmp_path / "function_app.py").write_text(APP)
    host = start(tmp_path)
    assert host.stop() == 0
    assert "invented titles stand in for IMDb's" in "".join(host.errors)
    again = start(tmp_path)
    assert again.stop() == 0
    assert "invented titles" not in "".join(again.errors)


def test_the_whole_product_answers_its_suggested_question(local_host):
    """The question that the banner shows, as it shows it."""
    with local_host.client() as client:
        started = client.post("/api/chat/start", json={"question": "What are the 10 best rated films?"})
        assert started.status_code == 202
        body = {"status": "processing"}
        while body["status"] == "processing":
            body = client.get(started.json()["poll_url"], params={"wait": 20}).json()
    assert body["status"] == "completed", body
    assert body["final_answer"]
    assert "curl -s" in "".join(local_host.errors)
    assert "Invoke-RestMethod" in "".join(local_host.errors)


def test_no_answer_to_a_user_holds_the_system_key(local_host):
    """What a conversation shows leads to our own URLs, never to the task hub's."""
    with local_host.client() as client:
        started = client.post("/api/chat/start", json={"question": "How many films are there?"})
        answers = [started, client.get(started.json()["poll_url"]), client.get(started.json()["statusQueryGetUri"])]
        answers += [client.get("/health"), client.get("/runtime/webhooks/durabletask/instances")]
    for answer in answers:
        text = answer.text + str(answer.headers)
        assert local_host.system_key not in text
        assert local_host.master_key not in text


def test_demo_users_can_log_in(local_host):
    """Two of them, so that it can be seen who owns what, and an administrator."""
    assert len({local_host.token(user) for user in ("demo", "ana", "admin")}) == 3
