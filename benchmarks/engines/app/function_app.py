"""The work of the benchmark as an ordinary Functions app."""

import azure.durable_functions as df
import azure.functions as func
from durabletask import task

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="hello", methods=["POST"])
@app.durable_client_input(client_name="client")
async def say_hello(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Start ``hello``, wait for its end and answer with its output."""
    instance_id = await client.schedule_new_orchestration("hello", input=int(req.get_body()))
    state = await client.wait_for_orchestration_completion(instance_id, timeout=60)
    return func.HttpResponse(state.serialized_output if state else "nothing")


@app.route(route="address", methods=["GET"])
@app.durable_client_input(client_name="client")
async def address(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:  # noqa: ARG001 - the trigger
    """Return where the task hub listens."""
    return func.HttpResponse(client.rpcBaseUrl.removeprefix("http://"))


@app.orchestration_trigger(context_name="context")
def hello(ctx, number: int):
    for _ in range(3):
        number = yield ctx.call_activity("act", input=number)
    return number


@app.orchestration_trigger(context_name="context")
def fan(ctx, width: int):
    return sum((yield task.when_all([ctx.call_activity("act", input=n) for n in range(width)])))


@app.activity_trigger(input_name="number")
def act(number: int) -> int:
    return number + 1


@app.entity_trigger(context_name="context")
def counter(ctx, amount: int):
    ctx.set_state(ctx.get_state(int, 0) + amount)
