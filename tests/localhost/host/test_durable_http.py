"""Durable HTTP: ``context.call_http``, with its polling, against a server on this machine."""

import json
import signal
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import hosting
import pytest

APP = """
import azure.functions as func
import azure.durable_functions as df
from durabletask import task

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

def told(answer):
    return {"status": answer.status_code, "content": answer.content,
            "headers": {name.lower(): value for name, value in answer.headers.items()}}

@app.orchestration_trigger(context_name="context")
def first_style(context):
    asked = context.get_input()
    answer = yield context.call_http(asked.get("method", "GET"), asked["url"], asked.get("content"),
                                     asked.get("headers"), is_raw_str=asked.get("raw", False))
    return told(answer)

@app.orchestration_trigger(context_name="context")
def native_style(ctx: task.OrchestrationContext, asked: dict):
    return told((yield df.DurableOrchestrationContext(ctx).call_http("GET", asked["url"])))
"""
API = "/runtime/webhooks/durabletask"


class Server(ThreadingHTTPServer):
    """Answers what the path says, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.asked = []
        self.counts = Counter()
        self.elsewhere = ""

    def to(self, path):
        return [request for request in self.asked if request["path"] == path]


class Handler(BaseHTTPRequestHandler):
    def answer(self):
        server = self.server
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        server.asked.append({"path": self.path, "method": self.command, "headers": headers, "body": body})
        server.counts[self.path] += 1
        status, extra, content = server_says(server, self.path)
        self.send_response(status)
        for name, value in {**extra, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content.encode())

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *_):
        pass


def server_says(server, path):
    match path.strip("/").split("/"):
        case ["job" | "slow" as kind, name]:
            return 202, {"Location": f"/{kind}/{name}/state", "Retry-After": "0"}, ""
        case ["job" | "slow" as kind, name, "state"]:
            if server.counts[path] < (4 if kind == "job" else 2):
                return 202, {"Location": path, "Retry-After": "0" if kind == "job" else "1"}, "not yet"
            return 200, {"X-Job": "done"}, json.dumps({"polls": server.counts[path]})
        case ["leads", "elsewhere"]:
            return 202, {"Location": f"{server.elsewhere}/job/foreign/state", "Retry-After": "0"}, ""
        case ["redirects", "elsewhere"]:
            return 302, {"Location": f"{server.elsewhere}/echo"}, ""
        case ["accepted"]:
            return 202, {}, "and that is all"
        case ["status", code]:
            return int(code), {}, f"this is {code}"
        case _:
            return 200, {"Content-Type": "text/plain"}, "heard"


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("durable_http")
    (folder / "function_app.py").write_text(APP)
    host = hosting.start("--script-root", folder, data=folder / "data", NO_PROXY="*")
    yield host
    assert host.stop() == 0, "".join(host.errors)


@pytest.fixture
def servers():
    pair = [Server(), Server()]
    pair[0].elsewhere = pair[1].url
    for server in pair:
        threading.Thread(target=server.serve_forever).start()
    yield pair
    for server in pair:
        server.shutdown()
        server.server_close()


def call(app, name="first_style", **asked):
    with app.client(headers={"x-functions-key": app.system_key}) as client:
        answer = client.post(f"{API}/orchestrators/{name}", json=asked, params={"timeout": 60})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("style", ["first_style", "native_style"])
def test_a_202_is_polled_until_it_is_over(app, servers, style):
    """The Location is followed, relative as it is, as often as it takes; the orchestrator gets the last answer."""
    server = servers[0]
    answer = call(app, style, url=f"{server.url}/job/long")
    assert (answer["status"], json.loads(answer["content"])) == (200, {"polls": 4})
    assert answer["headers"]["x-job"] == "done"
    assert len(server.to("/job/long")) == 1
    assert [request["method"] for request in server.to("/job/long/state")] == ["GET"] * 4


def test_method_headers_and_body_arrive(app, servers):
    """Content is sent as JSON, or as the text it is; polls are plain GETs with the same headers."""
    server = servers[0]
    headers = {"X-Mine": "yes", "Content-Type": "application/json"}
    call(app, url=f"{server.url}/job/posted", method="POST", content={"n": [1]}, headers=headers)
    [posted] = server.to("/job/posted")
    assert (posted["method"], json.loads(posted["body"])) == ("POST", {"n": [1]})
    assert posted["headers"]["x-mine"] == "yes"
    assert {(poll["method"], poll["body"], poll["headers"]["x-mine"]) for poll in server.to("/job/posted/state")} == {
        ("GET", "", "yes")
    }
    raw = call(app, url=f"{server.url}/echo", method="PUT", content="as it is", raw=True)
    assert (raw["status"], raw["content"], server.to("/echo")[-1]["body"]) == (200, "heard", "as it is")


@pytest.mark.parametrize("code", [204, 404, 429, 500, 503])
def test_other_answers_are_the_orchestrators_to_judge(app, servers, code):
    """A status that is no success is an answer, not an exception."""
    answer = call(app, url=f"{servers[0].url}/status/{code}")
    assert answer["status"] == code
    assert len(servers[0].asked) == 1


def test_a_202_that_leads_nowhere_is_the_answer(app, servers):
    """Without a Location there is nothing to poll."""
    answer = call(app, url=f"{servers[0].url}/accepted")
    assert (answer["status"], answer["content"]) == (202, "and that is all")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "file:///etc/hostname", "no-url"])
def test_what_cannot_be_asked_fails_the_call(app, url):
    """Nobody there, another scheme, no URL: the orchestration fails and says so."""
    state = call(app, url=url)
    assert state["runtimeStatus"] == "Failed"
    assert state["output"]


@pytest.mark.parametrize("way", ["leads", "redirects"])
def test_secrets_stay_with_their_origin(app, servers, way):
    """To another origin, by poll or by redirect, goes no Authorization, cookie or key; other headers do."""
    secrets = {"Authorization": "Bearer s", "Cookie": "c=1", "X-Functions-Key": "k", "Proxy-Authorization": "p"}
    answer = call(app, url=f"{servers[0].url}/{way}/elsewhere", headers={**secrets, "X-Open": "yes"})
    assert answer["status"] == 200
    assert servers[0].asked[0]["headers"].keys() >= {name.lower() for name in secrets}
    assert servers[1].asked
    for request in servers[1].asked:
        assert not request["headers"].keys() & {name.lower() for name in secrets}
        assert request["headers"]["x-open"] == "yes"


def test_polls_at_home_are_authorised(app, servers):
    """The same origin is asked with the same Authorization, but never with the function key."""
    headers = {"Authorization": "Bearer s", "X-Functions-Key": "k"}
    call(app, url=f"{servers[0].url}/job/home", headers=headers)
    for poll in servers[0].to("/job/home/state"):
        assert poll["headers"]["authorization"] == "Bearer s"
        assert "x-functions-key" not in poll["headers"]


def test_polling_outlives_the_host(tmp_path, servers):
    """Killed between two polls and started again, it polls on; what was asked is not asked again."""
    server = servers[0]
    (tmp_path / "function_app.py").write_text(APP)
    host = hosting.start("--script-root", tmp_path, data=tmp_path / "data", NO_PROXY="*")
    with host.client(headers={"x-functions-key": host.system_key}) as client:
        started = client.post(f"{API}/orchestrators/first_style/kept", json={"url": f"{server.url}/slow/one"})
        assert started.status_code == 202
    deadline = time.monotonic() + hosting.PATIENCE
    while not server.to("/slow/one/state"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    host.stop(signal.SIGKILL)
    again = hosting.start("--script-root", tmp_path, data=tmp_path / "data", NO_PROXY="*")
    with again.client(headers={"x-functions-key": again.system_key}) as client:
        while (state := client.get(f"{API}/instances/kept")).status_code == 202:
            time.sleep(0.02)
    assert again.stop() == 0
    assert state.json()["output"]["status"] == 200
    assert len(server.to("/slow/one")) == 1
