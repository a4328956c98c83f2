"""Starting and following conversations, handler by handler."""

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from api.chat import get_chat_messages, get_chat_status, start_chat
from shared.ids import is_id

from .conftest import Answer, App, failure, rpc_error

QUESTION = {"question": "How many films are there?"}


async def started(app: App, **request: Any) -> str:
    answer = await app.call(start_chat, "POST", **({"json": QUESTION, "user": "ann"} | request))
    assert answer.status == 202, answer.text
    return answer.json["conversation_id"]


async def status(app: App, conversation_id: str, user: str = "ann", **request: Any) -> Answer:
    return await app.call(get_chat_status, route={"conversation_id": conversation_id}, user=user, **request)


def progress(percentage: int, version: int, state: str = "executing", step: str = "Executing Spark SQL") -> Any:
    queries = {"done": 0, "total": 1}
    return {
        "state": state,
        "current_step": step,
        "percentage": percentage,
        "version": version,
        "queries": queries,
    }


def run(body: Any) -> None:
    asyncio.run(body)


def test_a_start_is_answered_as_ever(app):
    """The reply has the fields of the system before, and where to go on."""

    async def body() -> None:
        answer = await app.call(start_chat, "POST", json=QUESTION | {"user_id": "u-7"}, user="ann")
        conversation_id = answer.json["conversation_id"]
        assert answer.status == 202
        assert is_id(conversation_id)
        assert answer.json == {
            "status": "success",
            "conversation_id": conversation_id,
            "processing_status": "started",
            "message": "Conversation started. Poll /chat/{id}/status for updates.",
            "poll_url": f"/api/chat/{conversation_id}/status",
            "statusQueryGetUri": f"http://localhost:7071/api/instances/{conversation_id}",
        }
        assert answer.headers["Location"] == f"/api/chat/{conversation_id}/status"
        assert answer.headers["Retry-After"] == "2"
        record = app.conversations.get(conversation_id)
        assert (record["owner"], record["user_id"], record["status"]) == ("user:ann", "u-7", "processing")
        assert app.hub.inputs == [{"conversation_id": conversation_id, "turn": 1, "owner": "user:ann"}]

    run(body())


def test_a_question_is_kept_without_the_blanks_around_it(app):
    """Blanks around a question are not part of it; what is inside stays as it is."""

    async def body() -> None:
        conversation_id = await started(app, json={"question": "  ¿Cuántas\n películas?\t ", "unknown": [1]})
        assert app.conversations.get(conversation_id)["question"] == "¿Cuántas\n películas?"

    run(body())


def test_a_key_starts_one_conversation(app):
    """However often and however close together, one key and one question are one orchestration."""

    async def body() -> None:
        headers = {"Idempotency-Key": "order-66"}
        ids = await asyncio.gather(*(started(app, headers=headers) for _ in range(8)))
        assert len(set(ids)) == 1
        assert app.hub.scheduled == [ids[0]]
        assert await started(app, headers=headers, json={"question": f"  {QUESTION['question']} "}) == ids[0]

    run(body())


def test_a_key_is_for_one_question(app):
    """Another question under the same key is a conflict, and starts nothing."""

    async def body() -> None:
        headers = {"Idempotency-Key": "k"}
        await started(app, headers=headers)
        answer = await app.call(start_chat, "POST", json={"question": "And series?"}, user="ann", headers=headers)
        assert (answer.status, answer.json["code"]) == (409, "conflict")
        assert len(app.hub.scheduled) == 1

    run(body())


def test_a_key_is_its_users(app):
    """Two users with one key have two conversations, also where one of them is nobody."""

    async def body() -> None:
        headers = {"Idempotency-Key": "k"}
        ids = {await started(app, headers=headers, user=user) for user in ("ann", "bob", None)}
        assert len(ids) == 3

    run(body())


@pytest.mark.parametrize("key", ["", " ", "a b", "k" * 256, "é", "a\x7f"])
def test_a_key_is_visible_ascii(app, key):
    """A key that proxies could change is refused rather than misunderstood."""

    async def body() -> None:
        answer = await app.call(start_chat, "POST", json=QUESTION, user="ann", headers={"Idempotency-Key": key})
        assert (answer.status, answer.json["code"]) == (400, "invalid_request")

    run(body())


