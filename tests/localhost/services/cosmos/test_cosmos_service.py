"""The account, its containers, and life with others: keys, time to live, crowds, kills, faults."""

import asyncio
import base64
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from azure.core import MatchConditions
from azure.core.pipeline.transport import AsyncioRequestsTransport
from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient as AsyncCosmosClient
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosHttpResponseError,
    CosmosResourceNotFoundError,
)

from localhost.services.cosmos.store import Store, StoreInUseError
from localhost.services.faults import Fault

ROOT = Path(__file__).parents[4]
SERVER = """
import asyncio, sys, uvicorn
from pathlib import Path
from localhost.services.cosmos.app import create_app
from localhost.services.faults import Faults
server = uvicorn.Server(uvicorn.Config(create_app(Path(sys.argv[1]), sys.argv[2], Faults()), port=0, log_level="error"))
async def main():
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await task
asyncio.run(main())
"""


class Transport(AsyncioRequestsTransport):
    """Threads and requests under the asynchronous client, whose own transport (aiohttp) the app does not need."""

    async def send(self, request, **kwargs):
        kwargs.pop("read_timeout", None)
        return await super().send(request, **kwargs)


def crowd_client(url: str, key: str, **options) -> AsyncCosmosClient:
    """The asynchronous client, with room for a crowd."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(200))
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=200))
    return AsyncCosmosClient(url, key, transport=Transport(session=session), **options)


def test_a_wrong_key_opens_nothing(account):
    """A client with another key is refused (401)."""
    other = base64.b64encode(b"some other key").decode()

    with pytest.raises(CosmosHttpResponseError) as caught:
        account.client(other)

    assert caught.value.status_code == 401


def test_says_that_it_is_a_stand_in(account):
    """`/_about` tells what this is, without a key."""
    with urllib.request.urlopen(f"{account.url}/_about") as answer:
        assert json.load(answer)["stand_in"] is True


def test_databases_and_containers_are_made_listed_and_deleted(account):
    """What exists is not made twice; what is deleted is gone with all in it."""
    client = account.client()
    database = client.create_database_if_not_exists("chat")
    client.create_database_if_not_exists("chat")
    container = database.create_container_if_not_exists("c", PartitionKey("/tenant"), default_ttl=60)
    container.create_item({"id": "1", "tenant": "a"})

    assert [d["id"] for d in client.list_databases()] == ["chat"]
    assert [c["id"] for c in database.list_containers()] == ["c"]
    assert container.read()["defaultTtl"] == 60
    with pytest.raises(CosmosHttpResponseError, match="already exists"):
        database.create_container("c", PartitionKey("/tenant"))

    database.delete_container("c")
    database.create_container("c", PartitionKey("/tenant"))
    with pytest.raises(CosmosResourceNotFoundError):
        container.read_item("1", "a")  # the client meets the new container with the old one's resource id
    client.delete_database("chat")
    assert not list(client.list_databases())


def test_items_live_as_long_as_they_should(account):
    """The container's time to live counts from the last change; an item's own wins; -1 is for ever."""
    items = account.container("mortal", ttl=100)
    items.create_item({"id": "default", "tenant": "a"})
    items.create_item({"id": "short", "tenant": "a", "ttl": 10})
    items.create_item({"id": "eternal", "tenant": "a", "ttl": -1})

    def living() -> set[str]:
        return set(items.query_items("SELECT VALUE c.id FROM c", partition_key="a"))

    account.clock.now += 11
    assert living() == {"default", "eternal"}
    with pytest.raises(CosmosResourceNotFoundError):
        items.read_item("short", "a")
    items.create_item({"id": "short", "tenant": "a"})  # the id is free again
    items.patch_item("default", "a", [{"op": "set", "path": "/x", "value": 1}])
    account.clock.now += 95
    assert living() == {"default", "eternal", "short"}
    account.clock.now += 10
    assert living() == {"eternal"}


def test_without_a_default_nothing_expires(account):
    """An item's `ttl` means nothing in a container that has none; setting one later counts from the last change."""
    items = account.container("immortal")
    items.create_item({"id": "1", "tenant": "a", "ttl": 1})
    account.clock.now += 1000
    assert items.read_item("1", "a")

    account.client().get_database_client("chat").replace_container("immortal", PartitionKey("/tenant"), default_ttl=-1)

    with pytest.raises(CosmosResourceNotFoundError):
        items.read_item("1", "a")


def test_names_what_it_cannot_do(account):
    """Operations that are not there are 501 and say which; unknown paths too."""
    items = account.container()
    database = account.client().get_database_client("chat")

    for call, what in (
        (lambda: list(items.query_items_change_feed()), "change feed"),
        (lambda: items.scripts.list_stored_procedures().next(), "sprocs"),
        (lambda: database.create_container("h", PartitionKey(["/a", "/b"], kind="MultiHash")), "hierarchical"),
        (
            lambda: database.create_container(
                "u", PartitionKey("/a"), unique_key_policy={"uniqueKeys": [{"paths": ["/x"]}]}
            ),
            "unique keys",
        ),
    ):
        with pytest.raises(CosmosHttpResponseError, match=what) as caught:
            call()
        assert caught.value.status_code == 501


