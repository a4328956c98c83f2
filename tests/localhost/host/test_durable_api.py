"""The HTTP API of Durable Functions, with its documented shapes and status codes."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import hosting
import pytest

APP = """
from datetime import timedelta
import azure.durable_functions as df
from durabletask import task

app = df.DFApp()

@app.orchestration_trigger(context_name="context")
def wait(ctx: task.OrchestrationContext, payload):
    ctx.set_custom_status("waiting")
    event = yield ctx.wait_for_external_event("go")
    return {"payload": payload, "event": event}

@app.orchestration_trigger(context_name="context")
def double(ctx: task.OrchestrationContext, n):
    return (yield ctx.call_activity("twice", input=n))

@app.activity_trigger(input_name="n")
def twice(n: int) -> int:
    return 2 * n

BROKEN = {"yes": True}

@app.orchestration_trigger(context_name="context")
def fragile(ctx: task.OrchestrationContext, _):
    yield ctx.call_activity("twice", input=1)
    return (yield ctx.call_activity("break_once", input="x"))

@app.activity_trigger(input_name="what")
def break_once(what: str) -> str:
    if BROKEN.pop("yes", False):
        raise ValueError("broken once")
    return "mended"

@app.entity_trigger(context_name="context")
def counter(context):
    if context.operation_name == "delete":
        return context.set_state(None)
    if context.operation_name == "put":
        return context.set_state(context.get_input())
    context.set_state(context.get_state(lambda: 0) + (context.get_input() or 1))

@app.orchestration_trigger(context_name="context")
def versioned(ctx: task.OrchestrationContext, _):
    return ctx.version
    yield

@app.orchestration_trigger(context_name="context")
def fails(ctx: task.OrchestrationContext, _):
    raise ValueError("never worked")
    yield
"""
API = "/runtime/webhooks/durabletask"


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    (folder / "function_app.py").write_text(APP)
    host = hosting.start("--script-root", folder, data=folder / "data")
    yield host
    assert host.stop() == 0, "".join(host.errors)


@pytest.fixture
def client(app):
    with app.client(headers={"x-functions-key": app.system_key}) as client:
        yield client


def begin(client, name, payload=None, instance_id="", **query):
    path = f"{API}/orchestrators/{name}" + (f"/{quote(instance_id, safe='')}" if instance_id else "")
    return client.post(path, json=payload, params=query)


def until(ask, condition):
    for _ in range(1000):
        answer = ask()
        if condition(answer):
            return answer
    raise AssertionError(answer.text)


def status(client, instance_id, **query):
    return client.get(f"{API}/instances/{quote(instance_id, safe='')}", params=query)


def ended(client, instance_id):
    return until(lambda: status(client, instance_id), lambda answer: answer.status_code == 200).json()


def test_every_endpoint_needs_the_system_key(app):
    """Without it 401, whatever is asked; a function's key is not enough."""
    with app.client() as anonymous:
        for method, path in [
            ("GET", "instances"), ("GET", "instances/x"), ("POST", "orchestrators/double"), ("DELETE", "instances"),
            ("POST", "instances/x/terminate"), ("GET", "entities"), ("POST", "entities/counter/x"),
        ]:  # fmt: skip
            assert anonymous.request(method, f"{API}/{path}").status_code == 401
            assert anonymous.request(method, f"{API}/{path}", params={"code": app.function_key}).status_code == 401


def test_starting_answers_202_with_the_urls_to_follow(client):
    """The management payload, Location and Retry-After; the id that was asked for."""
    answer = begin(client, "double", 21, "mine")
    assert answer.status_code == 202
    body = answer.json()
    assert body["id"] == "mine"
    assert answer.headers["location"] == body["statusQueryGetUri"]
    assert answer.headers["retry-after"] == "10"
    assert set(body) == {
        "id", "statusQueryGetUri", "sendEventPostUri", "terminatePostUri", "purgeHistoryDeleteUri", "rewindPostUri",
        "restartPostUri", "suspendPostUri", "resumePostUri",
    }  # fmt: skip
    assert ended(client, "mine")["output"] == 42


