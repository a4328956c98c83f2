"""HTTP functions as their callers meet them."""

import json
import socket
from urllib.parse import urlsplit

import hosting
import pytest

APP = """
import json
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="echo/{*rest}")
def echo(req: func.HttpRequest) -> func.HttpResponse:
    seen = {"method": req.method, "url": req.url, "headers": dict(req.headers), "query": dict(req.params),
            "route": dict(req.route_params), "body": req.get_body().decode("latin-1")}
    return func.HttpResponse(json.dumps(seen), mimetype="application/json", headers={"x-one": "1"})

@app.route(route="items/{id:int}", methods=["GET", "DELETE"])
async def item(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"item {req.route_params['id']}", status_code=207)

@app.route(route="items/special", methods=["GET"])
def special(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("special")

@app.route(route="items/{name}", methods=["GET"])
def named(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("named " + req.route_params["name"])

@app.route(route="items", methods=["POST"])
def create(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(status_code=201, headers={"Location": "/api/items/1"})

@app.route(route="binary", methods=["POST"])
def binary(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(req.get_body()[::-1], mimetype="application/octet-stream")

@app.route(route="cookies", methods=["GET"])
def cookies(req: func.HttpRequest) -> func.HttpResponse:
    answer = func.HttpResponse("ok")
    answer.headers.add("Set-Cookie", "a=1; Path=/; HttpOnly")
    answer.headers.add("Set-Cookie", "b=2; Secure")
    return answer

@app.route(route="text", methods=["GET"])
def text(req: func.HttpRequest) -> str:
    return "plain"

@app.route(route="broken", methods=["GET"])
def broken(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("password=hunter2 \\x1b[31mred")

@app.route(route="locked", auth_level=func.AuthLevel.FUNCTION)
def locked(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("in")

@app.route(route="vault", auth_level=func.AuthLevel.ADMIN)
def vault(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("in")

@app.route(route="own-options", methods=["OPTIONS"])
def own_options(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("mine")
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("http")
    (folder / "function_app.py").write_text(APP)
    (folder / "local.settings.json").write_text(
        json.dumps({"Values": {"GREETING": "hi"}, "Host": {"CORS": "https://page.example", "LocalHttpPort": 1}})
    )
    host = hosting.start("--script-root", folder, data=folder / "data")
    yield host
    assert host.stop() == 0, "".join(host.errors)


@pytest.fixture
def client(app):
    with app.client() as client:
        yield client


def raw(app, request):
    """Send bytes as they are and return the whole answer."""
    address = urlsplit(app.url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(request)
        connection.settimeout(10)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


def test_a_function_sees_the_request_as_it_was_sent(app, client):
    """Method, URL, lower-case headers, query, route values and body arrive unchanged."""
    answer = client.put("/api/echo/a/b%20c?x=1&x=2&y=%C3%A9&empty=", content=b"\xff\x00", headers={"X-Two": "a"})
    seen = answer.json()
    assert answer.headers["x-one"] == "1"
    assert answer.headers["content-type"] == "application/json"
    assert seen["method"] == "PUT"
    assert seen["url"] == f"{app.url}/api/echo/a/b%20c?x=1&x=2&y=%C3%A9&empty="
    assert seen["query"] == {"x": "1,2", "y": "é"}
    assert seen["route"] == {"rest": "a/b c"}
    assert seen["headers"]["x-two"] == "a"
    assert seen["body"] == "\xff\x00"


def test_a_header_sent_twice_is_one_value_with_a_comma(app):
    """Headers of one name are joined, as on the platform."""
    answer = raw(app, b"GET /api/echo/x HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-A: 2\r\nConnection: close\r\n\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["headers"]["x-a"] == "1,2"


def test_the_most_specific_route_answers(client):
    """Literal before constrained before plain."""
    assert client.get("/api/items/special").text == "special"
    assert client.get("/api/items/7").text == "item 7"
    assert client.get("/api/items/seven").text == "named seven"


def test_status_headers_and_bytes_pass_unchanged(client):
    """What the function answers is what the caller gets, byte for byte."""
    assert client.get("/api/items/7").status_code == 207
    created = client.post("/api/items", json={})
    assert (created.status_code, created.headers["location"]) == (201, "/api/items/1")
    body = bytes(range(256)) * 500
    assert client.post("/api/binary", content=body).content == body[::-1]


def test_every_cookie_is_set(client):
    """Several Set-Cookie headers stay several."""
    assert client.get("/api/cookies").headers.get_list("set-cookie") == ["a=1; HttpOnly; Path=/", "b=2; Secure"]


def test_a_returned_string_is_text(client):
    """A function may return a plain string."""
    answer = client.get("/api/text")
    assert (answer.text, answer.headers["content-type"]) == ("plain", "text/plain; charset=utf-8")


def test_unknown_paths_are_404_and_other_methods_405_with_allow(client):
    """An error is one JSON shape: what, a stable code, what to do."""
    missing = client.get("/api/nothing")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert missing.json().keys() == {"status", "error", "code", "do"}
    wrong = client.put("/api/items")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "OPTIONS, POST")
    assert client.get("/items").status_code == 404, "the prefix belongs to the route"


def test_head_is_get_without_its_body_and_options_lists_the_methods(client):
    """HEAD and OPTIONS are answered though no function names them; one that does answers itself."""
    head = client.head("/api/items/7")
    assert (head.status_code, head.content) == (207, b"")
    options = client.options("/api/items/7")
    assert (options.status_code, options.headers["allow"]) == (204, "DELETE, GET, HEAD, OPTIONS")
    assert client.options("/api/own-options").text == "mine"


def test_what_a_function_raises_stays_in_the_log(app, client):
    """The caller gets 500 and a request id, no message and no trace; the log has both, escaped."""
    answer = client.get("/api/broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text
    logged = app.logged(lambda line: line.get("request_id") == answer.json()["request_id"])
    assert "RuntimeError" in logged["exception"]
    assert logged["function"] == "broken"


def test_keys_open_what_their_level_says(app, client):
    """No key 401; the function key opens functions, the master key everything; header or query string."""
    assert client.get("/api/locked").status_code == 401
    assert client.get("/api/locked", headers={"x-functions-key": "wrong"}).status_code == 401
    assert client.get("/api/locked", headers={"x-functions-key": app.function_key}).text == "in"
    assert client.get("/api/locked", params={"code": app.master_key}).text == "in"
    assert client.get("/api/vault", params={"code": app.function_key}).status_code == 401
    assert client.get("/api/vault", params={"code": app.master_key}).text == "in"
    assert client.get("/api/locked", headers={"x-functions-key": "ñ".encode()}).status_code == 401


def test_keys_are_for_their_owner_only(app):
    """keys.json can be read by nobody else."""
    assert (app.data / "keys.json").stat().st_mode & 0o077 == 0


def test_a_body_beyond_the_platforms_limit_is_413(app):
    """What declares more than 100 MB is refused before it is sent."""
    request = b"POST /api/binary HTTP/1.1\r\nHost: h\r\nContent-Length: 104857601\r\nConnection: close\r\n\r\n"
    assert raw(app, request).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("path", ["/api/echo/..%2f..%2fadmin%2fhost%2fstatus", "/api/echo/%2e%2e/x", "/api/echo/a%00b"])
def test_encoded_tricks_reach_nothing_else(app, path):
    """An encoded slash is no separator, dots do not climb, NUL is refused."""
    answer = raw(app, f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
    status = int(answer.split()[1])
    if "%2f" in path:
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["route"] == {"rest": "..%2f..%2fadmin%2fhost%2fstatus"}
    else:
        assert status in {400, 404}


def test_pages_of_the_allowed_origins_may_call(client):
    """CORS comes from local.settings.json; other origins get no permission."""
    preflight = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}
    allowed = client.options("/api/items", headers=preflight)
    assert allowed.headers["access-control-allow-origin"] == "https://page.example"
    assert (
        "access-control-allow-origin"
        not in client.options("/api/items", headers=preflight | {"Origin": "https://evil.example"}).headers
    )


def test_admin_endpoints_want_the_master_key_except_ping(app, client):
    """The state of the host and its functions is for its owner."""
    assert client.get("/admin/host/ping").status_code == 200
    assert client.get("/admin/host/status").status_code == 401
    assert client.get("/admin/host/status", params={"code": app.system_key}).status_code == 401
    key = {"x-functions-key": app.master_key}
    status = client.get("/admin/host/status", headers=key).json()
    assert status["state"] == "Running"
    listed = {f["name"]: f for f in client.get("/admin/functions", headers=key).json()}
    assert listed["item"]["invoke_url_template"] == f"{app.url}/api/items/{{id:int}}"
    assert client.get("/admin/functions/ITEM", headers=key).json()["config"]["bindings"][0]["type"] == "httpTrigger"
    assert client.get("/admin/functions/nobody", headers=key).status_code == 404


def test_the_root_says_that_the_app_is_up(client):
    """An app without a page of its own has one."""
    assert "running" in client.get("/").text


ASGI = """
import json
import azure.functions as func

