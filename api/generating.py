"""Raw records to try the ETL with, dirty on purpose, put into the caller's own Bronze."""

import asyncio
import hashlib
from typing import Any, Literal

import azure.durable_functions as df
import azure.functions as func

from api.job_starting import key_id, take_start
from api.people import identify_user
from api.requests import read_fields, read_idempotency_key
from api.responses import answering, reply
from shared.errors import ConflictError
from shared.etl_paths import bronze_path
from shared.identity import Caller

bp = df.Blueprint(http_auth_level=func.AuthLevel.ANONYMOUS)  # who may is decided by `identify_user`

MAX_COUNT = 1_000_000
MAX_SEED = 2**31 - 1
DEFAULT_DIRTY = 0.1

type _Format = Literal["json", "jsonl"]
_FORMATS: dict[str, _Format] = {"json": "json", "jsonl": "jsonl"}


@bp.route(route="api/generate_data", methods=["POST"])
@answering
async def generate_data(req: func.HttpRequest) -> func.HttpResponse:
    """Make synthetic users and their orders; the same seed makes the same bytes. 201 with their path in Bronze."""
    caller = await asyncio.to_thread(identify_user, req)
    key, fields = read_idempotency_key(req), read_fields(req)
    count = fields.whole_number("dataCount", default=1_000, highest=MAX_COUNT)
    seed = fields.whole_number("seed", default=0, highest=MAX_SEED)
    dirty = fields.share("dirty", default=DEFAULT_DIRTY)
    kind: _Format = fields.choice("format", _FORMATS, default="jsonl")
    fields.check()
    body = await asyncio.to_thread(_generate, caller, count, seed, dirty, kind, key)
    return reply({"status": "success", **body}, 201, headers={})


def _generate(caller: Caller, count: int, seed: int, dirty: float, kind: _Format, key: str | None) -> dict[str, Any]:
    from shared.etl.generate import generate_json, generate_json_lines
    from shared.lake_files import facts_of, replacing, sha256_of

    take_start(caller)
    data_id = key_id(caller.owner, "data", key)
    path = bronze_path(caller.owner, data_id, data_id, kind)
    blocks = (generate_json if kind == "json" else generate_json_lines)(count, seed=seed, dirty=dirty)
    known = facts_of(path) is not None
    digest, size = hashlib.sha256(), 0
    if known:  # an Idempotency-Key that was used: Bronze is never written over
        for block in blocks:
            digest.update(block)
            size += len(block)
        if sha256_of(path) != digest.hexdigest():
            raise ConflictError("This Idempotency-Key was used for other data; use a new key for new data.")
    else:
        with replacing(path) as (files, place), files.open_output_stream(place) as stream:
            for block in blocks:
                stream.write(block)
                digest.update(block)
                size += len(block)
    return {
        "path": path,
        "format": kind,
        "dataCount": count,
        "seed": seed,
        "dirty": dirty,
        "bytes": size,
        "sha256": digest.hexdigest(),
    }
