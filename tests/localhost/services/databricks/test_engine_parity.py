"""Real Spark and DuckDB give the same rows for ordinary analytic SQL."""

import math
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from localhost.services.databricks.engine import Cancellation, Parameter, QueryFailedError
from localhost.services.databricks.results import columns_of

pytestmark = pytest.mark.spark

QUERIES = {
    "count": "SELECT count(*) FROM imdb.title_basics",
    "top": "SELECT b.primaryTitle, r.averageRating FROM imdb.title_basics b JOIN imdb.title_ratings r ON b.tconst = "
    "r.tconst WHERE r.numVotes >= 10000 ORDER BY r.averageRating DESC LIMIT 3",
    "aggregates": "SELECT avg(averageRating) a, min(averageRating) lo, max(averageRating) hi, sum(numVotes) s, "
    "count(DISTINCT numVotes) d FROM imdb.title_ratings",
    "group": "SELECT titleType, count(*) AS n FROM imdb.title_basics GROUP BY titleType ORDER BY n DESC, titleType",
    "having": "SELECT startYear y, count(*) n FROM imdb.title_basics GROUP BY startYear HAVING count(*) > 1 ORDER BY y",
    "decade": "SELECT floor(startYear / 10) * 10 AS decade, count(*) n FROM imdb.title_basics "
    "WHERE startYear IS NOT NULL GROUP BY 1 ORDER BY 1",
    "decade by cast": "SELECT CAST(startYear / 10 AS INT) * 10 AS decade, count(*) n FROM imdb.title_basics "
    "GROUP BY 1 ORDER BY 1",
    "nulls first": "SELECT tconst, startYear FROM imdb.title_basics ORDER BY startYear, tconst",
    "nulls last": "SELECT tconst, startYear FROM imdb.title_basics ORDER BY startYear DESC, tconst",
    "genre": "SELECT count(*) FROM imdb.title_basics WHERE array_contains(split(genres, ','), 'Drama')",
    "explode": "SELECT g, count(*) n FROM imdb.title_basics LATERAL VIEW explode(split(genres, ',')) x AS g "
    "GROUP BY g ORDER BY n DESC, g",
    "outer explode": "SELECT tconst, g FROM imdb.title_basics LATERAL VIEW OUTER explode(split(genres, ',')) x AS g "
    "ORDER BY tconst, g",
    "explode in select": "SELECT tconst, explode(split(genres, ',')) AS g FROM imdb.title_basics ORDER BY tconst, g",
    "explode_outer": "SELECT tconst, explode_outer(split(genres, ',')) AS g FROM imdb.title_basics ORDER BY 1, 2",
    "left join": "SELECT b.tconst, r.numVotes FROM imdb.title_basics b LEFT JOIN imdb.title_ratings r USING (tconst) "
    "ORDER BY b.tconst",
    "person": "SELECT b.primaryTitle FROM imdb.name_basics n JOIN imdb.title_principals p ON p.nconst = n.nconst JOIN "
    "imdb.title_basics b ON b.tconst = p.tconst WHERE lower(n.primaryName) = 'bo martinez' ORDER BY 1",
    "anti join": "SELECT b.tconst FROM imdb.title_basics b LEFT ANTI JOIN imdb.title_ratings r ON b.tconst = r.tconst",
    "in": "SELECT tconst FROM imdb.title_basics WHERE tconst IN (SELECT tconst FROM imdb.title_principals) ORDER BY 1",
    "exists": "SELECT nconst FROM imdb.name_basics n WHERE NOT EXISTS (SELECT 1 FROM imdb.title_principals p WHERE "
    "p.nconst = n.nconst AND p.category = 'actor') ORDER BY nconst",
    "rank": "SELECT tconst, rank() OVER (PARTITION BY startYear > 2000 ORDER BY startYear DESC) k FROM "
    "imdb.title_basics ORDER BY tconst",
    "qualify": "SELECT tconst, ordering FROM imdb.title_principals QUALIFY row_number() OVER (PARTITION BY nconst "
    "ORDER BY tconst) = 1 ORDER BY tconst, ordering",
    "running": "SELECT tconst, sum(numVotes) OVER (ORDER BY tconst ROWS UNBOUNDED PRECEDING) s FROM "
    "imdb.title_ratings ORDER BY tconst",
    "share": "SELECT titleType, round(100 * count(*) / sum(count(*)) OVER (), 1) p FROM imdb.title_basics "
    "GROUP BY titleType ORDER BY titleType",
    "lag": "SELECT startYear, count(*) - lag(count(*)) OVER (ORDER BY startYear) d FROM imdb.title_basics "
    "WHERE startYear IS NOT NULL GROUP BY startYear ORDER BY startYear",
    "cte": "WITH v AS (SELECT tconst, numVotes / 1000 AS k FROM imdb.title_ratings) SELECT tconst, round(k, 1) k, "
    "CAST(k AS INT) i FROM v ORDER BY tconst",
    "union": "SELECT tconst FROM imdb.title_ratings WHERE numVotes < 100 UNION ALL SELECT tconst FROM "
    "imdb.title_basics WHERE isAdult = 1",
    "except": "SELECT tconst FROM imdb.title_basics EXCEPT SELECT tconst FROM imdb.title_ratings",
    "case": "SELECT tconst, CASE WHEN averageRating >= 9 THEN 'high' WHEN averageRating >= 5 THEN 'middle' ELSE 'low' "
    "END AS band FROM imdb.title_ratings ORDER BY tconst",
    "between": "SELECT count(*) FROM imdb.title_basics WHERE startYear BETWEEN 1999 AND 2010",
    "like": "SELECT primaryTitle FROM imdb.title_basics WHERE primaryTitle LIKE '%Harbour' ORDER BY 1",
    "like with escape": r"SELECT primaryTitle FROM imdb.title_basics WHERE primaryTitle LIKE '%\%%' ORDER BY 1",
    "like with underscore": r"SELECT primaryTitle FROM imdb.title_basics WHERE primaryTitle LIKE 'Night\_%'",
    "like any": "SELECT tconst FROM imdb.title_basics WHERE isAdult = 0 AND primaryTitle LIKE ANY ('Red%', 'The%')",
    "ilike": "SELECT primaryTitle FROM imdb.title_basics WHERE primaryTitle ILIKE '%HARBOUR%' ORDER BY 1",
    "rlike": r"SELECT primaryTitle FROM imdb.title_basics WHERE primaryTitle RLIKE '^[0-9]+' ORDER BY 1",
    "text": "SELECT upper(primaryTitle), length(primaryTitle), substring(primaryTitle, 0, 3), concat(tconst, '-', "
    "genres), concat_ws('/', tconst, genres), instr(primaryTitle, 'a') FROM imdb.title_basics ORDER BY tconst",
    "nulls": "SELECT coalesce(endYear, startYear, 0), nullif(isAdult, 0), ifnull(genres, '-'), endYear <=> NULL "
    "FROM imdb.title_basics ORDER BY tconst",
    "rounding": "SELECT tconst, round(averageRating, 1), round(averageRating, 2), round(averageRating), "
    "bround(averageRating, 1), floor(averageRating), ceil(averageRating) FROM imdb.title_ratings ORDER BY tconst",
    "casts": "SELECT CAST(averageRating AS INT), CAST(averageRating AS STRING), CAST(numVotes AS DOUBLE), "
    "try_cast(tconst AS INT) FROM imdb.title_ratings ORDER BY tconst",
    "arithmetic": "SELECT numVotes / 7, numVotes div 7, numVotes % 7, -7 % 3, pmod(-7, 3), averageRating * 2 FROM "
    "imdb.title_ratings ORDER BY tconst",
    "try_divide": "SELECT try_divide(numVotes, isAdult) FROM imdb.title_basics JOIN imdb.title_ratings USING (tconst) "
    "ORDER BY tconst",
    "dates": "SELECT year(d), month(d), dayofweek(d), weekday(d), date_add(d, 10), add_months(d, 1), datediff(d, "
    "DATE'2019-12-31'), date_format(d, 'yyyy-MM') FROM (SELECT DATE'2020-01-31' AS d)",
    "percentiles": "SELECT percentile(averageRating, 0.5), median(numVotes), percentile_approx(numVotes, 0.5) FROM "
    "imdb.title_ratings",
    "arrays": "SELECT size(split(genres, ',')), split(genres, ',')[0], element_at(split(genres, ','), 1), "
    "array_join(array_sort(split(genres, ',')), '+') FROM imdb.title_basics WHERE genres IS NOT NULL ORDER BY tconst",
    "lambdas": "SELECT tconst FROM imdb.title_basics WHERE exists(split(genres, ','), g -> g LIKE 'Sci%') ORDER BY 1",
    "first of group": "SELECT startYear, max_by(tconst, runtimeMinutes) m, count_if(isAdult = 1) c FROM "
    "imdb.title_basics WHERE runtimeMinutes IS NOT NULL GROUP BY startYear ORDER BY startYear",
    "filter": "SELECT count(*) FILTER (WHERE startYear < 2000) AS old, sum(if(startYear >= 2000, 1, 0)) AS new FROM "
    "imdb.title_basics",
    "rollup": "SELECT titleType, isAdult, count(*) n FROM imdb.title_basics GROUP BY ROLLUP (titleType, isAdult) "
    "ORDER BY titleType, isAdult, n",
    "group by all": "SELECT titleType, count(*) n FROM imdb.title_basics GROUP BY ALL ORDER BY ALL",
    "star except": "SELECT * EXCEPT (genres, endYear) FROM imdb.title_basics ORDER BY tconst",
    "values": "SELECT * FROM VALUES (1, 'a'), (2, 'b') AS t(n, s) ORDER BY n",
    "quotes": "SELECT 'it''s', \"double\", \"it's\", 'say \"\"', 'back\\\\slash', 'it\\'s'",
    "show tables": "SHOW TABLES IN imdb",
    "describe": "DESCRIBE imdb.title_ratings",
}
FAILURES = {
    "unknown column": "SELECT foo FROM imdb.title_basics",
    "unknown qualified column": "SELECT b.foo FROM imdb.title_basics b",
    "unknown alias": "SELECT z.tconst FROM imdb.title_basics b",
    "unknown table": "SELECT * FROM imdb.nope",
    "unknown function": "SELECT no_such_thing(1)",
    "ambiguous": "SELECT tconst FROM imdb.title_basics b JOIN imdb.title_ratings r ON b.tconst = r.tconst",
    "not in group": "SELECT titleType, startYear FROM imdb.title_basics GROUP BY titleType",
    "not grouped": "SELECT titleType, count(*) FROM imdb.title_basics",
    "division": "SELECT numVotes / (numVotes - numVotes) FROM imdb.title_ratings",
    "cast": "SELECT CAST(primaryTitle AS INT) FROM imdb.title_basics",
    "syntax": "SELECT count(* FROM imdb.title_basics",
    "unbound": "SELECT :missing",
}


