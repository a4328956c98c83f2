"""Durable apps in the styles that people write them, run by the real host and followed over HTTP."""

import time

import pytest

APP = """
import asyncio, time
from datetime import timedelta
import azure.functions as func
import azure.durable_functions as df
from durabletask import task, entities

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="start/{name}/{id?}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client):
    payload = req.get_json() if req.get_body() else None
    instance_id = await client.schedule_new_orchestration(
        req.route_params["name"], input=payload, instance_id=req.route_params.get("id"))
    return client.create_check_status_response(req, instance_id)

@app.route(route="wait/{id}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def wait(req: func.HttpRequest, client):
    state = await client.wait_for_orchestration_completion(req.route_params["id"], timeout=20)
    return func.HttpResponse(state.serialized_output or "", headers={"x-status": state.runtime_status.name})

# v1 style
@app.orchestration_trigger(context_name="context")
def chain(context):
    first = yield context.call_activity("say", "Tokyo")
    second = yield context.call_activity("SAY", "Seattle")
    return [first, second]

@app.activity_trigger(input_name="city")
def say(city: str) -> str:
    return f"Hello {city}!"

@app.activity_trigger(input_name="n")
async def square(n: int) -> int:
    return n * n

# native style
@app.orchestration_trigger(context_name="context")
def fan_out(ctx: task.OrchestrationContext, numbers: list):
    squares = yield task.when_all([ctx.call_activity("square", input=n) for n in numbers])
    return sum(squares)

@app.orchestration_trigger(context_name="context")
def parent(ctx: task.OrchestrationContext, n: int):
    total = yield ctx.call_sub_orchestrator("fan_out", input=[n, n])
    return total

@app.orchestration_trigger(context_name="context")
def failing_parent(ctx: task.OrchestrationContext, _: None):
    try:
        yield ctx.call_sub_orchestrator("always_fails", input=None)
    except task.TaskFailedError as error:
        return [error.details.error_type, str(error.details.message)]

@app.orchestration_trigger(context_name="context")
def always_fails(ctx: task.OrchestrationContext, _: None):
    yield ctx.call_activity("break_it", input="x")

class WarehouseError(Exception):
    pass

@app.activity_trigger(input_name="what")
def break_it(what: str) -> str:
    raise WarehouseError(f"Warehouse {what!r} is gone.\\nsecond line with a secret")

@app.orchestration_trigger(context_name="context")
def reports_failure(ctx: task.OrchestrationContext, _: None):
    try:
        yield ctx.call_activity("break_it", input="w1")
    except task.TaskFailedError as error:
        return {"type": error.details.error_type, "message": error.details.message,
                "caused": error.details.is_caused_by(WarehouseError)}

ATTEMPTS = []

@app.activity_trigger(input_name="key")
def third_time(key: str) -> int:
    ATTEMPTS.append(key)
    if ATTEMPTS.count(key) < 3:
        raise RuntimeError("not yet")
    return ATTEMPTS.count(key)

@app.orchestration_trigger(context_name="context")
def retries(ctx: task.OrchestrationContext, key: str):
    policy = task.RetryPolicy(first_retry_interval=timedelta(milliseconds=20), max_number_of_attempts=5)
    return (yield ctx.call_activity("third_time", input=key, retry_policy=policy))

@app.orchestration_trigger(context_name="context")
def approval(ctx: task.OrchestrationContext, seconds: float):
    decision = ctx.wait_for_external_event("decision")
    deadline = ctx.create_timer(timedelta(seconds=seconds))
    ctx.set_custom_status({"waiting": True})
    winner = yield task.when_any([decision, deadline])
    return "expired" if winner is deadline else winner.get_result()

@app.orchestration_trigger(context_name="context")
def countdown(ctx: task.OrchestrationContext, n: int):
    yield ctx.create_timer(timedelta(milliseconds=5))
    if n:
        ctx.continue_as_new(n - 1)
        return None
    return "lift off"

@app.orchestration_trigger(context_name="context")
def unknown_activity(ctx: task.OrchestrationContext, _: None):
    yield ctx.call_activity("nobody", input=None)

@app.activity_trigger(input_name="seconds")
def doze(seconds: float) -> str:
    time.sleep(seconds)
    return "awake"

@app.orchestration_trigger(context_name="context")
def sleepers(ctx: task.OrchestrationContext, n: int):
    yield task.when_all([ctx.call_activity("doze", input=1.0) for _ in range(n)])

@app.orchestration_trigger(context_name="context")
def first_of(ctx: task.OrchestrationContext, _: None):
    yield task.when_any([ctx.call_activity("doze", input=0.4), ctx.call_activity("doze", input=0.0)])
    return "done"

@app.orchestration_trigger(context_name="context")
def versions(ctx: task.OrchestrationContext, depth: int):
    below = (yield ctx.call_sub_orchestrator("versions", input=depth - 1)) if depth else []
    return [ctx.version, *below]

@app.activity_trigger(input_name="text")
def length(text: str) -> int:
    return len(text)

@app.orchestration_trigger(context_name="context")
def measure(ctx: task.OrchestrationContext, text: str):
    return (yield ctx.call_activity("length", input=text))

# entities
@app.entity_trigger(context_name="context")
def counter(context):
    value = context.get_state(lambda: 0)
    if context.operation_name == "add":
        value += context.get_input()
    context.set_state(value)
    context.set_result(value)

@app.entity_trigger(context_name="context")
class Notebook(entities.DurableEntity):
    def write(self, line: str) -> None:
        self.set_state([*self.get_state(list, []), line])
    def read(self) -> list:
        return self.get_state(list, [])
    def tear(self, _: str) -> None:
        raise ValueError("cannot tear")

@app.orchestration_trigger(context_name="context")
def counting(ctx: task.OrchestrationContext, key: str):
    entity = entities.EntityInstanceId("counter", key)
    for n in (1, 2, 3):
        total = yield ctx.call_entity(entity, "add", n)
    return total

@app.orchestration_trigger(context_name="context")
def noting(ctx: task.OrchestrationContext, key: str):
    entity = entities.EntityInstanceId("Notebook", key)
    ctx.signal_entity(entity, "write", "one")
    yield ctx.call_entity(entity, "write", "two")
    try:
        yield ctx.call_entity(entity, "tear", "page")
    except task.TaskFailedError as error:
        problem = error.details.message
    lines = yield ctx.call_entity(entity, "read")
    return [lines, problem]
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    import hosting

    folder = tmp_path_factory.mktemp("durable")
    (folder / "host.json").write_text('{"version": "2.0", "extensions": {"durableTask": {"defaultVersion": "1.5"}}}')
    (folder / "function_app.py").write_text(APP)
    host = hosting.start("--script-root", folder, data=folder / "data")
    yield host
    assert host.stop() == 0, "".join(host.errors)


@pytest.fixture
def client(app):
    with app.client() as client:
        yield client


def finished(client, name, payload=None, instance_id=""):
    """Start an orchestrator, wait for its end, and return its status as the status query shows it."""
    started = client.post(f"/api/start/{name}/{instance_id}".rstrip("/"), json=payload)
    assert started.status_code == 202, started.text
    follow = started.json()
    client.get(f"/api/wait/{follow['id']}")
    answer = client.get(follow["statusQueryGetUri"])
    assert answer.status_code == 200, answer.text
    return answer.json()


def until(client, url, condition):
    """Ask until ``condition`` holds of the answer's body."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        body = client.get(url).json()
        if condition(body):
            return body
        time.sleep(0.01)
    raise AssertionError(body)


