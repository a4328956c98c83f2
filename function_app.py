"""The app: every function there is, and nothing else."""

import azure.durable_functions as df
import azure.functions as func

from activities import answering, planning, queries, turns
from api import accounts, chat, legacy, operations, warm_up
from entities import user_progress
from orchestrators import conversation, databricks_query

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)  # who may call what is decided in shared/identity

for module in (
    accounts,
    chat,
    legacy,
    operations,
    warm_up,
    conversation,
    databricks_query,
    answering,
    planning,
    queries,
    turns,
    user_progress,
):
    app.register_functions(module.bp)
