"""The API as its clients meet it: a whole host, spoken to over HTTP."""

import base64
import json
import os
import random
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests import hosting
from tests.hosting import ROOT, Host

ATTACKS = ROOT.parent / "shared" / "attacks" / "bad_http.jsonl"
QUESTION = {"question": "How many films are there?"}
SQL = {"sql": "SELECT tconst, primaryTitle FROM imdb.title_basics ORDER BY tconst LIMIT 120"}
JSON = {"Content-Type": "application/json"}


class Seen:
    """Every answer that anybody but an administrator got, as it came over the wire."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, response: httpx2.Response) -> None:
        response.read()
        self.texts.append(f"{response.headers} {response.text}")


@pytest.fixture(scope="module")
def seen() -> Seen:
    return Seen()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, seen: Seen) -> Iterator[Host]:
    """A host that wants to know who asks."""
    data = tmp_path_factory.mktemp("strict")
    host = hosting.start("--sql-engine", "duckdb", data=data, CHAT_ANONYMOUS="false")
    try:
        yield host
    finally:
        host.stop()
    secrets = {name: value for name, value in host.keys.items() if name != "login_users"}
    leaks = [name for name, value in secrets.items() for text in seen.texts if value in text]
    assert seen.texts
    assert leaks == []
    assert not [text for text in seen.texts if "code=" in text or "Traceback" in text]


@pytest.fixture(scope="module")
def people(host: Host, seen: Seen) -> Iterator[dict[str, httpx2.Client]]:
    """A client for each of the demo users, and for nobody."""
    clients = {"nobody": host.client(event_hooks={"response": [seen.note]})}
    for name in ("demo", "ana"):
        headers = {"Authorization": f"Bearer {host.token(name)}"}
        clients[name] = host.client(headers=headers, event_hooks={"response": [seen.note]})
    clients["admin"] = host.client(headers={"Authorization": f"Bearer {host.token('admin')}"})
    yield clients
    for client in clients.values():
        client.close()


def start(client: httpx2.Client, body: Any = None, **headers: str) -> str:
    """Start a conversation, waiting for the allowance where it is used up."""
    for _ in range(30):
        answer = client.post("/api/chat/start", json=body or QUESTION, headers=headers)
        if answer.status_code != 429:
            break
        time.sleep(int(answer.headers["Retry-After"]))
    assert answer.status_code == 202, answer.text
    return answer.json()["conversation_id"]


def finish(client: httpx2.Client, conversation_id: str) -> dict[str, Any]:
    for _ in range(10):
        status = client.get(f"/api/chat/{conversation_id}/status", params={"wait": 10}).json()
        if status["status"] != "processing":
            return status
    raise AssertionError(status)


def test_a_question_is_answered(people):
    """Started, followed on long polls and read back: the answer is in the status and in the messages."""
    conversation_id = start(people["demo"])
    percentages, since = [], 0
    while (status := follow(people["demo"], conversation_id, since))["status"] == "processing":
        percentages.append(status["progress"]["percentage"])
        since = status["version"]
    percentages.append(status["progress"]["percentage"])
    messages = people["demo"].get(f"/api/chat/{conversation_id}/messages").json()["messages"]

    assert status["status"] == "completed"
    assert percentages == sorted(percentages)
    assert percentages[-1] == 100
    assert [message["role"] for message in messages] == ["user", "assistant"]
    assert messages[1]["content"] == status["final_answer"]
    assert status["databricks_jobs"][0]["status"] == "completed"


def follow(client: httpx2.Client, conversation_id: str, since: int) -> dict[str, Any]:
    return client.get(f"/api/chat/{conversation_id}/status", params={"wait": 10, "since": since}).json()


def test_the_legacy_route_waits_for_rows(people):
    """A query of the caller's own is guarded, run and answered with its first hundred rows."""
    answer = people["demo"].post("/api/run_databricks_job", json=SQL)

    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.keys() == {
        "status",
        "conversation_id",
        "run_id",
        "sql_query",
        "final_answer",
        "columns",
        "rows",
        "row_count",
        "truncated",
    }
    assert [column["name"] for column in body["columns"]] == ["tconst", "primaryTitle"]
    assert (len(body["rows"]), body["row_count"], body["truncated"]) == (100, 120, False)
    assert isinstance(body["run_id"], int)


def test_the_legacy_route_takes_questions(people):
    """The same body as the start is answered in one call."""
    answer = people["demo"].post("/api/run_databricks_job", json=QUESTION)

    assert answer.status_code == 200, answer.text
    assert answer.json()["final_answer"]