def rows(engine, sql, parameters=()):
    result = engine.execute(sql, parameters, None, Cancellation())
    types = [column["type"] for column in columns_of(result.table)]
    columns = [column.to_pylist() for column in result.table.columns]
    return types, [list(row) for row in zip(*columns, strict=True)]


def same(left, right):
    if isinstance(left, float) or isinstance(right, float):
        return left is not None and right is not None and math.isclose(left, right, rel_tol=1e-9)
    return left == right


@pytest.mark.parametrize("sql", QUERIES.values(), ids=QUERIES.keys())
def test_engines_agree(spark, duckdb, sql):
    """Both engines give the same rows in the same order, in columns of the same types."""
    expected_types, expected = rows(spark, sql)
    types, found = rows(duckdb, sql)

    assert types == expected_types
    assert len(found) == len(expected)
    different = [(f, e) for f, e in zip(found, expected, strict=True) if not all(map(same, f, e))]
    assert different == []


@pytest.mark.parametrize("sql", FAILURES.values(), ids=FAILURES.keys())
def test_engines_fail_alike(spark, duckdb, sql):
    """Both engines refuse the same SQL, with the same error class and SQLSTATE."""
    with pytest.raises(QueryFailedError) as expected:
        rows(spark, sql)
    with pytest.raises(QueryFailedError) as found:
        rows(duckdb, sql)

    def error_class(failure):
        return str(failure.value).partition("]")[0].partition(".")[0].strip("[")

    assert error_class(found) == error_class(expected), (str(found.value), str(expected.value))
    assert found.value.sql_state == expected.value.sql_state


