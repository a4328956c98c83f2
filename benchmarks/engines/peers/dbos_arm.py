"""DBOS on SQLite: a library, so engine, app and client are one process. It has no entities.

WAL is switched on and ``synchronous=FULL`` kept, as in the durable hub; DBOS alone would use a rollback journal.
"""

import asyncio
import logging
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

if sqlite3.sqlite_version_info < (3, 42):  # DBOS asks it for unixepoch('subsec')
    import pysqlite3

    sys.modules["sqlite3"] = sqlite3 = pysqlite3

from dbos import DBOS
from sqlalchemy import Engine, event

from benchmarks.engines import cases


@event.listens_for(Engine, "connect")
def keep_full(connection, _record) -> None:
    connection.execute("PRAGMA synchronous=FULL")


@DBOS.step()
def act(number: int) -> int:
    return number + 1


@DBOS.step()
async def act_beside_others(number: int) -> int:
    return number + 1


@DBOS.workflow()
def hello(number: int) -> int:
    for _ in range(3):
        number = act(number)
    return number


@DBOS.workflow()
async def fan(width: int) -> int:
    return sum(await asyncio.gather(*(act_beside_others(n) for n in range(width))))


class Dbos:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._loop = asyncio.new_event_loop()

    def hello(self) -> None:
        assert hello(1) == 4

    def fan_out(self, width: int) -> None:
        assert self._loop.run_until_complete(fan(width)) == width * (width + 1) // 2

    def burst(self, count: int) -> Sequence[float]:
        handles = [DBOS.start_workflow(hello, 1) for _ in range(count)]
        assert all(handle.get_result() == 4 for handle in handles)
        ids = {handle.workflow_id for handle in handles}
        database = sqlite3.connect(self._path)
        rows = database.execute("SELECT workflow_uuid, updated_at - created_at FROM workflow_status").fetchall()
        database.close()
        return [milliseconds / 1000 for workflow_id, milliseconds in rows if workflow_id in ids]


def measure(folder: str | None, scale: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=folder) as data:
        path = Path(data) / "system.db"
        database = sqlite3.connect(path)
        database.execute("PRAGMA journal_mode=WAL")
        database.close()
        logging.disable(logging.CRITICAL)
        config = {"name": "benchmark", "system_database_url": f"sqlite:///{path}", "run_admin_server": False}
        DBOS(config={**config, "log_level": "CRITICAL"})
        DBOS.launch()
        return cases.measure(Dbos(path), scale)


if __name__ == "__main__":
    chosen = cases.options(__doc__)
    cases.finish(lambda: measure(chosen.dir, chosen.scale))
