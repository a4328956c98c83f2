"""How the services are that the app needs, and whether each is real or a stand-in."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from shared.errors import SettingsError
from shared.settings import Settings, settings

TIMEOUT_SECONDS = 2
KEEP_SECONDS = 10


@dataclass(slots=True)
class _Last:
    """The last report, so that whoever asks often does not ask the services each time."""

    body: dict[str, Any] | None = None
    read_at: float = 0.0


_last = _Last()
_reading = asyncio.Lock()


async def health() -> dict[str, Any]:
    """Return the state of the app and of each service, at most ``KEEP_SECONDS`` old. It never fails."""
    async with _reading:
        if _last.body is None or time.monotonic() - _last.read_at > KEEP_SECONDS:
            _last.body, _last.read_at = await _read(), time.monotonic()
        return _last.body


async def _read() -> dict[str, Any]:
    try:
        probes = _probes(settings())
    except SettingsError as error:
        return {"status": "degraded", "dependencies": {"settings": {"status": "down", "error": str(error)}}}
    found = await asyncio.gather(*(_probe(probe) for probe in probes.values()))
    dependencies = dict(zip(probes, found, strict=True))
    well = all(one["status"] == "ok" for one in found)
    return {"status": "ok" if well else "degraded", "dependencies": dependencies}


def _probes(chosen: Settings) -> dict[str, Callable[[], bool]]:
    return {
        "model": lambda: _answers(chosen.azure_openai_endpoint),
        "databricks": lambda: _answers(chosen.databricks_host),
        "cosmos": lambda: _answers(chosen.cosmos_endpoint),
        "lake": lambda: _is_readable(chosen.lake_url),
    }


async def _probe(probe: Callable[[], bool]) -> dict[str, Any]:
    began = time.perf_counter()
    answer: dict[str, Any]
    try:
        answer = {"status": "ok", "stand_in": await asyncio.wait_for(asyncio.to_thread(probe), TIMEOUT_SECONDS)}
    except TimeoutError:
        answer = {"status": "down", "error": f"It did not answer within {TIMEOUT_SECONDS} s."}
    except Exception as error:  # noqa: BLE001  whatever is wrong with a service, the report is about it
        answer = {"status": "down", "error": f"It cannot be reached ({type(error).__name__})."}
    return answer | {"latency_ms": round((time.perf_counter() - began) * 1e3, 1)}


def _answers(endpoint: str) -> bool:
    """Whether what answers at ``endpoint`` is a stand-in; a real service does not know ``/_about``.

    Raises:
        OSError: nothing answers, or with a server error.
    """
    parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    if parts.scheme not in {"http", "https"}:
        raise ValueError(parts.scheme)
    try:
        with urllib.request.urlopen(f"{parts.scheme}://{parts.netloc}/_about", timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310  http(s), see above
            text: bytes = answer.read(10_000)
    except urllib.error.HTTPError as error:
        with error:
            if error.code >= 500:
                raise
            return False
    try:
        about: Any = json.loads(text)
    except ValueError:
        return False
    return isinstance(about, dict) and about.get("stand_in") is True  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def _is_readable(url: str) -> bool:
    """Whether the lake at ``url`` is a folder in place of a storage account.

    Raises:
        LakehouseError: it cannot be read.
    """
    from pyarrow.fs import FileType

    from shared.errors import LakeError
    from shared.lake import open_lake

    files, path = open_lake(url)
    if files.get_file_info(path).type is FileType.NotFound:
        raise LakeError("There is nothing at LAKE_URL.")
    return url.startswith("file:")
