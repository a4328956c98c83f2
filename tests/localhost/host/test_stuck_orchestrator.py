"""An orchestrator that does not come back, in a running host."""

import hosting

APP = """
import os, time
import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="run/{name}/{id}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def run(req: func.HttpRequest, client: df.DurableFunctionsClient):
    payload = req.get_body().decode()
    await client.schedule_new_orchestration(req.route_params["name"], instance_id=req.route_params["id"], input=payload)
    return func.HttpResponse(status_code=202)

@app.route(route="wait/{id}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def wait(req: func.HttpRequest, client: df.DurableFunctionsClient):
    state = await client.wait_for_orchestration_completion(req.route_params["id"], timeout=50)
    return func.HttpResponse(state.serialized_output)

@app.orchestration_trigger(context_name="context")
def waits(ctx, path: str):
    while path and not os.path.exists(path):
        time.sleep(0.01)
    return (yield ctx.call_activity("act", input="done"))

@app.orchestration_trigger(context_name="context")
def other(ctx, _: str):
    return (yield ctx.call_activity("act", input="other"))

@app.activity_trigger(input_name="word")
def act(word: str) -> str:
    return word
"""


def test_a_stuck_orchestrator_holds_up_neither_requests_nor_others(functions_host, tmp_path):
    """It was quick until now; its steps go to threads then, the host says so, and it ends when it can."""
    host: hosting.Host = functions_host(APP)
    released = tmp_path / "released"

    def run(name: str, instance_id: str, path: str = "") -> None:
        assert client.post(f"/api/run/{name}/{instance_id}", content=path).status_code == 202

    with host.client() as client:
        for number in range(3):  # once it has proven quick, it is made on the event loop
            run("waits", f"quick{number}")
            assert client.get(f"/api/wait/quick{number}").json() == "done"
        run("waits", "stuck", str(released))
        run("other", "other")
        assert client.get("/api/wait/other").json() == "other"
        said = host.logged(lambda line: "did not end" in line.get("message", ""))
        assert (said["level"], said["function"]) == ("warning", "waits")
        run("waits", "unstuck")
        assert client.get("/api/wait/unstuck").json() == "done"
        released.touch()
        assert client.get("/api/wait/stuck").json() == "done"