async def web(scope, receive, send):
    if scope["type"] == "lifespan":
        while (event := (await receive())["type"]) != "lifespan.shutdown":
            await send({"type": f"{event}.complete"})
        return
    body = (await receive())["body"].decode()
    seen = json.dumps([scope["method"], scope["path"], scope["query_string"].decode(), body]).encode()
    headers = [(b"content-type", b"application/json"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": seen[:5], "more_body": True})
    await send({"type": "http.response.body", "body": seen[5:]})

app = func.AsgiFunctionApp(app=web, http_auth_level=func.AuthLevel.ANONYMOUS)
"""


def test_a_whole_web_application_may_be_one_function(tmp_path):
    """Without a prefix it has every path but the host's own."""
    (tmp_path / "function_app.py").write_text(ASGI)
    (tmp_path / "host.json").write_text(json.dumps({"extensions": {"http": {"routePrefix": ""}}}))
    host = hosting.start("--script-root", tmp_path, data=tmp_path / "data")
    with host.client() as client:
        answer = client.post("/shop/ü?page=2", content="body")
        assert (answer.status_code, answer.json()) == (201, ["POST", "/shop/ü", "page=2", "body"])
        assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
        assert client.get("/").json()[:2] == ["GET", "/"]
        assert client.get("/admin/host/status").status_code == 401
    assert host.stop() == 0
