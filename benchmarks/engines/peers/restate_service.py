"""The work as a Restate service in a process of its own, which listens on the port that it is given."""

import asyncio
import sys

import restate
from hypercorn.asyncio import serve
from hypercorn.config import Config

work = restate.Service("jobs")
counter = restate.VirtualObject("counter")


async def act(number: int) -> int:
    return number + 1


@work.handler()
async def hello(ctx: restate.Context, number: int) -> int:
    for step in ("first", "second", "third"):
        number = await ctx.run_typed(step, act, number=number)
    return number


@work.handler()
async def fan(ctx: restate.Context, width: int) -> int:
    results = [ctx.run_typed("act", act, number=n) for n in range(width)]
    await restate.gather(*results)
    return sum([await result for result in results])


@counter.handler()
async def add(ctx: restate.ObjectContext, amount: int) -> None:
    ctx.set("value", (await ctx.get("value", type_hint=int) or 0) + amount)


@counter.handler(kind="shared")
async def read(ctx: restate.ObjectSharedContext) -> int:
    return await ctx.get("value", type_hint=int) or 0


if __name__ == "__main__":
    config = Config()
    config.bind = [f"127.0.0.1:{sys.argv[1]}"]
    config.loglevel = "ERROR"
    asyncio.run(serve(restate.app([work, counter]), config))
