"""Questions about the asker's own Gold, on a whole host over HTTP."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from tests.hosting import Host
from tests.schemas import answer_violations

STATUS = "/api/chat/{conversation_id}/status"
BOOK = {"user_id": "u-1", "product": "Book", "quantity": 2, "unit_price": 12.5, "order_date": "2024-02-01"}
HOW_MANY = "How many orders are there?"


class Asker:
    """A user who has data cleaned and asks about it."""

    def __init__(self, client: httpx2.Client) -> None:
        self.client = client

    def clean(self, count: int, path: str = "/write_to_db", **options: Any) -> dict[str, Any]:
        """Have ``count`` good records made into a Gold; with /clean_data without waiting for it."""
        records = [{**BOOK, "order_id": f"o-{number}"} for number in range(count)]
        body = {"records": records, **({"wait": 60} if path == "/write_to_db" else {}), **options}
        answer = self.client.post(path, json=body)
        assert answer.status_code == (200 if path == "/write_to_db" else 202), answer.text
        return answer.json()

    def start(self, question: str, **options: Any) -> httpx2.Response:
        return self.client.post("/api/chat/start", json={"question": question, "dataset": "gold", **options})

    def status(self, conversation_id: str, **params: Any) -> dict[str, Any]:
        body = self.client.get(STATUS.format(conversation_id=conversation_id), params=params).json()
        assert answer_violations("GET", STATUS, 200, body) == []
        return body

    def ask(self, question: str, **options: Any) -> dict[str, Any]:
        """Return the conversation at its end."""
        started = self.start(question, **options)
        assert started.status_code == 202, started.text
        return self.ended(started.json()["conversation_id"])

    def ended(self, conversation_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        body = self.status(conversation_id)
        while body["status"] == "processing" and time.monotonic() < deadline:
            body = self.status(conversation_id, wait=20, since=body["version"])
        return body


@contextmanager
def asking(host: Host, name: str) -> Iterator[Asker]:
    with host.client(headers={"Authorization": f"Bearer {host.token(name)}"}) as client:
        yield Asker(client)


@pytest.fixture
def ana(local_host: Host) -> Iterator[Asker]:
    with asking(local_host, "ana") as asker:
        yield asker


def test_everyone_asks_of_their_own_gold(local_host, ana):
    """The last published version, told at the end of the answer; nobody else's, and not even the name of a file."""
    first, second = ana.clean(7), ana.clean(3)
    with asking(local_host, "admin") as admin:
        nothing = admin.ask(HOW_MANY)
        theirs = admin.clean(5)
        other = admin.ask(HOW_MANY)
    mine = ana.ask(HOW_MANY)
    sql = {"dataset": "gold", "sql": "SELECT sum(orders) AS n, max(revenue) AS r FROM gold.agg_product_metrics"}
    rows = ana.client.post("/api/run_databricks_job", json=sql).json()
    spanish = ana.ask("¿Cuáles son los ingresos por producto?")

    assert (nothing["status"], nothing["error_code"], nothing["data"]) == ("error", "no_data", None)
    assert [body["data"]["job_id"] for body in (mine, other)] == [second["jobId"], theirs["jobId"]]
    assert [body["final_answer"].split(".")[0][-1] for body in (mine, other)] == ["3", "5"]
    assert f"as job {second['jobId']} published it" in mine["final_answer"]
    assert first["jobId"] not in mine["final_answer"]
    assert mine["data"]["coming"] is None
    assert rows["rows"] == [[3, "75.00"]]
    assert "75.00" in spanish["final_answer"]
    assert "Según tus datos" in spanish["final_answer"]
    assert not [job for body in (mine, other) for job in body["databricks_jobs"] if "parquet" in job["sql_query"]]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM imdb.title_basics",
        "SELECT * FROM parquet.`file:///etc/hosts`",
        "SELECT * FROM gold.`../../x`",
        "SELECT * FROM read_parquet('/etc/hosts')",
        "SELECT * FROM gold.silver",
    ],
)
def test_nothing_but_gold_is_read(ana, sql):
    """The dataset has six tables; other datasets and files are not in it."""
    answer = ana.client.post("/api/run_databricks_job", json={"dataset": "gold", "sql": sql})

    assert (answer.status_code, answer.json()["code"]) == (422, "sql_refused"), answer.text


def test_strangers_have_no_gold(local_host):
    """The chat may serve callers without a token; of whose data would they ask?"""
    with local_host.client() as client:
        answer = client.post("/api/chat/start", json={"question": HOW_MANY, "dataset": "gold"})

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_while_gold_is_rebuilt_a_question_says_so_or_waits(ana):
    """The last version answers and names the job that makes a newer one; whoever waits gets that one."""
    old = ana.clean(4)
    coming = ana.clean(6, "/clean_data", window="window")
    now = ana.ask(HOW_MANY)
    waiting = ana.start(HOW_MANY, when_rebuilding="wait").json()["conversation_id"]
    seen = ana.status(waiting)
    while seen["state"] == "analyzing":
        seen = ana.status(waiting, wait=20, since=seen["version"])
    ana.client.post(f"/api/jobs/{coming['jobId']}/cancel")
    new = ana.clean(9)
    then = ana.ended(waiting)

    assert now["data"]["job_id"] == old["jobId"]
    assert now["data"]["coming"] == {"job_id": coming["jobId"], "state": "making"}
    assert f"A newer version is being made by job {coming['jobId']}" in now["final_answer"]
    assert (seen["status"], seen["state"]) == ("processing", "awaiting_data")
    assert (then["status"], then["data"]["coming"]) == ("completed", None)
    assert then["data"]["job_id"] in {old["jobId"], new["jobId"]}
