"""Databases and containers."""

import base64
import json
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from localhost.services.cosmos.errors import bad_request, conflict, not_found, not_supported
from localhost.services.cosmos.partition import partition_path

OWNER_NOT_FOUND = 1003
"""Substatus of a 404 that speaks of the container rather than of the item."""
MAX_TTL = 2**31 - 1
_NOT_IN_IDS = re.compile(r"[/\\?#\t\r\n\ud800-\udfff]")
_UNSUPPORTED_POLICIES = {
    "uniqueKeyPolicy": "unique keys",
    "conflictResolutionPolicy": "conflict resolution",
    "computedProperties": "computed properties",
    "changeFeedPolicy": "the change feed",
    "vectorEmbeddingPolicy": "vector search",
    "fullTextPolicy": "full-text search",
}


@dataclass(frozen=True, slots=True)
class Container:
    """A container, as the operations on its items need it. ``default_ttl`` is None where items never expire."""

    sequence: int
    rid: str
    link: str
    partition_path: tuple[str, ...]
    default_ttl: int | None

    def item_rid(self, sequence: int) -> str:
        """Return the resource id of the item with this ``sequence``."""
        return _encoded(_decoded(self.rid) + sequence.to_bytes(8, "little", signed=True))

    def item_sequence(self, rid: str) -> int | None:
        """Return the sequence of the item with this resource id, or None where it is no such id."""
        try:
            raw = _decoded(rid)
        except ValueError:
            return None
        if len(raw) != 16 or raw[:8] != _decoded(self.rid):
            return None
        return int.from_bytes(raw[8:], "little", signed=True)


def create_database(tx: sqlite3.Connection, body: Mapping[str, Any], now: float) -> str:
    """Create a database and return what is stored of it."""
    name = resource_id(body)
    if tx.execute("SELECT 1 FROM databases WHERE id = ?", (name,)).fetchone():
        raise conflict(f"database {name!r}")
    sequence = tx.execute("INSERT INTO databases (id) VALUES (?)", (name,)).lastrowid or 0
    rid = _encoded(sequence.to_bytes(4, "big"))
    links = {"_self": f"dbs/{rid}/", "_colls": "colls/", "_users": "users/"}
    stored = json.dumps({"id": name, "_rid": rid, **links, "_etag": new_etag(), "_ts": int(now)})
    tx.execute("UPDATE databases SET rid = ?, body = ? WHERE sequence = ?", (rid, stored, sequence))
    return stored


def read_database(tx: sqlite3.Connection, database: str) -> str:
    """Return what is stored of a database."""
    return _database(tx, database)[2]


def list_databases(tx: sqlite3.Connection) -> list[str]:
    """Return what is stored of every database."""
    return [body for (body,) in tx.execute("SELECT body FROM databases ORDER BY sequence")]


def delete_database(tx: sqlite3.Connection, database: str) -> None:
    """Delete a database and all in it."""
    sequence, _, _ = _database(tx, database)
    tx.execute("DELETE FROM items WHERE container IN (SELECT sequence FROM containers WHERE database=?)", (sequence,))
    tx.execute("DELETE FROM containers WHERE database = ?", (sequence,))
    tx.execute("DELETE FROM databases WHERE sequence = ?", (sequence,))


def create_container(tx: sqlite3.Connection, database: str, body: Mapping[str, Any], now: float) -> str:
    """Create a container and return what is stored of it."""
    parent, parent_rid, _ = _database(tx, database)
    name = resource_id(body)
    if tx.execute("SELECT 1 FROM containers WHERE database = ? AND id = ?", (parent, name)).fetchone():
        raise conflict(f"container {name!r}")
    path = partition_path(body.get("partitionKey"))
    default_ttl = _checked_properties(body)
    sequence = (
        tx.execute(
            "INSERT INTO containers (database, id, partition_path, default_ttl) VALUES (?, ?, ?, ?)",
            (parent, name, json.dumps(path), default_ttl),
        ).lastrowid
        or 0
    )
    rid = _encoded(_decoded(parent_rid) + (sequence | 1 << 31).to_bytes(4, "big"))
    stored = _container_body(body, f"dbs/{parent_rid}/colls/{rid}/", rid, now)
    tx.execute("UPDATE containers SET rid = ?, body = ? WHERE sequence = ?", (rid, stored, sequence))
    return stored


def read_container(tx: sqlite3.Connection, database: str, container: str) -> str:
    """Return what is stored of a container."""
    found = find_container(tx, database, container)
    return tx.execute("SELECT body FROM containers WHERE sequence = ?", (found.sequence,)).fetchone()[0]


