"""What a new machine does before its first question: load what is slow to load, open what is slow to open."""

import logging
from importlib import import_module

import azure.durable_functions as df
from azure.functions.warmup import WarmUpContext

from shared.errors import LakehouseError

bp = df.Blueprint()
logger = logging.getLogger(__name__)


@bp.warm_up_trigger(arg_name="context")  # pyright: ignore[reportUntypedFunctionDecorator]
def warmup(context: WarmUpContext) -> None:
    """Open every door once, so that the first question does not wait for it. The platform wants this name."""
    del context
    try:
        _open_doors()
    except LakehouseError as error:
        # Whoever needs it first is told properly; a machine that is not warm is only slower.
        logger.warning("Not warm: %s", error)


def _open_doors() -> None:
    from shared.catalog import load_dataset
    from shared.conversations import conversations
    from shared.cosmos import container
    from shared.databricks import lane, preferred_lane
    from shared.databricks.client import workspace
    from shared.jobs import jobs
    from shared.lake import open_lake
    from shared.model import client
    from shared.serving import serving_store
    from shared.settings import settings
    from shared.sql_guard import guard_sql

    for module in ("pandas", "pyarrow.compute", "pyarrow.dataset", "pyarrow.parquet"):
        import_module(module)
    conversations()
    jobs()
    _clean_nothing()
    serving_store()
    container("limits")
    dataset = load_dataset(settings().chat_dataset)
    table = dataset.tables[0]
    guard_sql(f"SELECT count(*) FROM {dataset.namespace}.{table.name}", dataset, row_limit=1)  # noqa: S608  runs nowhere
    client()
    workspace()
    lane(preferred_lane())
    open_lake(settings().lake_url)


def _clean_nothing() -> None:
    """Take no records at all through both steps of the small lane: that loads and compiles what the first job needs."""
    from shared.etl.gold import build_gold
    from shared.etl.manifest import check_gold
    from shared.etl.reading import read_records
    from shared.etl.rules import load_rules
    from shared.etl.silver import refine

    rules = load_rules()
    silver = refine(read_records([], rules), rules, "warm-up")
    check_gold(build_gold(silver.clean, rules, "warm-up").tables, rules)
