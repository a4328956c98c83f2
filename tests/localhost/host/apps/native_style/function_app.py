"""A durable app in the style of version 2: ``(context, input)``, timedeltas, entities as classes, locks."""

import json
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func
from durabletask import entities, task

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="run/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def run(req: func.HttpRequest, client: df.DurableFunctionsClient):
    body = req.get_body()
    instance_id = await client.schedule_new_orchestration(
        req.route_params["name"], input=json.loads(body) if body else None
    )
    state = await client.wait_for_orchestration_completion(instance_id, timeout=30)
    return func.HttpResponse(state.serialized_output or state.failure_details.message)


@app.route(route="accounts/{name}", methods=["PUT"])
@app.durable_client_input(client_name="client")
def open_account(req: func.HttpRequest, client: df.SyncDurableFunctionsClient):
    account = entities.EntityInstanceId("Account", req.route_params["name"])
    client.signal_entity(account, "deposit", input=int(req.get_body()))
    return func.HttpResponse(status_code=202)


@app.orchestration_trigger(context_name="context")
def steps(ctx: task.OrchestrationContext, numbers: list):
    doubled = yield task.when_all([ctx.call_activity("double", input=n) for n in numbers])
    inner = yield ctx.call_sub_orchestrator("inner", input=sum(doubled))
    policy = task.RetryPolicy(first_retry_interval=timedelta(milliseconds=10), max_number_of_attempts=2)
    try:
        yield ctx.call_activity("break_down", input=None, retry_policy=policy)
    except task.TaskFailedError as error:
        return [doubled, inner, error.details.error_type]


@app.orchestration_trigger(context_name="context")
def inner(ctx: task.OrchestrationContext, total: int):
    winner = yield task.when_any([ctx.create_timer(timedelta(milliseconds=10)), ctx.wait_for_external_event("never")])
    return {"total": total, "timer": isinstance(winner, task.TimerTask)}


@app.orchestration_trigger(context_name="context")
def transfer(ctx: task.OrchestrationContext, order: dict):
    source = entities.EntityInstanceId("Account", order["from"])
    target = entities.EntityInstanceId("Account", order["to"])
    with (yield ctx.lock_entities([source, target])):
        balance = yield ctx.call_entity(source, "balance")
        if balance < order["amount"]:
            return "refused"
        yield ctx.call_entity(source, "withdraw", order["amount"])
        yield ctx.call_entity(target, "deposit", order["amount"])
        left = yield ctx.call_entity(source, "balance")
        return [left, (yield ctx.call_entity(target, "balance"))]


@app.entity_trigger(context_name="context")
class Account(entities.DurableEntity):
    def deposit(self, amount: int) -> None:
        self.set_state(self.get_state(int, 0) + amount)

    def withdraw(self, amount: int) -> None:
        self.set_state(self.get_state(int, 0) - amount)

    def balance(self) -> int:
        return self.get_state(int, 0)


@app.activity_trigger(input_name="n")
def double(n: int) -> int:
    return 2 * n


class BrokenError(Exception):
    pass


@app.activity_trigger(input_name="nothing")
def break_down(nothing: str) -> str:
    raise BrokenError("as it should")
