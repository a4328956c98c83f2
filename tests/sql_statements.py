"""Random statements: from a small grammar of everyday and hostile SQL, and by mutation of statements that exist.

Names are drawn so that scopes collide: aliases, WITH names and tables that may not be read share a handful of words.
"""

import random
import re

COLUMNS = {
    "imdb.title_basics": ["tconst", "titleType", "primaryTitle", "startYear", "runtimeMinutes", "genres"],
    "imdb.title_ratings": ["tconst", "averageRating", "numVotes"],
    "imdb.title_principals": ["tconst", "nconst", "category", "ordering"],
    "imdb.name_basics": ["nconst", "primaryName", "birthYear", "knownForTitles"],
}
FORBIDDEN = ["imdb.accounts", "accounts", "other.secrets", "secrets", "title_basics", "`imdb.accounts`"]
NAMES = ["a", "b", "accounts", "secrets", "title_basics", "x", "r"]

_SNIPPETS = [
    "SELECT", "FROM", "WHERE", "UNION ALL", "(", ")", ",", "accounts", "imdb.accounts", "imdb.name_basics",
    "other.secrets", "WITH a AS (SELECT 1 AS x)", "JOIN", "ON true", "ON a.tconst = b.tconst", "LATERAL", "TABLE",
    "VALUES (1)", "AS", "a", "b", "x", "*", "1", "'text'", '"text"', "`accounts`", "--", "/*", "*/", "/* c */", ";",
    "\\", "'", "EXISTS", "IN (SELECT tconst FROM secrets)", "LATERAL VIEW explode(array(1)) t AS c",
    "PIVOT (count(*) FOR x IN (1))", "TABLESAMPLE (1 ROWS)", "LIMIT 5", "ORDER BY 1", "QUALIFY", "OVER ()",
    "RECURSIVE", "INTERSECT", "MINUS", ".", "|>", "STREAM", "IDENTIFIER('imdb.accounts')", "reflect('a', 'b')",
    "current_user()", "NOT", "::int", "[0]", "->", "\n", "-- c\n", "r'\\'", "CASE WHEN", "END", "OFFSET 1",
    "USING (tconst)", "NATURAL JOIN", "GROUP BY ALL", "HAVING",
]  # fmt: skip
_PIECE = re.compile(r"\w+|'(?:[^'\\]|\\.)*'|`[^`]*`|\s+|.", re.DOTALL)


def mutated(rng: random.Random, sql: str) -> str:
    """Return ``sql`` with a few of its pieces lost, doubled, swapped or replaced."""
    pieces = _PIECE.findall(sql)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
        at = rng.randrange(len(pieces)) if pieces else 0
        match rng.randrange(5):
            case 0 if pieces:
                del pieces[at]
            case 1 if pieces:
                pieces.insert(at, pieces[rng.randrange(len(pieces))])
            case 2 if pieces:
                other = rng.randrange(len(pieces))
                pieces[at], pieces[other] = pieces[other], pieces[at]
            case 3 if pieces:
                pieces[at] = f" {rng.choice(_SNIPPETS)} "
            case _:
                pieces.insert(at, f" {rng.choice(_SNIPPETS)} ")
    return "".join(pieces)