def test_the_legacy_route_does_not_wait_for_ever(people, host):
    """What takes longer than the caller waits is 202, as a start, and can be followed."""
    host.faults("databricks", {"match": "POST /api/2.0/sql/statements", "latency": 1.5})
    answer = people["demo"].post("/api/run_databricks_job", json={**SQL, "wait": 0})
    host.faults("databricks")

    assert answer.status_code == 202
    assert finish(people["demo"], answer.json()["conversation_id"])["status"] == "completed"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "question"),
        ({**SQL, **QUESTION}, "question"),
        ({**SQL, "wait": 61}, "wait"),
        ({**SQL, "wait": True}, "wait"),
        ({**SQL, "dataset": "none-such"}, "dataset"),
        ({**SQL, "dataset": "../imdb"}, "dataset"),
        ({**QUESTION, "when_rebuilding": "hope"}, "when_rebuilding"),
        ({"sql": 7}, "sql"),
    ],
)
def test_the_legacy_route_names_what_it_cannot_use(people, body, field):
    """One of question and sql, a wait of up to a minute, a dataset that exists."""
    answer = people["demo"].post("/api/run_databricks_job", json=body)

    assert answer.status_code == 422
    assert field in [one["field"] for one in answer.json()["fields"]]


@pytest.mark.parametrize("sql", ["DROP TABLE imdb.title_basics", "SELECT 1; SELECT 2", "SELECT * FROM secrets.all"])
def test_a_query_that_may_not_run_is_refused_at_the_door(people, host, sql):
    """The guard speaks before anything is started, and says which rule was broken."""
    host.forget_calls("databricks")
    answer = people["demo"].post("/api/run_databricks_job", json={"sql": sql})

    assert (answer.status_code, answer.json()["code"]) == (422, "sql_refused")
    assert answer.json()["reason"]
    assert host.calls("databricks") == []


def test_a_failure_has_the_status_of_its_kind(people, host):
    """A run that Databricks fails is 502, with the conversation that has the details."""
    host.faults("databricks", {"effect": "fail_statement", "times": 0})
    answer = people["demo"].post("/api/run_databricks_job", json={**SQL, "wait": 60})
    host.faults("databricks")

    assert (answer.status_code, answer.json()["code"]) == (502, "query_failed"), answer.text
    assert people["demo"].get(f"/api/chat/{answer.json()['conversation_id']}/status").json()["status"] == "error"


def test_a_conversation_that_an_operator_ended_is_an_error(people, host):
    """Terminated through the management API, it is not processing any more, and says so."""
    host.faults("databricks", {"effect": "hang_statement", "times": 0})
    answer = people["demo"].post("/api/run_databricks_job", json={**SQL, "wait": 0})
    instance = f"/runtime/webhooks/durabletask/instances/{answer.json()['conversation_id']}"
    with host.client() as operator:
        ended = operator.post(f"{instance}/terminate", params={"reason": "test", "code": host.system_key})
    host.faults("databricks")
    status = finish(people["demo"], answer.json()["conversation_id"])

    assert ended.status_code == 202
    assert (status["status"], status["error_code"]) == ("error", "terminated")


def test_a_key_is_one_conversation_however_often_it_is_sent(people):
    """Ten identical starts at once are one conversation and one orchestration."""
    key = str(uuid.uuid4())
    with ThreadPoolExecutor(10) as pool:
        ids = set(pool.map(lambda _: start(people["demo"], **{"Idempotency-Key": key}), range(10)))
    conflict = people["demo"].post("/api/chat/start", json={"question": "?!"}, headers={"Idempotency-Key": key})

    assert len(ids) == 1
    assert conflict.status_code == 409
    assert finish(people["demo"], ids.pop())["turn"] == 1


def routes(conversation_id: str) -> list[str]:
    chat, instance = f"/api/chat/{conversation_id}", f"/api/instances/{conversation_id}"
    return [f"{chat}/status", f"{chat}/status?wait=1", f"{chat}/messages", instance, f"{instance}/management"]


def test_nobody_reads_what_is_not_theirs(people):
    """Two users, all routes, all ids: one's own are there, foreign and unknown ones are one answer."""
    ids = {name: start(people[name]) for name in ("demo", "ana")}
    answers: set[str] = set()
    for name, other in (("demo", "ana"), ("ana", "demo")):
        for path in routes(ids[name])[:-1]:
            assert people[name].get(path).status_code in {200, 202}
        for strange in (ids[other], str(uuid.uuid4()), ids[other].upper(), f"{ids[other]}:1:q1", "x" * 500):
            for path in routes(strange):
                answer = people[name].get(path)
                assert answer.status_code == 404, path
                answers.add(json.dumps(answer.json() | {"request_id": "?"}))
        assert {people["nobody"].get(path).status_code for path in routes(ids[name])} == {401}

    assert len(answers) == 1


def test_only_administrators_get_the_key(people, host):
    """The management URLs, with the system key in them, are an administrator's alone."""
    path = f"/api/instances/{start(people['demo'])}/management"

    assert people["demo"].get(path).status_code == 403
    assert people["ana"].get(path).status_code == 404
    assert host.system_key in people["admin"].get(path).text


def test_health_says_what_is_a_stand_in(people):
    """Anybody may ask how the app is; every stand-in is called one."""
    health = people["nobody"].get("/health").json()

    assert health["status"] == "ok"
    assert health["dependencies"].keys() == {"model", "databricks", "cosmos", "lake"}
    assert all(one["stand_in"] for one in health["dependencies"].values())


def attacks() -> list[dict[str, Any]]:
    if not ATTACKS.is_file():
        return []
    rows = [json.loads(line) for line in ATTACKS.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["system"] == "A" or row["path"] in {"/login", "/api/chat/start"}]


