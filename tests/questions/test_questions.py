"""The stand-in's SQL, run by DuckDB, gives what pandas computes; what it cannot answer it refuses, by the word."""

import json
from collections.abc import Callable
from math import isclose
from numbers import Real
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot

from localhost.data.generate import generate_as_tsv
from localhost.data.load import load_imdb
from localhost.data.progress import Progress
from localhost.services.model.planner import ToolCall, plan
from localhost.tables import current, table_folder
from questions.frames import Frames
from questions.questions import QUESTIONS, REFUSED, Question, Refused
from shared.catalog import load_dataset
from shared.sql_guard import guard_sql

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "imdb"
type Run = Callable[[str], tuple[list[str], list[tuple[Any, ...]]]]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real films where they are, invented ones where they are not."""
    if SHARED.is_dir():
        return SHARED
    made = tmp_path_factory.mktemp("imdb")
    generate_as_tsv(made, titles=3000, seed=7, progress=Progress())
    return made


@pytest.fixture(scope="session")
def frames(folder: Path) -> Frames:
    return Frames(folder)


@pytest.fixture(scope="session")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    lake = tmp_path_factory.mktemp("lake")
    load_imdb(folder, lake, Progress())
    version = current(lake, "imdb")
    assert version is not None
    database = duckdb.connect()
    database.execute("CREATE SCHEMA imdb")
    for table in version.tables:
        files = table_folder(lake, version, table) / "*.parquet"
        database.execute(f"CREATE TABLE imdb.{table} AS SELECT * FROM read_parquet('{files}')")

    def run_sql(sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        guarded = guard_sql(sql, load_dataset("imdb"), row_limit=1000).sql
        found = database.execute(sqlglot.transpile(guarded, read="databricks", write="duckdb")[0])
        return [column[0] for column in found.description or []], found.fetchall()

    return run_sql


def ask(question: str, language: str) -> list[ToolCall]:
    dataset = load_dataset("imdb").model_dump_json(by_alias=True, exclude_defaults=True)
    return plan(f"Plan.\n<dataset>\n{dataset}\n</dataset>\nAnswer in: {language}\n", question)


def same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, Real) and not isinstance(found, str) and found is not None:
        return isclose(float(found), float(wanted), abs_tol=0.0051)
    return found == wanted


@pytest.mark.parametrize("asked", QUESTIONS, ids=lambda asked: f"{asked.language}: {asked.question}")
def test_answers_as_pandas_does(asked: Question, frames: Frames, run: Run) -> None:
    """Each question becomes SQL that the guard passes and whose rows hold the values computed independently."""
    calls = ask(asked.question, asked.language)

    assert {call.name for call in calls} == {"run_sql"}, json.dumps([call.arguments for call in calls])
    results = [run(call.arguments["sql"]) for call in calls]
    expected = asked.expected(frames)
    if asked.exact:
        [(_, found)] = results
        rows = [row for row in found if any(cell is not None for cell in row)]
        assert len(rows) == len(expected)
        assert all(same(row[0], wanted) for row, wanted in zip(rows, expected, strict=True)), (rows[:5], expected[:5])
    else:
        cells = [cell for _, rows in results for row in rows for cell in row]
        assert [wanted for wanted in expected if not any(same(cell, wanted) for cell in cells)] == []


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: refused.question)
def test_refuses_by_the_word(refused: Refused) -> None:
    """What the data does not hold is not answered around: the refusal names the word, and suggests what works."""
    [call] = ask(refused.question, refused.language)

    assert call.name == "cannot_answer"
    assert refused.word in call.arguments["reason"]
    assert len(call.arguments["suggestions"]) == 3


@pytest.mark.parametrize("language", ["en", "es"])
def test_suggestions_work(language: str, run: Run) -> None:
    """Every question that the catalogue suggests is one that gets an answer with rows."""
    for question in load_dataset("imdb").suggestions[language]:  # type: ignore[index]
        [call] = ask(question, language)
        assert run(call.arguments["sql"])[1], question
