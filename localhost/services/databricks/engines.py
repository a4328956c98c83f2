"""Which engine answers: real Spark where it can run, DuckDB elsewhere and until Spark is warm."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from localhost.services.databricks.duckdb_engine import DuckDbEngine
from localhost.services.databricks.engine import Cancellation, Engine, JobOutput, Parameter, PythonJob, ResultSet
from localhost.services.databricks.spark_engine import SparkEngine
from localhost.services.databricks.spark_session import missing_for_spark

logger = logging.getLogger(__name__)

type EngineName = Literal["auto", "spark", "duckdb"]


def open_engine(name: EngineName, lake: Path) -> Engine:
    """Return the engine called ``name`` over ``lake``, not yet started.

    Raises:
        RuntimeError: Spark was asked for and cannot run here.
    """
    missing = None if name == "duckdb" else missing_for_spark()
    if name == "spark":
        if missing:
            raise RuntimeError(
                f"Spark cannot run here: {missing}. Use the SQL engine duckdb, or install what is missing."
            )
        return SparkEngine(lake)
    if name == "duckdb" or missing:
        if missing:
            logger.warning("SQL runs on DuckDB, which is near to Spark but not the same: %s", missing)
        return DuckDbEngine(lake)
    return WarmingEngine(DuckDbEngine(lake), SparkEngine(lake))


class WarmingEngine:
    """DuckDB as long as Spark warms up, and where it does not start; then Spark."""

    def __init__(self, duckdb: DuckDbEngine, spark: SparkEngine) -> None:
        self._duckdb = duckdb
        self._spark = spark

    def start(self) -> None:
        """Start both; DuckDB is ready at once."""
        self._duckdb.start()
        self._spark.start()

    def execute(
        self,
        sql: str,
        parameters: Sequence[Parameter],
        row_limit: int | None,
        cancellation: Cancellation,
        *,
        schema: str | None = None,
    ) -> ResultSet:
        """Run ``sql`` on the engine of the moment."""
        return self._now().execute(sql, parameters, row_limit, cancellation, schema=schema)

    def run_query_job(
        self, sql: str, result_url: str, row_limit: int, cancellation: Cancellation
    ) -> tuple[dict[str, Any], str]:
        """Run the job on the engine of the moment."""
        return self._now().run_query_job(sql, result_url, row_limit, cancellation)

    def run_python_job(self, job: PythonJob, cancellation: Cancellation) -> JobOutput:
        """Run the job on Spark, as soon as that has started."""
        return self._spark.run_python_job(job, cancellation)

    def about(self) -> dict[str, Any]:
        """Say which engine answers now, and how far Spark is."""
        return {"spark": self._spark.about()["spark"], **self._now().about()}

    def close(self) -> None:
        """End both."""
        self._duckdb.close()
        self._spark.close()

    def _now(self) -> Engine:
        return self._spark if self._spark.ready else self._duckdb