def test_takes_newer_versions_with_one_warning(account, caplog):
    """A client of a newer API version is served, and the log says so once."""
    for _ in range(3):
        request = urllib.request.Request(account.url, headers={"x-ms-version": "2031-01-01"})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)
        caught.value.close()

    assert [r.getMessage() for r in caplog.records if "2031-01-01" in r.getMessage()].__len__() == 1


def test_two_hundred_calls_at_once(account):
    """A crowd of asynchronous writers and readers is served, each with its own item."""
    account.container()

    async def crowd() -> list[dict]:
        async with crowd_client(account.url, account.key) as client:
            items = client.get_database_client("chat").get_container_client("conversations")
            await asyncio.gather(*(items.upsert_item({"id": str(n), "tenant": "a", "n": n}) for n in range(200)))
            return await asyncio.gather(*(items.read_item(str(n), "a") for n in range(200)))

    assert [item["n"] for item in asyncio.run(crowd())] == list(range(200))


def test_racing_writers_lose_no_update(account):
    """Twenty writers that read, add one and replace if unchanged, until it works, add twenty."""
    account.container().create_item({"id": "1", "tenant": "a", "n": 0})

    async def add_one(items) -> None:
        while True:
            item = await items.read_item("1", "a")
            item["n"] += 1
            try:
                await items.replace_item("1", item, etag=item["_etag"], match_condition=MatchConditions.IfNotModified)
            except CosmosAccessConditionFailedError:
                continue
            return

    async def race() -> int:
        async with crowd_client(account.url, account.key) as client:
            items = client.get_database_client("chat").get_container_client("conversations")
            await asyncio.gather(*(add_one(items) for _ in range(20)))
            return (await items.read_item("1", "a"))["n"]

    assert asyncio.run(race()) == 20


def test_what_was_acknowledged_survives_a_kill(tmp_path):
    """The server is killed in the middle of writing: everything it acknowledged is there after a restart."""
    from azure.cosmos import CosmosClient

    key = base64.b64encode(b"k" * 32).decode()
    acknowledged: list[int] = []
    for round_number in range(3):
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(tmp_path / "cosmos.sqlite"), key], cwd=ROOT, stdout=subprocess.PIPE
        )
        try:
            assert server.stdout
            url = f"http://127.0.0.1:{int(server.stdout.readline())}"
            client = CosmosClient(url, key, retry_total=0)
            items = client.create_database_if_not_exists("chat").create_container_if_not_exists(
                "c", PartitionKey("/tenant")
            )
            assert set(acknowledged) <= set(items.query_items("SELECT VALUE c.n FROM c", partition_key="a"))

            async def write_until_killed(url: str = url, first: int = round_number * 1000, victim=server) -> None:
                async with crowd_client(url, key, retry_total=0) as client:
                    items = client.get_database_client("chat").get_container_client("c")

                    async def write(n: int) -> None:
                        await items.create_item({"id": str(n), "tenant": "a", "n": n})
                        acknowledged.append(n)
                        if len(acknowledged) % 50 == 0:
                            victim.send_signal(signal.SIGKILL)

                    await asyncio.gather(*(write(first + n) for n in range(90)), return_exceptions=True)

            asyncio.run(write_until_killed())
        finally:
            server.kill()
            server.wait()
            if server.stdout:
                server.stdout.close()
    assert len(acknowledged) >= 150


def test_one_process_serves_one_file(tmp_path, monkeypatch):
    """A second server on the same file is refused instead of corrupting it."""
    monkeypatch.setattr("localhost.services.cosmos.store.SECONDS_TO_WAIT_FOR_THE_FILE", 0.05)
    first = Store(tmp_path / "c.sqlite")
    with pytest.raises(StoreInUseError, match="in use by another process"):
        Store(tmp_path / "c.sqlite")
    first.close()

    Store(tmp_path / "c.sqlite").close()


def test_a_throttled_client_tries_again(account):
    """An injected 429 is waited out by the client; an injected refusal of an etag reaches the caller."""
    items = account.container()
    item = items.create_item({"id": "1", "tenant": "a"})
    account.faults.add(
        Fault(match="GET .*docs", status=429, headers={"x-ms-retry-after-ms": "1"}, times=2),
        Fault(effect="refuse_etag", match="docs/1"),
    )

    assert items.read_item("1", "a")["id"] == "1"
    assert [c["status"] for c in account.faults.calls()][-3:] == [429, 429, 200]

    condition = {"etag": item["_etag"], "match_condition": MatchConditions.IfNotModified}
    with pytest.raises(CosmosAccessConditionFailedError):
        items.replace_item("1", item, **condition)
    items.replace_item("1", item, **condition)


def test_the_client_is_sent_back_to_where_it_came_from(account):
    """The account names the URL of the caller's own Host header, so that any name for this machine works."""
    by_name = account.url.replace("127.0.0.1", "localhost")
    from azure.cosmos import CosmosClient

    account.container()
    items = CosmosClient(by_name, account.key).get_database_client("chat").get_container_client("conversations")
    items.create_item({"id": "1", "tenant": "a"})

    assert items.client_connection.WriteEndpoint.startswith(by_name)
