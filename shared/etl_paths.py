"""Where the data of an ETL job lies, below ``LAKE_URL``.

Every path is made of ids that the server made; a segment from outside never enters one unchecked.
"""

import hashlib
import re

from shared.errors import InvalidFieldError

GOLD_TABLES = ("dim_users", "dim_location", "dim_time", "fact_orders", "agg_user_metrics", "agg_product_metrics")
BRONZE = "shanlee-raw-data"
_SEGMENT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,126}[A-Za-z0-9])?")


def user_segment(owner: str) -> str:
    """Return the folder name that stands for ``owner``: the same for the same, in an alphabet that no store alters."""
    readable = re.sub(r"[^a-z0-9]+", "-", owner.lower()).strip("-")[:24].strip("-") or "user"
    return f"{readable}-{hashlib.sha256(owner.encode()).hexdigest()[:16]}"


def segment(text: str) -> str:
    """Return ``text`` if it may be one segment of a path.

    Raises:
        InvalidFieldError: it may not.
    """
    if _SEGMENT.fullmatch(text) is None:
        raise InvalidFieldError(f"{text[:64]!r} cannot be part of a path: use letters, digits, '-' and '_'.")
    return text


def bronze_path(owner: str, parent_job_id: str, job_id: str, extension: str) -> str:
    """Return where the records of a job lie as they came."""
    return f"{BRONZE}/{_job(owner, parent_job_id, job_id)}.{segment(extension)}"


def corrections_path(owner: str, parent_job_id: str, job_id: str, number: int, extension: str) -> str:
    """Return where the corrections of a job's rejected records lie, as they came."""
    return f"{BRONZE}/{_job(owner, parent_job_id, job_id)}-corrections-{number}.{segment(extension)}"


def staging_path(owner: str, parent_job_id: str, job_id: str, attempt: str) -> str:
    """Return the folder that one attempt of a job works in; no other attempt does."""
    return f"staging/{_job(owner, parent_job_id, job_id)}/{segment(attempt)}"


def silver_path(owner: str, parent_job_id: str, job_id: str) -> str:
    """Return where the clean rows of a job are published."""
    return f"silver/cleaned/{_job(owner, parent_job_id, job_id)}.parquet"


def rejects_path(owner: str, parent_job_id: str, job_id: str) -> str:
    """Return where the rejected records of a job are published."""
    return f"silver/rejected/{_job(owner, parent_job_id, job_id)}.parquet"


def gold_path(owner: str, parent_job_id: str, job_id: str) -> str:
    """Return the folder of a job's star schema: its manifest, and one folder a version."""
    return f"gold/analytics/{_job(owner, parent_job_id, job_id)}"


def manifest_path(owner: str, parent_job_id: str, job_id: str) -> str:
    """Return where the manifest lies that makes a job's Gold the published one."""
    return f"{gold_path(owner, parent_job_id, job_id)}/manifest.json"


def views_path(owner: str, parent_job_id: str, job_id: str) -> str:
    """Return where the SQL lies that makes a job's Gold views of Synapse serverless."""
    return f"{gold_path(owner, parent_job_id, job_id)}/synapse-views.sql"


def log_path(kind: str, owner: str, parent_job_id: str, job_id: str) -> str:
    """Return where a job's report lies; ``kind`` is ``transformation_metrics`` or ``pipeline_runs``."""
    return f"logs/{segment(kind)}/{_job(owner, parent_job_id, job_id)}.json"


def _job(owner: str, parent_job_id: str, job_id: str) -> str:
    return f"{user_segment(owner)}/{segment(parent_job_id)}/{segment(job_id)}"
