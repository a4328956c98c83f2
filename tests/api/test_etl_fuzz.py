"""Requests that nobody meant: the routes of the ETL answer each with a 4xx or a job, and never with a 5xx.

``ETL_FUZZ_REQUESTS=20000 ETL_FUZZ_SEED=7 ETL_BURST=1000000`` in the environment makes it a long search with others.
"""

import io
import json
import os
import random
from collections import Counter
from typing import Any

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.etl_paths import GOLD_TABLES, user_segment
from tests.hosting import Host

REQUESTS = int(os.environ.get("ETL_FUZZ_REQUESTS", "150"))
SEED = int(os.environ.get("ETL_FUZZ_SEED", "20261121"))
RECORD = {"user_id": "u-1", "order_id": "o-1", "product": "Book", "quantity": 1, "unit_price": 2.5, "age": 30}
TEXT = json.dumps([RECORD | {"order_date": "2024-02-01", "order_id": f"o-{number}"} for number in range(5)])
LINES = "\n".join(json.dumps(record) for record in json.loads(TEXT))
PIECES = ['{"records":', "[", "{", "}", "]", '"', "\\ud800", "1e999", "null", "\x00", ",", ":", "NaN", "a,b\n", "\n"]
ODD: list[Any] = [
    *(
        None,
        True,
        -1,
        0,
        1,
        5,
        9,
        10,
        2**31,
        2**63,
        10**30,
        0.5,
        -0.0,
        1e308,
        "",
        " ",
        "x",
        "5",
        "\ud800",
        "\0",
        "=1+1",
    ),
    *(
        "../..",
        "é" * 300,
        "now",
        "window",
        "replay",
        "accept",
        "json",
        "jsonl",
        "x" * 5_000,
        [],
        {},
        [[]],
        [{}],
        [None],
    ),
    *({"a": {"b": []}}, [RECORD], [RECORD, 7], [{"_row": 0, **RECORD}], {"records": []}),
]
OPTIONS = (
    "dataCount",
    "jobName",
    "path",
    "records",
    "priority",
    "window",
    "wait",
    "decision",
    "seed",
    "dirty",
    "format",
)
KINDS = {
    "application/json": TEXT.encode(),
    "application/x-ndjson": LINES.encode(),
    "text/csv": b"user_id,order_id,product,quantity\nu-1,o-1,Book,2\nu-2,o-2,Pen,1\n",
    "application/vnd.apache.parquet": b"",
    "multipart/form-data; boundary=a": (
        b'--a\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
        + LINES.encode()
        + b"\r\n--a--\r\n"
    ),
    "text/plain": b"x",
    "": b"[]",
}


def parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(json.loads(TEXT)), buffer)
    return buffer.getvalue()


class Fuzzer:
    """Makes one request after the other, all from one seed."""

    def __init__(self, job_id: str, owner: str) -> None:
        self.random = random.Random(SEED)
        self.job_id = job_id
        self.paths = [f"shanlee-raw-data/{user_segment(owner)}/{job_id}/{job_id}.json", "shanlee-raw-data/x/y/z.json"]
        self.bodies = {**KINDS, "application/vnd.apache.parquet": parquet()}

    def request(self) -> tuple[str, str, dict[str, Any]]:
        """Return method, path and what goes with them."""
        return self.random.choice([self.noise, self.damaged, self.options, self.options, self.question])()

    def noise(self) -> tuple[str, str, dict[str, Any]]:
        pick = self.random
        body = "".join(pick.choices(PIECES, k=pick.randrange(14))).encode() + pick.randbytes(pick.choice([0, 9]))
        headers = {"Content-Type": pick.choice(list(KINDS))}
        return "POST", self.target(), {"content": body, "headers": headers, "params": {"wait": "0"}}

    def damaged(self) -> tuple[str, str, dict[str, Any]]:
        """Return good records with a few bytes changed, cut or doubled, perhaps under another name."""
        kind, body = self.random.choice(list(self.bodies.items()))
        damaged = bytearray(body)
        for _ in range(self.random.randrange(4)):
            at = self.random.randrange(len(damaged) + 1)
            damaged[at : at + self.random.randrange(3)] = self.random.randbytes(self.random.randrange(3))
        named = kind if self.random.random() < 0.9 else self.random.choice(list(KINDS))
        request = {
            "content": bytes(damaged),
            "headers": {"Content-Type": named},
            "params": {"window": "window", "wait": "0"},
        }
        return "POST", self.target(), request

    def options(self) -> tuple[str, str, dict[str, Any]]:
        """Return an object with some options, most of them wrong."""
        names = self.random.sample(OPTIONS, k=self.random.randrange(1, 5))
        body = {"window": "window", "wait": 0} | {name: self.value(name) for name in names}
        if body["wait"] in (None, True, 1, 5, 9, 10):  # it would be done
            body["wait"] = 0
        text = json.dumps(body).encode()
        return (
            "POST",
            self.target("/api/generate_data"),
            {"content": text, "headers": {"Content-Type": "application/json"}},
        )

    def question(self) -> tuple[str, str, dict[str, Any]]:
        """Return a reading request with odd parameters."""
        job = self.random.choice([self.job_id, "x", "0" * 36, "%2e%2e", "%00", "é"])
        table = self.random.choice([*GOLD_TABLES, "silver", "..%2f..", "x" * 200])
        path = self.random.choice(
            ["/api/jobs", f"/api/jobs/{job}", f"/api/jobs/{job}/rejects", f"/api/jobs/{job}/gold/{table}"]
        )
        names = ("limit", "offset", "after", "token", "state", "format", "since", "wait")
        odd = [*(str(one) for one in ODD if isinstance(one, int | float | str)), "csv", "parquet", "completed"]
        params = {name: self.random.choice(odd) for name in self.random.sample(names, k=self.random.randrange(4))}
        params = {name: text.encode(errors="replace").decode() for name, text in params.items() if name != "wait"}
        return "GET", path, {"params": params, "headers": {"If-None-Match": self.random.choice(["", '"x"', "*"])}}

    def value(self, name: str) -> Any:
        return (
            self.random.choice(self.paths) if name == "path" and self.random.random() < 0.5 else self.random.choice(ODD)
        )

    def target(self, *more: str) -> str:
        acts = [f"/api/jobs/{self.job_id}/{act}" for act in ("review", "retry")]
        return self.random.choice(["/clean_data", "/clean_data", "/write_to_db", *acts, *more])


@pytest.fixture(scope="module")
def demo(local_host: Host):
    with local_host.client(headers={"Authorization": f"Bearer {local_host.token('demo')}"}) as client:
        yield client


def test_no_request_is_our_fault(demo: httpx2.Client) -> None:
    """Noise, damaged files, wrong options and odd parameters, on every route that takes any."""
    job = demo.post("/write_to_db", json={"records": json.loads(TEXT), "wait": 60}).json()
    fuzzer = Fuzzer(job["jobId"], "user:demo")
    statuses: Counter[int] = Counter()
    for number in range(REQUESTS):
        method, path, request = fuzzer.request()
        answer = demo.request(method, path, **request)
        statuses[answer.status_code] += 1
        assert answer.status_code < 500, (SEED, number, method, path, request, answer.text)
        if answer.status_code == 202 and answer.json().get("jobId") not in {None, fuzzer.job_id}:
            demo.post(f"/api/jobs/{answer.json()['jobId']}/cancel")
    assert statuses.keys() & {400, 422}, statuses
