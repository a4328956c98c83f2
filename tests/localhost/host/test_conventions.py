"""What an app may count on because it can with ``func start``: its files as people write them, and its settings."""

import json

import hosting
import pytest

from localhost import app_settings
from localhost.host import lenient_json
from localhost.host.configuration import ConfigurationError, read_host_json
from localhost.host.functions import Function
from localhost.host.load_errors import AppLoadError
from localhost.host.selection import select

API = "/runtime/webhooks/durabletask"

APP = """
import os
import subprocess
import sys
import azure.functions as func
import azure.durable_functions as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="settings")
def settings(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(" ".join(os.environ[name] for name in ("TEXT", "NUMBER", "FLAG")))

@app.route(route="off")
def off_route(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("on")

@app.activity_trigger(input_name="x")
def off_activity(x: str) -> str:
    return x

@app.route(route="send", methods=["POST"])
@app.queue_output(arg_name="message", queue_name="sent", connection="AzureWebJobsStorage")
def send(req: func.HttpRequest, message: func.Out[str]) -> func.HttpResponse:
    message.set("lost")
    return func.HttpResponse("sent")

@app.activity_trigger(input_name="text")
@app.generic_input_binding(arg_name="answer", type="textCompletion", prompt="What is {text}?")
def complete(text: str, answer: str) -> str:
    return answer

@app.timer_trigger(schedule="* * * * * *", arg_name="timer", run_on_startup=True)
@app.queue_output(arg_name="message", queue_name="sent", connection="AzureWebJobsStorage")
def tick(timer: func.TimerRequest, message: func.Out[str]) -> None:
    message.set("lost")

@app.route(route="print")
def prints(req: func.HttpRequest) -> func.HttpResponse:
    print("printed by the app")
    subprocess.run([sys.executable, "-c", "print('printed by its child')"], check=True)
    return func.HttpResponse("printed")

@app.route(route="exit")
async def exits(req: func.HttpRequest) -> func.HttpResponse:
    sys.exit("the route is over")

@app.activity_trigger(input_name="x")
def exit_activity(x: str) -> str:
    sys.exit("the activity is over")

@app.orchestration_trigger(context_name="context")
def exit_orchestrator(context):
    sys.exit("the orchestrator is over")

more = func.Blueprint()

@more.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:01")
@more.timer_trigger(schedule="0 0 0 1 1 *", arg_name="timer")
def again(timer: func.TimerRequest) -> None: ...

app.register_functions(more)

@app.queue_trigger(arg_name="message", queue_name="received", connection="AzureWebJobsStorage")
def receive(message: func.QueueMessage) -> None: ...

@app.orchestration_trigger(context_name="context")
def call(context):
    return (yield context.call_activity(context.get_input(), "x"))
"""
SETTINGS = """{
  // where it runs
  "IsEncrypted": false,
  "Values": {
    "FUNCTIONS_WORKER_RUNTIME": "python", /* or not */
    "TEXT": "https://example.com//,}",
    "NUMBER": 5,
    "FLAG": true,
    "NOTHING": null,
    "AzureWebJobs.off_route.Disabled": "true",
    "AzureWebJobs__Off_Activity__Disabled": "1",
    "AzureWebJobs.settings.Disabled": "false",
  },
}
"""
HOST_JSON = """{
  "version": "2.0", // of the schema
  "extensions": {"http": {"routePrefix": "v2", "customHeaders": {"X-Frame-Options": "DENY"}}},
}
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    folder = tmp_path_factory.mktemp("conventions")
    for name, content in (("function_app.py", APP), ("local.settings.json", SETTINGS), ("host.json", HOST_JSON)):
        (folder / name).write_text(content)
    running = hosting.start("--script-root", folder, data=folder / "data")
    yield running
    assert running.stop() == 0, "".join(running.errors)


def test_files_may_have_comments_last_commas_numbers_and_headers_for_every_answer(host):
    """A setting that is a number or a truth value is its text."""
    with host.client() as client:
        answer = client.get("/v2/settings")
        assert answer.text == "https://example.com//,} 5 true"
        assert answer.headers["x-frame-options"] == "DENY"
        assert client.get("/v2/nowhere").headers["x-frame-options"] == "DENY"


def test_a_disabled_function_is_listed_as_such_and_does_not_run(host):
    """By ``AzureWebJobs.NAME.Disabled``, or with underscores; one that is not true changes nothing."""
    with host.client(headers={"x-functions-key": host.master_key}) as client:
        assert client.get("/v2/off").status_code == 404
        ended = client.post(f"{API}/orchestrators/call", params={"timeout": 20}, json="off_activity").json()
        assert (ended["runtimeStatus"], "is disabled" in ended["output"]) == ("Failed", True)
        known = {function["name"]: function["isDisabled"] for function in client.get("/admin/functions").json()}
        assert (known["off_route"], known["off_activity"], known["settings"]) == (True, True, False)
    assert "Disabled by an app setting: off_route" in "".join(host.errors)


def test_what_this_host_has_nothing_behind_is_refused_and_nothing_is_lost(host):
    """A function whose input or output would come from or go to a queue is not called, and its caller is told why."""
    with host.client(headers={"x-functions-key": host.master_key}) as client:
        sent = client.post("/v2/send")
        assert (sent.status_code, "type queue" in sent.json()["error"]) == (501, True)
        ended = client.post(f"{API}/orchestrators/call", params={"timeout": 20}, json="complete").json()
        assert (ended["runtimeStatus"], "type textCompletion" in ended["output"]) == ("Failed", True)
        for name, kind in (("tick", "type queue"), ("receive", "type queueTrigger")):
            run = client.post(f"/admin/functions/{name}", json={})
            assert (run.status_code, kind in run.json()["error"]) == (501, True)
    banner = "".join(host.errors)
    assert "Retry policy not applied here: again" in banner
    assert "NOT SERVED HERE: send (queue)" in banner
    assert "Timer tick" not in banner
    assert not any(line.get("function") == "tick" for line in host.lines)


def test_a_function_that_exits_has_failed_and_the_host_goes_on(host):
    """``sys.exit`` in a function ends that call, wherever the function runs."""
    with host.client(headers={"x-functions-key": host.master_key}) as client:
        assert client.get("/v2/exit").status_code == 500
        for name, payload, said in (
            ("call", "exit_activity", "the activity is over"),
            ("exit_orchestrator", None, "the orchestrator is over"),
        ):
            ended = client.post(f"{API}/orchestrators/{name}", params={"timeout": 20}, json=payload).json()
            assert (ended["runtimeStatus"], said in ended["output"]) == ("Failed", True)


def test_what_an_app_prints_does_not_come_between_the_lines_that_programs_read(host):
    """It goes to standard error, as what its children print; the log stays one object a line."""
    with host.client() as client:
        assert client.get("/v2/print").text == "printed"
    host.logged(lambda line: line.get("function") == "prints")
    errors = "".join(host.errors)
    assert ("printed by the app" in errors, "printed by its child" in errors) == (True, True)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('{"a": "//", "b": "/* */", "c": ",]"}', {"a": "//", "b": "/* */", "c": ",]"}),
        ("[1, /* , */ 2, // 3,\n]", [1, 2]),
        (r'{"quoted \" // and \\": 1,}', {'quoted " // and \\': 1}),
    ],
)
def test_only_what_is_outside_of_texts_is_a_comment_or_a_comma_too_many(text, meant):
    assert lenient_json.loads(text) == meant


def test_an_error_in_a_file_with_comments_is_where_it_was():
    with pytest.raises(ValueError, match="line 3 column 4"):
        lenient_json.loads("{ // a\n/* b\n*/ a: 1}")


def test_host_json_may_name_the_functions_that_run(tmp_path):
    """``functions`` is a list; a name that is not there is refused, and a list it must be."""
    (tmp_path / "host.json").write_text(json.dumps({"functions": ["One"]}))
    app = [Function(name, name, "", []) for name in ("one", "two")]
    assert [f.name for f in select(app, read_host_json(tmp_path, {}).functions, {}).running] == ["one"]
    with pytest.raises(AppLoadError, match="no function three"):
        select(app, ["three"], {})
    (tmp_path / "host.json").write_text(json.dumps({"functions": "one"}))
    with pytest.raises(ConfigurationError, match="list"):
        read_host_json(tmp_path, {})


def test_an_app_of_another_kind_is_refused_for_what_it_is(tmp_path):
    """Another language by its setting, the v1 model by its folders."""
    (tmp_path / "hello").mkdir()
    (tmp_path / "hello" / "function.json").write_text("{}")
    start = ("start", "--script-root", tmp_path, "--port", "0", "--data", tmp_path / "data")
    of_folders = hosting.run(*start)
    assert (of_folders.returncode, "v1 model" in of_folders.stderr) == (3, True)
    of_node = hosting.run(*start, FUNCTIONS_WORKER_RUNTIME="node")
    assert (of_node.returncode, "'node'; this host runs apps in Python" in of_node.stderr) == (2, True)


def test_an_object_is_no_setting(tmp_path):
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": {"ONE": {"two": 3}}}))
    with pytest.raises(ConfigurationError, match="ONE must be strings"):
        app_settings.read_local_settings(tmp_path)