def test_starting_refuses_unknown_names_unreadable_bodies_and_live_ids(client):
    """400, 400 and 409, each saying what to do."""
    unknown = begin(client, "nobody")
    assert (unknown.status_code, "double" in unknown.json()["do"]) == (400, True)
    for unreadable in (b"{", b"\xff", b"[" * 200_000):
        assert client.post(f"{API}/orchestrators/double", content=unreadable).status_code == 400
    begin(client, "wait", None, "taken")
    assert begin(client, "wait", None, "taken").status_code == 409
    client.post(f"{API}/instances/taken/terminate")


def test_a_start_can_wait_for_the_result(client):
    """With a timeout the output comes at once, 200."""
    answer = begin(client, "double", 4, timeout=10)
    assert (answer.status_code, answer.json()) == (200, 8)
    assert begin(client, "wait", timeout=0.05).status_code == 202


def test_a_start_that_waits_for_a_failure_answers_with_the_status(client):
    """There is no output to answer with, so the caller learns what became of the instance."""
    answer = begin(client, "fails", timeout=30)
    assert (answer.status_code, answer.json()["runtimeStatus"]) == (200, "Failed")
    again = client.post(f"{API}/instances/{answer.json()['instanceId']}/restart", params={"timeout": 30})
    assert (again.status_code, again.json()["runtimeStatus"]) == (200, "Failed")


def test_a_start_may_name_the_version(client):
    """The orchestrator sees it."""
    assert begin(client, "versioned", timeout=30, version="2.1").json() == "2.1"


def test_an_id_of_an_entity_is_no_id_of_an_instance(client):
    """Ids that begin with @ are refused, 400."""
    assert begin(client, "double", 1, "@counter@x").status_code == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "instances?top=0"), ("GET", "instances?top=many"), ("GET", "instances?showInput=maybe"),
        ("GET", "instances?createdTimeTo=soon"), ("GET", "instances/{id}?showHistory=perhaps"),
        ("POST", "orchestrators/double?timeout=long"), ("POST", "orchestrators/double?timeout=nan"),
        ("POST", "instances/{id}/restart?restartWithNewInstanceId=no"), ("DELETE", "instances?createdTimeFrom=then"),
        ("GET", "entities?top=-1"), ("GET", "entities/counter?lastOperationTimeFrom=x"),
        ("POST", "entities/counter/x?time=later"), ("GET", "instances?createdTimeTo=9999-12-31T23:59:59-14:00"),
    ],
)  # fmt: skip
def test_parameters_that_cannot_be_read_are_refused(client, method, path):
    """400 with the name of the parameter, and nothing is done."""
    begin(client, "double", 1, "readable", timeout=30)
    answer = client.request(method, f"{API}/{path.format(id='readable')}")
    assert answer.status_code == 400, answer.text
    assert path.split("?")[1].split("=")[0].lower() in answer.json()["error"].lower()


def test_an_event_is_json_and_says_so(client):
    """Another content type and unreadable JSON are 400; the instance still waits."""
    begin(client, "wait", None, "strict")
    event = f"{API}/instances/strict/raiseEvent/go"
    assert client.post(event, content=b"1", headers={"content-type": "text/plain"}).status_code == 400
    assert client.post(event, content=b"{", headers={"content-type": "application/json"}).status_code == 400
    assert status(client, "strict").status_code == 202
    typed = client.post(event, content=b"1", headers={"content-type": "application/json; charset=utf-8"})
    assert (typed.status_code, typed.content) == (202, b"")
    assert ended(client, "strict")["output"]["event"] == 1


