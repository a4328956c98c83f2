# Databricks notebook source
"""SQL query job: runs one read-only query and leaves its rows as Parquet in the lake.

The app gives it the SQL, which it has checked; what may be read is decided by the grants of the identity that the
job runs as. Job parameters: ``sql``, ``result_url`` (a folder; what is in it is replaced) and ``row_limit``;
``instance_id``, ``query_id`` and ``attempt`` say whose query it is. The job exits with
``{"row_count": n, "truncated": bool, "columns": [{"name", "type"}]}``.
"""

# COMMAND ----------

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PARAMETERS = ("sql", "result_url", "row_limit", "instance_id", "query_id", "attempt")

# COMMAND ----------


def run_query(spark: "SparkSession", sql: str, result_url: str, row_limit: int) -> dict[str, Any]:
    """Write at most ``row_limit`` rows of ``sql`` into the folder ``result_url``, in their order, and report on them.

    Run again, it replaces what it left there.
    """
    query = spark.sql(sql)
    # One row more than wanted tells a full result from one that was cut. The rows are few by then, and collected:
    # a second look at the query might give others.
    rows = query.limit(row_limit + 1).collect()
    kept = spark.createDataFrame(rows[:row_limit], query.schema)
    kept.coalesce(1).write.mode("overwrite").parquet(result_url)
    return {
        "row_count": min(len(rows), row_limit),
        "truncated": len(rows) > row_limit,
        "columns": [{"name": field.name, "type": _sql_type(field.dataType.simpleString())} for field in query.schema],
    }


def _sql_type(simple: str) -> str:
    """Return the type as SQL warehouses write it; names inside a struct keep their case."""
    return simple if "<" in simple else simple.upper()


# COMMAND ----------

if __name__ == "__main__":  # a notebook is; the local host imports the function above instead
    from databricks.sdk import runtime

    notebook: Any = runtime  # its own annotations are of another time
    widgets = notebook.dbutils.widgets
    for name in PARAMETERS:
        widgets.text(name, "")
    report = run_query(notebook.spark, widgets.get("sql"), widgets.get("result_url"), int(widgets.get("row_limit")))
    notebook.dbutils.notebook.exit(json.dumps(report))