def test_parameters_are_typed_alike(spark, duckdb):
    """A parameter has the type it was sent with, on both engines; one without a value is NULL."""
    parameters = [
        Parameter("year", "1999", "INT"),
        Parameter("kind", "movie"),
        Parameter("day", "2020-01-31", "DATE"),
        Parameter("nothing", None, "INT"),
        Parameter("price", "9.90", "DECIMAL(10,2)"),
    ]
    sql = (
        "SELECT tconst, :year + 1, :day, :nothing, :price FROM imdb.title_basics "
        "WHERE startYear = :year AND titleType = :kind ORDER BY 1"
    )

    assert rows(spark, sql, parameters)[1] == rows(duckdb, sql, parameters)[1]


def test_a_file_of_gold_stands_where_a_table_may(lake, spark, duckdb):
    """Under an alias, beside a table, with its types; from a folder whose name has a blank in it."""
    folder = lake / "gold" / "of ana"
    folder.mkdir(parents=True, exist_ok=True)
    amounts = pa.array([Decimal("2.50"), Decimal("4.25")], pa.decimal128(18, 2))
    pq.write_table(pa.table({"order_key": [1, 2], "amount": amounts}), folder / "fact_orders.parquet")
    sql = (
        f"SELECT fact_orders.order_key, SUM(amount) AS s, MAX(b.startYear) AS y "
        f"FROM `parquet`.`file://{folder.as_posix()}/fact_orders.parquet` AS `fact_orders` "
        f"CROSS JOIN imdb.title_basics AS b GROUP BY fact_orders.order_key ORDER BY 1"
    )
    expected, found = rows(spark, sql)[1], rows(duckdb, sql)[1]

    assert found == expected
    assert len(found) == 2