def test_the_status_has_the_documented_shape(client):
    """202 with Location while it runs, 200 when it is over; input on request, history on request."""
    begin(client, "wait", {"a": 1}, "shape")
    running = until(lambda: status(client, "shape"), lambda a: a.json()["runtimeStatus"] == "Running")
    assert running.status_code == 202
    assert running.headers["location"].endswith("/instances/shape")
    assert running.headers["retry-after"] == "5"
    body = running.json()
    assert body["customStatus"] == "waiting"
    assert body["input"] == {"a": 1}
    assert datetime.strptime(body["createdTime"], "%Y-%m-%dT%H:%M:%SZ")  # noqa: DTZ007 - a pattern, not a moment
    assert status(client, "shape", showInput="false").json()["input"] is None
    sent = client.post(f"{API}/instances/shape/raiseEvent/go", json=[1])
    assert sent.status_code == 202
    assert ended(client, "shape")["output"] == {"payload": {"a": 1}, "event": [1]}
    history = status(client, "shape", showHistory="true", showHistoryOutput="true").json()["historyEvents"]
    assert [event["EventType"] for event in history] == ["ExecutionStarted", "EventRaised", "ExecutionCompleted"]
    assert all(event["Timestamp"] > "2020" for event in history)
    assert history[-1]["OrchestrationStatus"] == "Completed"


def test_history_names_the_functions_and_when_they_were_scheduled(client):
    """An activity is one event with its name and both times."""
    begin(client, "double", 1, "events")
    ended(client, "events")
    history = status(client, "events", showHistory="true").json()["historyEvents"]
    done = next(event for event in history if event["EventType"] == "TaskCompleted")
    assert done["FunctionName"] == "twice"
    assert "2020" < done["ScheduledTime"] <= done["Timestamp"]
    assert "Result" not in done


def test_steering_what_is_not_there_is_404_and_what_is_over_410(client):
    """Unknown instances and finished ones cannot be steered."""
    begin(client, "double", 1, "over")
    ended(client, "over")
    for action in ("raiseEvent/go", "terminate", "suspend", "resume", "rewind"):
        assert client.post(f"{API}/instances/nobody/{action}", json=1).status_code == 404, action
        assert client.post(f"{API}/instances/over/{action}", json=1).status_code == 410, action
    assert status(client, "nobody").status_code == 404
    assert client.post(f"{API}/instances/nobody/restart").status_code == 404


def test_terminating_ends_an_instance_with_the_reason_as_output(client):
    """202, and then Terminated."""
    begin(client, "wait", None, "stopped")
    assert client.post(f"{API}/instances/stopped/terminate", params={"reason": "enough"}).status_code == 202
    body = ended(client, "stopped")
    assert (body["runtimeStatus"], body["output"]) == ("Terminated", "enough")


def test_a_suspended_instance_keeps_its_events_for_later(client):
    """An event that arrives meanwhile is read after resume."""
    begin(client, "wait", None, "held")
    client.post(f"{API}/instances/held/suspend", params={"reason": "wait"})
    until(lambda: status(client, "held"), lambda a: a.json()["runtimeStatus"] == "Suspended")
    client.post(f"{API}/instances/held/raiseEvent/go", json="later")
    assert status(client, "held").json()["runtimeStatus"] == "Suspended"
    assert client.post(f"{API}/instances/held/resume").status_code == 202
    assert ended(client, "held")["output"]["event"] == "later"


def test_a_failed_instance_can_be_rewound(client):
    """It goes on from its last good step; asked to, the status of a failure is 500."""
    begin(client, "fragile", None, "fragile")
    failed = ended(client, "fragile")
    assert (failed["runtimeStatus"], "broken once" in failed["output"]) == ("Failed", True)
    assert status(client, "fragile", returnInternalServerErrorOnFailure="true").status_code == 500
    assert client.post(f"{API}/instances/fragile/rewind", params={"reason": "mended"}).status_code == 202
    assert ended(client, "fragile")["output"] == "mended"


def test_restarting_runs_it_again_with_its_input(client):
    """Under a new id unless told otherwise."""
    begin(client, "double", 5, "first")
    ended(client, "first")
    again = client.post(f"{API}/instances/first/restart")
    assert again.status_code == 202
    assert again.json()["id"] != "first"
    assert ended(client, again.json()["id"])["output"] == 10
    same = client.post(f"{API}/instances/first/restart", params={"restartWithNewInstanceId": "false"})
    assert same.json()["id"] == "first"
    assert ended(client, "first")["output"] == 10


