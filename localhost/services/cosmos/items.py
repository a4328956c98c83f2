"""Items: what is stored, and every change of it under its conditions.

A change runs inside one transaction of the store, so what it read is still so when it writes.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localhost.services.cosmos.errors import bad_request, conflict, not_found, precondition_failed, too_large
from localhost.services.cosmos.partition import partition_of
from localhost.services.cosmos.patch import patched
from localhost.services.cosmos.resources import Container, is_ttl, new_etag, resource_id

MAX_ITEM_BYTES = 2 * 1024 * 1024
PARTITION_MISMATCH = 1001

type Condition = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Item:
    """A stored item; ``body`` is its JSON, the service's own properties included."""

    sequence: int
    etag: str
    body: str


@dataclass(frozen=True, slots=True)
class Preconditions:
    """What must hold of the stored item for a request to go through; each None where nothing is asked."""

    if_match: str | None = None
    if_none_match: str | None = None

    def check(self, item: Item | None) -> None:
        """Raise 412 unless ``item`` is as the writer expects. If-Match says nothing of an item that is not there."""
        if item is None:
            return
        if self.if_match not in (None, "*", item.etag) or self.if_none_match in ("*", item.etag):
            raise precondition_failed()

    def unchanged(self, item: Item) -> bool:
        """Tell whether the reader already has ``item``."""
        return self.if_none_match in ("*", item.etag)


@dataclass(frozen=True, slots=True)
class Partition:
    """One logical partition of a container, at one moment."""

    tx: sqlite3.Connection
    container: Container
    key: str
    now: float

    def find(self, name: str) -> Item | None:
        """Return the item with this id (or resource id), or None where it is not there (any more)."""
        query = (
            "SELECT sequence, etag, body FROM items WHERE container = ? AND partition = ? "
            "AND (expires IS NULL OR expires > ?) AND "
        )
        where = (self.container.sequence, self.key, self.now)
        row = self.tx.execute(f"{query} id = ?", (*where, name)).fetchone()
        if row is None and (sequence := self.container.item_sequence(name)) is not None:
            row = self.tx.execute(f"{query} sequence = ?", (*where, sequence)).fetchone()
        return Item(*row) if row else None

    def get(self, name: str) -> Item:
        """Return the item with this id.

        Raises:
            CosmosError: 404.
        """
        item = self.find(name)
        if item is None:
            raise not_found(f"item {name!r} with this partition key")
        return item

    def scan(self) -> list[tuple[int, dict[str, Any]]]:
        """Return every item with its sequence, oldest first."""
        rows = self.tx.execute(
            "SELECT sequence, body FROM items WHERE container = ? AND partition = ? "
            "AND (expires IS NULL OR expires > ?) ORDER BY sequence",
            (self.container.sequence, self.key, self.now),
        )
        return [(sequence, json.loads(body)) for sequence, body in rows]

    def create(self, body: Mapping[str, Any], preconditions: Preconditions) -> Item:
        """Store a new item.

        Raises:
            CosmosError: 409, when its id is taken in this partition.
        """
        name = self._checked(body)
        known = self.find(name)
        preconditions.check(known)
        if known:
            raise conflict(f"item {name!r}")
        return self._insert(name, body)

    def upsert(self, body: Mapping[str, Any], preconditions: Preconditions) -> tuple[Item, bool]:
        """Store an item whether or not its id is known; the second value tells whether it is new."""
        name = self._checked(body)
        known = self.find(name)
        preconditions.check(known)
        return (self._update(known, body), False) if known else (self._insert(name, body), True)

    def replace(self, name: str, body: Mapping[str, Any], preconditions: Preconditions) -> Item:
        """Store ``body`` in place of an item that is there."""
        known = self.get(name)
        if self._checked(body) != json.loads(known.body)["id"]:
            raise bad_request("The id of an item cannot be changed.")
        preconditions.check(known)
        return self._update(known, body)

    def patch(self, name: str, operations: Any, condition: Condition | None, preconditions: Preconditions) -> Item:
        """Change parts of an item that is there and meets ``condition``."""
        known = self.get(name)
        preconditions.check(known)
        body = json.loads(known.body)
        if condition is not None and not condition(body):
            raise precondition_failed()
        return self._update(known, patched(body, operations, self.container.partition_path))

    def delete(self, name: str, preconditions: Preconditions) -> None:
        """Delete an item that is there."""
        known = self.get(name)
        preconditions.check(known)
        self.tx.execute("DELETE FROM items WHERE sequence = ?", (known.sequence,))

    def _checked(self, body: Mapping[str, Any]) -> str:
        """Return the id of ``body``, if it belongs into this partition."""
        name = resource_id(body)
        if partition_of(body, self.container.partition_path) != self.key:
            raise bad_request(
                "PartitionKey extracted from document doesn't match the one specified in the header.",
                substatus=PARTITION_MISMATCH,
            )
        return name

    def _insert(self, name: str, body: Mapping[str, Any]) -> Item:
        # One with this id may be there still, expired.
        where = (self.container.sequence, self.key, name)
        self.tx.execute("DELETE FROM items WHERE container = ? AND partition = ? AND id = ?", where)
        sequence = self.tx.execute(
            "INSERT INTO items (container, partition, id, etag, modified, body) VALUES (?, ?, ?, '', 0, '')", where
        ).lastrowid
        return self._write(sequence or 0, body)

    def _update(self, known: Item, body: Mapping[str, Any]) -> Item:
        return self._write(known.sequence, body)

    def _write(self, sequence: int, body: Mapping[str, Any]) -> Item:
        ttl, expires = self._lifetime(body)
        etag = new_etag()
        rid = self.container.item_rid(sequence)
        system = {"_rid": rid, "_self": f"{self.container.link}docs/{rid}/", "_etag": etag}
        stored = json.dumps({**body, **system, "_attachments": "attachments/", "_ts": int(self.now)})
        if len(stored) > MAX_ITEM_BYTES and len(json.dumps(body, ensure_ascii=False).encode()) > MAX_ITEM_BYTES:
            raise too_large(MAX_ITEM_BYTES)
        self.tx.execute(
            "UPDATE items SET etag = ?, modified = ?, ttl = ?, expires = ?, body = ? WHERE sequence = ?",
            (etag, self.now, ttl, expires, stored, sequence),
        )
        return Item(sequence, etag, stored)

    def _lifetime(self, body: Mapping[str, Any]) -> tuple[int | None, float | None]:
        """Return the item's own time to live and when it ends, counted from now."""
        ttl = body.get("ttl")
        default = self.container.default_ttl
        if default is None:
            return (ttl if is_ttl(ttl) else None), None
        if ttl is not None and not is_ttl(ttl):
            raise bad_request(f"The input ttl {ttl!r} is invalid: it must be -1 or a positive number of seconds.")
        seconds = default if ttl is None else ttl
        return ttl, None if seconds == -1 else self.now + seconds


def remove_expired(tx: sqlite3.Connection, now: float) -> int:
    """Delete what has expired, which nobody can read any more, and return how much that was."""
    return tx.execute("DELETE FROM items WHERE expires <= ?", (now,)).rowcount
