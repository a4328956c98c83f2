"""Distributed-trace headers, on their way through the host."""

import pytest

APP = """
import azure.functions as func
import azure.durable_functions as df
from durabletask import task

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="look")
def look(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    return func.HttpResponse(f"{context.trace_context.trace_parent}|{context.trace_context.trace_state}")

@app.route(route="start", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client):
    return func.HttpResponse(await client.schedule_new_orchestration("parent"))

@app.route(route="start/blocking", methods=["POST"])
@app.durable_client_input(client_name="client")
def start_blocking(req: func.HttpRequest, client):
    return func.HttpResponse(client.schedule_new_orchestration("parent"))

@app.orchestration_trigger(context_name="context")
def parent(ctx: task.OrchestrationContext, _):
    return (yield ctx.call_sub_orchestrator("child"))

@app.orchestration_trigger(context_name="context")
def child(ctx: task.OrchestrationContext, _):
    blocking = yield ctx.call_activity("seen")
    waiting = yield ctx.call_activity("seen_async")
    return [blocking, waiting]

@app.activity_trigger(input_name="nothing")
def seen(nothing: str, context: func.Context) -> str:
    return f"{context.trace_context.trace_parent}|{context.trace_context.trace_state}"

@app.activity_trigger(input_name="nothing")
async def seen_async(nothing: str, context: func.Context) -> str:
    return f"{context.trace_context.trace_parent}|{context.trace_context.trace_state}"
"""
API = "/runtime/webhooks/durabletask"
TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "vendor=a,other=b"}
PASSED_ON = f"{TRACE['traceparent']}|{TRACE['tracestate']}"


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    import hosting

    folder = tmp_path_factory.mktemp("tracing")
    (folder / "function_app.py").write_text(APP)
    host = hosting.start("--script-root", folder, data=folder / "data")
    yield host
    assert host.stop() == 0, "".join(host.errors)


def result(app, instance_id):
    with app.client(headers={"x-functions-key": app.system_key}) as client:
        while (answer := client.get(f"{API}/instances/{instance_id}")).status_code == 202:
            pass
    assert answer.status_code == 200, answer.text
    return answer.json()["output"]


def test_a_function_sees_the_trace_of_its_request(app):
    """``traceparent`` and ``tracestate`` are in its context; without them, and where they are none, it is empty."""
    with app.client() as client:
        assert client.get("/api/look", headers=TRACE).text == PASSED_ON
        assert client.get("/api/look").text == "|"
        for wrong in ("nonsense", "00-" + "0" * 32 + "-b7ad6b7169203331-01", TRACE["traceparent"].upper()):
            assert client.get("/api/look", headers={"traceparent": wrong}).text == "|"


@pytest.mark.parametrize("path", ["start", "start/blocking"])
def test_a_trace_goes_from_the_request_to_the_activities(app, path):
    """Through the durable client, blocking or not, the orchestration and its sub-orchestration, unchanged."""
    with app.client() as client:
        instance_id = client.post(f"/api/{path}", headers=TRACE).text
        assert result(app, instance_id) == [PASSED_ON, PASSED_ON]
        assert result(app, client.post(f"/api/{path}").text) == ["|", "|"], "a trace ends with its request"


def test_a_start_over_the_http_api_carries_the_trace(app):
    """Whoever starts an orchestration by name is its parent."""
    with app.client(headers={"x-functions-key": app.system_key}) as client:
        started = client.post(f"{API}/orchestrators/parent", headers=TRACE)
        assert result(app, started.json()["id"]) == [PASSED_ON, PASSED_ON]