def test_lists_are_filtered_and_come_in_pages(client):
    """Prefix, status, time; the continuation token leads through all of it, once."""
    for n in range(5):
        begin(client, "double", n, f"page-{n}")
        ended(client, f"page-{n}")
    begin(client, "wait", None, "page-live")
    seen, headers = [], {}
    while True:
        answer = client.get(f"{API}/instances", params={"instanceIdPrefix": "page-", "top": 2}, headers=headers)
        assert len(answer.json()) <= 2
        seen += [body["instanceId"] for body in answer.json()]
        token = answer.headers.get("x-ms-continuation-token")
        if not token:
            break
        headers = {"x-ms-continuation-token": token}
    assert seen == [*(f"page-{n}" for n in range(5)), "page-live"]
    query = {"instanceIdPrefix": "page-", "runtimeStatus": "Running,Pending"}
    assert [b["instanceId"] for b in client.get(f"{API}/instances", params=query).json()] == ["page-live"]
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert client.get(f"{API}/instances", params={"createdTimeFrom": tomorrow}).json() == []
    query["runtimeStatus"] = ["Failed", "Running,Pending"]
    assert [b["instanceId"] for b in client.get(f"{API}/instances", params=query).json()] == ["page-live"]
    assert client.get(f"{API}/instances", params={"runtimeStatus": "Nonsense"}).status_code == 400
    assert client.get(f"{API}/instances", params={"createdTimeFrom": "yesterday"}).status_code == 400
    client.post(f"{API}/instances/page-live/terminate")


def test_purging_forgets_what_is_over(client):
    """One by id, many by time and status; what is not there is 404."""
    for n in range(3):
        begin(client, "double", n, f"purge-{n}")
        ended(client, f"purge-{n}")
    assert client.delete(f"{API}/instances/purge-0").json() == {"instancesDeleted": 1}
    assert status(client, "purge-0").status_code == 404
    assert client.delete(f"{API}/instances/purge-0").status_code == 404
    assert client.delete(f"{API}/instances").status_code == 400
    begin(client, "wait", None, "purge-live")
    assert client.delete(f"{API}/instances/purge-live").status_code == 412
    long_ago = {"createdTimeFrom": "2020-01-01T00:00:00Z"}
    before = client.delete(f"{API}/instances", params={**long_ago, "createdTimeTo": "2020-01-02T00:00:00Z"})
    assert (before.status_code, before.json()) == (404, {"instancesDeleted": 0})
    client.delete(f"{API}/instances", params={**long_ago, "runtimeStatus": "Failed,Terminated"})
    assert status(client, "purge-1").status_code == 200, "it completed, and was not meant"
    deleted = client.delete(f"{API}/instances", params=long_ago)
    assert deleted.json()["instancesDeleted"] >= 2
    assert status(client, "purge-live").status_code == 202
    client.post(f"{API}/instances/purge-live/terminate")


def test_a_strange_payload_spoils_no_answer(client):
    """Numbers that JSON does not have are named, half a surrogate pair is escaped; lists and entities still come."""
    as_json = {"content-type": "application/json"}
    strange = rb'{"n": [NaN, 1e999, -1e999], "half": "\ud800"}'
    client.post(f"{API}/orchestrators/wait/strange", content=strange, headers=as_json)
    client.post(f"{API}/entities/counter/strange", params={"op": "put"}, content=strange, headers=as_json)
    shown = {"n": ["NaN", "Infinity", "-Infinity"], "half": "\ud800"}
    assert status(client, "strange", showHistory="true").json()["input"] == shown
    assert [i["input"] for i in client.get(f"{API}/instances?instanceIdPrefix=strange").json()] == [shown]
    entity = until(lambda: client.get(f"{API}/entities/counter/strange"), lambda a: a.status_code == 200)
    assert entity.json() == shown
    assert client.get(f"{API}/entities/counter?fetchState=true").status_code == 200
    assert client.delete(f"{API}/entities/counter/strange").status_code == 202
    client.post(f"{API}/instances/strange/terminate")


