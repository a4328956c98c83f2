"""The ETL as its clients meet it: a whole host, spoken to over HTTP."""

import base64
import csv
import http.client
import io
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from shared.etl_paths import GOLD_TABLES, user_segment
from tests.hosting import ROOT, Host
from tests.schemas import answer_violations

ATTACKS = ROOT.parent / "shared" / "attacks"
NOBODY = str(uuid.UUID(int=7))
GOOD = {
    "user_id": "u-1001",
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "phone": "+14155550101",
    "age": 36,
    "city": "London",
    "country": "GB",
    "signup_date": "2024-01-15",
    "order_id": "o-5001",
    "product": "Book",
    "quantity": 2,
    "unit_price": 12.5,
    "order_date": "2024-02-01",
}
JSON = {"Content-Type": "application/json"}


def good(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [{**GOOD, "order_id": f"o-{number}"} for number in range(first, first + count)]


class Person:
    """A user of the ETL. Every answer that is JSON must be as the published description says."""

    def __init__(self, client: httpx2.Client) -> None:
        self.client = client

    def send(self, method: str, path: str, template: str = "", **request: Any) -> httpx2.Response:
        answer = self.client.request(method, path, **request)
        if template and answer.headers.get("content-type", "").startswith("application/json"):
            assert answer_violations(method, template, answer.status_code, answer.json()) == [], answer.text
        return answer

    def start(self, **request: Any) -> str:
        answer = self.send("POST", "/clean_data", "/clean_data", **request)
        assert answer.status_code == 202, answer.text
        return answer.json()["jobId"]

    def job(self, job_id: str, **params: Any) -> dict[str, Any]:
        answer = self.send("GET", f"/api/jobs/{job_id}", "/api/jobs/{job_id}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def until(self, job_id: str, *states: str) -> dict[str, Any]:
        """Return the job once it stands in one of ``states``."""
        job = self.job(job_id)
        deadline = time.monotonic() + 120
        while job["state"] not in states and time.monotonic() < deadline:
            assert job["state"] not in {"completed", "failed", "cancelled"}, job
            job = self.job(job_id, wait=20, since=job["version"])
        assert job["state"] in states, job
        return job

    def finish(self, **request: Any) -> dict[str, Any]:
        """Start a job and return it as it completed."""
        job = self.until(self.start(**request), "completed")
        counts = job["counts"]
        assert counts["input"] == counts["cleaned"] + counts["rejected"] + counts["duplicates"]
        return job


@pytest.fixture(scope="module")
def host(local_host: Host) -> Host:
    """The host that serves strangers in the chat, and nowhere else."""
    return local_host


@pytest.fixture(scope="module")
def people(host: Host) -> Iterator[dict[str, Person]]:
    clients = {"nobody": host.client()}
    for name in ("demo", "ana"):
        clients[name] = host.client(headers={"Authorization": f"Bearer {host.token(name)}"})
    yield {name: Person(client) for name, client in clients.items()}
    for client in clients.values():
        client.close()


@pytest.fixture
def demo(people) -> Person:
    return people["demo"]


def test_generated_data_becomes_a_star_schema(demo):
    """Generated, cleaned by path, followed on long polls: the percentage never falls, and Gold can be read."""
    data = demo.send("POST", "/api/generate_data", "/api/generate_data", json={"dataCount": 600, "seed": 3})
    again = demo.send("POST", "/api/generate_data", json={"dataCount": 600, "seed": 3}).json()
    job_id = demo.start(json={"dataCount": 600, "jobName": "May", "path": data.json()["path"]})
    percentages, versions, job = [], [], demo.job(job_id)
    while job["status"] == "processing":
        percentages.append(job["percentage"])
        versions.append(job["version"])
        job = demo.job(job_id, wait=20, since=job["version"])

    assert (data.status_code, again["sha256"], again["path"]) == (201, data.json()["sha256"], again["path"])
    assert (job["state"], job["percentage"], job["processingPath"]) == ("completed", 100, "small_batch")
    assert (job["jobName"], job["counts"]["input"], job["deadline"]["state"]) == ("May", 600, "on_track")
    assert percentages == sorted(percentages)
    assert versions == sorted(set(versions))
    assert job["counts"]["rejected"] == sum(1 for _ in rejected(demo, job_id))
    for table in GOLD_TABLES:
        read_table(demo, job, table)


def rejected(person: Person, job_id: str) -> Iterator[dict[str, Any]]:
    """Yield every rejected row, page by page."""
    after: int | None = None
    while True:
        params = {"limit": 7} if after is None else {"limit": 7, "after": after}
        answer = person.send("GET", f"/api/jobs/{job_id}/rejects", "/api/jobs/{job_id}/rejects", params=params)
        yield from answer.json()["rejects"]
        after = answer.json()["after"]
        if after is None:
            return


def read_table(person: Person, job: dict[str, Any], table: str) -> None:
    """Read a Gold table in its three ways; each has the rows that the manifest counts."""
    path, template = f"/api/jobs/{job['jobId']}/gold/{table}", "/api/jobs/{job_id}/gold/{table}"
    shown = person.send("GET", path, template, params={"limit": 1000}).json()
    whole = pq.read_table(io.BytesIO(person.send("GET", path, params={"format": "parquet"}).content))
    text = person.send("GET", path, params={"format": "csv"}).text
    second = person.send("GET", path, template, params={"offset": 1, "limit": 1}).json()

    count = job["gold"]["tables"][table]["rows"]
    assert (shown["row_count"], len(shown["rows"]), whole.num_rows) == (count, count, count)
    assert len(list(csv.reader(io.StringIO(text)))) == count + 1
    assert second["rows"] == shown["rows"][1:2]


def parquet(records: list[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), buffer)
    return buffer.getvalue()


def csv_of(records: list[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    pa.csv.write_csv(pa.Table.from_pylist(records), buffer)
    return buffer.getvalue()


def test_every_way_to_send_records_is_one_job(demo):
    """Inline, as the body and as a file of a form, in four formats: the same Gold, to the checksum."""
    records = [*good(40), {**GOOD, "order_id": "", "email": "nobody"}]
    lines = "\n".join(map(json.dumps, records)).encode()
    options = {"dataCount": "41", "jobName": "ways"}
    ways: list[dict[str, Any]] = [
        {"json": {"dataCount": 41, "jobName": "ways", "records": records}},
        {"content": json.dumps(records), "headers": JSON, "params": options},
        {"content": lines, "headers": {"Content-Type": "application/x-ndjson"}, "params": options},
        {"content": csv_of(records), "headers": {"Content-Type": "text/csv; charset=utf-8"}, "params": options},
        {"content": parquet(records), "headers": {"Content-Type": "application/vnd.apache.parquet"}, "params": options},
        {"files": {"file": ("../../may.csv", csv_of(records), "application/octet-stream")}, "data": options},
        {"files": {"file": ("may.parquet", parquet(records))}, "data": options},
    ]
    ids = [demo.start(**way) for way in ways]
    jobs = [demo.until(job_id, "completed") for job_id in ids]

    checksums = [{name: table["checksum"] for name, table in job["gold"]["tables"].items()} for job in jobs]
    silver = [{k: v for k, v in one.items() if k != "rejects"} for one in checksums]
    assert all(one == silver[0] for one in silver)
    assert {job["dataCount"] for job in jobs} == {41}
    assert {(job["counts"]["cleaned"], job["counts"]["rejected"]) for job in jobs} == {(40, 1)}


@pytest.mark.parametrize("records", [[], good(1)], ids=["none", "one"])
def test_the_smallest_jobs_end_well(demo, records):
    """No record and one record are jobs like any other."""
    job = demo.finish(json={"records": records})

    assert job["counts"]["cleaned"] == len(records)


def test_the_older_route_waits(demo):
    """The same work in one call: 200 with the job, or 202 where nobody wants to wait."""
    done = demo.send("POST", "/write_to_db", "/write_to_db", json={"records": good(5), "wait": 60})
    started = demo.send("POST", "/write_to_db", "/write_to_db", json={"records": good(5), "wait": 0})

    assert (done.status_code, done.json()["state"]) == (200, "completed"), done.text
    assert done.json()["serving"]["mysql"] == {"state": "loaded", "rows": done.json()["serving"]["mysql"]["rows"]}
    assert started.status_code == 202
    demo.until(started.json()["jobId"], "completed")


def test_the_measured_count_decides_about_the_path(demo):
    """A declared count is a hint: 10,001 records that came along are the large path, whatever was declared."""
    lines = "\n".join(json.dumps(record) for record in good(10_001)).encode()
    answers = [
        demo.send(
            "POST",
            "/clean_data",
            "/clean_data",
            content=content,
            headers={"Content-Type": "application/x-ndjson"},
            params={"dataCount": declared, "window": "window"},
        ).json()
        for content, declared in ((lines, 3), (lines[: lines.rfind(b"\n")], 99_999))
    ]
    for answer in answers:
        demo.send("POST", f"/api/jobs/{answer['jobId']}/cancel")

    assert [answer["processingPath"] for answer in answers] == ["large_batch", "small_batch"]
    assert [answer["expectedDuration"] for answer in answers] == ["< 24 hours", "< 5 minutes"]


def test_what_to_expect_is_what_jobs_took_lately(demo):
    """The promise at first; once a few jobs of the size are known, what they took."""
    for _ in range(5):
        demo.finish(json={"records": good(1)})
    answer = demo.send("POST", "/clean_data", "/clean_data", json={"records": good(1)}).json()
    demo.until(answer["jobId"], "completed")

    assert (answer["promised_seconds"], answer["expectedDuration"][:2]) == (300, "< ")
    assert answer["expected_seconds"] < 300


def test_the_paths_say_what_they_take(demo):
    """Both paths of the routing table; there is no third."""
    small, large = (
        demo.send("GET", f"/routing_config/{name}", "/routing_config/{path_type}").json()
        for name in ("small_batch", "large_batch")
    )

    assert (small["recordLimit"]["maximum"], large["recordLimit"]["minimum"]) == (10_000, 10_001)
    assert (small["maxConcurrency"], large["maxConcurrency"]) == (10, 3)
    assert (small["triggerFrequency"], large["triggerFrequency"]) == ("every 10 minutes", "every 10 hours")
    assert demo.send("GET", "/routing_config/tiny", "/routing_config/{path_type}").status_code == 404


def test_a_key_is_one_job(demo):
    """The same request under one key is one job; another one under it is refused, and changes nothing in Bronze."""
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = demo.start(json={"records": good(3)}, headers=key)
    second = demo.start(json={"records": good(3)}, headers=key)
    other = demo.send("POST", "/clean_data", "/clean_data", json={"records": good(4)}, headers=key)
    job = demo.until(first, "completed")

    assert first == second
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    assert job["counts"]["input"] == 3


BAD = [{**GOOD, "order_id": f"o-{number}", "unit_price": "cheap"} for number in range(5)]


def test_a_job_that_rejects_much_waits_for_a_decision(demo):
    """Corrections replace the rejects that they name, and nothing is there twice."""
    job_id = demo.start(json={"records": [*good(5, 100), *BAD]})
    waiting = demo.until(job_id, "awaiting_review")
    rows = list(rejected(demo, job_id))
    review, template = f"/api/jobs/{job_id}/review", "/api/jobs/{job_id}/review"
    stranger = demo.send("POST", review, template, json={"records": [{**GOOD, "_row": 0}]})
    unclear = demo.send("POST", review, template, json={"decision": "maybe"})
    mended = [{**BAD[row["_row"] - 5], "_row": row["_row"], "unit_price": 3} for row in rows[:4]]
    told = demo.send("POST", review, template, json={"decision": "replay", "records": mended})
    job = demo.until(job_id, "completed")

    assert waiting["rejects"]["count"] == 5
    assert [row["reasons"] for row in rows] == [["unit_price.format"]] * 5
    assert (stranger.status_code, unclear.status_code, told.status_code) == (422, 422, 202)
    assert (job["counts"]["input"], job["counts"]["cleaned"], job["counts"]["rejected"]) == (10, 9, 1)
    assert job["review"]["decision"] == "replay"
    assert demo.send("POST", review, template, json={"decision": "accept"}).status_code == 409


def test_a_cancelled_job_can_be_retried(demo):
    """Cancelled while it waits, run again from where it stood, accepted: the same job, in a second run."""
    job_id = demo.start(json={"records": [*good(5, 200), *BAD]})
    waiting = demo.until(job_id, "awaiting_review")
    path = f"/api/jobs/{job_id}"
    early = demo.send("POST", f"{path}/retry", "/api/jobs/{job_id}/retry")
    demo.send("POST", f"{path}/cancel", "/api/jobs/{job_id}/cancel")
    cancelled = demo.until(job_id, "cancelled")
    [listed] = [one for one in demo.send("GET", "/api/jobs").json()["jobs"] if one["jobId"] == job_id]
    retried = demo.send("POST", f"{path}/retry", "/api/jobs/{job_id}/retry")
    again = demo.until(job_id, "awaiting_review")
    demo.send("POST", f"{path}/review", "/api/jobs/{job_id}/review", json={"decision": "accept"})
    job = demo.until(job_id, "completed")
    late = [
        demo.send("POST", f"{path}/{act}", f"/api/jobs/{{job_id}}/{act}").status_code for act in ("cancel", "retry")
    ]

    assert (early.status_code, retried.status_code, late) == (409, 202, [409, 409])
    assert (cancelled["status"], cancelled["error_code"]) == ("error", "cancelled")
    assert listed["error_code"] == "cancelled"
    assert waiting["percentage"] <= cancelled["percentage"] <= again["percentage"] <= job["percentage"] == 100
    assert waiting["version"] < cancelled["version"] < again["version"] < job["version"]
    assert (job["counts"]["cleaned"], job["counts"]["rejected"], job["error_code"]) == (5, 5, None)
    assert [one["step"] for one in job["attempts"]].count("measuring") == 1


def test_a_job_that_an_operator_ended_can_be_retried(demo, host):
    """Terminated through the management API, it says so, and a retry takes it up where it stood."""
    job_id = demo.start(json={"records": [*good(5, 300), *BAD]})
    demo.until(job_id, "awaiting_review")
    with host.client() as operator:
        path = f"/runtime/webhooks/durabletask/instances/{job_id}/terminate"
        assert operator.post(path, params={"reason": "test", "code": host.system_key}).status_code == 202
    ended = demo.until(job_id, "failed")
    refused = demo.send("POST", f"/api/jobs/{job_id}/cancel", "/api/jobs/{job_id}/cancel")
    demo.send("POST", f"/api/jobs/{job_id}/retry", "/api/jobs/{job_id}/retry")
    demo.until(job_id, "awaiting_review")
    demo.send("POST", f"/api/jobs/{job_id}/cancel", "/api/jobs/{job_id}/cancel")
    demo.until(job_id, "cancelled")

    assert (ended["status"], ended["error_code"]) == ("error", "terminated")
    assert refused.status_code == 409


def test_a_file_in_bronze_can_be_cleaned_again(people):
    """What was uploaded lies in the caller's Bronze; a job over it is a child of the first."""
    ana = people["ana"]
    job = ana.finish(json={"records": good(1)})
    answer = ana.send("POST", "/write_to_db", "/write_to_db", json={"path": job["source"]["path"], "wait": 60})

    assert (answer.status_code, answer.json()["parentJobId"]) == (200, job["jobId"])


def test_nobody_sees_who_was_rejected(demo):
    """Samples of rejects hold no name, address or number of a person, wherever it was put."""
    secret = {"name": "Zoë Quux", "email": "zoe.quux@secret.example", "phone": "+49 30 9018203"}
    wrong = {**GOOD, **secret, "city": secret["email"], "product": secret["phone"], "age": "old", "order_id": "o 1"}
    job_id = demo.start(json={"records": [*good(9), wrong, "+49 30 9018203"]})
    demo.until(job_id, "completed")
    answer = demo.send("GET", f"/api/jobs/{job_id}/rejects", "/api/jobs/{job_id}/rejects")

    assert len(answer.json()["rejects"]) == 2
    assert not [word for word in ("Zo", "quux", "secret", "9018203", "30 90") if word in answer.text]


def test_a_file_for_a_spreadsheet_holds_no_formula(demo):
    """No cell of an exported file begins as a formula does; the Parquet file has the text as it was."""
    cells = ["=2*3", "@NOW()", "+1", "-2+2", " =1"]
    if (ATTACKS / "csv_cells.jsonl").is_file():
        cells += [json.loads(line)["cell"] for line in (ATTACKS / "csv_cells.jsonl").read_text().splitlines()]
    job = demo.finish(json={"records": [{**GOOD, "order_id": f"o-{n}", "product": c} for n, c in enumerate(cells)]})
    path = f"/api/jobs/{job['jobId']}/gold"
    rows = [
        row
        for table in GOLD_TABLES
        for row in csv.DictReader(io.StringIO(demo.send("GET", f"{path}/{table}?format=csv").text))
    ]
    table = pq.read_table(io.BytesIO(demo.send("GET", f"{path}/fact_orders?format=parquet").content))

    assert rows
    assert not [
        cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    ]
    assert "=2*3" in table.column("product").to_pylist()


def test_jobs_come_in_pages(people):
    """The newest first, each once, also where others are started meanwhile."""
    ana = people["ana"]
    ids = [ana.start(json={"jobName": f"page {number}", "records": good(1)}) for number in range(5)]
    seen, token = [], None
    while True:
        params = {"limit": 2} if token is None else {"limit": 2, "token": token}
        page = ana.send("GET", "/api/jobs", "/api/jobs", params=params).json()
        seen += [job["jobId"] for job in page["jobs"]]
        token = page["token"]
        if token is None:
            break
    for job_id in ids:
        ana.until(job_id, "completed")
    completed = ana.send("GET", "/api/jobs", "/api/jobs", params={"state": "completed", "limit": 100}).json()["jobs"]
    mine = ana.send("GET", "/api/me/progress", "/api/me/progress").json()

    assert [one for one in seen if one in ids] == ids[::-1]
    assert len(seen) == len(set(seen))
    assert {job["jobId"] for job in completed} >= set(ids)
    assert {item["id"] for item in mine["items"]} >= set(ids)
    assert all(item["at"].endswith("+00:00") for item in mine["items"])
    assert mine["quota"]["rows"]["used"] >= 5
    for bad in (
        {"token": "x"},
        {"token": " "},
        {"token": "x" * 5000},
        {"state": "gone"},
        {"limit": "-1"},
        {"limit": "101"},
    ):
        assert ana.send("GET", "/api/jobs", "/api/jobs", params=bad).status_code == 422, bad


def routes(job_id: str) -> list[tuple[str, str, Mapping[str, Any]]]:
    job = f"/api/jobs/{job_id}"
    return [
        ("GET", job, {}),
        ("GET", f"{job}?wait=1", {}),
        ("GET", f"{job}/rejects", {}),
        ("GET", f"{job}/gold/dim_users", {}),
        ("POST", f"{job}/review", {"json": {"decision": "accept"}}),
        ("POST", f"{job}/cancel", {}),
        ("POST", f"{job}/retry", {}),
        ("GET", f"/api/instances/{job_id}", {}),
    ]


def test_nobody_reaches_what_is_not_theirs(people, host):
    """Two users, all routes, all ids: foreign, unknown and malformed ones are one answer, and nothing happens."""
    jobs = {name: people[name].finish(json={"records": good(2)}) for name in ("demo", "ana")}
    answers: set[str] = set()
    for name, other in (("demo", "ana"), ("ana", "demo")):
        foreign = jobs[other]["jobId"]
        for strange in (foreign, NOBODY, foreign.upper(), "x" * 300, "%2e%2e"):
            for method, path, request in routes(strange):
                answer = people[name].send(method, path, **request)
                assert answer.status_code == 404, (method, path, answer.text)
                if strange in (foreign, NOBODY):
                    answers.add(json.dumps(answer.json() | {"request_id": "?"}))
        for strange in (jobs[other]["source"]["path"], jobs[other]["source"]["path"].replace(foreign, NOBODY)):
            answer = people[name].send("POST", "/clean_data", "/clean_data", json={"path": strange})
            assert answer.status_code == 404
    assert len(answers) == 1
    assert people["ana"].job(jobs["ana"]["jobId"])["state"] == "completed"


def test_strangers_are_not_served(people):
    """Every route of the ETL needs a token, also where the chat does not."""
    for method, path, request in [
        *routes(NOBODY)[:-1],
        ("POST", "/clean_data", {"json": {"records": []}}),
        ("POST", "/write_to_db", {"json": {"records": []}}),
        ("POST", "/api/generate_data", {"json": {}}),
        ("GET", "/routing_config/small_batch", {}),
        ("GET", "/api/jobs", {}),
        ("GET", "/api/me/progress", {}),
    ]:
        answer = people["nobody"].send(method, path, **request)
        assert (answer.status_code, answer.headers.get("WWW-Authenticate")) == (401, "Bearer"), path


OWN = user_segment("user:demo")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"shanlee-raw-data/{OWN}/none/such.json", 404),
        (f"shanlee-raw-data/{OWN}/../{OWN}/a/b.json", 422),
        (f"shanlee-raw-data/{OWN}/a/..json", 422),
        (f"shanlee-raw-data/{OWN}/a/b/c.json", 422),
        (f"shanlee-raw-data/{OWN}//b.json", 422),
        (f"shanlee-raw-data/{OWN}/%2e%2e/b.json", 422),
        (f"shanlee-raw-data/{OWN}/a/b.json\n", 404),
        (f"shanlee-raw-data/{OWN}/a/b.exe", 422),
        (f"shanlee-raw-data\\{OWN}\\a\\b.json", 422),
        ("/etc/passwd", 422),
        ("file:///etc/passwd", 422),
        ("gold/analytics/x/y/manifest.json", 422),
        ("x" * 600, 422),
    ],
)
def test_a_path_leads_into_ones_own_bronze_only(demo, path, status):
    """Three segments below the caller's folder, in a closed alphabet; anything else is refused."""
    answer = demo.send("POST", "/clean_data", "/clean_data", json={"dataCount": 1, "path": path})

    assert answer.status_code == status, answer.text


LINES = {"Content-Type": "application/x-ndjson"}
PARQUET = {"Content-Type": "application/vnd.apache.parquet"}
REFUSED: dict[str, dict[str, Any]] = {
    "truncated Parquet": {"content": parquet(good(50))[:-200], "headers": PARQUET},
    "Parquet in name alone": {"content": b"PAR1" + b"\0" * 64 + b"PAR1", "headers": PARQUET},
    "ZIP": {"content": b"PK\x03\x04" + bytes(100), "headers": LINES},
    "gzip": {"content": b"\x1f\x8b\x08\0" + bytes(100), "headers": {"Content-Type": "text/csv"}},
    "gzip by header": {"content": b"x", "headers": JSON | {"Content-Encoding": "gzip"}},
    "no UTF-8": {"content": b'{"name": "\xff\xfe"}\n', "headers": LINES},
    "NaN": {"content": b'{"records": [{"quantity": NaN}]}', "headers": JSON},
    "no end": {"content": b'{"records": [{"quantity": 1}', "headers": JSON},
    "no end of text": {"content": b'{"records": ["', "headers": JSON},
    "records twice": {"content": b'{"records": [], "records": []}', "headers": JSON},
    "records is text": {"json": {"records": "all"}},
    "records is an object": {"json": {"records": {}}},
    "no records": {"json": {"dataCount": 5}},
    "both": {"json": {"records": [], "path": f"shanlee-raw-data/{OWN}/a/b.json"}},
    "a number": {"content": b"17", "headers": JSON},
    "nothing": {"content": b"", "headers": JSON},
    "no media type": {"content": b"[]"},
    "text": {"content": b"[]", "headers": {"Content-Type": "text/plain"}},
    "another charset": {"content": b'{"records": []}', "headers": {"Content-Type": "application/json; charset=utf-16"}},
    "no count": {"json": {"records": [], "dataCount": 0}},
    "a count of text": {"json": {"records": [], "dataCount": "5"}},
    "a priority above 9": {"json": {"records": [], "priority": 10}},
    "no window": {"json": {"records": [], "window": "later"}},
    "a name with half a pair": {"content": b'{"records": [], "jobName": "\\ud800"}', "headers": JSON},
    "deep options": {"content": b'{"records": [], "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", "headers": JSON},
    "large options": {"json": {"records": [], "x": "x" * 70_000}},
    "two files": {"files": [("file", ("a.csv", b"a\n1\n")), ("other", ("b.csv", b"a\n1\n"))]},
    "an executable": {"files": {"file": ("a.exe", b"MZ")}},
    "a form without a file": {"files": {"file": ("", b"")}, "data": {"jobName": "x"}},
    "a form without an end": {"content": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
    "a form without a boundary": {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
}


@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_read_is_refused_at_the_door(demo, request_):
    """A 4xx in the one shape of errors, before anything is stored."""
    answer = demo.send("POST", "/clean_data", "/clean_data", **request_)

    assert answer.status_code in {400, 413, 415, 422}, answer.text
    assert answer.json()["code"] != "internal_error"


def test_a_hostile_record_is_rejected_alone(demo):
    """Deep nesting, a field twice, huge numbers and wrong types reject their row; the neighbours are cleaned."""
    deep = '{"user_id": ' * 200 + "1" + "}" * 200
    hostile = [
        deep,
        '{"order_id": "a", "order_id": "b"}',
        '{"unit_price": 1e999}',
        f'{{"quantity": {"9" * 3000}}}',
        '"text"',
        "[1]",
        "null",
        '{"name": "\\udfff"}',
        json.dumps({**GOOD, "order_id": ["x"]}),
    ]
    rows = [json.dumps(record) for record in good(60)]
    body = f'{{"jobName": "records", "records": [{",".join([*rows[:30], *hostile, *rows[30:]])}]}}'
    job = demo.finish(content=body.encode(), headers=JSON)

    assert (job["counts"]["cleaned"], job["counts"]["rejected"]) == (60, len(hostile))
    assert [row["_row"] for row in rejected(demo, job["jobId"])] == list(range(30, 30 + len(hostile)))


def peak(host: Host) -> int:
    """Return the most memory that the host ever had, in bytes."""
    status = Path(f"/proc/{host.process.pid}/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize("announced", [True, False])
def test_a_gigabyte_is_refused_in_bounded_memory(host, announced):
    """413 as soon as it is clear, whether the length is announced or found out."""
    before = peak(host)
    connection = http.client.HTTPConnection(urlsplit(host.url).netloc, timeout=60)
    connection.putrequest("POST", "/clean_data")
    connection.putheader("Authorization", f"Bearer {host.token('demo')}")
    connection.putheader("Content-Type", "application/x-ndjson")
    connection.putheader(*(("Content-Length", str(1 << 30)) if announced else ("Transfer-Encoding", "chunked")))
    connection.endheaders()
    piece = b"0" * (1 << 20)
    sent = 0
    try:
        while sent < (2 if announced else 1024):
            connection.send(piece if announced else b"%x\r\n%s\r\n" % (len(piece), piece))
            sent += 1
    except (BrokenPipeError, ConnectionResetError):
        pass
    try:
        status = connection.getresponse().status
    except (ConnectionResetError, BrokenPipeError):
        status = 413 if sent < 1024 else 0  # it hung up on us: the answer was lost with the connection
    connection.close()

    assert status == 413
    assert peak(host) - before < 600 << 20


def attacks(name: str) -> list[dict[str, Any]]:
    file = ATTACKS / name
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []


@pytest.mark.parametrize(
    "row", [row for row in attacks("bad_http.jsonl") if row["system"] == "B"], ids=lambda row: row["why"]
)
def test_the_shared_requests_are_refused(people, row):
    """Each malformed request gets one of its statuses."""
    body: dict[str, Any] = {"json": row["json"]} if "json" in row else {}
    if "body" in row:
        body = {"content": row["body"]}
    if "body_b64" in row:
        body = {"content": base64.b64decode(row["body_b64"])}
    person = people[{"user": "demo", "none": "nobody"}[row["auth"]]]
    answer = person.send(row["method"], row["path"], headers=row.get("headers"), **body)

    assert answer.status_code in row["expect"], answer.text


@pytest.mark.parametrize(
    "row", [row for row in attacks("bad_records.jsonl") if row["expect"] == "batch_4xx"], ids=lambda row: row["why"]
)
def test_the_shared_batches_are_refused(demo, row):
    """A batch that is no batch is refused as a whole."""
    text = json.dumps(row["value"]) if "value" in row else f"[{json.dumps(GOOD)},{row['raw']}]"
    answer = demo.send("POST", "/clean_data", content=f'{{"records": {text}}}'.encode(), headers=JSON)

    assert answer.status_code in row["codes"], answer.text


def test_the_shared_records_are_accounted_for(demo):
    """All hostile records in one batch: none is lost, none stops the others, and none names a path."""
    rows = [row for row in attacks("bad_records.jsonl") if row["kind"] in {"record", "raw_record"}]
    texts = []
    for row in rows:
        if row["expect"] == "batch_4xx":
            continue
        if row["kind"] == "raw_record":
            texts.append(row["raw"])
            continue
        record = {k: v for k, v in GOOD.items() if k not in row["patch"]["drop"]} | {"order_id": row["id"]}
        texts.append(json.dumps(record | {k: repeated(v) for k, v in row["patch"]["set"].items()}))
    neighbours = [json.dumps(record) for record in good(300, 9_000)]
    body = f"[{','.join([*neighbours[:150], *texts, *neighbours[150:]])}]"
    job = demo.finish(content=body.encode(), headers=JSON)

    assert job["counts"]["input"] == 300 + len(texts)
    assert job["counts"]["cleaned"] >= 300
    assert job["source"]["path"].count("/") == 3


def repeated(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("@repeat:"):
        _, character, times = value.split(":")
        return character * int(times)
    return value


def test_the_description_is_published(people):
    """Tools and people can read what the API is without a token."""
    described = people["nobody"].send("GET", "/api/openapi.json")
    page = people["nobody"].send("GET", "/docs")

    assert described.json()["openapi"].startswith("3.1")
    assert "/clean_data" in described.json()["paths"]
    assert "text/html" in page.headers["content-type"]
    assert "POST /clean_data" in page.text
