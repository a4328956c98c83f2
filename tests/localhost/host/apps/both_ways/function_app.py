"""Orchestrators in every style, for a comparison of the ways in which the host may make a step of them."""

import asyncio
import logging
from contextvars import ContextVar

import azure.durable_functions as df
from azure.functions import OrchestrationContext
from azure_functions_runtime import invocation_id_cv
from durabletask import task
from durabletask.entities import EntityInstanceId

app = df.DFApp()
leftover: ContextVar[str] = ContextVar("leftover", default="nothing")


@app.orchestration_trigger(context_name="context")
def native(ctx: task.OrchestrationContext, number: int):
    ctx.set_custom_status({"number": number})
    return (yield ctx.call_activity("act", input=number))


@app.orchestration_trigger(context_name="context")
def first_style(context: df.DurableOrchestrationContext):
    numbers = yield context.task_all([context.call_activity("act", n) for n in context.get_input()])
    return [context.instance_id, context.is_replaying, numbers]


@app.orchestration_trigger(context_name="ctx", orchestration="another name")
def under_another_name(ctx):
    yield ctx.create_timer(ctx.current_utc_datetime)


@app.orchestration_trigger(context_name="context", input_type=dict)
def with_a_type(context):
    return context.get_input()


@app.orchestration_trigger(context_name="context")
def no_generator(ctx: task.OrchestrationContext, number: int):
    return number + 1


@app.orchestration_trigger(context_name="context")
def failing(ctx: task.OrchestrationContext, _: object):
    raise ValueError("first line\nsecond line")


@app.orchestration_trigger(context_name="context")
def what_it_sees(ctx: task.OrchestrationContext, _: object):
    logging.getLogger("app").info("from inside")
    before = leftover.get()
    leftover.set("something")
    return [bool(invocation_id_cv.get()), before, asyncio.run(asyncio.sleep(0, "its own loop"))]


@app.generic_trigger(arg_name="context", type="orchestrationTrigger")
def by_hand(context: OrchestrationContext) -> str:
    return df.Orchestrator.create(no_generator_by_hand)(context)


def no_generator_by_hand(ctx: task.OrchestrationContext, number: int):
    return number + 2


@app.entity_trigger(context_name="context")
def native_entity(ctx, amount: int):
    if ctx.operation == "fail":
        raise ValueError("first line\nsecond line")
    ctx.set_state(ctx.get_state(int, 0) + amount)
    ctx.signal_entity(EntityInstanceId("other", "one"), "told", amount)
    return ctx.get_state(int, 0)


@app.entity_trigger(context_name="context")
def first_style_entity(context: df.DurableEntityContext):
    if context.operation_name == "fail":
        raise ValueError("first line\nsecond line")
    context.set_state(context.get_state(lambda: 0) + context.get_input())
    context.set_result({"state": context.get_state(), "key": context.entity_key})


@app.activity_trigger(input_name="number")
def act(number: int) -> int:
    return number
