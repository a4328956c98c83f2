"""The handlers, called as the worker calls them: a real Cosmos DB client, and a task hub that a test moves."""

import asyncio
import base64
import inspect
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import azure.functions as func
import grpc
import pytest
from argon2 import PasswordHasher
from azure.cosmos import CosmosClient, PartitionKey
from durabletask.client import OrchestrationState, OrchestrationStatus
from durabletask.task import FailureDetails
from serving import serving

import api.accounts
import api.following
import api.job_following
import api.starting
from localhost.services.cosmos.app import create_app
from localhost.services.faults import Faults
from shared.conversations import Conversations
from shared.identity import local
from shared.jobs import Jobs
from shared.rate_limit import RateLimits
from shared.settings import settings

KEY = base64.b64encode(b"a key for tests, as long as real").decode()


def rpc_error(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata())


@dataclass
class FakeHub:
    """What the handlers ask of a durable client. ``scheduled`` holds ids in order; ``down`` fails every call."""

    states: dict[str, OrchestrationState] = field(default_factory=dict)
    scheduled: list[str] = field(default_factory=list)
    inputs: list[Any] = field(default_factory=list)
    ended: dict[str, asyncio.Event] = field(default_factory=dict)
    looks: int = 0
    down: bool = False

    def put(
        self, instance_id: str, status: str = "RUNNING", progress: Mapping[str, Any] | None = None, **more: Any
    ) -> None:
        at = datetime.now(UTC).replace(tzinfo=None)
        self.states[instance_id] = OrchestrationState(
            instance_id=instance_id,
            name="conversation",
            runtime_status=OrchestrationStatus[status],
            created_at=more.get("created_at", at),
            last_updated_at=more.get("last_updated_at", at),
            serialized_input='{"secret": "input"}',
            serialized_output=more.get("output"),
            serialized_custom_status=json.dumps(progress) if progress else None,
            failure_details=more.get("failure"),
        )

    async def schedule_new_orchestration(self, name: str, *, input: Any, instance_id: str) -> str:  # noqa: A002  the SDK's name
        self._answer()
        assert name == "conversation"
        if instance_id in self.states:
            raise rpc_error(grpc.StatusCode.ALREADY_EXISTS)
        self.scheduled.append(instance_id)
        self.inputs.append(input)
        self.put(instance_id, "PENDING")
        return instance_id

    async def get_orchestration_state(
        self, instance_id: str, *, fetch_payloads: bool = True
    ) -> OrchestrationState | None:
        self._answer()
        self.looks += 1
        return self.states.get(instance_id)

    async def wait_for_orchestration_completion(
        self,
        instance_id: str,
        *,
        fetch_payloads: bool = True,
        timeout: float = 60,  # noqa: ASYNC109  the SDK's name
    ) -> OrchestrationState | None:
        self._answer()
        async with asyncio.timeout(timeout):
            await self.ended.setdefault(instance_id, asyncio.Event()).wait()
        return self.states[instance_id]

    async def purge_orchestration(self, instance_id: str) -> None:
        del self.states[instance_id]

    def _answer(self) -> None:
        if self.down:
            raise rpc_error(grpc.StatusCode.UNAVAILABLE)


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    text: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class App:
    """The app's handlers over one Cosmos DB stand-in and one hub."""

    hub: FakeHub
    conversations: Conversations
    faults: Faults
    tokens: dict[str, str]

    async def call(self, function: Any, method: str = "GET", **request: Any) -> Answer:
        """Call a handler. ``user`` sends that user's token, ``json`` or ``body`` the body."""
        headers: dict[str, str] = dict(request.get("headers", {}))
        if user := request.get("user"):
            headers["Authorization"] = f"Bearer {self.tokens[user]}"
        body = request.get("body", b"")
        if "json" in request:
            body = json.dumps(request["json"]).encode()
            headers.setdefault("Content-Type", "application/json")
        req = func.HttpRequest(
            method,
            "http://localhost:7071/x",
            headers=headers,
            params=request.get("params", {}),
            route_params=request.get("route", {}),
            body=body,
        )
        decorated = function.build().get_user_function()
        handler = getattr(decorated, "client_function", decorated)
        with_client = {"client": self.hub} if "client" in inspect.signature(handler).parameters else {}
        response = await handler(req=req, **with_client)
        return Answer(response.status_code, dict(response.headers), response.get_body())


@pytest.fixture(scope="session")
def login_users() -> str:
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    users = {"ann": [], "bob": [], "root": ["admin"]}
    return json.dumps({name: {"hash": hasher.hash(name), "roles": roles} for name, roles in users.items()})


@pytest.fixture(scope="session")
def cosmos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CosmosClient, Faults]]:
    faults = Faults()
    file = tmp_path_factory.mktemp("cosmos") / "cosmos.sqlite"
    with serving(create_app(file, KEY, faults)) as url:
        yield CosmosClient(url, KEY), faults


@pytest.fixture
def app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, login_users: str, cosmos: tuple[CosmosClient, Faults]
) -> Iterator[App]:
    values = {
        "AZURE_OPENAI_ENDPOINT": "http://127.0.0.1:9",
        "DATABRICKS_HOST": "http://127.0.0.1:9",
        "COSMOS_ENDPOINT": "http://127.0.0.1:9",
        "LAKE_URL": tmp_path.as_uri(),
        "JWT_SECRET": "a secret for tests, thirty-two bytes or more",
        "LOGIN_USERS": login_users,
        "CHAT_ANONYMOUS": "true",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    client, faults = cosmos
    database = client.create_database(str(uuid.uuid4()))
    records = database.create_container("conversations", PartitionKey("/partition_key"), default_ttl=-1)
    conversations = Conversations(records, ttl=86_400)
    limits = RateLimits(database.create_container("limits", PartitionKey("/id"), default_ttl=3_600))
    jobs = Jobs(database.create_container("jobs", PartitionKey("/owner"), default_ttl=-1))
    monkeypatch.setattr(api.job_following, "jobs", lambda: jobs)
    for module in (api.starting, api.following):
        monkeypatch.setattr(module, "conversations", lambda: conversations)
    for module in (api.starting, api.accounts):
        monkeypatch.setattr(module, "rate_limits", lambda: limits)
    tokens = {name: local.issue(name) for name in ("ann", "bob", "root")}
    yield App(FakeHub(), conversations, faults, tokens)
    faults.clear()
    settings.cache_clear()


def failure(kind: str, message: str) -> FailureDetails:
    return FailureDetails(message, kind, "a stack trace")
