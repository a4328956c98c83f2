"""The patterns that Microsoft's samples show, written as those are: chaining, fan-out, monitor, a person, a counter."""

import json
import logging
import os
from datetime import timedelta

import azure.durable_functions as df
import azure.functions as func

myApp = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)


@myApp.route(route="orchestrators/{functionName}")
@myApp.durable_client_input(client_name="client")
async def HttpStart(req: func.HttpRequest, client):
    payload = json.loads(req.get_body().decode() or "null")
    instance_id = await client.start_new(req.route_params["functionName"], client_input=payload)
    logging.info("Started orchestration with ID = '%s'.", instance_id)
    return client.create_check_status_response(req, instance_id)


@myApp.orchestration_trigger(context_name="context")
def E1_HelloSequence(context: df.DurableOrchestrationContext):
    tokyo = yield context.call_activity("E1_SayHello", "Tokyo")
    seattle = yield context.call_activity("E1_SayHello", "Seattle")
    london = yield context.call_activity("E1_SayHello", "London")
    return [tokyo, seattle, london]


@myApp.activity_trigger(input_name="city")
def E1_SayHello(city):
    return f"Hello {city}!"


@myApp.orchestration_trigger(context_name="context")
def E2_SizeOfFolder(context: df.DurableOrchestrationContext):
    folder = context.get_input()
    if not folder:
        raise Exception("A folder is needed as input")
    files = yield context.call_activity("E2_ListFiles", folder)
    tasks = []
    for file in files:
        tasks.append(context.call_activity("E2_SizeOf", file))
    return sum((yield context.task_all(tasks)))


@myApp.activity_trigger(input_name="folderName")
def E2_ListFiles(folderName):
    return [os.path.join(folderName, name) for name in sorted(os.listdir(folderName)) if name.endswith(".json")]


@myApp.activity_trigger(input_name="fileName")
def E2_SizeOf(fileName):
    return os.path.getsize(fileName)


@myApp.orchestration_trigger(context_name="context")
def E3_Monitor(context: df.DurableOrchestrationContext):
    job = context.get_input()
    expires = context.current_utc_datetime + timedelta(seconds=30)
    looks = 0
    while context.current_utc_datetime < expires:
        looks += 1
        if (yield context.call_activity("E3_IsDone", job)):
            yield context.call_activity("E3_SendAlert", f"{job} is done")
            return looks
        yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=20))
    return "expired"


JOBS = {}


@myApp.activity_trigger(input_name="job")
def E3_IsDone(job: str) -> bool:
    JOBS[job] = JOBS.get(job, 0) + 1
    return JOBS[job] >= 4


@myApp.activity_trigger(input_name="message")
def E3_SendAlert(message: str) -> str:
    logging.info(message)
    return message


@myApp.orchestration_trigger(context_name="context")
def E4_PhoneVerification(context: df.DurableOrchestrationContext):
    code = yield context.call_activity("E4_SendChallenge", context.get_input())
    context.set_custom_status("waiting for the code")
    timeout = context.create_timer(context.current_utc_datetime + timedelta(seconds=90))
    for _ in range(3):
        response = context.wait_for_external_event("SmsChallengeResponse")
        winner = yield context.task_any([response, timeout])
        if winner != response:
            break
        if response.result == code:
            timeout.cancel()
            return True
    if not timeout.is_complete:
        timeout.cancel()
    return False


@myApp.activity_trigger(input_name="phoneNumber")
def E4_SendChallenge(phoneNumber: str) -> int:
    return sum(ord(digit) for digit in phoneNumber)


@myApp.entity_trigger(context_name="context", entity_name="Counter")
def Counter(context):
    current_value = context.get_state(lambda: 0)
    operation = context.operation_name
    if operation == "add":
        current_value += context.get_input()
        context.set_result(current_value)
    elif operation == "reset":
        current_value = 0
    elif operation == "get":
        context.set_result(current_value)
    context.set_state(current_value)


@myApp.orchestration_trigger(context_name="context")
def E5_Counting(context: df.DurableOrchestrationContext):
    entityId = df.EntityId("Counter", "myCounter")
    context.signal_entity(entityId, "add", 3)
    return (yield context.call_entity(entityId, "get"))


@myApp.timer_trigger(schedule="0 0 3 * * *", arg_name="timer")
@myApp.durable_client_input(client_name="client")
async def Nightly(timer: func.TimerRequest, client):
    await client.start_new("E1_HelloSequence", instance_id="nightly")
