"""Which outside services are stood in for, and the settings that point the app at the stand-ins.

A service whose address the user gave is left alone: the real one is used.
"""

import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from localhost.host.keys import Keys

ADDRESS_SETTING = {
    "model": "AZURE_OPENAI_ENDPOINT",
    "databricks": "DATABRICKS_HOST",
    "cosmos": "COSMOS_ENDPOINT",
}
"""The services that can be stood in for, and the setting that says where the real one is."""
ANY_KEY = "stand-in"
"""The model and Databricks stand-ins want a key, as the real ones do, and accept any."""


@dataclass(frozen=True, slots=True)
class StandIns:
    """The stand-ins of one host, by service, with their addresses."""

    urls: Mapping[str, str] = field(default_factory=dict[str, str])

    def settings(self, keys: Keys) -> Mapping[str, str]:
        """Return the app settings that lead to the stand-ins."""
        settings = {ADDRESS_SETTING[service]: url for service, url in self.urls.items()}
        if "model" in self.urls:
            settings["AZURE_OPENAI_KEY"] = ANY_KEY
        if "databricks" in self.urls:
            settings |= {"DATABRICKS_TOKEN": ANY_KEY, "DATABRICKS_WAREHOUSE_ID": "local", "DATABRICKS_JOB_ID": "1"}
        if "cosmos" in self.urls:
            settings["COSMOS_KEY"] = keys.cosmos_key
        return settings


def choose(given: Mapping[str, str]) -> StandIns:
    """Return a stand-in, on a free port of loopback, for each service that has no address yet."""
    wanted = [service for service, name in ADDRESS_SETTING.items() if not given.get(name)]
    with ExitStack() as stack:  # all held at once, so that no port is chosen twice
        sockets = [stack.enter_context(socket.socket()) for _ in wanted]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        urls = {
            service: f"http://127.0.0.1:{one.getsockname()[1]}" for service, one in zip(wanted, sockets, strict=True)
        }
    return StandIns(urls)


def common_settings(keys: Keys, lake: Path, login_users: str) -> Mapping[str, str]:
    """Return the app settings that make one machine enough, whoever the services are."""
    settings = {
        "LAKE_URL": lake.as_uri(),
        "JWT_SECRET": keys.jwt_secret,
        "CHAT_ANONYMOUS": "true",
        "AZURE_FUNCTIONS_DURABLE_STRICT_TYPING": "1",
    }
    return settings | ({"LOGIN_USERS": login_users} if login_users else {})


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach ``address``."""
    if address == "localhost":
        return True
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def names(services: Sequence[str]) -> str:
    """Return services in words."""
    words = {"model": "model", "databricks": "Databricks", "cosmos": "Cosmos DB"}
    return ", ".join(words[service] for service in services) or "none"
