"""A query over one user's files: the tables move, and nothing else."""

import pytest

from shared.catalog import load_dataset
from shared.sql_guard import guard_sql
from shared.sql_guard.placing import placed

PLACES = {
    "gold.fact_orders": "abfss://lake@a.dfs.core.windows.net/ana/fact_orders.parquet",
    "gold.dim_users": "file:///a `folder`/dim_users.parquet",
}
FACTS = "`parquet`.`abfss://lake@a.dfs.core.windows.net/ana/fact_orders.parquet`"
USERS = "`parquet`.`file:///a ``folder``/dim_users.parquet`"


@pytest.mark.parametrize(
    ("sql", "moved"),
    [
        ("SELECT amount FROM gold.fact_orders", f"SELECT `amount` FROM {FACTS} AS `fact_orders` LIMIT 9"),
        (
            "SELECT gold.fact_orders.amount FROM Gold.FACT_ORDERS",
            f"SELECT `fact_orders`.`amount` FROM {FACTS} AS `FACT_ORDERS` LIMIT 9",
        ),
        (
            "SELECT f.amount, name FROM gold.fact_orders f JOIN gold.dim_users USING (user_key)",
            f"SELECT `f`.`amount`, `name` FROM {FACTS} AS `f` JOIN {USERS} AS `dim_users` USING (`user_key`) LIMIT 9",
        ),
        (
            "WITH f AS (SELECT amount FROM gold.fact_orders) SELECT amount FROM f",
            f"WITH `f` AS (SELECT `amount` FROM {FACTS} AS `fact_orders`) SELECT `amount` FROM `f` LIMIT 9",
        ),
        (
            "SELECT 'gold.fact_orders' AS a FROM gold.dim_users TABLESAMPLE (5 ROWS)",
            f"SELECT 'gold.fact_orders' AS `a` FROM {USERS} TABLESAMPLE (5 ROWS) AS `dim_users` LIMIT 9",
        ),
    ],
)
def test_tables_move_and_keep_their_names(sql: str, moved: str) -> None:
    """A table is read from its file under the name the query calls it by; what only looks like one stays."""
    guarded = guard_sql(sql, load_dataset("gold"), row_limit=9)

    assert placed(guarded.sql, PLACES) == moved
