"""The app: every function there is, and nothing else."""

import azure.durable_functions as df
import azure.functions as func

from activities import answering, planning, queries, turns
from activities.etl import cleaning, finishing, large, noting, publishing, reviewing, serving
from api import (
    accounts,
    chat,
    describing,
    generating,
    gold,
    job_acting,
    jobs,
    legacy,
    operations,
    progress,
    routing,
    warm_up,
)
from entities import admission, user_progress, user_quota
from orchestrators import conversation, databricks_query, etl_job, lane_upkeep

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)  # who may call what is decided in shared/identity

for module in (
    accounts,
    chat,
    legacy,
    operations,
    describing,
    routing,
    generating,
    jobs,
    job_acting,
    gold,
    progress,
    warm_up,
    conversation,
    databricks_query,
    answering,
    planning,
    queries,
    turns,
    etl_job,
    lane_upkeep,
    cleaning,
    finishing,
    large,
    noting,
    publishing,
    reviewing,
    serving,
    admission,
    user_progress,
    user_quota,
):
    app.register_functions(module.bp)