def test_a_start_that_failed_halfway_is_made_good(app):
    """If the hub was down after the record was made, the same request with the same key starts it."""

    async def body() -> None:
        headers = {"Idempotency-Key": "k"}
        app.hub.down = True
        answer = await app.call(start_chat, "POST", json=QUESTION, user="ann", headers=headers)
        assert (answer.status, answer.json["code"]) == (503, "hub_unavailable")
        assert answer.headers["Retry-After"] == "2"
        app.hub.down = False
        conversation_id = await started(app, headers=headers)
        assert app.hub.scheduled == [conversation_id]

    run(body())


def test_a_finished_conversation_is_not_started_again(app):
    """A key used again after the answer brings the answer, not a second run."""

    async def body() -> None:
        headers = {"Idempotency-Key": "k"}
        conversation_id = await started(app, headers=headers)
        finish(app, conversation_id)
        del app.hub.states[conversation_id]
        assert await started(app, headers=headers) == conversation_id
        assert len(app.hub.scheduled) == 1

    run(body())


def test_a_key_whose_record_has_expired_starts_anew(app):
    """A day later the key is free again, though the hub still knows the orchestration of the day before."""

    async def body() -> None:
        headers = {"Idempotency-Key": "k"}
        conversation_id = await started(app, headers=headers)
        yesterday = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=1)
        app.hub.put(conversation_id, "COMPLETED", created_at=yesterday, last_updated_at=yesterday)
        assert await started(app, headers=headers) == conversation_id
        assert len(app.hub.scheduled) == 2

    run(body())


def test_without_records_nothing_starts(app):
    """Cosmos DB that is down is said so, and leaves no orchestration behind."""

    async def body() -> None:
        from localhost.services.faults import Fault

        app.faults.add(Fault(match="POST .*/conversations/docs", status=503, times=0))
        answer = await app.call(start_chat, "POST", json=QUESTION, user="ann")
        assert (answer.status, answer.json["code"]) == (503, "record_unavailable")
        assert app.hub.scheduled == []

    run(body())


def finish(app: App, conversation_id: str, **changes: Any) -> None:
    def change(record: Any) -> None:
        record |= {"status": "completed", "state": "completed", "final_answer": "There are 7."} | changes

    app.conversations.update(conversation_id, change)


def test_a_status_has_the_fields_of_the_system_before(app):
    """A running conversation shows step and percentage, and nothing that is not there yet."""

    async def body() -> None:
        conversation_id = await started(app)
        app.hub.put(conversation_id, progress=progress(60, 3, step="Executing Spark SQL (0/1 queries completed)..."))
        answer = await status(app, conversation_id)
        record = app.conversations.get(conversation_id)
        assert answer.status == 200
        assert answer.headers["Retry-After"] == "2"
        assert answer.json == {
            "conversation_id": conversation_id,
            "status": "processing",
            "question": QUESTION["question"],
            "final_answer": None,
            "error": None,
            "error_code": None,
            "suggestions": [],
            "databricks_jobs": [],
            "progress": {"current_step": "Executing Spark SQL (0/1 queries completed)...", "percentage": 60},
            "state": "executing",
            "version": 3,
            "attempt": 1,
            "turn": 1,
            "dataset": "imdb",
            "data": None,
            "created_at": record["created_at"],
            "updated_at": record["updated_at"],
        }

    run(body())


def test_a_status_shows_the_runs(app):
    """Databricks runs appear with the fields that clients know, and the attempt with them."""

    async def body() -> None:
        conversation_id = await started(app)
        job = {
            "query_id": "q1",
            "attempt": 2,
            "run_id": 228415055613463,
            "sql_query": "SELECT 1",
            "status": "running",
            "started_at": "2026-01-01T00:00:00.000Z",
        }
        app.conversations.update(conversation_id, lambda record: record["databricks_jobs"].append(job))
        answer = await status(app, conversation_id)
        shown = ("run_id", "sql_query", "status", "started_at")
        assert answer.json["databricks_jobs"] == [{name: job[name] for name in shown}]
        assert answer.json["attempt"] == 2

    run(body())


