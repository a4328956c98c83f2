"""Payloads of awkward sizes over the HTTP API and through the app: exactly, or 413 with a sentence before anything."""

import json

import hosting
import pytest
from hub_harness.sizes import LETTERS, text

from localhost.hub.sqlite import limits

APP = """
import azure.durable_functions as df
from durabletask import task
from durabletask.entities import EntityInstanceId

app = df.DFApp()

@app.activity_trigger(input_name="given")
def echo(given: str) -> str:
    return given

@app.activity_trigger(input_name="given")
def shout(given: str) -> str:
    raise ValueError(given)

@app.orchestration_trigger(context_name="context")
def through(ctx: task.OrchestrationContext, given):
    ctx.set_custom_status(given)
    return (yield ctx.call_activity("echo", input=given))

@app.orchestration_trigger(context_name="context")
def heard(ctx: task.OrchestrationContext, _):
    return (yield ctx.wait_for_external_event("e"))

@app.orchestration_trigger(context_name="context")
def shouted(ctx: task.OrchestrationContext, given):
    try:
        yield ctx.call_activity("shout", input=given)
    except task.TaskFailedError as error:
        return error.details.message

@app.orchestration_trigger(context_name="context")
def kept(ctx: task.OrchestrationContext, given):
    return (yield ctx.call_entity(EntityInstanceId("store", ctx.instance_id), "put", given))

@app.entity_trigger(context_name="context")
def store(context):
    context.set_state(context.get_input())
    return context.get_state()
"""
API = "/runtime/webhooks/durabletask"
SIZES = (0, 1, 32_769, 45_151, 65_536, 262_145)
LARGER_THAN_A_MESSAGE = 4 * 1024**2 + 1
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sizes")
    (folder / "function_app.py").write_text(APP)
    host = hosting.start("--script-root", folder, data=folder / "data")
    with host.client(headers={"x-functions-key": host.system_key}) as client:
        yield client
    assert host.stop() == 0, "".join(host.errors)


def begin(client, name, given, **query):
    """Start an orchestration with a body that says every letter as itself."""
    body = json.dumps(given, ensure_ascii=False).encode()
    return client.post(f"{API}/orchestrators/{name}", content=body, params=query, headers=JSON)


def run(client, name, given):
    answer = begin(client, name, given, timeout=60)
    assert answer.status_code == 200, answer.text[:500]
    return answer.json()


@pytest.mark.parametrize("letter", LETTERS, ids=["ascii", "astral"])
@pytest.mark.parametrize("name", ["through", "kept"])
def test_inputs_outputs_and_states_come_back_exactly(client, name, letter):
    for size in SIZES:
        given = text(size, letter)
        assert run(client, name, given) == given, size


@pytest.mark.parametrize("letter", LETTERS, ids=["ascii", "astral"])
def test_events_come_back_exactly(client, letter):
    for size in SIZES:
        given = text(size, letter)
        instance = begin(client, "heard", None).json()["id"]
        body = json.dumps(given, ensure_ascii=False).encode()
        assert client.post(f"{API}/instances/{instance}/raiseEvent/e", content=body, headers=JSON).status_code == 202
        for _ in range(1000):
            status = client.get(f"{API}/instances/{instance}")
            if status.status_code == 200:
                break
        assert status.json()["output"] == given, size


@pytest.mark.parametrize("letter", LETTERS, ids=["ascii", "astral"])
def test_texts_of_exceptions_are_cut_and_never_hang(client, letter):
    for size in SIZES[1:]:
        given = text(size, letter)
        said = run(client, "shouted", given)
        assert said == given or said.startswith(given[: limits.MAX_ERROR_TEXT]), size


def test_the_status_shows_a_large_custom_status(client):
    given = text(LARGER_THAN_A_MESSAGE, "x")
    instance = begin(client, "through", given, timeout=60)
    assert instance.json() == given
    token: str | None = ""
    seen: list[object] = []
    while token is not None:  # a page is not larger than 2 MiB, or one instance
        page = client.get(f"{API}/instances", headers={"x-ms-continuation-token": token})
        seen += [one["customStatus"] for one in page.json()]
        token = page.headers.get("x-ms-continuation-token")
    assert given in seen


@pytest.mark.parametrize("what", ["start", "event", "signal"])
def test_what_nobody_should_send_is_refused_with_a_sentence(client, what):
    """413, and nothing has begun."""
    instance = begin(client, "heard", None).json()["id"]
    path = {
        "start": "orchestrators/through/huge",
        "event": f"instances/{instance}/raiseEvent/e",
        "signal": "entities/store/x?op=put",
    }
    answer = client.post(f"{API}/{path[what]}", content=json.dumps("x" * 20_000_000).encode(), headers=JSON)
    assert answer.status_code == 413
    assert f"bytes; at most {limits.MAX_PAYLOAD_BYTES:,}" in answer.json()["error"]
    assert client.get(f"{API}/instances/huge").status_code == 404
    assert client.get(f"{API}/instances/{instance}").status_code == 202
    client.post(f"{API}/instances/{instance}/terminate")
