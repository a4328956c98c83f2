"""A durable app as it was written for version 1 of the SDK: one ``context``, milliseconds, the older client."""

import json
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func
from more import blueprint
from shared.words import greeting

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_functions(blueprint)


@app.route(route="orchestrators/{functionName}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def http_start(req: func.HttpRequest, client):
    body = req.get_body()
    instance_id = await client.start_new(
        req.route_params["functionName"], req.params.get("id"), json.loads(body) if body else None
    )
    return client.create_check_status_response(req, instance_id)


@app.route(route="wait/{functionName}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start_and_wait(req: func.HttpRequest, client):
    body = req.get_body()
    instance_id = await client.start_new(req.route_params["functionName"], None, json.loads(body) if body else None)
    return await client.wait_for_completion_or_create_check_status_response(req, instance_id, 30_000)


@app.route(route="manage/{instance}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def manage(req: func.HttpRequest, client):
    instance = req.route_params["instance"]
    seen = {}
    await client.suspend(instance, "a pause")
    seen["known"] = (await client.get_status(instance, show_input=True)).input_
    await client.resume(instance, "on again")
    await client.raise_event(instance, "approval", {"by": "manage"})
    state = await client.wait_for_orchestration_completion(instance, timeout=30)
    seen["output"] = json.loads(state.serialized_output)
    history = (await client.get_status(instance, show_history=True, show_history_output=True)).to_json()
    seen["events"] = [event["EventType"] for event in history["historyEvents"]]
    seen["missing"] = bool(await client.get_status("nobody"))
    seen["completed"] = instance in {
        status.instance_id
        for status in await client.get_status_by(runtime_status=[df.OrchestrationRuntimeStatus.Completed])
    }
    again = await client.restart(instance, restart_with_new_instance_id=True)
    await client.wait_for_orchestration_start(again, timeout=30)
    await client.terminate(again, "enough")
    seen["terminated"] = (await client.wait_for_orchestration_completion(again, timeout=30)).runtime_status.name
    seen["purged"] = (await client.purge_instance_history(instance)).instances_deleted
    seen["urls"] = sorted(client.create_http_management_payload(again))
    await client.signal_entity(df.EntityId("Tally", "managed"), "add", 4)
    return func.HttpResponse(json.dumps(seen), mimetype="application/json")


@app.route(route="tally/{key}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def tally_state(req: func.HttpRequest, client):
    state = await client.read_entity_state(df.EntityId("Tally", req.route_params["key"]))
    return func.HttpResponse(json.dumps([state.entity_exists, state.entity_state]))


@app.orchestration_trigger(context_name="context")
def chain(context: df.DurableOrchestrationContext):
    names = context.get_input() or ["tokyo", "seattle"]
    greetings = []
    for name in names:
        greetings.append((yield context.call_activity("greet", name)))
        context.set_custom_status({"done": len(greetings)})
    return greetings


@app.orchestration_trigger(context_name="context")
def fan_out(context: df.DurableOrchestrationContext):
    numbers = yield context.call_activity("count_to", context.get_input())
    squares = yield context.task_all([context.call_activity("square", n) for n in numbers])
    return sum(squares)


@app.orchestration_trigger(context_name="context")
def approve(context: df.DurableOrchestrationContext):
    deadline = context.create_timer(context.current_utc_datetime + timedelta(seconds=context.get_input()))
    approval = context.wait_for_external_event("approval")
    winner = yield context.task_any([approval, deadline])
    if winner == approval:
        if not deadline.is_complete:
            deadline.cancel()
        return approval.result
    return "too late"


@app.orchestration_trigger(context_name="context")
def again_and_again(context: df.DurableOrchestrationContext):
    options = df.RetryOptions(first_retry_interval_in_milliseconds=10, max_number_of_attempts=3)
    first = yield context.call_activity_with_retry("third_time", options, context.new_uuid())
    second = yield context.call_sub_orchestrator_with_retry("hesitant", options, str(context.new_guid()))
    try:
        yield context.call_activity_with_retry("never", options, "x")
    except Exception as error:
        return [first, second, "never worked" in str(error)]


@app.orchestration_trigger(context_name="context")
def hesitant(context: df.DurableOrchestrationContext):
    attempt = yield context.call_activity("attempts", context.get_input())
    if attempt < 2:
        raise ValueError("once more")
    return attempt


@app.orchestration_trigger(context_name="context")
def countdown(context: df.DurableOrchestrationContext):
    left = context.get_input()
    yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=5))
    if left == 0:
        return "lift off"
    context.continue_as_new(left - 1)


@app.orchestration_trigger(context_name="context")
def counting(context: df.DurableOrchestrationContext):
    entity = df.EntityId("Tally", context.get_input())
    context.signal_entity(entity, "add", 2)
    total = yield context.call_entity(entity, "add", 3)
    yield context.call_entity(entity, "reset")
    return [total, (yield context.call_entity(entity, "get"))]


@app.orchestration_trigger(context_name="context")
def family(context: df.DurableOrchestrationContext):
    child = yield context.call_sub_orchestrator("who", None, f"{context.instance_id}:child")
    return [context.instance_id, context.parent_instance_id, context.version, child]


@app.orchestration_trigger(context_name="context")
def who(context: df.DurableOrchestrationContext):
    return [context.instance_id, context.parent_instance_id]


@app.orchestration_trigger(context_name="context")
def call(context: df.DurableOrchestrationContext):
    asked = context.get_input()
    answer = yield context.call_http(
        asked.get("method", "GET"),
        asked["url"],
        asked.get("content"),
        asked.get("headers"),
        is_raw_str=bool(asked.get("raw")),
    )
    return {
        "status": answer.status_code,
        "content": answer.content,
        "headers": {k.lower(): v for k, v in answer.headers.items()},
    }


@app.activity_trigger(input_name="name")
def greet(name: str) -> str:
    return greeting(name)