def test_a_finished_conversation_is_at_100(app):
    """The record decides: with the answer in it, the conversation is completed, whatever the hub says yet."""

    async def body() -> None:
        conversation_id = await started(app)
        app.hub.put(conversation_id, progress=progress(97, 6, "finishing", "Preparing final answer"))
        finish(app, conversation_id)
        answer = await status(app, conversation_id)
        assert answer.json["status"] == "completed"
        assert answer.json["progress"] == {"current_step": "Completed", "percentage": 100}
        assert answer.json["final_answer"] == "There are 7."
        assert answer.json["version"] > 6
        assert "Retry-After" not in answer.headers

    run(body())


def test_it_is_not_completed_before_the_answer_is_there(app):
    """A hub that is ahead of the record does not make 100 per cent of nothing."""

    async def body() -> None:
        conversation_id = await started(app)
        app.hub.put(conversation_id, progress=progress(100, 7, "completed", "Completed"))
        answer = await status(app, conversation_id)
        assert answer.json["status"] == "processing"
        assert answer.json["progress"]["percentage"] < 100

    run(body())


def test_an_answer_that_is_there_needs_no_hub(app):
    """A finished conversation is read from its record alone."""

    async def body() -> None:
        conversation_id = await started(app)
        finish(app, conversation_id)
        app.hub.down = True
        assert (await status(app, conversation_id)).json["status"] == "completed"

    run(body())


def test_versions_grow_from_turn_to_turn(app):
    """A client that has seen the end of one turn hears of the first step of the next."""

    async def body() -> None:
        conversation_id = await started(app)
        finish(app, conversation_id)
        before = (await status(app, conversation_id)).json["version"]
        app.conversations.update(conversation_id, lambda record: record.update(status="processing", turn=2))
        app.hub.put(conversation_id, progress=progress(10, 1, "analyzing"))
        assert (await status(app, conversation_id)).json["version"] > before

    run(body())


def test_an_error_is_typed(app):
    """A conversation that failed says which code and how far it came."""

    async def body() -> None:
        conversation_id = await started(app)
        app.hub.put(conversation_id, "FAILED", progress(60, 5), failure=failure("TurnFailedError", "secret"))
        finish(app, conversation_id, status="error", final_answer=None, error="Too slow.", error_code="query_timeout")
        answer = await status(app, conversation_id)
        assert answer.json["status"] == "error"
        assert (answer.json["error"], answer.json["error_code"]) == ("Too slow.", "query_timeout")
        assert answer.json["progress"] == {"current_step": "Failed", "percentage": 60}

    run(body())


@pytest.mark.parametrize(
    ("ending", "code"),
    [("FAILED", "internal_error"), ("TERMINATED", "terminated"), ("COMPLETED", "internal_error")],
)
def test_an_orchestration_that_ended_without_a_word_is_an_error(app, ending, code):
    """Clients of a conversation that nobody will finish stop polling, and see nothing of the exception."""

    async def body() -> None:
        conversation_id = await started(app)
        app.hub.put(conversation_id, ending, progress(30, 2), failure=failure("KeyError", "secret"))
        answer = await status(app, conversation_id)
        assert (answer.json["status"], answer.json["error_code"]) == ("error", code)
        assert answer.json["state"] == "failed"
        assert b"secret" not in answer.text

    run(body())


def test_a_record_without_an_orchestration_is_an_error_after_a_while(app):
    """What was accepted and never started is not processing for ever."""

    async def body() -> None:
        conversation_id = await started(app)
        del app.hub.states[conversation_id]
        assert (await status(app, conversation_id)).json["status"] == "processing"
        app.conversations.update(conversation_id, lambda record: record.update(created_at="2026-01-01T00:00:00.000Z"))
        answer = await status(app, conversation_id)
        assert (answer.json["status"], answer.json["error_code"]) == ("error", "not_started")

    run(body())


def test_a_status_that_did_not_change_is_not_sent_again(app):
    """With the entity tag of what the client has, an unchanged status is 304 and empty."""

    async def body() -> None:
        conversation_id = await started(app)
        first = await status(app, conversation_id)
        same = await status(app, conversation_id, headers={"If-None-Match": f'"x", W/{first.headers["ETag"]}'})
        assert (same.status, same.text) == (304, b"")
        assert same.headers["ETag"] == first.headers["ETag"]
        app.hub.put(conversation_id, progress=progress(60, 3))
        changed = await status(app, conversation_id, headers={"If-None-Match": first.headers["ETag"]})
        assert changed.status == 200

    run(body())


