"""Running a query over the items of one partition, a page at a time.

A page's continuation says where it ended (the sort key and sequence of its last item), not how many items came
before: items that are written or deleted between two pages move nothing twice and skip nothing.
"""

import base64
import functools
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from localhost.services.cosmos.errors import CosmosError, bad_request
from localhost.services.cosmos.sql import Query
from localhost.services.cosmos.values import UNDEFINED, sort_key

MAX_PAGE = 1000

type _Position = list[tuple[int, Any]]


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the results; ``continuation`` leads to the next ones, and is None after the last."""

    results: list[Any]
    continuation: str | None = None


def run_query(
    query: Query, items: Iterable[tuple[int, dict[str, Any]]], *, text: str, size: int, continuation: str | None
) -> Page:
    """Return the page of results that follows ``continuation``.

    Args:
        query: what to look for.
        items: all items of the partition with their sequence.
        text: the query as it came, to tell another query's continuation from its own.
        size: the most results on the page.
        continuation: from the page before, or None for the first.
    """
    matching = [(s, item) for s, item in items if query.where is None or query.where(item) is True]
    if query.count:
        return Page([len(matching)])
    rows = [([sort_key(path(item)) for path, _ in query.order] + [(0, sequence)], item) for sequence, item in matching]
    compare = _comparer([descending for _, descending in query.order])
    rows.sort(key=functools.cmp_to_key(lambda a, b: compare(a[0], b[0])))
    left = query.limit
    if continuation is None:
        rows = rows[query.offset :]
    else:
        after, left = _decoded(continuation, text)
        if len(after) != len(query.order) + 1:
            raise _foreign()
        rows = [row for row in rows if compare(row[0], after) > 0]
    if left is not None:
        rows = rows[:left]
    page = rows[:size]
    more = None
    if len(rows) > len(page):
        more = _encoded(page[-1][0], None if left is None else left - len(page), text)
    return Page([value for _, item in page if (value := _projected(query, item)) is not UNDEFINED], more)


def page_size(header: str | None) -> int:
    """Return the most results on a page, as the request asks for it."""
    if header is None or header == "-1":
        return MAX_PAGE
    if not header.isdigit() or not int(header):
        raise bad_request(f"x-ms-max-item-count must be -1 or a positive number, not {header!r}.")
    return min(int(header), MAX_PAGE)


def _projected(query: Query, item: dict[str, Any]) -> Any:
    if query.value is not None:
        return query.value(item)
    return {name: value for name, field in query.fields if (value := field(item)) is not UNDEFINED}


def _comparer(descending: list[bool]) -> Any:
    def compare(left: _Position, right: _Position) -> int:
        for a, b, down in zip(left, right, [*descending, False], strict=True):
            if a != b:
                return (1 if a > b else -1) * (-1 if down else 1)
        return 0

    return compare


def _encoded(after: _Position, left: int | None, text: str) -> str:
    content = json.dumps({"after": after, "left": left, "query": _digest(text)}, separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode()


def _decoded(continuation: str, text: str) -> tuple[_Position, int | None]:
    try:
        content = json.loads(base64.urlsafe_b64decode(continuation))
        after, left, digest = content["after"], content["left"], content["query"]
        after = [(int(place), value) for place, value in after]
    except (ValueError, KeyError, TypeError) as error:
        raise _foreign() from error
    if digest != _digest(text):
        raise bad_request("The continuation token belongs to another query.")
    return after, left


def _foreign() -> CosmosError:
    return bad_request("The continuation token is not one of this service.")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
