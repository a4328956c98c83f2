"""Instances and health."""

import asyncio
import json
import time
import uuid
from typing import Any

import pytest

from api import dependencies
from api.chat import start_chat
from api.operations import get_favicon, get_health, get_instance, get_instance_management, get_start

from .conftest import App, failure


@pytest.fixture(autouse=True)
def forget_health(monkeypatch):
    monkeypatch.setattr(dependencies, "_last", dependencies._Last())


def started(app: App, user: str = "ann") -> str:
    answer = asyncio.run(app.call(start_chat, "POST", json={"question": "films"}, user=user))
    return answer.json["conversation_id"]


def instance(app: App, instance_id: str, user: str | None = "ann") -> Any:
    return asyncio.run(app.call(get_instance, route={"instance_id": instance_id}, user=user))


def test_an_instance_has_the_shape_of_the_built_in_route(app):
    """A client of Durable Functions' own status route reads ours."""
    instance_id = started(app)
    running = instance(app, instance_id)
    app.hub.put(instance_id, "COMPLETED", {"state": "completed"}, output='{"status": "completed"}')
    ended = instance(app, instance_id)

    assert running.status == 202
    assert running.headers["Location"] == f"/api/instances/{instance_id}"
    assert running.headers["Retry-After"] == "2"
    assert running.json["runtimeStatus"] == "Pending"
    assert ended.status == 200
    assert ended.json == {
        "name": "conversation",
        "instanceId": instance_id,
        "runtimeStatus": "Completed",
        "input": None,
        "customStatus": {"state": "completed"},
        "output": {"status": "completed"},
        "createdTime": ended.json["createdTime"],
        "lastUpdatedTime": ended.json["lastUpdatedTime"],
    }


def test_a_failed_instance_tells_no_more_than_its_kind(app):
    """What an exception says stays in the log."""
    instance_id = started(app)
    app.hub.put(instance_id, "FAILED", failure=failure("TurnFailedError", "secret"))
    answer = instance(app, instance_id)

    assert (answer.status, answer.json["runtimeStatus"]) == (200, "Failed")
    assert answer.json["output"] == "TurnFailedError"
    assert b"secret" not in answer.text


def test_foreign_and_unknown_instances_are_one_answer(app):
    """An instance is its owner's, also for administrators: they have the management URLs."""
    instance_id = started(app)
    unknown = [instance(app, one) for one in (str(uuid.uuid4()), "x", f"{instance_id}:1:q1")]
    foreign = [instance(app, instance_id, user) for user in ("bob", "root", None)]

    assert {answer.status for answer in (*unknown, *foreign)} == {404}
    assert len({json.dumps({**answer.json, "request_id": "?"}) for answer in (*unknown, *foreign)}) == 1


def management(app: App, instance_id: str, user: str | None) -> Any:
    return asyncio.run(app.call(get_instance_management, route={"instance_id": instance_id}, user=user))


def test_management_urls_are_for_administrators(app, caplog):
    """Others are refused what is theirs, and not told of what is not; who was given the key is in the log."""
    instance_id = started(app)
    app.hub.create_http_management_payload = lambda req, one: json.dumps({"id": one, "purgeHistoryDeleteUri": "code"})

    assert management(app, instance_id, "ann").status == 403
    assert management(app, instance_id, "bob").status == 404
    assert management(app, instance_id, None).status == 404
    assert management(app, str(uuid.uuid4()), "ann").status == 404
    assert management(app, str(uuid.uuid4()), "root").status == 404
    assert "Audit" not in caplog.text
    answer = management(app, instance_id, "root")
    assert (answer.status, answer.json["id"]) == (200, instance_id)
    assert f"user:root was given the management URLs of {instance_id}" in caplog.text


def health(app: App, **params: str) -> Any:
    return asyncio.run(app.call(get_health, params=params))


def test_health_is_an_answer_also_when_nothing_is_well(app):
    """Services that are down degrade the app and do not fail the probe."""
    answer = health(app)

    assert (answer.status, answer.json["status"]) == (200, "degraded")
    assert answer.json["dependencies"]["lake"]["status"] == "ok"
    assert answer.json["dependencies"]["lake"]["stand_in"] is True
    for name in ("model", "databricks", "cosmos"):
        assert answer.json["dependencies"][name]["status"] == "down"
        assert answer.json["dependencies"][name]["latency_ms"] >= 0


def test_health_is_not_asked_anew_each_time(app, monkeypatch):
    """Within ten seconds the last report is good enough."""
    health(app)
    monkeypatch.setattr(dependencies, "_probes", lambda _: pytest.fail("asked again"))

    assert health(app).status == 200


def test_a_slow_service_does_not_hold_the_report_up(app, monkeypatch):
    """Each service has its time; what does not answer in it is down."""
    monkeypatch.setattr(dependencies, "TIMEOUT_SECONDS", 0.05)

    def probe() -> bool:
        time.sleep(0.5)
        return False

    monkeypatch.setattr(dependencies, "_probes", lambda _: {"model": probe, "lake": lambda: True})
    answer = health(app)

    assert answer.json["dependencies"]["model"]["status"] == "down"
    assert answer.json["dependencies"]["lake"]["status"] == "ok"


def test_missing_settings_are_named(app, monkeypatch):
    """An app that was not set up says so where operators look first."""
    from shared.settings import settings

    monkeypatch.delenv("LAKE_URL")
    settings.cache_clear()
    answer = health(app)

    assert (answer.status, answer.json["status"]) == (200, "degraded")
    assert "LAKE_URL" in answer.json["dependencies"]["settings"]["error"]


def test_liveness_asks_nobody(app, monkeypatch):
    """With ?live the app only says that it is there."""
    monkeypatch.setattr(dependencies, "_probes", lambda _: pytest.fail("asked"))

    assert health(app, live="").json == {"status": "ok"}


def test_the_start_says_where_to_go(app):
    """Who opens the root finds how to ask; browsers find an icon that is none."""
    start = asyncio.run(app.call(get_start))

    assert start.json["ask"]["url"] == "/api/chat/start"
    assert asyncio.run(app.call(get_favicon)).status == 204
