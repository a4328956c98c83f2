"""What is refused before anything is done with it, and the shape in which that is said."""

import asyncio
import json
import uuid
from typing import Any

import pytest

from api.chat import start_chat
from api.requests import MAX_BODY_BYTES
from api.responses import DO, STATUSES, JobFailedError, problem

from .conftest import Answer, App

JSON = {"Content-Type": "application/json"}


def post(app: App, body: bytes, headers: dict[str, str] | None = None) -> Answer:
    headers = JSON if headers is None else headers
    return asyncio.run(app.call(start_chat, "POST", body=body, headers=headers, user="ann"))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[", 400),
        (b"7", 400),
        (b"null", 400),
        (b'"How many films?"', 400),
        (b'[{"question": "x"}]', 400),
        (b'{"question": Infinity}', 400),
        (b'{"question": "a", "question": "b"}', 400),
        (b'{"question": "\xff"}', 400),
        (b'{"question":' * 20_000 + b"1" + b"}" * 20_000, 413),
        (b'{"question":' * 5_000 + b"1" + b"}" * 5_000, 400),
        (b" " * (MAX_BODY_BYTES + 1), 413),
        (b"{}", 422),
        (b'{"question": null}', 422),
        (b'{"question": ""}', 422),
        (b'{"question": "    "}', 422),
        (b'{"question": "\\u200b\\u00a0"}', 422),
        (b'{"question": 7}', 422),
        (b'{"question": {"text": "hi"}}', 422),
        (b'{"question": ["hi"]}', 422),
        (b'{"question": "a\\u0000b"}', 422),
        (b'{"question": "a\\u001b[2Jb"}', 422),
        (b'{"question": "a\\u007fb"}', 422),
        (b'{"question": "\\ud800"}', 422),
        (b'{"question": "films", "user_id": 7}', 422),
        (b'{"question": "films", "user_id": "' + b"u" * 201 + b'"}', 422),
        (json.dumps({"question": "x" * 4_001}).encode(), 422),
        (json.dumps({"question": "x" * 4_000}).encode(), 202),
        (json.dumps({"question": "é" * 4_000}).encode(), 202),
        ('﻿{"question": "¿Películas?"}'.encode(), 202),
        (b'{"question": "films", "user_id": null, "stream": true}', 202),
    ],
)
def test_a_body_is_read_in_one_way_or_refused(app, body, status):
    """400 for what is no JSON object, 413 for too much of it, 422 for fields that cannot be used."""
    answer = post(app, body)

    assert answer.status == status, answer.text
    assert len(app.hub.scheduled) == (status == 202)


@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        ("application/json", 202),
        ("application/json; charset=utf-8", 202),
        ("Application/JSON;charset=UTF-8", 202),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/json; charset=iso-8859-1", 415),
        ("application/jsonp", 415),
        ("", 415),
        (None, 415),
    ],
)
def test_only_json_is_read(app, media_type, status):
    """A body must say that it is JSON: what browsers send across sites without asking is not."""
    headers = {} if media_type is None else {"Content-Type": media_type}

    assert post(app, b'{"question": "films"}', headers).status == status


def test_all_fields_that_are_wrong_are_named(app):
    """A caller can mend everything at once."""
    answer = post(app, b'{"user_id": 7}')

    assert answer.json["fields"] == [
        {"field": "question", "problem": "It is required."},
        {"field": "user_id", "problem": "It must be text."},
    ]


def test_an_error_has_one_shape(app):
    """Every error says what, which code, what to do and under which id the log has it."""
    answer = post(app, b"[", JSON | {"X-Request-Id": "mine-1"})

    assert answer.json.keys() == {"status", "error", "code", "do", "request_id"}
    assert answer.json["status"] == "error"
    assert answer.json["request_id"] == answer.headers["X-Request-Id"] == "mine-1"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a\r\nSet-Cookie: b", "<script>", "é"])
def test_an_id_that_is_unfit_for_a_log_is_replaced(app, given):
    """A caller's request id is used only if it cannot forge a log line."""
    answer = post(app, b"[", JSON | {"X-Request-Id": given})

    assert uuid.UUID(answer.json["request_id"])


def test_nobody_is_let_in_before_anything_is_read(app):
    """A token that does not hold is said first, whatever the body."""
    headers = {"Authorization": "Bearer x"}
    answer = asyncio.run(app.call(start_chat, "POST", body=b"[", headers=headers))

    assert (answer.status, answer.json["code"]) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_what_nobody_foresaw_is_an_id_and_no_more(app, monkeypatch, caplog):
    """An unexpected exception is logged with its trace under the id that the caller gets."""

    async def burst(*_: Any, **__: Any) -> None:
        raise KeyError("connection string")

    monkeypatch.setattr(app.hub, "schedule_new_orchestration", burst)
    answer = post(app, b'{"question": "films"}')

    assert (answer.status, answer.json["code"]) == (500, "internal_error")
    assert b"connection string" not in answer.text
    assert answer.json["request_id"] in caplog.text
    assert "connection string" in caplog.text


def test_the_burst_is_followed_by_429(app, monkeypatch):
    """Who starts more than the allowance at once is told when to come again; the others are served."""

    async def body() -> None:
        body = {"json": {"question": "films"}, "user": "ann"}
        answers = await asyncio.gather(*(app.call(start_chat, "POST", **body) for _ in range(100)))
        refused = [answer for answer in answers if answer.status == 429]
        assert {answer.status for answer in answers} == {202, 429}
        assert len(app.hub.scheduled) == 100 - len(refused) >= 60
        assert all(answer.headers["Retry-After"] == "1" for answer in refused)
        assert (await app.call(start_chat, "POST", json={"question": "films"}, user="bob")).status == 202

    asyncio.run(body())


def test_every_code_says_what_to_do():
    """No error leaves a caller without a next step."""
    assert STATUSES.keys() <= DO.keys()


@pytest.mark.parametrize(
    ("code", "status"),
    [("quota_exceeded", 429), ("cancelled", 409), ("source_changed", 409), ("rows_lost", 500), ("new_code", 500)],
)
def test_a_job_that_was_waited_for_fails_with_the_status_of_its_code(code, status):
    """The code is the job's own, with the id of the job and what to do about it."""
    answer = problem(JobFailedError("the-job", code, "It failed."), "r")
    body = json.loads(answer.get_body())

    assert (answer.status_code, body["code"], body["jobId"], body["error"]) == (status, code, "the-job", "It failed.")
    assert body["do"]
