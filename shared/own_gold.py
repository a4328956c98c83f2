"""The dataset that each user has alone: the Gold that the last of their own jobs has published.

Which job that is, is read from the asker's own partition of the job records, so nobody else's can be found. A question
keeps the version it was begun with, also while a newer one is made.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast
from urllib.parse import unquote, urlsplit

from shared.conversations import ComingData, DataVersion
from shared.etl_paths import GOLD_TABLES
from shared.jobs import jobs
from shared.lake_files import url_of

_PUBLISHED = (
    "SELECT TOP 1 c.id, c.name, c.gold FROM c WHERE IS_DEFINED(c.gold.published_at) ORDER BY c.gold.published_at DESC"
)
_COMING = (
    "SELECT TOP 1 c.id, c.state FROM c WHERE NOT IS_DEFINED(c.gold.published_at) "
    "AND NOT c.state IN ('completed', 'failed', 'cancelled') ORDER BY c.created_at DESC"
)


class OwnGold(NamedTuple):
    """What a user's jobs have published last, and the newest job that has not published yet."""

    published: DataVersion | None
    coming: ComingData | None


def own_gold(owner: str) -> OwnGold:
    """Return what there is of ``owner``'s Gold.

    Raises:
        RecordUnavailableError: Cosmos DB cannot be reached now.
    """
    return OwnGold(_published(jobs().first(owner, _PUBLISHED)), _coming(jobs().first(owner, _COMING)))


def places(namespace: str, data: DataVersion) -> Mapping[str, str]:
    """Return the URL of each table of ``data``, by its name in SQL."""
    return {f"{namespace}.{table}": _for_spark(url_of(f"{data['path']}/{table}.parquet")) for table in GOLD_TABLES}


def _for_spark(url: str) -> str:
    """Return ``url`` as Spark reads it: the path of a file as it is, not percent-encoded."""
    parts = urlsplit(url)
    return f"file://{unquote(parts.path)}" if parts.scheme == "file" else url


def _published(found: Mapping[str, Any] | None) -> DataVersion | None:
    if found is None:
        return None
    gold = cast("Mapping[str, str]", found["gold"])
    return {
        "job_id": found["id"],
        "name": found["name"],
        "version": gold["version"],
        "published_at": gold["published_at"],
        "path": gold["path"],
    }


def _coming(found: Mapping[str, Any] | None) -> ComingData | None:
    if found is None:
        return None
    waits = found["state"] == "awaiting_review"
    return {"job_id": found["id"], "state": "awaiting_review" if waits else "making"}
