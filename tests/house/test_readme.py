"""What the README and the pages show is done here, as a newcomer would: started, asked, followed, made to fail."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tools.pages import ROOT, examples


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """The local host with its stand-ins; what it says of itself when it is ready."""
    folder = tmp_path_factory.mktemp("host")
    names = ("AZURE_OPENAI_ENDPOINT", "DATABRICKS_HOST", "COSMOS_ENDPOINT", "LAKE_URL")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    command = [sys.executable, "-m", "localhost", "start", "--port", "0", "--data", str(folder)]
    command += ["--sql-engine", "duckdb", "--enable-json-output"]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        ready = process.stdout.readline()
        assert ready, (folder / "log").read_text()
        yield json.loads(ready)
        process.terminate()
        process.communicate(timeout=30)


def shown(page, containing):
    """Return the first shell example on ``page`` that has ``containing``."""
    return next(e.text for e in examples("sh") if e.page == ROOT / page and containing in e.text)


def do(script, host, folder=None, **values):
    """Run ``script`` against the host, in ``folder``, and return the JSON it prints last."""
    script = script.replace("localhost:7071", host["url"].removeprefix("http://"))
    for name, value in values.items():
        script = script.replace(name, value)
    command = ["/bin/sh", "-ec", script]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=folder).stdout
    return json.loads(said or "null")


def answer(host, started, page="README.md"):
    """Follow a conversation as ``page`` shows, until it is over."""
    script = shown(page, "/status?wait=20")
    while (status := do(script, host, CONVERSATION_ID=started["conversation_id"]))["status"] == "processing":
        pass
    return status


@pytest.mark.parametrize("page", ["README.md", "docs/quickstart/ask-a-question.md"])
def test_the_first_question_is_answered(host, page):
    """The commands on the page bring a question, pasted as they stand, to its answer."""
    started = do(shown(page, "/api/chat/start"), host)
    status = answer(host, started, page)

    assert started["processing_status"] == "started"
    assert status["status"] == "completed"
    assert "| votes |" in status["final_answer"]


def test_the_javascript_example_gets_an_answer(host, tmp_path):
    """`ask` of the polling page resolves with the answer."""
    node = shutil.which("node")
    [example] = examples("javascript")
    script = tmp_path / "ask.mjs"
    call = f"console.log(JSON.stringify(await ask('How many films are there per genre?', undefined, '{host['url']}')));"
    script.write_text(example.text + call, encoding="utf-8")

    if node:
        said = subprocess.run([node, script], capture_output=True, text=True, check=True, timeout=60).stdout
        assert "Drama" in json.loads(said)


def test_services_fail_as_shown_and_the_question_is_still_answered(host):
    """The faults of the page are accepted by the service they are for, and two of them are lived through."""
    page = "docs/how-to/make-services-fail.md"
    blocks = shown(page, "/_faults").split("\n\n")
    ports = {name: host["services"][name].rsplit(":", 1)[1] for name in ("databricks", "model", "cosmos")}
    for block, service in zip(blocks, ("databricks", "model", "cosmos"), strict=True):
        do(block, host, PORT=ports[service])
    do(f"curl -s -X DELETE 127.0.0.1:{ports['cosmos']}/_faults", host)

    started = do(shown("README.md", "/api/chat/start"), host)

    assert answer(host, started)["status"] == "completed"
    assert do(f"curl -s 127.0.0.1:{ports['databricks']}/_faults", host) == []


def test_the_demo_users_log_in(host):
    """The users that the banner names get a token, and what they ask is theirs alone."""
    url = "localhost:7071"
    login = (
        f"""curl -s {url}/login -H 'Content-Type: application/json' -d '{{"username": "USER", "password": "USER"}}'"""
    )
    tokens = {user: do(login, host, USER=user)["access_token"] for user in ("demo", "ana")}
    ask = shown("README.md", "/api/chat/start").replace("curl -s", "curl -s -H 'Authorization: Bearer TOKEN'")
    started = do(ask, host, TOKEN=tokens["demo"])
    look = f"curl -s {url}{started['poll_url']} -H 'Authorization: Bearer TOKEN'"

    assert do(look, host, TOKEN=tokens["demo"])["conversation_id"] == started["conversation_id"]
    assert do(look, host, TOKEN=tokens["ana"])["code"] == "not_found"


def test_records_are_cleaned(host, tmp_path):
    """The commands of the how-to, pasted one after the other: generated, cleaned, followed, read, sent as a file."""
    page = "docs/how-to/clean-records.md"
    values = {"$TOKEN": do(shown(page, "/login"), host)["access_token"]}

    def done(containing):
        return do(shown(page, containing), host, tmp_path, **values)

    values["BRONZE_PATH"] = done("/api/generate_data")["path"]
    values["JOB_ID"] = done("BRONZE_PATH")["jobId"]
    while (job := done("?wait=20"))["status"] == "processing":
        pass
    counts = {name: job["counts"][name] for name in ("input", "cleaned", "rejected", "duplicates")}
    assert json.dumps(counts)[1:-1] in (ROOT / page).read_text(encoding="utf-8")

    rejects, products, file = shown(page, "/rejects?").splitlines()
    assert len(do(rejects, host, **values)["rejects"]) == 3
    assert do(products, host, **values)["table"] == "agg_product_metrics"
    do(file, host, tmp_path, **values)
    assert (tmp_path / "orders.csv").read_text(encoding="utf-8").count("\n") == counts["cleaned"] + 1

    (tmp_path / "raw.csv").write_text("user_id,order_id,product,quantity,unit_price,order_date\n", encoding="utf-8")
    assert done("file=@raw.csv")["processingPath"] == "small_batch"
    assert done("/write_to_db")["jobId"]
