"""Timer triggers, run by the real host."""

import json
import time
from datetime import UTC, datetime, timedelta

import hosting

APP = """
import json, pathlib, os
import azure.functions.warmup
import azure.functions as func

app = func.FunctionApp()
LOG = pathlib.Path(os.environ["LOG"])

def note(name, timer):
    with LOG.open("a") as file:
        file.write(json.dumps({"name": name, "past_due": timer.past_due, "status": timer.schedule_status}) + "\\n")

@app.timer_trigger(schedule="* * * * * *", arg_name="timer", use_monitor=False)
def often(timer: func.TimerRequest) -> None:
    note("often", timer)

@app.timer_trigger(schedule="%YEARLY%", arg_name="timer", run_on_startup=True)
def at_start(timer: func.TimerRequest) -> None:
    note("at_start", timer)

@app.timer_trigger(schedule="0 0 3 * * *", arg_name="timer")
def nightly(timer: func.TimerRequest) -> None:
    note("nightly", timer)

@app.warm_up_trigger(arg_name="warm")
def warm_up(warm: func.warmup.WarmUpContext) -> None:
    with LOG.open("a") as file:
        file.write(json.dumps({"name": "warm_up"}) + "\\n")

@app.timer_trigger(schedule="*/2 * * * * *", arg_name="timer")
def broken(timer: func.TimerRequest) -> None:
    note("broken", timer)
    raise RuntimeError("no")
"""


def notes(log):
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def until(log, condition):
    deadline = time.monotonic() + 20
    while not condition(notes(log)):
        assert time.monotonic() < deadline, notes(log)
        time.sleep(0.05)
    return notes(log)


def test_timers_fire_on_their_schedule_at_start_and_when_they_were_missed(tmp_path):
    """Every second, once at start, after a failure again, and past due for the night when nobody kept time."""
    log, data = tmp_path / "log", tmp_path / "data"
    (tmp_path / "function_app.py").write_text(APP)
    data.mkdir()
    two_days_ago = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    (data / "timers.json").write_text(json.dumps({"nightly": two_days_ago}))
    settings = {"LOG": str(log), "YEARLY": "0 0 0 1 1 *"}

    host = hosting.start("--script-root", tmp_path, data=data, **settings)
    seen = until(
        log, lambda n: sum(x["name"] == "often" for x in n) >= 2 and sum(x["name"] == "broken" for x in n) >= 2
    )
    assert host.stop() == 0

    assert sum(note["name"] == "warm_up" for note in seen) == 1, "the app may warm itself up, once"
    by_name = {note["name"]: note for note in seen}
    assert by_name["nightly"]["past_due"] is True
    assert by_name["nightly"]["status"]["Last"] == two_days_ago
    assert by_name["at_start"]["past_due"] is False
    assert by_name["at_start"]["status"]["Next"].startswith(f"{datetime.now(UTC).year + 1}-01-01")
    assert host.logged(lambda line: line.get("function") == "broken" and line["level"] == "error")

    log.unlink()
    again = hosting.start("--script-root", tmp_path, data=data, **settings)
    until(log, lambda n: any(x["name"] == "often" for x in n))
    assert "nightly" not in {note["name"] for note in notes(log)}, "what was caught up with is not due again"
    with again.client(headers={"x-functions-key": again.master_key}) as owner:
        assert owner.post("/admin/functions/nightly", json={}).status_code == 202, "its owner may run it by hand"
        until(log, lambda n: any(x["name"] == "nightly" for x in n))
        assert owner.post("/admin/functions/nobody", json={}).status_code == 404
    assert again.stop() == 0
