"""Which engine answers: real Spark where it can run, DuckDB elsewhere and until Spark is warm."""

from pathlib import Path
from typing import Literal

from localhost.services.databricks.duckdb_engine import DuckDbEngine
from localhost.services.databricks.engine import Engine

type EngineName = Literal["auto", "spark", "duckdb"]


def open_engine(name: EngineName, lake: Path) -> Engine:
    """Return the engine called ``name`` over ``lake``, not yet started."""
    return DuckDbEngine(lake)
