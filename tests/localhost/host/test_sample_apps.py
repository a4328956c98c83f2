"""Whole apps, as they lie in folders, run by the host: the first style, the native one, and Microsoft's patterns."""

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import hosting
import httpx2
import pytest

APPS = Path(__file__).parent / "apps"
API = "/runtime/webhooks/durabletask"


def running(name, folder):
    """Run one of the apps; it is copied, because an app may write beside itself."""
    app = shutil.copytree(APPS / name, folder / name)
    host = hosting.start("--script-root", app, data=folder / "data")
    yield host
    assert host.stop() == 0, "".join(host.errors)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    yield from running("first_style", tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    yield from running("native_style", tmp_path_factory.mktemp("native"))


@pytest.fixture(scope="module")
def patterns(tmp_path_factory):
    yield from running("patterns", tmp_path_factory.mktemp("patterns"))


def follow(client, started):
    """Poll as the answer to a start says, until it is over."""
    assert started.status_code == 202, started.text
    while (answer := client.get(started.headers["location"])).status_code == 202:
        pass
    assert answer.status_code == 200, answer.text
    assert answer.json()["runtimeStatus"] == "Completed", answer.text
    return answer.json()["output"]


@pytest.mark.parametrize(
    ("name", "payload", "output"),
    [
        ("chain", None, ["Hello Tokyo!", "Hello Seattle!"]),
        ("fan_out", 4, 30),
        ("approve", 0.02, "too late"),
        ("again_and_again", None, [3, 2, True]),
        ("countdown", 3, "lift off"),
        ("counting", "one", [5, 0]),
    ],
)
def test_an_app_of_the_first_style_runs_as_it_is(first, name, payload, output):
    """Settings, prefix, blueprint, files, its own packages, and a package named like one of this project."""
    with first.client() as client:
        assert client.post(f"/v1/wait/{name}", json=payload).json() == output


def test_a_family_of_instances_knows_each_other(first):
    """Instance ids, the parent's id and the version reach orchestrators of the first style."""
    with first.client() as client:
        me = follow(client, client.post("/v1/orchestrators/family", params={"id": "parent"}))
    assert me == ["parent", None, "1.0", ["parent:child", "parent"]]


def test_the_client_of_the_first_style_steers_and_looks(first):
    """Suspend, resume, raise, history, query, restart, terminate, purge, and entities by their state."""
    with first.client() as client:
        assert client.post("/v1/orchestrators/approve", params={"id": "managed"}, json=60).status_code == 202
        seen = client.post("/v1/manage/managed").json()
        assert seen["known"] == 60
        assert seen["output"] == {"by": "manage"}
        assert seen["events"][0], seen["events"][-1] == ("ExecutionStarted", "ExecutionCompleted")
        assert (seen["missing"], seen["completed"], seen["terminated"]) == (False, True, "TERMINATED")
        assert seen["purged"] == 1
        assert "statusQueryGetUri" in seen["urls"]
        while (state := client.get("/v1/tally/managed").json()) == [False, None]:
            pass
        assert state == [True, 4]


def test_host_and_cors_of_the_settings_count(first):
    """``Host.CORS`` lets the named origin in, and no other."""
    ask = {"origin": "https://example.com", "access-control-request-method": "POST"}
    with first.client() as client:
        allowed = client.options("/v1/wait/chain", headers=ask)
        assert allowed.headers["access-control-allow-origin"] == "https://example.com"
        assert allowed.headers["access-control-allow-credentials"] == "true"
        other = client.options("/v1/wait/chain", headers={**ask, "origin": "https://elsewhere.example"})
        assert "access-control-allow-origin" not in other.headers


def test_an_app_of_the_native_style_runs(native):
    """``(context, input)``, retry policies, sub-orchestrations, entity classes, locks, the blocking client."""
    with native.client() as client:
        assert client.post("/api/run/steps", json=[1, 2]).json() == [[2, 4], {"total": 6, "timer": True}, "BrokenError"]
        for name, amount in (("ana", "50"), ("ben", "0")):
            assert client.put(f"/api/accounts/{name}", content=amount).status_code == 202
        order = {"from": "ana", "to": "ben", "amount": 30}
        assert client.post("/api/run/transfer", json=order).json() == [20, 30]
        assert client.post("/api/run/transfer", json=order).text == '"refused"'


def test_the_patterns_of_microsofts_samples_run(patterns):
    """Chaining, fan-out, monitor, a person who answers, a counter; the start wants the function key as in Azure."""
    with patterns.client() as client:

        def start(name, payload=None):
            return client.post(f"/api/orchestrators/{name}", json=payload, params={"code": patterns.function_key})

        assert client.post("/api/orchestrators/E1_HelloSequence").status_code == 401
        hello = start("E1_HelloSequence")
        assert follow(client, hello) == ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]
        assert "taskHub=PatternsHub" in hello.json()["statusQueryGetUri"]
        assert follow(client, start("E2_SizeOfFolder", ".")) > 0, "relative paths are below the app, as in Azure"
        assert follow(client, start("E3_Monitor", "job")) == 4
        assert follow(client, start("E5_Counting")) == 3

        verification = start("E4_PhoneVerification", "123")
        answer_uri = verification.json()["sendEventPostUri"].replace("{eventName}", "SmsChallengeResponse")
        for code in (1, sum(map(ord, "123"))):
            assert client.post(answer_uri, json=code).status_code == 202
        assert follow(client, verification) is True


def test_it_starts_from_any_folder(tmp_path):
    """``python /path/to/localhost start`` in the app's own folder, at the port of its settings."""
    app = shutil.copytree(APPS / "native_style", tmp_path / "elsewhere")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (app / "local.settings.json").write_text(json.dumps({"Host": {"LocalHttpPort": port}}))
    command = [sys.executable, str(hosting.ROOT / "localhost"), "start", "--enable-json-output"]
    with subprocess.Popen(
        command, cwd=app, env=hosting.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        ready = json.loads(process.stdout.readline() or '{"event": "no start"}')
        try:
            assert ready["event"] == "ready", process.stderr.read()
            assert ready["url"] == f"http://127.0.0.1:{port}"
            assert Path(ready["data"]) == app / ".data"
            with httpx2.Client(base_url=ready["url"], trust_env=False, timeout=hosting.PATIENCE) as client:
                assert client.post("/api/run/inner", json=1).json() == {"total": 1, "timer": True}
        finally:
            process.terminate()
            process.communicate(timeout=hosting.PATIENCE)
    assert process.returncode == 0
