"""What the guard promises beside yes and no: the limit, the text that runs, reasons, columns, bounded time."""

import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sql_statements import Grammar, mutated

from shared.catalog import load_dataset
from shared.errors import SqlRefusedError
from shared.sql_guard import GuardedSql, guard_sql
from shared.sql_guard.reasons import CORRECTABLE, REASONS
from shared.sql_guard.templates import PIECES, TEMPLATES

IMDB = load_dataset("imdb")
ROOT = Path(__file__).parents[3]


def guard(sql: object, row_limit: int = 100) -> GuardedSql:
    return guard_sql(sql, IMDB, row_limit=row_limit)  # type: ignore[arg-type]  # a model may send anything


def reason(sql: object) -> str:
    with pytest.raises(SqlRefusedError) as refused:
        guard(sql)
    return refused.value.reason


def verdict(sql: str) -> str:
    try:
        guard(sql)
    except SqlRefusedError as refused:
        return refused.reason
    return "passed"


@pytest.mark.parametrize(
    ("asked", "runs", "limited"),
    [
        ("", "LIMIT 100", True),
        (" LIMIT 7", "LIMIT 7", False),
        (" LIMIT 100", "LIMIT 100", False),
        (" LIMIT 101", "LIMIT 100", True),
        (" LIMIT 99999999999999999999", "LIMIT 100", True),
        (" LIMIT ALL", "LIMIT 100", True),
        (" LIMIT 500 OFFSET 3", "LIMIT 100 OFFSET 3", True),
        (" ORDER BY tconst", "ORDER BY `tconst` ASC NULLS FIRST LIMIT 100", True),
    ],
)
def test_the_smaller_of_the_two_limits_stands_at_the_end(asked: str, runs: str, *, limited: bool) -> None:
    guarded = guard("SELECT tconst FROM imdb.title_ratings" + asked)
    assert guarded.sql == f"SELECT `tconst` FROM `imdb`.`title_ratings` {runs}"
    assert guarded.limited is limited
    assert guarded.row_limit == 100


def test_the_limit_holds_for_all_of_a_union_and_around_brackets() -> None:
    union = "SELECT tconst FROM imdb.title_ratings UNION ALL SELECT tconst FROM imdb.title_basics"
    assert guard(union).sql.endswith("`title_basics` LIMIT 100")
    assert guard(f"({union} LIMIT 500)").sql.endswith("LIMIT 500) LIMIT 100")


def test_a_limit_that_is_no_number_is_limited_from_outside_and_the_order_stays() -> None:
    sql = guard("SELECT tconst FROM imdb.title_ratings ORDER BY tconst LIMIT 50 + 100").sql
    assert sql.startswith("SELECT * FROM (SELECT `tconst`")
    assert sql.endswith("ORDER BY `tconst` ASC NULLS FIRST LIMIT 50 + 100) AS `limited` LIMIT 100")


def test_a_row_limit_below_one_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        guard("SELECT 1", row_limit=0)


def test_it_says_which_tables_and_columns_are_read() -> None:
    guarded = guard(
        "WITH r AS (SELECT tconst AS id, numVotes FROM imdb.Title_Ratings) "
        "SELECT b.primaryTitle FROM imdb.title_basics b JOIN r ON r.id = b.tconst"
    )
    assert guarded.tables == ("imdb.title_basics", "imdb.title_ratings")
    assert guarded.columns == (
        "imdb.title_basics.primarytitle",
        "imdb.title_basics.tconst",
        "imdb.title_ratings.numvotes",
        "imdb.title_ratings.tconst",
    )


def test_comments_and_hints_do_not_run() -> None:
    sql = guard("SELECT /*+ BROADCAST(r) */ /* note */ tconst -- why\nFROM imdb.title_ratings r").sql
    assert sql == "SELECT `tconst` FROM `imdb`.`title_ratings` AS `r` LIMIT 100"


@pytest.mark.parametrize(
    ("written", "runs"),
    [
        ("'it''s'", r"'it\'s'"),
        (r"'it\'s'", r"'it\'s'"),
        ('"it\'s"', r"'it\'s'"),
        ("'a' 'b'", "'ab'"),
        (r"r'\d'", r"'\\d'"),
        (r"'\d'", "'d'"),
        (r"'\\d'", r"'\\d'"),
        (r"'50\%'", r"'50\\%'"),
        (r"'\u0041\101'", "'AA'"),
        (r"'a\nb'", r"'a\nb'"),
        ("'🎬'", "'🎬'"),
    ],
)
def test_strings_are_read_as_spark_reads_them(written: str, runs: str) -> None:
    assert guard(f"SELECT {written} AS s").sql == f"SELECT {runs} AS `s` LIMIT 100"


