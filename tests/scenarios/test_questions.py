"""Every question of ``tests/questions`` from HTTP to the answer, on both SQL engines.

What the answer must hold is computed by pandas from the same files; the engines must agree on the rows.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from math import isclose
from pathlib import Path
from typing import Any
from uuid import uuid4

import hosting
import httpx2
import pytest
from questions.frames import Frames
from questions.questions import QUESTIONS, REFUSED, Question

from localhost.data.generate import generate_as_tsv
from localhost.data.progress import Progress

SHARED = hosting.ROOT.parent / "shared" / "data" / "imdb"
ROWS_SHOWN = 100
"""What ``/api/run_databricks_job`` returns at most."""

type Replies = Mapping[str, dict[str, Any]]

needs_spark = pytest.mark.skipif(
    shutil.which("java") is None or find_spec("pyspark") is None, reason="needs Java 17 and PySpark"
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real films where they are, invented ones where they are not."""
    if SHARED.is_dir():
        return SHARED
    made = tmp_path_factory.mktemp("imdb")
    generate_as_tsv(made, titles=3000, seed=7, progress=Progress())
    return made


@pytest.fixture(scope="module")
def replies(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Replies]:
    """Ask everything of one engine, once."""
    known: dict[str, Replies] = {}

    def of(engine: str) -> Replies:
        if engine not in known:
            with _asking(engine, files, tmp_path_factory.mktemp(engine)) as ask, ThreadPoolExecutor(4) as pool:
                asked = [question.question for question in (*QUESTIONS, *REFUSED)]
                known[engine] = dict(zip(asked, pool.map(ask, asked), strict=True))
        return known[engine]

    return of


@contextmanager
def _asking(engine: str, files: Path, data: Path) -> Iterator[Callable[[str], dict[str, Any]]]:
    loaded = hosting.run("load", "imdb", files, "--data", data)
    assert loaded.returncode == 0, loaded.stderr
    host = hosting.start("--sql-engine", engine, data=data, CHAT_BURST="10000")
    try:
        with host.client() as client:
            yield lambda question: _answer(client, question)
    finally:
        code = host.stop()
    assert code == 0, "".join(host.errors)


def _answer(client: httpx2.Client, question: str) -> dict[str, Any]:
    """Ask, and ask again for the same answer as long as it takes longer than a call may wait."""
    headers = {"Idempotency-Key": str(uuid4())}
    for _ in range(5):
        reply = client.post(
            "/api/run_databricks_job", json={"question": question, "wait": 60}, headers=headers, timeout=120
        )
        if reply.status_code != 202:
            break
    return reply.json()


@pytest.fixture(scope="module")
def frames(files: Path) -> Frames:
    return Frames(files)


@pytest.mark.parametrize("engine", ["duckdb", pytest.param("spark", marks=[pytest.mark.spark, needs_spark])])
def test_every_answer_holds_what_pandas_computes(
    engine: str, replies: Callable[[str], Replies], frames: Frames
) -> None:
    """At least sixty questions, in English and Spanish, and every value that the answer must hold."""
    assert len(QUESTIONS) >= 60
    assert {question.language for question in QUESTIONS} == {"en", "es"}
    wrong = [problem for asked in QUESTIONS if (problem := _problem(asked, replies(engine)[asked.question], frames))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.spark
@needs_spark
def test_both_engines_agree(replies: Callable[[str], Replies]) -> None:
    duckdb, spark = replies("duckdb"), replies("spark")
    differ = [
        f"{question}\n  duckdb {duckdb[question].get('rows')}\n  spark  {spark[question].get('rows')}"
        for question in duckdb
        if duckdb[question].get("rows") != spark[question].get("rows")
        or duckdb[question].get("final_answer") != spark[question].get("final_answer")
    ]
    assert not differ, "\n".join(differ)


def test_what_the_data_does_not_hold_is_said_and_not_answered_around(replies: Callable[[str], Replies]) -> None:
    for refused in REFUSED:
        reply = replies("duckdb")[refused.question]
        assert reply["status"] == "success", reply
        assert reply["sql_query"] is None, reply
        assert refused.word in reply["final_answer"], reply


def _problem(asked: Question, reply: dict[str, Any], frames: Frames) -> str | None:
    if reply["status"] != "success" or reply["sql_query"] is None:
        return f"{asked.question}: {reply}"
    expected = asked.expected(frames)[:ROWS_SHOWN]
    if asked.exact:
        found = [row[0] for row in reply["rows"]]
        right = len(found) == len(expected) and all(map(_same, found, expected))
    else:
        found = [cell for row in reply["rows"] for cell in row]
        right = all(any(_same(cell, wanted) for cell in found) for wanted in expected)
    if not right:
        return f"{asked.question}: {found[:8]} is not {expected[:8]}"
    # A single value is in the words; of more rows there is a table below them.
    if expected and not any(_shown(value, reply["final_answer"]) for value in found[:5] if value is not None):
        return f"{asked.question}: nothing found is in the answer {reply['final_answer']!r}"
    return None


def _shown(value: Any, answer: str) -> bool:
    return str(value).replace("|", "\\|") in answer or str(value) in answer


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(found, int | float) and not isinstance(wanted, str):
        return isclose(found, float(wanted), abs_tol=0.0051)
    return found == wanted
