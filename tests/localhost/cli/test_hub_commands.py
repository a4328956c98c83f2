"""`doctor`, `backup` and `start` on the hubs of real hosts: running, stopped, killed and damaged."""

import json
import os
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from datetime import datetime

import hosting

APP = """
import time
import azure.functions as func
import azure.durable_functions as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.orchestration_trigger(context_name="context")
def ask(context, _: str | None):
    answer = yield context.call_activity("double", input=21)
    return answer

@app.orchestration_trigger(context_name="context")
def wait(context, _: str | None):
    heard = yield context.wait_for_external_event("go")
    return heard

@app.activity_trigger(input_name="number")
def double(number: int) -> int:
    return number * 2
"""
API = "/runtime/webhooks/durabletask"


class Hub:
    """The durable task API of a host."""

    def __init__(self, host):
        self.host = host
        self._client = host.client(headers={"x-functions-key": host.system_key})

    def __enter__(self):
        self._client.__enter__()
        return self

    def __exit__(self, *error):
        self._client.__exit__(*error)

    def post(self, path, body=None):
        answer = self._client.post(f"{API}/{path}", json=body)
        assert answer.status_code == 202, answer.text
        return answer

    def status(self, instance_id):
        answer = self._client.get(f"{API}/instances/{instance_id}")
        return answer.json() if answer.status_code != 404 else None

    def until(self, instance_id, wanted):
        """Wait until an instance is in a state; None is for forgotten."""
        until = time.monotonic() + hosting.PATIENCE
        while time.monotonic() < until:
            found = self.status(instance_id)
            if (found and found["runtimeStatus"]) == wanted:
                return found
            time.sleep(0.02)
        raise AssertionError(f"{instance_id} is {self.status(instance_id)}")

    def run(self, orchestrator, instance_id):
        self.post(f"orchestrators/{orchestrator}/{instance_id}")


def doctor(data, *options):
    """Return the exit code and the report of `doctor --json`."""
    shown = hosting.run("doctor", "--data", data, "--json", *options)
    return shown.returncode, json.loads(shown.stdout)


def again(host, *options):
    """Start another host on an app and its data."""
    return hosting.start("--script-root", host.data.parent / "app0", *options, data=host.data)


