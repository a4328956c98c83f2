"""How a host starts, refuses to start, and ends."""

import contextlib
import json
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import hosting
import httpx2
import pytest

APP = """
import logging, os, time
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="slow/{seconds}")
def slow(req: func.HttpRequest) -> func.HttpResponse:
    logging.info("sleeping \\x1b[31m%s", req.route_params["seconds"])
    time.sleep(float(req.route_params["seconds"]))
    return func.HttpResponse("rested")

@app.route(route="env/{name}")
def env(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(os.environ.get(req.route_params["name"], "(unset)"))
"""


PLAIN = "import azure.functions as func\napp = func.FunctionApp()\n"
DURABLE = "import azure.durable_functions as df\napp = df.DFApp()\n"
TICK = "def f(t: func.TimerRequest) -> None: ...\n"


def ask_in_vain(client, path):
    """Ask for what does not come: the host ends first, with or without an answer."""
    with contextlib.suppress(httpx2.TransportError):
        client.get(path)


def test_sigterm_lets_requests_end_and_exits_0(functions_host):
    """A request that is under way gets its answer; no new one is taken; the exit is clean."""
    host = functions_host(APP)
    with host.client() as client, ThreadPoolExecutor() as pool:
        under_way = pool.submit(client.get, "/api/slow/1.5")
        time.sleep(0.5)
        host.process.send_signal(signal.SIGTERM)
        assert under_way.result().text == "rested"
        host.process.wait(hosting.PATIENCE)
    assert host.stop() == 0


def test_ctrl_c_exits_130(functions_host):
    """Scripts can tell an interruption from an end."""
    assert functions_host(APP).stop(signal.SIGINT) == 130


def test_a_second_signal_ends_at_once(functions_host):
    """Whoever presses Ctrl+C twice does not wait for a function that sleeps."""
    host = functions_host(APP)
    with host.client() as client:
        given_up = threading.Thread(target=ask_in_vain, args=(client, "/api/slow/50"))
        given_up.start()
        time.sleep(0.5)
        host.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        began = time.monotonic()
        assert host.stop(signal.SIGINT) == 130
        assert time.monotonic() - began < 4
        given_up.join()


def test_a_function_that_never_returns_does_not_hold_the_host(functions_host):
    """The drain is bounded; the exit is still clean."""
    host = functions_host(APP)
    with host.client() as client:
        given_up = threading.Thread(target=ask_in_vain, args=(client, "/api/slow/500"))
        given_up.start()
        time.sleep(0.5)
        assert host.stop() == 0
        given_up.join()


def test_a_port_or_data_folder_in_use_is_exit_4(functions_host, tmp_path):
    """Two hosts do not share; the message says which option helps."""
    host = functions_host(APP)
    app = tmp_path / "app0"
    shared = hosting.run("start", "--script-root", app, "--port", "0", "--data", host.data)
    assert shared.returncode == 4
    assert "--data" in shared.stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = hosting.run("start", "--script-root", app, "--port", str(port), "--data", tmp_path / "other")
    assert refused.returncode == 4
    assert "--port" in refused.stderr


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (None, ["no function_app.py", "--script-root"]),
        ("import nothing_like_it\n", ["No module named 'nothing_like_it'", "function_app.py, line 1", "requirements"]),
        ("def broken(:\n", ["SyntaxError", "function_app.py, line 1"]),
        ("import azure.functions as func\n1 / 0\n", ["ZeroDivisionError", "line 2"]),
        ("import sys\nsys.exit('no licence')\n", ["SystemExit: no licence", "line 2"]),
        (PLAIN, ["defines no functions"]),
        (
            DURABLE + "@app.activity_trigger(input_name='x')\ndef act(x: dict[str, int]) -> str: ...\n",
            ["act", "plain class"],
        ),
        (PLAIN + "@app.route(route='a/{x:nonsense}')\ndef f(req: func.HttpRequest) -> str: ...\n", ["'f'", "nonsense"]),
        (PLAIN + "@app.timer_trigger(schedule='%WHEN%', arg_name='t')\n" + TICK, ["'f'", "%WHEN%"]),
        (PLAIN + "@app.timer_trigger(schedule='10:61:00', arg_name='t')\n" + TICK, ["'f'", "TimeSpan"]),
    ],
)
def test_an_app_that_does_not_load_is_exit_3_and_says_why(tmp_path, source, said):
    """File, line or function, and what to do, without a trace of the host."""
    if source is not None:
        (tmp_path / "function_app.py").write_text(source)
    ended = hosting.run("start", "--script-root", tmp_path, "--port", "0", "--data", tmp_path / "data")
    assert ended.returncode == 3, ended.stderr
    assert all(text in ended.stderr for text in said), ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_local_settings_reach_the_app_and_the_environment_wins(tmp_path):
    """Values become app settings where the environment has none."""
    (tmp_path / "function_app.py").write_text(APP)
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": {"ONE": "file", "TWO": "file"}}))
    host = hosting.start("--script-root", tmp_path, data=tmp_path / "data", TWO="environment")
    with host.client() as client:
        assert client.get("/api/env/ONE").text == "file"
        assert client.get("/api/env/TWO").text == "environment"
        assert client.get("/api/env/PYTHON_THREADPOOL_THREAD_COUNT").text == "32"
        assert client.get("/api/env/LOGIN_USERS").text == "(unset)", "an app without a catalogue is left alone"
    assert host.stop() == 0


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"Values": {"A": []}}', '{"Host": {"LocalHttpPort": "x"}}', '{"IsEncrypted": true}']
)
def test_unreadable_local_settings_are_exit_2(tmp_path, content):
    """The message names the file."""
    (tmp_path / "function_app.py").write_text(APP)
    (tmp_path / "local.settings.json").write_text(content)
    ended = hosting.run("start", "--script-root", tmp_path, "--port", "0", "--data", tmp_path / "data")
    assert (ended.returncode, "local.settings.json" in ended.stderr) == (2, True)


