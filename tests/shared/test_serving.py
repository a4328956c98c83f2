"""The serving store on SQLite, and on a real MariaDB where one is installed."""

import io
import threading
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from mariadb import INSTALLED, mariadb
from sqlalchemy import create_engine, text

from shared.errors import ServingError, ServingUnavailableError
from shared.etl.generate import generate_json_lines
from shared.etl.gold import build_gold
from shared.etl.reading import joined, read_raw
from shared.etl.rules import load_rules
from shared.etl.silver import refine
from shared.serving import KEYS, ServingStore, synapse_views

RULES = load_rules()


def gold(job_id: str, rows: int = 300) -> Mapping[str, Any]:
    raw = joined(read_raw(io.BytesIO(b"".join(generate_json_lines(rows, seed=3))), "jsonl", RULES))
    tables = build_gold(refine(raw, RULES, job_id).clean, RULES, job_id).tables
    return {name: ds.dataset(table) for name, table in tables.items()}


class Store:
    """A serving store, and a look into it."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url)
        self.door = ServingStore(self.engine)

    def ask(self, sql: str, **values: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(sql), values)]

    def counts(self, job_id: str) -> dict[str, int]:
        sql = "SELECT COUNT(*) FROM {} WHERE _job_id = :job"
        return {name: self.ask(sql.format(name), job=job_id)[0][0] for name in KEYS}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    yield from _servers(tmp_path_factory)


def _servers(factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    urls = {"sqlite": f"sqlite:///{factory.mktemp('lite') / 'serving.sqlite'}"}
    if INSTALLED is None:
        yield urls
        return
    folder = factory.mktemp("maria")
    with mariadb(folder) as url:
        yield {**urls, "mariadb": url}


@pytest.fixture(params=["sqlite", "mariadb"])
def store(request: pytest.FixtureRequest, servers: dict[str, str]) -> Iterator[Store]:
    if request.param not in servers:
        pytest.skip("needs MariaDB (apt-get install mariadb-server)")
    opened = Store(servers[request.param])
    yield opened
    opened.engine.dispose()


def test_a_job_that_is_loaded_twice_is_there_once(store: Store) -> None:
    """An activity may run twice; what was loaded is what the tables hold."""
    tables = gold("twice")
    expected = {name: table.count_rows() for name, table in tables.items()}
    assert store.door.load(tables) == sum(expected.values())
    assert store.door.load(tables) == sum(expected.values())
    assert store.counts("twice") == expected


def test_values_arrive_as_they_are(store: Store) -> None:
    """Decimals to the cent, dates, text of any alphabet; nulls stay nulls."""
    tables = gold("values")
    store.door.load(tables)
    rows = {row["order_id"]: row for row in tables["fact_orders"].to_table().to_pylist()}
    found = store.ask("SELECT order_id, unit_price, quantity FROM fact_orders WHERE _job_id = 'values'")
    assert {(o, Decimal(str(p)), q) for o, p, q in found} == {
        (order, row["unit_price"], row["quantity"]) for order, row in rows.items()
    }
    days = store.ask("SELECT time_key, date FROM dim_time WHERE _job_id = 'values'")
    assert {(key, str(day)) for key, day in days} == {
        (row["time_key"], str(row["date"])) for row in tables["dim_time"].to_table().to_pylist()
    }
    names = {row["user_id"]: row["name"] for row in tables["dim_users"].to_table().to_pylist()}
    assert dict(store.ask("SELECT user_id, name FROM dim_users WHERE _job_id = 'values'")) == names


def test_a_job_can_be_taken_back_and_others_stay(store: Store) -> None:
    store.door.load(gold("stays", 50))
    store.door.load(gold("goes", 50))
    store.door.unload("goes")
    store.door.unload("goes")
    assert set(store.counts("goes").values()) == {0}
    assert store.counts("stays")["fact_orders"] > 0


def test_a_load_that_breaks_leaves_nothing(store: Store) -> None:
    """All tables of a job or none: readers never see orders without their users."""
    tables = dict(gold("broken", 50))
    facts = tables["fact_orders"].to_table()
    at = facts.schema.get_field_index("order_id")
    nobody = pa.nulls(len(facts), pa.string())
    tables["fact_orders"] = ds.dataset(facts.set_column(at, pa.field("order_id", pa.string()), nobody))
    with pytest.raises(ServingError):
        store.door.load(tables)
    assert set(store.counts("broken").values()) == {0}


def test_jobs_load_side_by_side(store: Store) -> None:
    """The first jobs of a new database: whoever meets another one is told to try again, and then gets through."""
    with store.engine.begin() as connection:
        for name in KEYS:
            connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
    failed: list[Exception] = []

    def load(number: int) -> None:
        tables = gold(f"side{number}", 100)
        for _ in range(20):
            try:
                store.door.load(tables)
            except ServingUnavailableError:
                continue
            except Exception as error:  # noqa: BLE001  whatever it was, the test says so
                failed.append(error)
            return
        failed.append(AssertionError("never got through"))

    threads = [threading.Thread(target=load, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len({tuple(store.counts(f"side{number}").values()) for number in range(5)}) == 1


def test_a_database_that_is_not_there_is_worth_another_try() -> None:
    door = ServingStore(create_engine("mysql+pymysql://nobody@127.0.0.1:1/none"))
    with pytest.raises(ServingUnavailableError):
        door.load(gold("nowhere", 10))


def test_the_views_declare_every_column_and_read_the_published_files() -> None:
    """From the manifest alone; a quote in a path does not end the text."""
    fields = [
        {"name": "order_id", "type": "text", "nullable": False},
        {"name": "amount", "type": "decimal(14, 2)", "nullable": True},
        {"name": "date]x", "type": "date", "nullable": True},
    ]
    tables = {name: {"path": f"gold/o'brien/{name}.parquet", "fields": fields} for name in KEYS}
    sql = synapse_views({"job_id": "j", "gold_version": "1-small", "tables": tables})
    assert sql.count("CREATE OR ALTER VIEW") == len(KEYS)
    assert "BULK 'gold/o''brien/fact_orders.parquet', DATA_SOURCE = 'lakehouse', FORMAT = 'PARQUET'" in sql
    assert "    [order_id] NVARCHAR(4000),\n    [amount] DECIMAL(14,2),\n    [date]]x] DATE\n" in sql