def replace_container(
    tx: sqlite3.Connection, database: str, container: str, body: Mapping[str, Any], now: float
) -> str:
    """Change the properties of a container; its id and partition key stay."""
    found = find_container(tx, database, container)
    known = json.loads(read_container(tx, database, container))
    if resource_id(body) != known["id"] or partition_path(body.get("partitionKey")) != found.partition_path:
        raise bad_request("The id and the partition key of a container cannot be changed.")
    default_ttl = _checked_properties(body)
    stored = _container_body(body, known["_self"], found.rid, now)
    tx.execute(
        "UPDATE containers SET body = ?, default_ttl = ? WHERE sequence = ?", (stored, default_ttl, found.sequence)
    )
    # What an item has left counts from its last change, under the rule that holds now.
    tx.execute(
        "UPDATE items SET expires = CASE WHEN ?1 IS NULL OR coalesce(ttl, ?1) = -1 THEN NULL "
        "ELSE modified + coalesce(ttl, ?1) END WHERE container = ?2",
        (default_ttl, found.sequence),
    )
    return stored


def list_containers(tx: sqlite3.Connection, database: str) -> list[str]:
    """Return what is stored of every container of a database."""
    parent, _, _ = _database(tx, database)
    rows = tx.execute("SELECT body FROM containers WHERE database = ? ORDER BY sequence", (parent,))
    return [body for (body,) in rows]


def delete_container(tx: sqlite3.Connection, database: str, container: str) -> None:
    """Delete a container and its items."""
    found = find_container(tx, database, container)
    tx.execute("DELETE FROM items WHERE container = ?", (found.sequence,))
    tx.execute("DELETE FROM containers WHERE sequence = ?", (found.sequence,))


def find_container(tx: sqlite3.Connection, database: str, container: str) -> Container:
    """Return the container with these names or resource ids.

    Raises:
        CosmosError: 404.
    """
    row = tx.execute(
        "SELECT c.sequence, c.rid, d.rid, c.partition_path, c.default_ttl "
        "FROM containers c JOIN databases d ON d.sequence = c.database "
        "WHERE (d.id = ?1 OR d.rid = ?1) AND (c.id = ?2 OR c.rid = ?2)",
        (database, container),
    ).fetchone()
    if row is None:
        raise not_found(f"container dbs/{database}/colls/{container}", substatus=OWNER_NOT_FOUND)
    sequence, rid, database_rid, path, default_ttl = row
    return Container(sequence, rid, f"dbs/{database_rid}/colls/{rid}/", tuple(json.loads(path)), default_ttl)


def resource_id(body: Mapping[str, Any]) -> str:
    """Return the id in ``body``, if it is one."""
    name = body.get("id")
    if not isinstance(name, str) or not name:
        raise bad_request("The input content is invalid because the required property 'id' is missing.")
    if len(name) > 1023 or _NOT_IN_IDS.search(name):
        raise bad_request("An id has at most 1,023 characters and none of / \\ ? # or a line break.")
    return name


def new_etag() -> str:
    """Return an entity tag that no other version of anything has; the quotes are part of it."""
    return f'"{uuid4()}"'


def _database(tx: sqlite3.Connection, database: str) -> tuple[int, str, str]:
    row = tx.execute("SELECT sequence, rid, body FROM databases WHERE id = ?1 OR rid = ?1", (database,)).fetchone()
    if row is None:
        raise not_found(f"database {database!r}")
    return row


def _checked_properties(body: Mapping[str, Any]) -> int | None:
    """Return the default time to live, if the container asks for nothing that is not there."""
    for name, what in _UNSUPPORTED_POLICIES.items():
        if body.get(name):
            raise not_supported(f"{what} (`{name}`)")
    ttl = body.get("defaultTtl")
    if ttl is not None and not is_ttl(ttl):
        raise bad_request(f"`defaultTtl` must be -1 or a number of seconds from 1 to {MAX_TTL}, not {ttl!r}.")
    return ttl


def is_ttl(value: Any) -> bool:
    """Tell whether ``value`` is a time to live: seconds, or -1 for ever."""
    return isinstance(value, int) and not isinstance(value, bool) and (value == -1 or 0 < value <= MAX_TTL)


def _container_body(body: Mapping[str, Any], link: str, rid: str, now: float) -> str:
    links = {"_docs": "docs/", "_sprocs": "sprocs/", "_triggers": "triggers/", "_udfs": "udfs/"}
    return json.dumps({**body, "_rid": rid, "_self": link, "_etag": new_etag(), "_ts": int(now), **links})


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode().replace("/", "-")


def _decoded(rid: str) -> bytes:
    return base64.b64decode(rid.replace("-", "/"), validate=True)
