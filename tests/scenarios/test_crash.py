"""Kill the host at any moment, start it again, and a conversation ends as if nothing had happened."""

import time
from pathlib import Path

import hosting
import pytest
from products import Product

HANG = {"effect": "hang_statement", "latency": 60}


def wait_for_state(product: Product, conversation_id: str, state: str) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if product.client.get(f"/api/chat/{conversation_id}/status").json()["state"] == state:
            return
        time.sleep(0.05)
    raise AssertionError(f"{conversation_id} did not get to {state}")


def start(data: Path) -> Product:
    return Product(hosting.start("--sql-engine", "duckdb", data=data))


def kill(product: Product) -> None:
    product.client.close()
    product.host.process.kill()
    product.host.stop()


@pytest.mark.parametrize("seconds", [0.0, 7.0], ids=["while it is submitted", "while it is polled"])
def test_a_conversation_outlives_the_host_it_began_on(tmp_path: Path, seconds: float) -> None:
    """SIGKILL while its query runs; the next host takes it up by itself, and nobody asks again."""
    first = start(tmp_path)
    first.host.faults("databricks", HANG)
    conversation_id = first.start()
    wait_for_state(first, conversation_id, "executing")
    time.sleep(seconds)
    kill(first)

    second = start(tmp_path)
    try:
        status = second.finish(conversation_id)
        assert status["status"] == "completed", status
        assert [job["status"] for job in status["databricks_jobs"]][-1] == "completed"
        messages = second.client.get(f"/api/chat/{conversation_id}/messages").json()["messages"]
        assert [message["role"] for message in messages] == ["user", "assistant"]
        plans = second.calls("model", "POST", "/chat/completions")
        assert len(plans) == 1, "the finished planning call is not repeated, only the answer is asked for"
    finally:
        second.client.close()
        assert second.host.stop() == 0


def test_conversations_killed_anywhere_all_end(tmp_path: Path) -> None:
    """Twenty at once, the host killed three times at no particular moment."""
    product = start(tmp_path)
    ids = [product.start() for _ in range(20)]
    for pause in (0.1, 0.7, 1.5):
        time.sleep(pause)
        kill(product)
        product = start(tmp_path)
    try:
        ended = [product.finish(conversation_id) for conversation_id in ids]
        assert {status["status"] for status in ended} == {"completed"}
        assert len({status["final_answer"] for status in ended}) == 1
    finally:
        product.client.close()
        assert product.host.stop() == 0
