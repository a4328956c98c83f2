"""What the SQL guard adds to a query: against the parser alone, over the legitimate corpus, and from memory.

    python benchmarks/sql_guard.py [--repeats 7] [--number 200]

The parser alone is ``sqlglot.parse`` of the same 15 lines in the same dialect. The guard parses twice, because the text
that runs is checked again; so a ratio below 2 cannot be reached.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import sqlglot
from sqlglot.tokens import SQLGLOTC_INSTALLED

from shared.catalog import load_dataset
from shared.sql_guard import guard_sql
from shared.sql_guard.guarding import guarded

CORPUS = Path(__file__).parent.parent / "tests" / "shared" / "sql_guard" / "corpus" / "legitimate.jsonl"
QUERY = """
WITH recent AS (
  SELECT b.tconst, b.primaryTitle, b.startYear, r.averageRating, r.numVotes
  FROM imdb.title_basics b
  JOIN imdb.title_ratings r ON r.tconst = b.tconst
  WHERE b.startYear >= 2000 AND r.numVotes > 1000
)
SELECT p.category, t.startYear,
       COUNT(DISTINCT p.nconst) AS people,
       SUM(t.numVotes) / 100.0 AS votes,
       AVG(CASE WHEN n.birthYear BETWEEN 1960 AND 1980 THEN t.averageRating END) AS rating
FROM recent t
JOIN imdb.title_principals p ON p.tconst = t.tconst
JOIN imdb.name_basics n ON n.nconst = p.nconst
WHERE n.primaryName LIKE 'A%' AND p.category IN ('actor', 'actress')
GROUP BY p.category, t.startYear HAVING SUM(t.numVotes) > 0 ORDER BY votes DESC LIMIT 100
"""


def microseconds(work: Callable[[], object], *, number: int, repeats: int) -> float:
    """Return the median over ``repeats`` of the mean time of ``number`` calls."""
    work()
    rounds: list[float] = []
    for _ in range(repeats):
        begun = time.perf_counter()
        for _ in range(number):
            work()
        rounds.append((time.perf_counter() - begun) / number * 1e6)
    return statistics.median(rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7, help="rounds to take the median of")
    parser.add_argument("--number", type=int, default=200, help="calls in a round")
    options = parser.parse_args()
    imdb = load_dataset("imdb")

    def timed(work: Callable[[], object], number: int = options.number) -> float:
        return microseconds(work, number=number, repeats=options.repeats)

    parse = timed(lambda: sqlglot.parse(QUERY, read="databricks"))
    guard = timed(lambda: guarded(QUERY, imdb, 1000))
    again = timed(lambda: guard_sql(QUERY, imdb, row_limit=1000), number=options.number * 50)

    each: list[float] = []
    for line in CORPUS.read_text(encoding="utf-8").splitlines():
        sql = json.loads(line)["sql"]
        each.append(microseconds(lambda sql=sql: guarded(sql, imdb, 1000), number=5, repeats=3))
    each.sort()

    print(f"sqlglot {sqlglot.__version__}, {'compiled' if SQLGLOTC_INSTALLED else 'pure Python'}\n")
    print("| what | us | x parse |")
    print("| --- | --- | --- |")
    rows = {
        "sqlglot.parse, 15 lines": parse,
        "guard, 15 lines, first sight": guard,
        "guard, 15 lines, from memory": again,
        f"guard, corpus of {len(each)}, p50": each[len(each) // 2],
        f"guard, corpus of {len(each)}, p99": each[int(len(each) * 0.99)],
        f"guard, corpus of {len(each)}, worst": each[-1],
    }
    for what, taken in rows.items():
        print(f"| {what} | {taken:,.1f} | {taken / parse:.2f} |")


if __name__ == "__main__":
    main()
