"""gRPC over HTTP/2 on asyncio, as much of it as a server of unary and server-streaming calls needs.

The usual server library hands every call through three threads before a coroutine sees it, which on two cores costs
four times what the hub itself does with the call (``docs/performance.md``). Clients and workers keep using theirs.
"""