def test_v1_orchestrators_chain_activities_named_in_any_case(client):
    """A v1-style orchestrator calls its activities in order; names are looked up without case."""
    state = finished(client, "chain")
    assert state["runtimeStatus"] == "Completed"
    assert state["output"] == ["Hello Tokyo!", "Hello Seattle!"]


@pytest.mark.parametrize(
    ("name", "payload", "output"),
    [
        ("fan_out", [1, 2, 3], 14),
        ("Fan_Out", [2], 4),
        ("parent", 3, 18),
        ("retries", "a", 3),
        ("countdown", 5, "lift off"),
        ("approval", 0.05, "expired"),
        ("counting", "k1", 6),
        ("versions", 1, ["1.5", "1.5"]),
        ("measure", "x" * 6_000_000, 6_000_000),
        ("noting", "n1", [["one", "two"], "Operation 'tear' on entity '@notebook@n1' failed with error: cannot tear"]),
    ],
)
def test_orchestrations_end_as_their_code_says(client, name, payload, output):
    """Fan-out, sub-orchestrations, retries, timers, continue-as-new and entities give what the code computes."""
    state = finished(client, name, payload)
    assert (state["runtimeStatus"], state["output"]) == ("Completed", output)


def test_a_failed_activity_shows_its_class_and_first_line(client):
    """Of an activity's error the orchestrator sees the bare class name and the first line, as in Azure."""
    state = finished(client, "reports_failure")
    assert state["output"] == {"type": "WarehouseError", "message": "Warehouse 'w1' is gone.", "caused": True}


