"""The star schema that a job has published: a few rows to look at, or a file to take away."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import azure.durable_functions as df
import azure.functions as func

from api.job_following import read_job
from api.job_tables import as_csv, as_parquet, gold_dataset, part
from api.people import identify_user
from api.requests import invalid_fields, not_found, read_id, read_whole_number
from api.responses import SECURITY_HEADERS, answering, reply
from shared.etl_paths import GOLD_TABLES
from shared.jobs import JobRecord

if TYPE_CHECKING:
    import pyarrow as pa

bp = df.Blueprint(http_auth_level=func.AuthLevel.ANONYMOUS)  # who may is decided by `identify_user`

PREVIEW = 20
MAX_PREVIEW = 1_000
MAX_DOWNLOAD = 250_000
"""Rows of one download; what is larger is taken in parts, or from the lake, where the manifest says it lies."""
_DOWNLOADS: "dict[str, tuple[str, Callable[[pa.Table], bytes]]]" = {
    "parquet": ("application/vnd.apache.parquet", as_parquet),
    "csv": ("text/csv", as_csv),
}


@bp.route(route="api/jobs/{job_id}/gold/{table}", methods=["GET"])
@answering
async def get_gold(req: func.HttpRequest) -> func.HttpResponse:
    """Return rows of a Gold table: as JSON, or with ``format`` as a file of Parquet or CSV."""
    caller = await asyncio.to_thread(identify_user, req)
    record = await read_job(caller, read_id(req, "job_id"))
    table = str(req.route_params.get("table", ""))
    if table not in GOLD_TABLES:
        raise not_found()
    kind: str = req.params.get("format", "json")
    if kind != "json" and kind not in _DOWNLOADS:
        raise invalid_fields({"format": f"It must be one of json, {', '.join(_DOWNLOADS)}."})
    preview = kind == "json"
    offset = read_whole_number(req, "offset", highest=10**12) or 0
    limit = read_whole_number(req, "limit", highest=MAX_PREVIEW if preview else MAX_DOWNLOAD)
    if limit is None:
        limit = PREVIEW if preview else MAX_DOWNLOAD
    return await asyncio.to_thread(_answer, record, table, kind, offset, limit)


def _answer(record: JobRecord, table: str, kind: str, offset: int, limit: int) -> func.HttpResponse:
    dataset = gold_dataset(record, table)
    rows = part(dataset, offset=offset, limit=limit)
    total = dataset.count_rows()
    if kind == "json":
        return reply(_preview(record, table, rows, offset, total))
    media_type, written = _DOWNLOADS[kind]
    headers = SECURITY_HEADERS | {
        "Content-Disposition": f'attachment; filename="{table}.{kind}"',
        "X-Row-Count": str(rows.num_rows),
        "X-Total-Rows": str(total),
    }
    return func.HttpResponse(written(rows), status_code=200, headers=headers, mimetype=media_type)


def _preview(record: JobRecord, table: str, rows: "pa.Table", offset: int, total: int) -> dict[str, Any]:
    from shared.lake import json_rows

    names, values = json_rows(rows)
    types = [str(kind) for kind in rows.schema.types]
    gold = record["gold"]
    return {
        "jobId": record["id"],
        "table": table,
        "version": gold["version"] if gold else None,
        "columns": [{"name": name, "type": kind} for name, kind in zip(names, types, strict=True)],
        "rows": values,
        "offset": offset,
        "row_count": total,
    }
