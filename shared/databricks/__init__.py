"""The one way to Databricks: run a query, once for each attempt, on one of two lanes.

The *statement* lane sends SQL to a SQL warehouse (``DATABRICKS_WAREHOUSE_ID``) and is preferred where it is set.
The *job* lane runs the job ``DATABRICKS_JOB_ID``, as ``databricks/sql_query_job.py`` defines it. Both leave the
rows in the lake and are asked the same four things.
"""

from functools import cache
from typing import Protocol

from shared.databricks.execution import Execution, Failure, LaneName, QueryKey
from shared.errors import SettingsError
from shared.settings import settings

__all__ = ["Execution", "Failure", "Lane", "LaneName", "QueryKey", "lane", "preferred_lane"]


class Lane(Protocol):
    """A way to run queries. Every method raises WarehouseUnavailableError when nothing was taken."""

    def submit(self, sql: str, key: QueryKey, *, result_url: str, row_limit: int, begun_before: bool) -> Execution:
        """Run ``sql`` and return where it stands.

        ``begun_before`` says that an earlier submission of this attempt may have got through; then that one is
        found, and no second one runs.
        """
        ...

    def fetch(self, handle: str, *, result_url: str, row_limit: int) -> Execution:
        """Return where the execution stands; once it succeeded, its rows are in the lake."""
        ...

    def cancel(self, handle: str) -> None:
        """Ask for the end of the execution; it is over when ``fetch`` says so."""
        ...


def preferred_lane() -> LaneName:
    """Return the lane that new queries take.

    Raises:
        SettingsError: neither lane is set up, or not the one that is asked for.
    """
    wanted = settings().databricks_lane
    if settings().databricks_warehouse_id and wanted in {"", "statement"}:
        return "statement"
    if settings().databricks_job_id and wanted in {"", "job"}:
        return "job"
    raise SettingsError(
        "No lane to Databricks is set up: set DATABRICKS_WAREHOUSE_ID or DATABRICKS_JOB_ID, and DATABRICKS_LANE to one."
    )


@cache
def lane(name: LaneName) -> Lane:
    """Return the lane called ``name``."""
    if name == "statement":
        from shared.databricks.statements import StatementLane

        return StatementLane(settings().databricks_warehouse_id)
    from shared.databricks.jobs import JobLane

    return JobLane(settings().databricks_job_id)