def test_settings_win_over_host_json(tmp_path):
    """``AzureFunctionsJobHost__...`` replaces a value of host.json; a hub named after no setting is exit 2."""
    (tmp_path / "function_app.py").write_text(APP)
    durable = {"extensions": {"http": {"routePrefix": "file"}, "durableTask": {"hubName": "%HUB%"}}}
    (tmp_path / "host.json").write_text(json.dumps(durable))
    refused = hosting.run("functions", "--script-root", tmp_path)
    assert (refused.returncode, "%HUB%" in refused.stderr) == (2, True)
    listed = hosting.run(
        "functions", "--script-root", tmp_path, HUB="mine", AzureFunctionsJobHost__extensions__http__routePrefix="v3"
    )
    assert "/v3/slow/{seconds}" in listed.stdout


def test_only_the_named_functions_are_served(functions_host):
    """--functions leaves the others out; a name that is not there is refused."""
    host = functions_host(APP, "--functions", "env")
    with host.client() as client:
        assert client.get("/api/env/HOME").status_code == 200
        assert client.get("/api/slow/0").status_code == 404


def test_what_users_send_cannot_drive_the_terminal(functions_host):
    """Control characters are escaped in the text log, and lines name the function they come from."""
    host = functions_host(APP)
    with host.client() as client:
        client.get("/api/slow/0")
    assert host.stop() == 0
    line = host.logged(lambda line: line.get("message", "").startswith("sleeping"))
    assert line["function"] == "slow"
    assert "\x1b" not in "".join(host.errors)


def test_the_banner_lists_functions_and_addresses(functions_host):
    """It says where the app is and what it serves, on standard error."""
    host = functions_host(APP)
    host.stop()
    text = "".join(host.errors)
    assert f"is up at {host.url}" in text
    assert f"{host.url}/api/slow/{{seconds}}" in text
    assert "\x1b" not in text


def test_the_keys_stay_the_same_over_restarts(functions_host, tmp_path):
    """They are made once for a data folder."""
    first = functions_host(APP)
    first.stop()
    again = hosting.start("--script-root", tmp_path / "app0", data=first.data)
    assert again.keys == first.keys
    assert again.stop() == 0


WAITING = """
import azure.durable_functions as df
from durabletask import task

app = df.DFApp()

@app.orchestration_trigger(context_name="context")
def wait(ctx: task.OrchestrationContext, _):
    return (yield ctx.wait_for_external_event("go"))
"""


def test_each_data_folder_is_a_storage_location_of_its_own(tmp_path):
    """One app, two folders, two hosts at once: keys and orchestrations of one are unknown to the other, and stay."""
    api = "/runtime/webhooks/durabletask"
    (tmp_path / "function_app.py").write_text(WAITING)

    def instances(host):
        with host.client(headers={"x-functions-key": host.system_key}) as client:
            return [instance["instanceId"] for instance in client.get(f"{api}/instances").json()]

    here, there = (hosting.start("--script-root", tmp_path, data=tmp_path / name) for name in ("here", "there"))
    assert here.keys != there.keys
    for host, name in ((here, "one"), (there, "two")):
        with host.client(headers={"x-functions-key": host.system_key}) as client:
            assert client.post(f"{api}/orchestrators/wait/{name}").status_code == 202
    assert (instances(here), instances(there)) == (["one"], ["two"])
    assert [host.stop() for host in (here, there)] == [0, 0]
    again = hosting.start("--script-root", tmp_path, data=tmp_path / "there")
    assert instances(again) == ["two"]
    assert again.stop() == 0