def write(data, *statements):
    with closing(sqlite3.connect(data / "hub.sqlite", isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_doctor_reads_a_hub_at_work_stopped_and_killed(functions_host):
    """It says who works on it, what there is, and that nothing needs doing; the events waited for are information."""
    host = functions_host(APP)
    with Hub(host) as hub:
        hub.run("ask", "answered")
        hub.run("wait", "waiting")
        hub.until("answered", "Completed")
        hub.until("waiting", "Running")
        code, report = doctor(host.data)
        assert (code, report["format"], report["readable"], report["needs_doing"]) == (0, 1, True, False)
        assert report["host"]["process"] == host.process.pid
        assert report["instances"] == {"Running": 1, "Completed": 1}
        [finding] = report["findings"]
        assert (finding["kind"], finding["severity"], finding["subject"]) == ("waiting", "note", "waiting")
        assert datetime.fromisoformat(finding["since"])
        assert finding["call"]["url"].endswith(f"{API}/instances/waiting/raiseEvent/EVENT")
        shown = hosting.run("doctor", "--data", host.data, "--url", host.url)
        assert shown.returncode == 0
        assert "1 Running, 1 Completed" in shown.stdout
        assert "note: waiting: waiting: wait waits for an external event" in shown.stdout
        assert host.system_key not in shown.stdout
        assert "0 to do, 1 to know." in shown.stdout
        # The call that it shows is one that works.
        hub.post(finding["call"]["url"].partition(f"{API}/")[2].replace("EVENT", "go"), "now")
        assert hub.until("waiting", "Completed")["output"] == "now"
    host.stop(signal.SIGKILL)
    code, report = doctor(host.data)
    assert (code, report["host"], report["stopped_in_order"]) == (0, None, False)


def test_the_files_of_a_killed_host_can_be_copied(functions_host, tmp_path):
    """File and log together, with what is under way; a host that is stopped leaves one file, without a log."""
    host = functions_host(APP)
    with Hub(host) as hub:
        hub.run("wait", "waiting")
        hub.until("waiting", "Running")
    host.stop(signal.SIGKILL)
    copied = tmp_path / "copied"
    copied.mkdir()
    for name in ("hub.sqlite", "hub.sqlite-wal"):
        shutil.copy(host.data / name, copied / name)
    after = hosting.start("--script-root", tmp_path / "app0", data=copied)
    with Hub(after) as hub:
        hub.post("instances/waiting/raiseEvent/go", 1)
        hub.until("waiting", "Completed")
    assert after.stop() == 0
    assert not (copied / "hub.sqlite-wal").exists()
    code, report = doctor(copied)
    assert (code, report["host"], report["stopped_in_order"]) == (0, None, True)
    assert "Nothing to do." in hosting.run("doctor", "--data", copied).stdout


def test_doctor_finds_what_is_stuck_and_shows_the_call_that_ends_it(functions_host):
    """Exit 1; the call, made as it is shown, ends the instance, and then nothing needs doing."""
    host = functions_host(APP)
    with Hub(host) as hub:
        hub.run("wait", "lost")
        hub.until("lost", "Running")
    assert host.stop() == 0
    write(host.data, "UPDATE instances SET status=0", "DELETE FROM history", "DELETE FROM inbox")
    after = again(host)
    code, report = doctor(host.data, "--url", after.url)
    assert code == 1
    [finding] = report["findings"]
    assert (finding["kind"], finding["severity"], finding["subject"]) == ("stuck", "error", "lost")
    with after.client() as client:
        answer = client.request(
            finding["call"]["method"], finding["call"]["url"], headers={"x-functions-key": after.system_key}
        )
        assert answer.status_code == 202
    with Hub(after) as hub:
        hub.until("lost", "Terminated")
    assert doctor(host.data)[0] == 0
    assert after.stop() == 0


def test_doctor_mends_what_belongs_to_nobody_when_no_host_is_there(functions_host):
    """Exit 4 while one is, which goes on."""
    host = functions_host(APP)
    with Hub(host) as hub:
        hub.run("wait", "waiting")
        hub.until("waiting", "Running")
        refused = hosting.run("doctor", "--fix", "--data", host.data)
        assert refused.returncode == 4
        assert f"process {host.process.pid}" in refused.stderr
        hub.post("instances/waiting/raiseEvent/go", 1)
        hub.until("waiting", "Completed")
    assert host.stop() == 0
    write(
        host.data,
        "INSERT INTO inbox VALUES (1000, 'nobody', x'')",
        "INSERT INTO entities VALUES ('@e@1', '1', 0, 'section', 'nobody', 0)",
    )
    code, report = doctor(host.data)
    assert code == 1
    assert {(f["kind"], f["subject"]) for f in report["findings"]} == {("orphaned", "nobody"), ("orphaned", "@e@1")}
    command = report["findings"][0]["command"].split()[3:]
    mended = hosting.run(*command)
    assert (mended.returncode, mended.stderr) == (0, "Mended: 1 messages, 1 locks.\n")


def test_doctor_says_why_a_hub_cannot_be_read(tmp_path):
    """Exit 2 and one sentence, in both forms; a backup of it is refused for the same reason."""
    (tmp_path / "hub.sqlite").write_bytes(b"")
    shown = hosting.run("doctor", "--data", tmp_path)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert "is empty" in shown.stderr
    code, report = doctor(tmp_path)
    assert (code, report["readable"]) == (2, False)
    assert "is empty" in report["error"]
    refused = hosting.run("backup", tmp_path / "copy.sqlite", "--data", tmp_path)
    assert refused.returncode == 1
    assert "is empty" in refused.stderr
    assert not (tmp_path / "copy.sqlite").exists()


def test_a_second_host_is_refused_and_the_first_goes_on(functions_host):
    """Exit 4, the process that has it and the option that helps; nothing of the first is disturbed."""
    host = functions_host(APP)
    with Hub(host) as hub:
        hub.run("wait", "waiting")
        hub.until("waiting", "Running")
        app = host.data.parent / "app0"
        refused = hosting.run("start", "--script-root", app, "--port", "0", "--data", host.data)
        assert refused.returncode == 4
        assert f"process {host.process.pid}" in refused.stderr
        assert "--data" in refused.stderr
        # Another data folder with the same hub in it, by a link.
        other = host.data.parent / "other"
        other.mkdir()
        (other / "hub.sqlite").symlink_to(host.data / "hub.sqlite")
        refused = hosting.run("start", "--script-root", app, "--port", "0", "--data", other)
        assert refused.returncode == 4
        assert f"process {host.process.pid}" in refused.stderr
        hub.post("instances/waiting/raiseEvent/go", 1)
        hub.until("waiting", "Completed")


def test_a_damaged_or_shortened_hub_is_refused_at_the_start(functions_host):
    """Exit 1, what is wrong and what to do; the file is left as it was, for whoever tries to save something."""
    host = functions_host(APP)
    with Hub(host) as hub:
        for number in range(30):
            hub.run("ask", f"ask-{number}")
        for number in range(30):
            hub.until(f"ask-{number}", "Completed")
    assert host.stop() == 0
    path = host.data / "hub.sqlite"
    whole = path.read_bytes()
    with closing(sqlite3.connect(path)) as connection:
        [[page]] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name='history'")
    for broken in (
        whole[: (page - 1) * 4096] + os.urandom(4096) + whole[page * 4096 :],
        whole[: len(whole) // 2 // 4096 * 4096],
    ):
        path.write_bytes(broken)
        refused = hosting.run("start", "--script-root", host.data.parent / "app0", "--port", "0", "--data", host.data)
        assert refused.returncode == 1
        assert "is damaged" in refused.stderr
        assert "backup" in refused.stderr
        assert path.read_bytes() == broken
        assert doctor(host.data)[0] == 2
    path.write_bytes(whole)
    assert again(host).stop() == 0


def test_a_backup_of_a_hub_at_work_is_a_hub(functions_host, tmp_path):
    """All that was acknowledged before is in it, whatever goes on meanwhile, and work goes on from there."""
    host = functions_host(APP)
    copies = tmp_path / "copies"
    copies.mkdir()
    known = []
    with Hub(host) as hub:
        hub.run("wait", "waiting")
        hub.until("waiting", "Running")
        for copy in range(3):
            for number in range(15):
                known.append(f"{copy}-{number}")
                hub.run("ask", known[-1])
            under_way = hosting.subprocess.Popen(
                hosting.command("backup", copies / f"{copy}.sqlite", "--data", host.data),
                cwd=hosting.ROOT,
                env=hosting.environment(),
                stdout=hosting.subprocess.DEVNULL,
            )
            number = 0
            while under_way.poll() is None:
                hub.run("ask", f"meanwhile-{copy}-{number}")
                number += 1
            assert under_way.returncode == 0
        for instance_id in known:
            hub.until(instance_id, "Completed")
        hub.post("instances/waiting/raiseEvent/go", 1)
        hub.until("waiting", "Completed")
    refused = hosting.run("backup", copies / "0.sqlite", "--data", host.data)
    assert refused.returncode == 1
    assert "replaces nothing" in refused.stderr
    assert sorted(path.name for path in copies.iterdir()) == ["0.sqlite", "1.sqlite", "2.sqlite"]

    restored = tmp_path / "restored"
    restored.mkdir()
    shutil.copy(copies / "2.sqlite", restored / "hub.sqlite")
    assert doctor(restored)[0] == 0
    after = hosting.start("--script-root", tmp_path / "app0", data=restored)
    with Hub(after) as hub:
        for instance_id in known:
            hub.until(instance_id, "Completed")
        hub.post("instances/waiting/raiseEvent/go", 2)
        assert hub.until("waiting", "Completed")["output"] == 2
    assert after.stop() == 0


def test_what_is_over_is_purged_after_the_retention_time(functions_host):
    """As `start --retention` says, also what ended under an earlier host; what waits stays."""
    host = functions_host(APP)
    with Hub(host) as hub:
        hub.run("ask", "old")
        hub.run("wait", "waiting")
        hub.until("old", "Completed")
        hub.until("waiting", "Running")
    assert host.stop() == 0
    after = again(host, "--retention", "1s")
    with Hub(after) as hub:
        hub.until("old", None)
        hub.run("ask", "new")
        hub.until("new", None)
        hub.until("waiting", "Running")
    assert after.stop() == 0
    assert doctor(host.data)[1]["instances"] == {"Running": 1}
