"""An app with two users of its own and a tenant of Entra ID."""

import json
from collections.abc import Callable, Iterator

import pytest
from argon2 import PasswordHasher

from shared.settings import settings

SECRET = "a secret for tests, thirty-two bytes or more"
TENANT = "11111111-2222-4333-8444-555555555555"
CLIENT = "99999999-8888-4777-8666-555555555555"
ELSEWHERE = {
    "AZURE_OPENAI_ENDPOINT": "http://model.invalid",
    "DATABRICKS_HOST": "http://databricks.invalid",
    "COSMOS_ENDPOINT": "http://cosmos.invalid",
    "LAKE_URL": "file:///nowhere",
}


@pytest.fixture(scope="session")
def login_users() -> str:
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    users = {"ann": ([], "pass of ann"), "root": (["admin"], "pass of root")}
    return json.dumps({name: {"hash": hasher.hash(word), "roles": roles} for name, (roles, word) in users.items()})


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch, login_users: str) -> Iterator[Callable[..., None]]:
    """Set app settings; what is not named has the values above."""

    def change(**values: str) -> None:
        named = ELSEWHERE | {
            "JWT_SECRET": SECRET,
            "LOGIN_USERS": login_users,
            "ENTRA_TENANT_ID": TENANT,
            "ENTRA_CLIENT_ID": CLIENT,
            "CHAT_ANONYMOUS": "false",
        }
        for name, value in (named | values).items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()

    monkeypatch.delenv("WEBSITE_AUTH_ENABLED", raising=False)
    change()
    yield change
    settings.cache_clear()
