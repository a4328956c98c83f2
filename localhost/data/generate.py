"""Synthetic IMDb data of any size: invented films, series and people, the same for the same seed.

Nothing is drawn in sequence. Each value is a function of the seed, what it is for, and the number of its title or
person, so titles are made in chunks, in memory that does not grow with their number, and a title is the same
whatever comes before it. ``titles`` matters to the people only: more titles, more people to choose from.
"""

import shutil
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from localhost.data import vocabulary
from localhost.data.imdb_format import FILES, NULL, SCHEMA, ImdbFile
from localhost.data.load import column_types
from localhost.data.parts import disk_errors
from localhost.data.progress import Progress
from localhost.tables import SchemaVersion, TableVersion, new_version_folder, publish

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TITLES_PER_CHUNK = 50_000
PEOPLE_PER_CHUNK = 200_000
MEMORY = "1GB"
_SQL = Path(__file__).with_name("generate.sql")


@dataclass(frozen=True, slots=True)
class People:
    """How many there are to choose from; their numbers follow each other in this order."""

    directors: int
    cast: int
    crew: int

    @classmethod
    def enough_for(cls, titles: int) -> "People":
        """Return so many that most work several times, and the busiest often."""
        return cls(max(5, titles // 5), max(20, titles * 7 // 10), max(10, titles // 4))


def generate_into_lake(lake: Path, *, titles: int, seed: int, progress: Progress | None = None) -> SchemaVersion:
    """Publish ``titles`` invented titles and their people as the `imdb` tables of ``lake``."""
    staged = new_version_folder(lake, SCHEMA)
    try:
        with progress.task(f"{titles:,} invented titles", titles) if progress else nullcontext(_ignore) as advance:
            rows = _write_tables(staged, titles, seed, advance)
        version = publish(staged, "generated", {table: TableVersion(count) for table, count in rows.items()})
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    if progress:
        progress.say("Done", _summary(rows))
    return version


def generate_as_tsv(folder: Path, *, titles: int, seed: int, progress: Progress) -> Mapping[str, int]:
    """Write invented titles and people into ``folder`` as IMDb's files; return the rows of each table."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".generating-") as staged:
        with progress.task(f"{titles:,} invented titles", titles) as advance:
            rows = _write_tables(Path(staged), titles, seed, advance)
        for file in FILES:
            _write_tsv(file, Path(staged) / file.table, folder / file.name)
    progress.say("Done", _summary(rows))
    return rows


def _write_tables(folder: Path, titles: int, seed: int, advance: Callable[[int], None]) -> dict[str, int]:
    """Write every table below ``folder`` and return its number of rows."""
    import duckdb

    people = People.enough_for(titles)
    credits_folder = folder / "credits"
    for name in [*(file.table for file in FILES), "credits"]:
        (folder / name).mkdir()
    settings: dict[str, Any] = {"memory_limit": MEMORY, "temp_directory": str(folder / "scratch")}
    with disk_errors(), duckdb.connect(config=settings) as database:
        _define(database, seed, people)
        basics, ratings, principals, names = FILES
        rows = dict.fromkeys((file.table for file in FILES), 0)
        for chunk, first in enumerate(range(0, titles, TITLES_PER_CHUNK)):
            last = min(first + TITLES_PER_CHUNK, titles)
            database.execute(f"CREATE OR REPLACE TABLE titles AS FROM titles_between({first}, {last})")
            database.execute("CREATE OR REPLACE TABLE principals AS FROM principals_of_titles")
            for file, source in ((basics, "titles"), (ratings, "ratings_of_titles"), (principals, "principals")):
                rows[file.table] += _copy(database, file, source, folder, chunk)
            database.execute(f"COPY (FROM credits_of_titles) TO {_quoted(credits_folder / f'{chunk:05}.parquet')}")
            advance(last)
        everybody = people.directors + people.cast + people.crew
        for chunk, first in enumerate(range(0, everybody, PEOPLE_PER_CHUNK)):
            credited = f"read_parquet({_quoted(credits_folder / '*.parquet')})"
            last = first + PEOPLE_PER_CHUNK
            database.execute(
                f"CREATE OR REPLACE TABLE credited AS FROM {credited} WHERE person >= {first} AND person < {last}"
            )
            rows[names.table] += _copy(database, names, "people_credited", folder, chunk)
    shutil.rmtree(credits_folder)
    shutil.rmtree(folder / "scratch", ignore_errors=True)
    return rows


def _define(database: "DuckDBPyConnection", seed: int, people: People) -> None:
    """Define the macros of ``generate.sql`` over the vocabulary and what this run is for."""
    weighted = {"types": vocabulary.TYPES, "genres": vocabulary.GENRES}
    words: dict[str, list[str]] = {
        name: [word for word, weight in weights.items() for _ in range(weight)] for name, weights in weighted.items()
    }
    for name in ("adjectives", "nouns", "endings", "gerunds", "women", "men"):
        words[name] = list(getattr(vocabulary, name.upper()))
    for name in ("place", "surname"):
        words[f"{name}_starts"] = list(getattr(vocabulary, f"{name.upper()}_STARTS"))
        words[f"{name}_ends"] = list(getattr(vocabulary, f"{name.upper()}_ENDS"))
    for name, values in words.items():
        database.execute(f"SET VARIABLE {name} = {values!r}")
        database.execute(f"CREATE MACRO {name}() AS getvariable('{name}')")
    numbers = {"seed": seed, "directors": people.directors, "cast_size": people.cast, "crew_size": people.crew}
    for name, number in numbers.items():
        database.execute(f"CREATE MACRO {name}() AS {number:d}")
    database.execute(_SQL.read_text(encoding="utf-8"))


def _copy(database: "DuckDBPyConnection", file: ImdbFile, source: str, folder: Path, chunk: int) -> int:
    """Write what ``source`` has of ``file`` as its next Parquet file, in the types of the catalogue."""
    columns = ", ".join(f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in column_types(file).items())
    path = folder / file.table / f"part-{chunk:05}.parquet"
    [count] = database.execute(f"COPY (SELECT {columns} FROM {source}) TO {_quoted(path)}").fetchone() or [0]  # noqa: S608
    return count


def _write_tsv(file: ImdbFile, parts: Path, path: Path) -> None:
    import duckdb

    kinds = column_types(file)
    columns = ", ".join(f'CAST("{n}" AS INT) AS "{n}"' if kinds[n] == "BOOLEAN" else f'"{n}"' for n in file.columns)
    with disk_errors(), duckdb.connect(config={"memory_limit": MEMORY}) as database:
        database.execute(
            f"COPY (SELECT {columns} FROM read_parquet({_quoted(parts / '*.parquet')})) TO {_quoted(path)} "  # noqa: S608
            f"(HEADER, DELIMITER '\t', QUOTE '', ESCAPE '', NULLSTR '{NULL}')"
        )


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _ignore(_done: int) -> None:
    """Show no progress."""


def _summary(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{table} {count:,} rows" for table, count in rows.items())