def test_a_failed_sub_orchestration_tells_its_parent_why(client):
    """The failure of a sub-orchestration arrives in its parent with its message."""
    state = finished(client, "failing_parent")
    assert "Warehouse 'x' is gone." in state["output"][1]


def test_an_unknown_activity_fails_the_orchestration_with_the_known_names(client):
    """A misspelt activity is a failure that lists what there is."""
    state = finished(client, "unknown_activity")
    assert state["runtimeStatus"] == "Failed"
    assert "'nobody' doesn't exist" in state["output"]
    assert "'say'" in state["output"]


def test_an_event_reaches_the_orchestration_that_waits_for_it(app, client):
    """raiseEvent delivers its JSON body; the custom status is in the status query until then."""
    follow = client.post("/api/start/approval", json=20).json()
    until(client, follow["statusQueryGetUri"], lambda body: body["customStatus"] == {"waiting": True})
    raised = client.post(follow["sendEventPostUri"].replace("{eventName}", "decision"), json={"ok": True})
    assert raised.status_code == 202
    assert client.get(f"/api/wait/{follow['id']}").json() == {"ok": True}


def test_an_id_can_be_used_again_once_its_instance_is_over(client):
    """The next turn of a conversation has the id of the last; a live id is taken."""
    assert finished(client, "fan_out", [1], "again")["output"] == 1
    assert finished(client, "fan_out", [2], "again")["output"] == 4
    follow = client.post("/api/start/approval/live", json=20).json()
    refused = client.post("/api/start/approval/live", json=20)
    assert refused.status_code == 500
    client.post(follow["terminatePostUri"].replace("{text}", "enough"))


def test_what_an_earlier_run_left_does_not_reach_the_next_one(client):
    """A slow activity of a run that is over is forgotten, though a new run has the same id and the same task ids."""
    assert finished(client, "first_of", None, "reused")["output"] == "done"
    assert finished(client, "approval", 0.8, "reused")["output"] == "expired"


def test_blocking_activities_do_not_keep_other_orchestrations_waiting(client):
    """With more sleeping activities than there are threads for them, a chain still runs at once."""
    follow = client.post("/api/start/sleepers", json=40).json()
    assert finished(client, "chain")["runtimeStatus"] == "Completed"
    assert client.get(follow["statusQueryGetUri"]).json()["runtimeStatus"] == "Running"
    client.get(f"/api/wait/{follow['id']}")


def test_many_waiting_clients_do_not_stop_the_host(client, app):
    """Forty callers that wait for one orchestration hold no thread: it still ends, and all are told."""
    from concurrent.futures import ThreadPoolExecutor

    follow = client.post("/api/start/approval", json=30).json()

    def wait():
        with app.client() as own:
            return own.get(f"/api/wait/{follow['id']}").text

    with ThreadPoolExecutor(40) as pool:
        answers = [pool.submit(wait) for _ in range(40)]
        time.sleep(0.5)
        client.post(follow["sendEventPostUri"].replace("{eventName}", "decision"), json="go")
        assert {answer.result() for answer in answers} == {'"go"'}
