"""A small lake with IMDb tables, and the real SDK's client for the stand-in over it."""

import pyarrow as pa
import pyarrow.parquet as pq
from databricks.sdk import WorkspaceClient

from localhost.tables import TableVersion, new_version_folder, publish

TITLES = [
    ("tt01", "movie", "Blue Harbour", "Blue Harbour", 0, 1994, None, 142, "Drama"),
    ("tt02", "movie", "Red Harbour", "Puerto rojo", 0, 1999, None, 136, "Action,Sci-Fi"),
    ("tt03", "movie", "100% Luck", "100% Luck", 0, 1999, None, None, "Comedy,Drama"),
    ("tt04", "tvSeries", "Slow Boats", "Slow Boats", 0, 2008, 2013, 49, "Crime,Drama,Thriller"),
    ("tt05", "movie", "Night_Train", "Night_Train", 0, 2010, None, 148, "Action,Adventure,Sci-Fi"),
    ("tt06", "short", "A Line", "A Line", 0, None, None, 7, None),
    ("tt07", "movie", 'The "Quoted" One', 'The "Quoted" One', 1, 2010, None, 95, "Adult"),
    ("tt08", "movie", "Ánimo", "Ánimo", 0, 2021, None, 101, "Drama,Romance"),
]
RATINGS = [
    ("tt01", 9.3, 2_900_000),
    ("tt02", 8.7, 2_100_000),
    ("tt03", 6.35, 1_200),
    ("tt04", 9.5, 2_200_000),
    ("tt05", 8.8, 2_500_000),
    ("tt07", 2.675, 15),
    ("tt08", 7.1, 40_000),
]
NAMES = [
    ("nm01", "Ada Quiet", 1958, None, "actress,producer", "tt01,tt02"),
    ("nm02", "Bo Martinez", 1964, 2021, "actor", "tt02,tt05"),
    ("nm03", "Cy Nil", None, None, None, None),
]
PRINCIPALS = [
    ("tt01", 1, "nm01", "actress", None, '["Ellen"]'),
    ("tt02", 1, "nm02", "actor", None, '["Neo"]'),
    ("tt02", 2, "nm01", "actress", None, None),
    ("tt05", 1, "nm02", "actor", None, '["Cob"]'),
    ("tt05", 2, "nm03", "director", "director", None),
]
TABLES = {
    "title_basics": (
        TITLES,
        "tconst:s titleType:s primaryTitle:s originalTitle:s isAdult:i startYear:i endYear:i runtimeMinutes:i genres:s",
    ),
    "title_ratings": (RATINGS, "tconst:s averageRating:d numVotes:i"),
    "title_principals": (PRINCIPALS, "tconst:s ordering:i nconst:s category:s job:s characters:s"),
    "name_basics": (NAMES, "nconst:s primaryName:s birthYear:i deathYear:i primaryProfession:s knownForTitles:s"),
}
KINDS = {"s": pa.string(), "i": pa.int32(), "d": pa.float64()}


def publish_imdb(lake, tables=TABLES):
    """Publish the tables as the next version of the schema `imdb`."""
    folder = new_version_folder(lake, "imdb")
    for name, (rows, columns) in tables.items():
        fields = [column.split(":") for column in columns.split()]
        schema = pa.schema([(field, KINDS[kind]) for field, kind in fields])
        (folder / name).mkdir()
        content = pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)
        pq.write_table(content, folder / name / "part-0.parquet")
    return publish(folder, "generated", {name: TableVersion(len(rows)) for name, (rows, _) in tables.items()})


def connect(url, token="dapi-local"):
    return WorkspaceClient(host=url, token=token, auth_type="pat")