def test_an_id_with_a_slash_is_one_id(client):
    """Ids are encoded in the URLs, and found again."""
    answer = begin(client, "double", 1, "a/b c")
    assert answer.json()["id"] == "a/b c"
    begin(client, "wait", None, "c/d e?f")
    running = until(lambda: status(client, "c/d e?f"), lambda a: a.status_code == 202)
    assert client.get(running.headers["location"]).json()["instanceId"] == "c/d e?f"
    client.post(f"{API}/instances/{quote('c/d e?f', safe='')}/terminate")
    assert client.get(until(lambda: answer, lambda _: True).json()["statusQueryGetUri"]).json()["instanceId"] == "a/b c"


def test_entities_are_signalled_read_and_listed(client):
    """202 for a signal, the state as JSON, 404 for who is not there."""
    assert client.get(f"{API}/entities/counter/none").status_code == 404
    assert client.post(f"{API}/entities/nobody/x").status_code == 404
    for _ in range(2):
        assert client.post(f"{API}/entities/Counter/hits", params={"op": "add"}, json=5).status_code == 202
    until(lambda: client.get(f"{API}/entities/counter/hits"), lambda a: a.status_code == 200 and a.json() == 10)
    listed = client.get(f"{API}/entities/counter", params={"fetchState": "true"}).json()
    assert [e["state"] for e in listed if e["entityId"] == {"name": "counter", "key": "hits"}] == [10]
    assert all(e["lastOperationTime"][19] == "." for e in listed), "a part of a second, as in the documentation"
    assert {"name": "counter", "key": "hits"} in [e["entityId"] for e in client.get(f"{API}/entities").json()]


def test_what_entities_are_sent_is_json_or_text(client):
    """JSON that is none is 400; a body that does not say it is JSON arrives as the text it is."""
    entity, as_json = f"{API}/entities/counter/said", {"content-type": "application/json"}
    assert client.post(entity, params={"op": "put"}, content=b"{", headers=as_json).status_code == 400
    assert client.post(entity, params={"op": "put"}, content=b"{hello").status_code == 202
    assert until(lambda: client.get(entity), lambda a: a.status_code == 200).json() == "{hello"


def test_an_entity_is_deleted_by_its_operation(client):
    """DELETE is the operation ``delete``; afterwards it is not there. A key that is none is refused."""
    entity = f"{API}/entities/counter/gone"
    assert client.post(entity, json=3).status_code == 202
    until(lambda: client.get(entity), lambda a: a.status_code == 200)
    assert client.delete(entity).status_code == 202
    until(lambda: client.get(entity), lambda a: a.status_code == 404)
    assert client.delete(f"{API}/entities/nobody/x").status_code == 404
    assert client.post(f"{API}/entities/counter/$", json=3).status_code == 400


def test_entities_are_listed_in_pages_and_by_time(client):
    """``top`` and the continuation token lead through all of them; times narrow the list."""
    for n in range(3):
        client.post(f"{API}/entities/counter/page-{n}", json=n + 1)
        until(lambda n=n: client.get(f"{API}/entities/counter/page-{n}"), lambda a: a.status_code == 200)
    seen, headers = [], {}
    while True:
        answer = client.get(f"{API}/entities/counter", params={"top": 2}, headers=headers)
        assert len(answer.json()) <= 2
        seen += [listed["entityId"]["key"] for listed in answer.json() if "page-" in listed["entityId"]["key"]]
        assert all("state" not in listed for listed in answer.json())
        if not (token := answer.headers.get("x-ms-continuation-token")):
            break
        headers = {"x-ms-continuation-token": token}
    assert sorted(seen) == ["page-0", "page-1", "page-2"]
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert client.get(f"{API}/entities", params={"lastOperationTimeFrom": tomorrow}).json() == []
    assert len(client.get(f"{API}/entities", params={"lastOperationTimeTo": tomorrow}).json()) >= 3


def test_what_is_not_there_says_so(client):
    """Unknown paths are 404, other methods 405."""
    assert client.get(f"{API}/nothing").status_code == 404
    assert client.put(f"{API}/instances/x").status_code == 405
