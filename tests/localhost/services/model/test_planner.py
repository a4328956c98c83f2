"""What the planner promises on any dataset of the catalogue: nothing it knows is about films."""

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from localhost.services.model.lexicon import PHRASES
from localhost.services.model.planner import ToolCall, plan
from shared.catalog import Dataset, load_dataset
from shared.language import detect_language
from shared.sql_guard import guard_sql

DOCS = Path(__file__).parents[4] / "docs"
PAGE = (DOCS / "reference" / "model-stand-in.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"\*([^*]+)\*", PAGE.partition("## Questions")[2].partition("## Filters")[0])
WORDS = [
    *(phrase for table in PHRASES.values() for phrases in table.values() for phrase in phrases),
    *(word for subject in load_dataset("imdb").subjects for words in subject.words.values() for word in words),
    *"rating votes runtime genre drama comedia best longest peores directed by 5 1994 90s 10k 8.5 foo ?".split(),
    "Woody Allen",
    '"Pulp Fiction"',
    "O'Brien",
]

TABLES = """
CREATE SCHEMA workshop;
CREATE TABLE workshop.machines AS SELECT * FROM (VALUES
    ('m1', 'Lathe', 'Bilbao'), ('m2', 'Press', 'Lyon'), ('m3', 'Mill', 'Bilbao')) t(machine_id, machine, site);
CREATE TABLE workshop.technicians AS SELECT * FROM (VALUES
    ('t1', 'Ana Ruiz'), ('t2', 'Bob O''Brien')) t(technician_id, full_name);
CREATE TABLE workshop.orders AS SELECT * FROM (VALUES
    ('o1', 'm1', 't1', 'Change belt', DATE '2023-01-10', 120.5::DOUBLE, 90, 'high'),
    ('o2', 'm1', 't2', 'Oil leak', DATE '2023-02-11', 80.0, 30, 'low'),
    ('o3', 'm2', 't1', 'New motor', DATE '2024-02-01', 2500.0, 600, 'high'),
    ('o4', 'm3', 't1', 'Clean', DATE '2024-03-05', 15.0, NULL, 'low'),
    ('o5', 'm2', 't2', 'Change belt', DATE '2024-03-09', 130.0, 100, 'low'))
    t(order_id, machine_id, technician_id, summary, opened_on, cost, downtime, priority);
"""


@pytest.fixture(scope="module")
def workshop() -> Dataset:
    content: Any = YAML(typ="safe", pure=True).load(Path(__file__).with_name("workshop.yaml"))
    return Dataset.model_validate(content)


@pytest.fixture(scope="module")
def database() -> Any:
    database = duckdb.connect()
    database.execute(TABLES)
    return database


def ask(dataset: Dataset, question: str, language: str = "en") -> list[ToolCall]:
    text = dataset.model_dump_json(by_alias=True, exclude_defaults=True)
    return plan(f"Plan.\n<dataset>\n{text}\n</dataset>\nAnswer in: {language}\n", question)


@pytest.mark.parametrize(
    ("language", "question", "rows"),
    [
        ("en", "How many work orders are there per site?", [("Bilbao", 3), ("Lyon", 2)]),
        ("en", "total cost of urgent orders", [(2620.5,)]),
        ("en", "Which technician has the most orders?", [("Ana Ruiz", 3)]),
        ("en", "how many orders did Bob O'Brien do", [(2,)]),
        ("en", "which site has the highest total cost", [("Lyon", 2630.0, 2)]),
        ("en", "machines with at least 2 orders", [("Lathe", 2), ("Press", 2)]),
        ("en", "average downtime per site", [("Lyon", 350.0, 2), ("Bilbao", 60.0, 3)]),
        ("en", "how many orders were opened in 2024", [(3,)]),
        ("en", "cost per year", [(2023, 200.5, 2), (2024, 2645.0, 3)]),
        ("en", "machines in Bilbao", [("Lathe",), ("Mill",)]),
        ("en", "percentage of urgent orders", [(40.0, 2, 5)]),
        ("es", "¿Cuál es el coste total por máquina?", [("Press", 2630.0, 2), ("Lathe", 200.5, 2), ("Mill", 15.0, 1)]),
        ("es", "¿cuántas órdenes tienen más de una hora de parada?", [(3,)]),
        ("es", "¿Qué técnico tiene más órdenes?", [("Ana Ruiz", 3)]),
    ],
)
def test_plans_for_another_dataset(
    workshop: Dataset, database: Any, language: str, question: str, rows: list[tuple[Any, ...]]
) -> None:
    """Orders, machines and technicians are asked about as films are, from the words of their catalogue entry."""
    [call] = ask(workshop, question, language)

    sql = guard_sql(call.arguments["sql"], workshop, row_limit=100).sql
    assert database.execute(sqlglot.transpile(sql, read="databricks", write="duckdb")[0]).fetchall() == rows


def test_knows_nothing_of_films_unless_told(workshop: Dataset) -> None:
    """A question about films is refused where the dataset is about machines."""
    [call] = ask(workshop, "how many films are there")

    assert call.name == "cannot_answer"
    assert "films" in call.arguments["reason"]
    assert set(call.arguments["suggestions"]) <= set(workshop.suggestions["en"])


def test_says_what_it_assumed() -> None:
    """What a question leaves open, and how it was decided, is written down."""
    [call] = ask(load_dataset("imdb"), "best horror movies")

    assert (
        "The ranking by rating is taken literally: no minimum of votes was asked for." in call.arguments["assumptions"]
    )


@pytest.mark.parametrize("name", ["O'Brien", "a\\", "100%", "'; DROP TABLE x; --", "${env:HOME}x", "{{x}}"])
def test_text_stays_text(name: str) -> None:
    """Whatever a name or title holds, it is one literal to the guard, or refused by it; never SQL."""
    question = f'films with "{name}" in the title'
    [call] = ask(load_dataset("imdb"), question)

    tree = sqlglot.parse(call.arguments["sql"], read="databricks")
    assert len(tree) == 1
    assert {table.name for table in tree[0].find_all(sqlglot.exp.Table)} == {"title_basics"}  # type: ignore[union-attr]


@pytest.mark.parametrize("question", ["", " ", "?", "¿¿¿???", "'", '"', "0", "a" * 5000, "\u200b", "🎬", "of of of by"])
def test_never_fails_on_odd_questions(question: str) -> None:
    """Anything gets a tool call, if only a refusal."""
    calls = ask(load_dataset("imdb"), question)

    assert {call.name for call in calls} <= {"run_sql", "cannot_answer", "answer"}


def test_needs_a_dataset() -> None:
    """Without a dataset in the prompt there is nothing to plan from, and it says so."""
    for system in ("Answer in: en", "<dataset>\n{}\n</dataset>\nAnswer in: en", "<dataset>\nnot json\n</dataset>"):
        [call] = plan(system, "How many films are there?")
        assert call.name == "cannot_answer"


def test_answers_in_another_language_than_the_question() -> None:
    """A Spanish question with the answer wanted in English is read as Spanish and named in English."""
    [call] = ask(load_dataset("imdb"), "¿Cuántas películas de terror hay?", "en")

    assert "number_of_films" in call.arguments["sql"]
    assert "'Horror'" in call.arguments["sql"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_documented_examples_work(example: str) -> None:
    """Every question that the reference page gives as an example is answered."""
    language = detect_language(example)

    assert {call.name for call in ask(load_dataset("imdb"), example, language)} <= {"run_sql", "answer"}


def test_the_documented_dataset_is_one() -> None:
    """The dataset of the how-to page loads and answers the questions that the page says it does."""
    page = (DOCS / "how-to" / "add-a-dataset.md").read_text(encoding="utf-8")
    content: Any = YAML(typ="safe", pure=True).load(re.search(r"```yaml\n(.*?)```", page, re.DOTALL).group(1))  # type: ignore[union-attr]
    dataset = Dataset.model_validate(content)

    questions = re.findall(r"\*([^*]+)\*", re.search(r"With that, (.*?)have answers", page, re.DOTALL).group(1))  # type: ignore[union-attr]
    assert len(questions) == 4
    for question in [*questions, *dataset.suggestions["en"], *dataset.suggestions["es"]]:
        for call in ask(dataset, question, detect_language(question)):
            assert call.name == "run_sql", question
            guard_sql(call.arguments["sql"], dataset, row_limit=10)


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join), st.sampled_from(["en", "es"]))
@settings(max_examples=300, deadline=None)
def test_whatever_it_plans_passes_the_guard(question: str, language: str) -> None:
    """No jumble of words that it knows makes it fail, or write SQL that the guard refuses."""
    dataset = load_dataset("imdb")

    for call in ask(dataset, question, language):
        if call.name == "run_sql":
            guard_sql(call.arguments["sql"], dataset, row_limit=1000)