class Grammar:
    """Queries that mostly make sense, over tables that may be read and now and then over one that may not."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def query(self, depth: int = 0, names: tuple[str, ...] = ()) -> str:
        """Return one query; ``names`` are those of the WITH clauses around it."""
        rng = self._rng
        prefix = ""
        if depth < 3 and rng.random() < 0.35:
            ctes: list[str] = []
            own: list[str] = []
            for name in rng.sample(NAMES, rng.choice((1, 1, 2))):
                seen = (*names, *own) if rng.random() < 0.9 else (*names, *own, name)
                ctes.append(f"{name} AS ({self.query(depth + 1, seen)})")
                own.append(name)
            prefix = f"WITH {', '.join(ctes)} "
            names = (*names, *own)
        body = self.select(depth, names)
        while rng.random() < 0.15:
            operator = rng.choice(("UNION ALL", "UNION", "INTERSECT", "EXCEPT"))
            other = self.select(depth, names)
            body = f"{body} {operator} " + (f"({self.query(depth + 1, names)})" if rng.random() < 0.3 else other)
        tail = rng.choice(("", "", " ORDER BY 1", " LIMIT 3", " ORDER BY 1 DESC LIMIT 7"))
        return prefix + body + tail

    def select(self, depth: int, names: tuple[str, ...]) -> str:
        """Return a SELECT of one column, so that set operations fit."""
        rng = self._rng
        first, columns = self.relation(depth, names)
        alias = rng.choice(NAMES)
        source = f"{first} AS {alias}" if rng.random() < 0.8 else first
        column = rng.choice(columns)
        expression = rng.choice((
            f"{alias}.{column}", f"upper(CAST({alias}.{column} AS STRING))", "count(*)", f"max({alias}.{column})", "1",
            f"coalesce({alias}.{column}, {column})", f"row_number() OVER (ORDER BY {alias}.{column})", "*",
            f"CASE WHEN {alias}.{column} IS NULL THEN 1 ELSE 2 END", f"CAST({alias}.{column} AS STRING) || 'x'",
        ))  # fmt: skip
        if depth < 3 and rng.random() < 0.1:
            expression = f"(SELECT max(1) FROM ({self.query(depth + 1, names)}) q)"
        joins = self.joins(depth, names, alias, column) if rng.random() < 0.4 else ""
        where = rng.choice(
            ("", "", f" WHERE {alias}.{column} IS NOT NULL", f" WHERE {alias}.{column} = {alias}.{column}")
        )
        if depth < 3 and rng.random() < 0.15:
            where = f" WHERE EXISTS ({self.query(depth + 1, names)})"
        named = f" AS {rng.choice((*NAMES, *['tconst'] * 30))}" if expression != "*" else ""
        where = where if " WHERE " not in joins else ""
        return f"SELECT {expression}{named} FROM {source}{joins}{where}"

    def relation(self, depth: int, names: tuple[str, ...]) -> tuple[str, list[str]]:
        """Return something to read, and columns it may have."""
        rng = self._rng
        roll = rng.random()
        if roll < 0.04:
            return rng.choice(FORBIDDEN), ["id", "x"]
        if roll < 0.35 and names:
            return rng.choice(names), ["tconst"] * 20 + ["x", "a"]
        if roll < 0.5 and depth < 3:
            return f"({self.query(depth + 1, names)})", ["tconst"] * 20 + ["x", "a"]
        if roll < 0.55:
            return "range(5)", ["id"]
        table = rng.choice(list(COLUMNS)[:3])
        return table, COLUMNS[table] * 2 + ["tconst" if "tconst" in COLUMNS[table] else "nconst"] * 12

    def joins(self, depth: int, names: tuple[str, ...], alias: str, column: str) -> str:
        """Return one join, tied or not."""
        rng = self._rng
        relation, columns = self.relation(depth + 1, names)
        other = rng.choice(NAMES)
        match rng.randrange(6):
            case 0:
                other = f"{other}{rng.randrange(3)}"
                return f", {relation} {other} WHERE {alias}.{column} = {other}.{rng.choice(columns)} AND true"
            case 1:
                return f" JOIN {relation} {other} USING (tconst)"
            case 2:
                return f" LATERAL VIEW explode(split(CAST({column} AS STRING), ',')) {other} AS x"
            case 3 if depth < 3:
                return f", LATERAL ({self.query(depth + 2, names)}) {other}"
            case _:
                kind = rng.choice(("JOIN", "LEFT JOIN", "LEFT SEMI JOIN", "FULL JOIN", "CROSS JOIN"))
                return f" {kind} {relation} {other} ON {alias}.{column} = {other}.{rng.choice(columns)}"