def test_waiting_ends_with_the_conversation(app):
    """A client that waits hears of the end at once, not at the end of its wait."""

    async def body() -> None:
        conversation_id = await started(app)
        waiting = asyncio.create_task(status(app, conversation_id, params={"wait": "25"}))
        await asyncio.sleep(0.05)
        finish(app, conversation_id)
        app.hub.put(conversation_id, "COMPLETED")
        app.hub.ended.setdefault(conversation_id, asyncio.Event()).set()
        async with asyncio.timeout(5):
            assert (await waiting).json["status"] == "completed"

    run(body())


def test_waiting_ends_with_a_newer_version(app):
    """A client that has seen a version waits for the next one, and no longer."""

    async def body() -> None:
        conversation_id = await started(app)
        app.hub.put(conversation_id, progress=progress(30, 2, "generating_sql"))
        waiting = asyncio.create_task(status(app, conversation_id, params={"wait": "25", "since": "2"}))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        app.hub.put(conversation_id, progress=progress(60, 3))
        async with asyncio.timeout(5):
            assert (await waiting).json["version"] == 3
            assert (await status(app, conversation_id, params={"wait": "25", "since": "2"})).json["version"] == 3

    run(body())


def test_waiting_goes_on_where_the_hub_cannot_tell_the_end(app, monkeypatch):
    """A hub that refuses to be waited on is looked at now and then."""

    async def refuse(*_: Any, **__: Any) -> None:
        raise rpc_error(grpc.StatusCode.UNIMPLEMENTED)

    monkeypatch.setattr(app.hub, "wait_for_orchestration_completion", refuse)

    async def body() -> None:
        conversation_id = await started(app)
        app.hub.looks = 0
        waiting = asyncio.create_task(status(app, conversation_id, params={"wait": "25"}))
        await asyncio.sleep(0.1)
        app.hub.put(conversation_id, progress=progress(60, 3))
        async with asyncio.timeout(5):
            assert (await waiting).json["version"] == 3
        assert app.hub.looks <= 6

    run(body())


def test_waiting_is_over_when_it_is_over(app):
    """After its seconds a wait answers with what there is; meanwhile it looks only now and then."""

    async def body() -> None:
        conversation_id = await started(app)
        app.hub.looks = 0
        answer = await status(app, conversation_id, params={"wait": "1"})
        assert answer.json["status"] == "processing"
        assert app.hub.looks <= 6

    run(body())


@pytest.mark.parametrize("params", [{"wait": "26"}, {"wait": "-1"}, {"wait": "1.5"}, {"wait": ""}, {"since": "x"}])
def test_a_wait_that_cannot_be_is_refused(app, params):
    """The query string is checked like a body, by name."""

    async def body() -> None:
        conversation_id = await started(app)
        answer = await status(app, conversation_id, params=params)
        assert (answer.status, answer.json["fields"][0]["field"]) == (422, next(iter(params)))

    run(body())


def test_messages_are_those_of_the_record(app):
    """A conversation's messages are what was said, oldest first."""

    async def body() -> None:
        conversation_id = await started(app)
        answer = await app.call(get_chat_messages, route={"conversation_id": conversation_id}, user="ann")
        [message] = answer.json["messages"]
        assert answer.json["conversation_id"] == conversation_id
        assert (message["role"], message["content"]) == ("user", QUESTION["question"])
        assert message["timestamp"].endswith("Z")

    run(body())


def test_foreign_and_unknown_are_one_answer(app):
    """Nobody learns from an answer whether an id is somebody else's or nobody's."""

    async def body() -> None:
        of_ann = await started(app)
        of_nobody = await started(app, user=None)
        answers: list[str] = []
        for conversation_id in (of_ann, of_nobody, str(uuid.uuid4()), "12345", "../../admin"):
            for function in (get_chat_status, get_chat_messages):
                answer = await app.call(function, route={"conversation_id": conversation_id}, user="bob")
                assert answer.status == 404
                answers.append(json.dumps({**answer.json, "request_id": "?"}))
        assert len(set(answers)) == 1

    run(body())
