"""What the stand-ins promise to tests that switch faults on."""

import json
import urllib.error
import urllib.request
from http.client import RemoteDisconnected
from threading import Thread

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from localhost.services.faults import Fault, Faults


@pytest.fixture
def faults():
    return Faults()


@pytest.fixture
def url(faults):
    app = Starlette(
        routes=[
            Route("/things/{id}", lambda request: JSONResponse({"id": request.path_params["id"]})),
            Route("/_about", lambda _: JSONResponse({"stand_in": True})),
        ]
    )
    server = uvicorn.Server(uvicorn.Config(faults.install(app), port=0, log_level="warning", lifespan="off"))
    thread = Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def call(url, method="GET", body=None):
    request = urllib.request.Request(url, method=method, data=None if body is None else json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, json.loads(answer.read() or "null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, json.loads(error.read() or "null")


def test_answers_in_place_of_the_service(url):
    """A transport fault answers with its status, headers and body as often as it says, then the service again."""
    fault = {"match": "GET /things/1$", "times": 2, "status": 429, "headers": {"Retry-After": "3"}, "body": {"a": 1}}
    assert call(f"{url}/_faults", "POST", fault)[0] == 204

    for _ in range(2):
        status, headers, body = call(f"{url}/things/1")
        assert (status, headers["Retry-After"], body) == (429, "3", {"a": 1})
        assert call(f"{url}/things/2")[0] == 200, "another path is untouched"
    assert call(f"{url}/things/1")[2] == {"id": "1"}


def test_drops_the_connection(url):
    """A dropped connection gives the client no answer at all, and the server lives on."""
    call(f"{url}/_faults", "POST", [{"drop": True}])

    with pytest.raises((RemoteDisconnected, ConnectionResetError, urllib.error.URLError)):
        call(f"{url}/things/1")

    assert call(f"{url}/things/1")[0] == 200
    assert [entry["status"] for entry in call(f"{url}/_calls")[2]] == [None, 200]


def test_keeps_a_journal(url):
    """The journal holds the requests of clients, not those to the stand-in's own paths."""
    call(f"{url}/things/1")
    call(f"{url}/_about")
    call(f"{url}/_faults", "POST", {"status": 503})
    call(f"{url}/things/2")

    journal = call(f"{url}/_calls")[2]

    assert [(c["method"], c["path"], c["status"]) for c in journal] == [
        ("GET", "/things/1", 200),
        ("GET", "/things/2", 503),
    ]
    assert call(f"{url}/_calls", "DELETE")[0] == 204
    assert call(f"{url}/_calls")[2] == []


def test_refuses_what_is_not_a_fault(url):
    """A misspelt field or a broken pattern is refused, so that no test passes because nothing was injected."""
    for wrong in ({"statsu": 500}, {"match": "("}, "drop"):
        assert call(f"{url}/_faults", "POST", wrong)[0] == 400
    assert call(f"{url}/_faults")[2] == []


def test_leaves_the_stand_ins_own_paths_alone(url):
    """A fault that matches everything neither hits nor is used up by health checks."""
    call(f"{url}/_faults", "POST", {"status": 500})

    assert call(f"{url}/_about")[0] == 200
    assert [fault["times"] for fault in call(f"{url}/_faults")[2]] == [1]
    assert call(f"{url}/_faults", "DELETE")[0] == 204
    assert call(f"{url}/things/1")[0] == 200


def test_effects_are_taken_by_name_and_subject(faults):
    """A semantic fault is given to the service that asks for it, after `skip` matches, `times` times."""
    faults.add(Fault(effect="fail_run", match="job 7", skip=1, times=2, detail={"message": "no nodes"}))

    assert faults.take("hang_run", "job 7") is None
    assert faults.take("fail_run", "job 8") is None
    taken = [faults.take("fail_run", "job 7") for _ in range(4)]

    assert [fault and fault.detail for fault in taken] == [None, {"message": "no nodes"}, {"message": "no nodes"}, None]
    assert faults.waiting() == []


def test_a_fault_without_end_stays(faults):
    """`times` 0 means for ever."""
    faults.add(Fault(effect="fail_statement", times=0))

    assert all(faults.take("fail_statement") for _ in range(5))
