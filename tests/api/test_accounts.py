"""Logging in."""

import asyncio
import json

import pytest

from api.accounts import log_in
from shared.settings import settings

from .conftest import Answer, App


def attempt(app: App, username: object, password: object) -> Answer:
    return asyncio.run(app.call(log_in, "POST", json={"username": username, "password": password}))


def test_a_password_brings_a_token(app):
    """The reply is what clients of /login have always read, and says how long it holds."""
    answer = attempt(app, "ann", "ann")

    assert answer.status == 200
    assert answer.json.keys() == {"access_token", "token_type", "expires_in"}
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("bearer", 3600)


def test_wrong_name_and_wrong_password_are_one_answer(app):
    """Nobody learns who has an account."""
    answers = [attempt(app, *pair) for pair in (("ann", "x"), ("nobody", "x"), ("ann/../root", "root"))]

    assert {answer.status for answer in answers} == {401}
    assert len({json.dumps({**answer.json, "request_id": "?"}) for answer in answers}) == 1
    assert answers[0].headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "body",
    [{}, {"username": "ann"}, {"username": 7, "password": "pass"}, {"username": "ann", "password": "p" * 1_025}],
)
def test_both_must_be_there(app, body):
    """What cannot be a name and a password is not tried."""
    assert asyncio.run(app.call(log_in, "POST", json=body)).status == 422


def test_guessing_ends(app):
    """After ten wrong passwords for a name there is a pause, for that name only; right ones never count."""
    for _ in range(15):
        assert attempt(app, "bob", "bob").status == 200
    statuses = [attempt(app, "ann", f"guess {number}").status for number in range(11)]

    assert statuses == [401] * 10 + [429]
    assert attempt(app, "ann", "ann").status == 429
    assert attempt(app, "bob", "bob").status == 200


def test_without_users_there_is_no_log_in(app, monkeypatch):
    """Where sign-in is somebody else's, the route is not there."""
    monkeypatch.setenv("LOGIN_USERS", "")
    settings.cache_clear()

    assert attempt(app, "ann", "ann").status == 404