def test_with_names_stay_where_they_were_written() -> None:
    inner = "(WITH s AS (SELECT 1 AS v) SELECT v FROM s)"
    sql = f"SELECT * FROM {inner} p JOIN {inner} q ON p.v = q.v"
    assert guard(sql).sql.count("WITH `s`") == 2


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        (5, "not_text"),
        (None, "not_text"),
        (["SELECT 1"], "not_text"),
        ("", "empty"),
        ("SELECT nothing FROM imdb.title_ratings", "unknown_column"),
        ("SELECT r.nothing FROM imdb.title_ratings r", "unknown_column"),
        ("SELECT x.tconst FROM imdb.title_ratings r", "unknown_column"),
        ("SELECT a FROM (SELECT tconst AS b FROM imdb.title_ratings)", "unknown_column"),
        ("SELECT tconst FROM imdb.title_ratings JOIN imdb.title_basics ON numVotes = startYear", "ambiguous_column"),
        ("SELECT * FROM title_ratings", "unqualified_table"),
        ("SELECT frobnicate(tconst) FROM imdb.title_ratings", "unknown_function"),
        ("SELECT array_agg(tconst ORDER BY numVotes) FROM imdb.title_ratings", "unsupported"),
        ("SELECT * FROM imdb.title_ratings a, imdb.title_basics b", "join_without_equality"),
        ("SELECT repeat('x', numVotes) FROM imdb.title_ratings", "unbounded_generator"),
        ("SELECT tconst FROM imdb.title_ratings WHERE tconst RLIKE '(t+)+$'", "unbounded_pattern"),
        ("SELECT 1" + " -- x" * 5000, "too_long"),
        ("SELECT " + "(" * 100 + "1" + ")" * 100, "too_deep"),
        ("WITH RECURSIVE a AS (SELECT 1) SELECT * FROM a", "recursive_cte"),
        ("SELECT * FROM imdb.accounts", "table"),
        ("SELECT n._metadata.file_path FROM imdb.name_basics n", "hidden_column"),
        ("SELECT * FROM imdb.name_basics VERSION AS OF 1", "time_travel"),
        ("SELECT secret('a', 'b')", "secret"),
        ("DROP TABLE imdb.title_ratings", "write"),
    ],
)
def test_each_refusal_has_its_reason(sql: object, why: str) -> None:
    assert reason(sql) == why


def test_a_refusal_of_a_column_names_the_columns_there_are() -> None:
    with pytest.raises(SqlRefusedError, match="it has: averagerating, numvotes, tconst"):
        guard("SELECT r.votes FROM imdb.title_ratings r")


def test_the_documentation_lists_exactly_the_reasons_there_are() -> None:
    page = (ROOT / "docs" / "concepts" / "sql-guard.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `(\w+)` \| (yes|no) \|", page, re.MULTILINE))
    assert {reason: said == "yes" for reason, said in listed.items()} == {r: r in CORRECTABLE for r in REASONS}


def test_every_template_is_read_to_its_end() -> None:
    for kind, template in TEMPLATES.items():
        marks = {None: "", ", ": "*", "": "+"}
        written = "".join(
            f"{piece.before}{{{piece.part}{marks[piece.separator]}}}{piece.after}" if piece.part else piece.before
            for piece in PIECES[kind]
        )
        assert written == template.replace("<", "").replace(">", "")


def test_importing_it_does_not_bring_the_parser() -> None:
    code = "import sys, shared.sql_guard; assert 'sqlglot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_same_question_is_answered_from_memory() -> None:
    sql = "SELECT count(*) FROM imdb.title_ratings"
    assert guard(sql) is guard(sql)
    assert guard(sql) is not guard(sql, row_limit=7)


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_text_is_answered_or_refused(text: str) -> None:
    for sql in (text, f"SELECT {text} FROM imdb.title_ratings", f"SELECT tconst FROM imdb.title_ratings {text}"):
        assert verdict(sql) in REASONS | {"passed"}


@pytest.mark.parametrize("seed", range(4))
def test_generated_statements_keep_every_promise(seed: int) -> None:
    """Whatever passes reads the four tables only, is limited, and passes again unchanged."""
    rng = random.Random(seed)
    grammar = Grammar(rng)
    passed = 0
    for _ in range(250):
        sql = grammar.query() if rng.random() < 0.6 else mutated(rng, grammar.query())
        try:
            guarded = guard(sql)
        except SqlRefusedError:
            continue
        passed += 1
        assert set(guarded.tables) <= set(IMDB.columns_by_table)
        assert int(re.findall(r"LIMIT (\d+)(?: OFFSET \d+)?$", guarded.sql)[0]) <= 100
        assert guard(guarded.sql).sql == guarded.sql
    assert passed


OPENERS = [
    "(", "f(", "[", "CASE WHEN ", "CAST(", "DECIMAL(", "ARRAY<", "STRUCT<a: ", "(SELECT ", "EXISTS (", "x -> (",
    "INTERVAL (", "(a JOIN ", "a IN (", "NOT ", "- ", "! ", "~", "a::int", " JOIN a", " LEFT JOIN a", "WITH a AS (",
    "1 + ", "a AND ", "a OR ", "'x' || ", "SELECT 1 UNION ", "a.", "a, ", "{# ", "CASE ", "DATE ", "ANY(", "VALUES (",
    "LATERAL (", "UNION (SELECT ", "TRIM(", "PIVOT (", "COUNT(DISTINCT ", "OVER (",
]  # fmt: skip


@pytest.mark.parametrize("opener", OPENERS)
def test_no_repetition_takes_long_or_overflows(opener: str) -> None:
    """The cap on the text comes first, so the worst statement is as long as that; a slow parser shows at any length."""
    begun = time.monotonic()
    for start in ("SELECT ", "SELECT * FROM a "):
        for count in (10, 30, 45, 19_000 // len(opener)):
            closing = "".join({"(": ")", "[": "]"}.get(sign, "") for sign in reversed(opener)) * count
            for sql in (start + opener * count, start + opener * count + "1" + closing):
                assert verdict(sql) in REASONS | {"passed"}
    # Not a measurement: without the caps this does not end within the hour.
    assert time.monotonic() - begun < 60
