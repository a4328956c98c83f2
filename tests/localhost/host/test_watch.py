"""Hot reload: ``start --watch``."""

import signal
import socket
import time
from pathlib import Path

import hosting
import httpx2
import pytest

APP = """
import asyncio, os
import azure.functions as func
import azure.durable_functions as df
from durabletask import task
from parts.words import WORD

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="word")
def word(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"{WORD} {os.environ.get('TONE', 'flat')} {os.getpid()}")

@app.orchestration_trigger(context_name="context")
def patient(ctx: task.OrchestrationContext, _):
    before = yield ctx.call_activity("work")
    event = yield ctx.wait_for_external_event("go")
    return [before, event]

@app.activity_trigger(input_name="nothing")
async def work(nothing: str) -> str:
    if WORD == "one":
        with open(os.environ["STARTED"], "a") as file:
            file.write("x")
        await asyncio.sleep(600)
    return WORD
"""
API = "/runtime/webhooks/durabletask"


def app_in(folder: Path) -> Path:
    app = folder / "app"
    (app / "parts").mkdir(parents=True)
    (app / "function_app.py").write_text(APP)
    (app / "parts" / "words.py").write_text("WORD = 'one'\n")
    (app / "local.settings.json").write_text('{"Values": {"TONE": "low"}}')
    return app


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return app_in(tmp_path_factory.mktemp("watched"))


@pytest.fixture(scope="module")
def watched(folder):
    """One host for all edits, which follow each other."""
    started = str(folder.parent / "started")
    host = hosting.start("--script-root", folder, "--watch", data=folder / "data", STARTED=started)
    yield host
    assert host.stop() == 0, "".join(host.errors)
    assert not listens(host)


def listens(host) -> bool:
    """Whether anybody still has the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(host.url.rsplit(":", maxsplit=1)[1]))) == 0


def save(path: Path, text: str) -> None:
    """Write a file as editors do: aside, then in its place."""
    staged = path.with_suffix(".tmp")
    staged.write_text(text)
    staged.replace(path)


def until(host, wanted, path="/api/word"):
    """Ask until the answer is ``wanted``; no request is refused meanwhile."""
    deadline = time.monotonic() + hosting.PATIENCE
    with httpx2.Client(base_url=host.url, trust_env=False, timeout=hosting.PATIENCE) as client:
        while time.monotonic() < deadline:
            answer = client.get(path, headers={"connection": "close"})
            if wanted(answer):
                return answer
            time.sleep(0.02)
    raise AssertionError(f"{answer.status_code} {answer.text} {''.join(host.errors)}")


def test_an_edit_restarts_the_app_and_loses_no_work(watched, folder):
    """Code is new, process is new; port, keys and orchestrations are the same; the activity under way runs again."""
    keys, started = dict(watched.keys), folder.parent / "started"
    with watched.client(headers={"x-functions-key": watched.system_key}) as client:
        first = client.get("/api/word").text
        assert first.startswith("one low ")
        assert client.post(f"{API}/orchestrators/patient/kept").status_code == 202
        while not started.exists():
            time.sleep(0.01)
    save(folder / "parts" / "words.py", "WORD = 'two'\n")
    second = until(watched, lambda answer: answer.text.startswith("two low ")).text
    assert second.split()[-1] != first.split()[-1]
    with watched.client(headers={"x-functions-key": keys["system"]}) as client:
        raised = client.post(f"{API}/instances/kept/raiseEvent/go", json="now")
        assert raised.status_code == 202, "the port and the key are the same, and the instance is still there"
        while (state := client.get(f"{API}/instances/kept")).status_code == 202:
            pass
    assert state.json()["output"] == ["two", "now"]
    assert started.read_text() == "x"


def test_a_burst_of_edits_is_one_restart_and_the_files_of_others_are_none(watched, folder):
    """Saving all files, or a formatter, does not start the app for each; environments, caches and data do not count."""
    before = sum(line.get("event") == "ready" for line in list(watched.lines))
    others = (".venv", "__pycache__", "environment", "data", "tests")
    (folder / ".funcignore").write_text("# not deployed\n/tests\nlocal.settings.json\n")
    for name in others:
        (folder / name).mkdir(exist_ok=True)
    (folder / "environment" / "pyvenv.cfg").write_text("")
    for name in others:
        save(folder / name / "module.py", "X = 1\n")
    save(folder / "notes.txt", "x")
    for n in range(20):
        save(folder / "parts" / f"more_{n}.py", f"N = {n}\n")
    save(folder / "parts" / "words.py", "WORD = 'burst'\n")
    until(watched, lambda answer: answer.text.startswith("burst "))
    restarts = sum(line.get("event") == "ready" for line in list(watched.lines)) - before
    assert 1 <= restarts <= 3, "one, unless the machine was too busy to save them in a burst"
    assert "more_0.py" in "".join(watched.errors)
    assert "module.py" not in "".join(watched.errors)


def test_an_app_that_does_not_load_is_waited_for(watched, folder):
    """The error is shown, callers get 503, and the next edit brings the app back at the same address."""
    save(folder / "parts" / "words.py", "WORD = (\n")
    unavailable = until(watched, lambda answer: answer.status_code == 503)
    assert unavailable.json()["code"] == "app_does_not_load"
    assert unavailable.headers["retry-after"] == "1"
    assert "SyntaxError" in "".join(watched.errors)
    assert "words.py, line 1" in "".join(watched.errors)
    assert "Traceback" not in "".join(watched.errors)
    save(folder / "parts" / "words.py", "WORD = 'mended'\n")
    until(watched, lambda answer: answer.text.startswith("mended "))


def test_configuration_is_read_again(watched, folder):
    """An edit of local.settings.json or host.json reaches the app."""
    save(folder / "local.settings.json", '{"Values": {"TONE": "high"}}')
    save(folder / "host.json", '{"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}')
    answer = until(watched, lambda answer: answer.status_code == 200, "/word")
    assert " high " in answer.text
    (folder / "host.json").unlink()
    until(watched, lambda answer: answer.status_code == 200)


def test_ctrl_c_ends_both_processes(tmp_path):
    """One signal, the exit code of a host, and nothing is left behind."""
    host = hosting.start("--script-root", app_in(tmp_path), "--watch", data=tmp_path / "data")
    assert host.stop(signal.SIGINT) == 130
    assert not listens(host)


def test_the_host_ends_when_its_watcher_is_killed(tmp_path):
    """No process is left behind with the port."""
    host = hosting.start("--script-root", app_in(tmp_path), "--watch", data=tmp_path / "data")
    host.stop(signal.SIGKILL)
    deadline = time.monotonic() + hosting.PATIENCE
    while listens(host):
        assert time.monotonic() < deadline
        time.sleep(0.05)
