"""The description of the whole HTTP API: ``openapi.yaml``, served as JSON for tools and as a page for people."""

import html
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from api.responses import SECURITY_HEADERS, answering

bp = df.Blueprint(http_auth_level=func.AuthLevel.ANONYMOUS)  # what routes there are is no secret

_CACHED = SECURITY_HEADERS | {"Cache-Control": "public, max-age=300"}
_STYLE = "body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}code{font-size:.9em}"
_PAGE_HEADERS = _CACHED | {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


@cache
def description() -> dict[str, Any]:
    """Return the description, as OpenAPI 3.1 has it."""
    from ruamel.yaml import YAML

    reader: Any = YAML(typ="safe", pure=True)
    return reader.load(Path(__file__).with_name("openapi.yaml"))


@bp.route(route="api/openapi.json", methods=["GET"])
@answering
async def get_openapi(req: func.HttpRequest) -> func.HttpResponse:
    """Return the description as JSON."""
    del req
    text = json.dumps(description(), ensure_ascii=False).encode()
    return func.HttpResponse(text, status_code=200, headers=_CACHED, mimetype="application/json")


@bp.route(route="docs", methods=["GET"])
@answering
async def get_docs(req: func.HttpRequest) -> func.HttpResponse:
    """Return the description as a page without scripts."""
    del req
    return func.HttpResponse(_page().encode(), status_code=200, headers=_PAGE_HEADERS, mimetype="text/html")


def _page() -> str:
    about = description()
    parts = [f"<h1>{html.escape(about['info']['title'])}</h1><p>{html.escape(about['info']['summary'])}</p>"]
    parts.append('<p>For tools: <a href="/api/openapi.json"><code>/api/openapi.json</code></a> (OpenAPI 3.1).</p>')
    for tag in about["tags"]:
        parts.append(f"<h2>{html.escape(tag['name'])}</h2><p>{html.escape(tag['description'])}</p><ul>")
        parts.extend(_line(*operation) for operation in _operations(tag["name"]))
        parts.append("</ul>")
    return f"<!doctype html><html lang=en><meta charset=utf-8><title>API</title><style>{_STYLE}</style>{''.join(parts)}"


def _operations(tag: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in description()["paths"].items():
        for method, operation in methods.items():
            if method != "parameters" and tag in operation["tags"]:
                yield method.upper(), path, operation


def _line(method: str, path: str, operation: dict[str, Any]) -> str:
    summary = html.escape(operation["summary"])
    more = f"<br>{html.escape(operation['description'])}" if "description" in operation else ""
    return f"<li><code>{method} {html.escape(path)}</code>: {summary}{more}</li>"
