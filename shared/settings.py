"""App settings, read once: one field per setting, complete or nothing.

Only activities, API handlers and the doors read them; orchestrators and entities never do.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Self

from shared.errors import SettingsError

_MISSING = "__missing__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the app must know about the outside. A setting's name is the field's, in capitals."""

    azure_openai_endpoint: str = _MISSING
    """Base of the model service; ``/openai/v1/`` is added where it is missing."""
    azure_openai_key: str = field(default="", repr=False)
    """Empty: the managed identity is used."""
    azure_openai_deployment: str = "imdb-gpt-4-1"
    """Name of the model deployment."""

    databricks_host: str = _MISSING
    """URL of the workspace."""
    databricks_token: str = field(default="", repr=False)
    """Empty: the managed identity is used."""
    databricks_job_id: int = 0
    """The job that runs a query (job lane); 0 where only the warehouse is used."""
    databricks_warehouse_id: str = ""
    """The SQL warehouse (statement lane), preferred where it is set."""
    databricks_lane: str = ""
    """``statement`` or ``job``, where both are set up; empty: the warehouse where there is one."""
    databricks_medallion_notebook: str = "/Workspace/Shared/durable-lakehouse/medallion_job"
    """Where `databricks/medallion_job.py` is deployed: the large lane of the ETL."""
    databricks_cluster: str = ""
    """JSON: the job cluster that the large lane runs on, as `new_cluster` of the Jobs API. Empty: serverless."""

    cosmos_endpoint: str = _MISSING
    """URL of the account."""
    cosmos_key: str = field(default="", repr=False)
    """Empty: the managed identity is used."""
    cosmos_database: str = "imdb_chat"
    """Database of the container `conversations`."""
    conversation_ttl_seconds: int = 86_400
    """How long a conversation is kept after its last change."""

    lake_url: str = _MISSING
    """``file:///folder``, or ``abfss://container@account.dfs.core.windows.net/folder``."""

    chat_dataset: str = "imdb"
    """The dataset of the catalogue that questions are about."""
    chat_anonymous: bool = False
    """Whether the chat answers callers without a token; their conversation id is then the capability."""
    chat_data_wait_seconds: int = 3_600
    """How long a question that waits for its asker's newer Gold does so; then the last one answers it."""
    chat_burst: int = 60
    """How many questions one caller may start at once."""
    chat_starts_per_second: float = 5.0
    """How fast that allowance fills up again."""

    head_rows: int = 5
    """How many rows of a result the model sees."""
    row_limit: int = 1_000
    """How many rows of a result are kept."""
    max_sql_retries: int = 3
    """How often a failed query goes back to the model."""
    query_deadline_seconds: int = 300
    """A query that is still running then is cancelled."""

    job_ttl_seconds: int = 2_592_000
    """How long an ETL job's record is kept after its last change."""
    etl_small_limit: int = 10_000
    """Jobs of more rows take the large lane."""
    etl_small_slots: int = 10
    """How many jobs the small lane runs at once."""
    etl_large_slots: int = 3
    """How many jobs the large lane runs at once."""
    etl_small_deadline_seconds: int = 300
    """When a job of the small lane is promised to be done; past it, the job moves to the large lane."""
    etl_large_deadline_seconds: int = 86_400
    """When a job of the large lane is promised to be done."""
    etl_small_window_seconds: int = 600
    """How often the small lane takes the jobs that wait for its window."""
    etl_large_window_seconds: int = 36_000
    """How often the large lane takes the jobs that wait for its window."""
    etl_lease_seconds: int = 60
    """How long a slot is held before somebody looks whether its job still runs."""
    etl_review_threshold: float = 0.2
    """A job that rejects a larger share of its rows waits for somebody's decision."""
    etl_review_seconds: int = 604_800
    """How long it waits."""
    etl_burst: int = 120
    """How many jobs one user may start, or data sets generate, at once."""
    etl_starts_per_second: float = 2.0
    """How fast that allowance fills up again."""
    etl_concurrent_jobs: int = 100
    """How many jobs one user may have under way."""
    etl_rows_per_day: int = 50_000_000
    """How many rows one user may have cleaned on one day (UTC)."""
    etl_databricks_seconds_per_day: int = 86_400
    """How long one user's jobs may run on Databricks on one day (UTC)."""
    mysql_url: str = field(default="", repr=False)
    """SQLAlchemy URL of the serving database (``mysql+pymysql://...``). Empty: SQLite beside a lake on disk."""

    jwt_secret: str = field(default="", repr=False)
    """Signs the tokens of ``/login``; at least 32 bytes. Empty: there is no ``/login``."""
    jwt_issuer: str = "durable-lakehouse"
    """Who issues the tokens of ``/login``."""
    jwt_audience: str = "durable-lakehouse"
    """Whom the tokens of ``/login`` are for."""
    login_users: str = field(default="", repr=False)
    """JSON: ``{"name": {"hash": "$argon2id$...", "roles": ["admin"]}}``."""
    entra_tenant_id: str = ""
    """The tenant of Entra ID whose tokens are accepted; empty: none."""
    entra_client_id: str = ""
    """With the tenant: tokens of Entra ID for this audience are accepted, checked against its keys."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read every setting from ``environ``.

        Raises:
            SettingsError: names everything that is missing or unreadable, at once.
        """
        values: dict[str, Any] = {}
        unreadable: list[str] = []
        for setting in fields(cls):
            text = environ.get(setting.name.upper(), "").strip()
            if not text:
                continue
            default: Any = setting.default
            try:
                values[setting.name] = _parse(text, default)
            except ValueError:
                unreadable.append(setting.name.upper())
        settings = cls(**values)
        missing = [f.name.upper() for f in fields(cls) if getattr(settings, f.name) == _MISSING]
        if missing or unreadable:
            parts = [f"Missing app settings: {', '.join(missing)}."] if missing else []
            parts += [f"Unreadable app settings: {', '.join(unreadable)}."] if unreadable else []
            parts.append("Looked in the environment (local.settings.json fills it); see docs/reference/settings.md.")
            raise SettingsError(" ".join(parts))
        return settings


@cache
def settings() -> Settings:
    """Return the settings of this process."""
    return Settings.from_env()


def _parse(text: str, default: Any) -> Any:
    if not isinstance(default, bool):
        return type(default)(text)
    if text.lower() not in {"true", "false", "1", "0"}:
        raise ValueError(text)
    return text.lower() in {"true", "1"}