def body_of(row: dict[str, Any]) -> dict[str, Any]:
    if "body_gen" in row:
        key, n = row["body_gen"]["key"], row["body_gen"]["n"]
        return {"content": f'{{"{key}":' * n + "1" + "}" * n}
    if "body_b64" in row:
        return {"content": base64.b64decode(row["body_b64"])}
    return {"content": row["body"]} if "body" in row else {"json": row["json"]} if "json" in row else {}


@pytest.mark.parametrize("row", attacks(), ids=lambda row: row["why"])
def test_the_shared_samples_are_refused(people, host, row):
    """Each malformed request gets one of its statuses, within its time."""
    path = row["path"].replace("{SYSTEM_KEY}", host.system_key)
    for placeholder, name in (("{B_CONVERSATION}", "ana"), ("{A_INSTANCE}", "demo")):
        if placeholder in path:
            path = path.replace(placeholder, start(people[name]))
    client = people[{"user": "demo", "other_user": "ana", "none": "nobody"}[row["auth"]]]
    times = row.get("repeat", 1)
    with ThreadPoolExecutor(20 if times > 1 else 1) as pool:
        send = lambda _: client.request(row["method"], path, headers=row.get("headers"), **body_of(row))  # noqa: E731
        began = time.monotonic()
        statuses = [answer.status_code for answer in pool.map(send, range(times))]

    assert set(statuses) <= set(row["expect"])
    assert set(statuses) >= set(row.get("must_include", []))
    assert time.monotonic() - began < row.get("max_seconds", 30)


def fuzzed(random_: random.Random) -> tuple[bytes, dict[str, str]]:
    """Return a body that is bytes, or JSON with something wrong, and headers that may lie about it."""
    alphabet = ['{"question":', "}", "[", '"', "\\ud800", "1e999", "null", "\x00", "é", ": ", ",", "NaN", "films"]
    text = "".join(random_.choices(alphabet, k=random_.randrange(12))).encode()
    body = random_.choice([text, random_.randbytes(random_.randrange(200)), text + random_.randbytes(3)])
    kinds = ["application/json", "application/json; charset=utf-16", "text/html", "*/*", "x" * 300]
    headers = {"Content-Type": random_.choice(kinds), "Accept": "x"}
    if random_.random() < 0.3:
        headers["Idempotency-Key"] = random_.choice(["a", "a b", "k" * 300, "%00"])
    if random_.random() < 0.2:
        headers["X-Request-Id"] = random_.choice(["../..", "a;b", "1"])
    return body, headers


def test_random_bodies_are_never_our_fault(people):
    """A few hundred bodies of noise, to every route that takes one: 4xx, and never a 5xx."""
    random_ = random.Random(20261121)
    statuses: dict[int, int] = {}
    for _ in range(300):
        body, headers = fuzzed(random_)
        path = random_.choice(["/api/chat/start", "/api/run_databricks_job", "/login"])
        answer = people["demo"].post(path, content=body, headers=headers)
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1

    assert all(400 <= status < 500 or status == 202 for status in statuses), statuses


def run_example(*command: str, host: Host) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"LAKEHOUSE_TOKEN": host.token("ana")}
    return subprocess.run(
        [*command, host.url], check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_the_javascript_pattern_works(host):
    """The polling pattern of the first version, in Node: progress while it runs, then the answer."""
    run = run_example("node", "examples/ask.mjs", QUESTION["question"], host=host)

    assert run.returncode == 0, run.stderr
    assert run.stdout.strip()
    assert run.stderr.splitlines()[-1] == "100% Completed"


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_the_javascript_pattern_rejects(host):
    """A conversation that fails rejects with its error, and a refusal with what to do."""
    host.faults("databricks", {"effect": "fail_statement", "times": 0})
    failed = run_example("node", "examples/ask.mjs", QUESTION["question"], host=host)
    host.faults("databricks")
    refused = run_example("node", "examples/ask.mjs", "   ", host=host)

    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.strip()
    assert "Correct the fields" in refused.stderr


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_curl_example_works(host):
    """The shell example ends with the status that has the answer, whatever characters the question has."""
    run = run_example("examples/ask.sh", 'How many films are called "The \\ Box"?', host=host)

    assert json.loads(run.stdout.splitlines()[-1])["status"] in {"completed", "error"}, run.stderr
    good = run_example("examples/ask.sh", QUESTION["question"], host=host)
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout)["final_answer"]


def test_strangers_are_served_where_the_settings_say_so(local_host):
    """With CHAT_ANONYMOUS a question needs no token; a damaged one is refused all the same."""
    with local_host.client() as client:
        conversation_id = start(client)
        assert client.get(f"/api/chat/{conversation_id}/status").status_code == 200
        bad = client.post("/api/chat/start", json=QUESTION, headers={"Authorization": "Bearer x"})
        headers = {"Authorization": f"Bearer {local_host.token('demo')}"}
        assert client.get(f"/api/chat/{conversation_id}/status", headers=headers).status_code == 404

    assert (bad.status_code, bad.headers["WWW-Authenticate"]) == (401, "Bearer")
