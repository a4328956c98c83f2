"""Invented data: the same for the same seed, of IMDb's shape, and honest about being invented."""

import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from localhost.cli.main import main
from localhost.data import generate
from localhost.data.demo import DEMO_TITLES, ensure_demo_data
from localhost.data.generate import generate_as_tsv, generate_into_lake
from localhost.data.imdb_format import FILES
from localhost.data.load import column_types, load_imdb
from localhost.data.progress import Progress
from localhost.data.tsv_rows import arrow_type
from localhost.tables import current, table_folder
from shared.catalog import load_dataset

TITLES = 3000


def tables(lake: Path) -> dict[str, pd.DataFrame]:
    version = current(lake, "imdb")
    assert version
    return {f.table: pq.read_table(table_folder(lake, version, f.table)).to_pandas() for f in FILES}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, pd.DataFrame]:
    lake = tmp_path_factory.mktemp("lake")
    generate_into_lake(lake, titles=TITLES, seed=11)
    return tables(lake)


def test_the_same_seed_makes_the_same_data(made, tmp_path, monkeypatch):
    """Two runs with one seed are equal, whatever the size of the chunks; another seed makes something else."""
    monkeypatch.setattr(generate, "TITLES_PER_CHUNK", 1100)
    monkeypatch.setattr(generate, "PEOPLE_PER_CHUNK", 2000)
    generate_into_lake(tmp_path / "same", titles=TITLES, seed=11)
    generate_into_lake(tmp_path / "other", titles=TITLES, seed=12)

    for name, table in tables(tmp_path / "same").items():
        pd.testing.assert_frame_equal(table, made[name])
    assert not tables(tmp_path / "other")["title_basics"]["primaryTitle"].equals(made["title_basics"]["primaryTitle"])


def test_it_has_the_types_of_the_catalogue(tmp_path):
    """Columns, their order and their types are those of the dataset, so that it can be asked about."""
    version = generate_into_lake(tmp_path, titles=50, seed=1)

    assert version.source == "generated"
    for file in FILES:
        schema = pq.read_table(table_folder(tmp_path, version, file.table)).schema
        assert dict(zip(schema.names, schema.types, strict=True)) == {
            name: arrow_type(kind) for name, kind in column_types(file).items()
        }


def test_keys_hold_together(made):
    """Keys are unique, and what refers to a title or a person finds it."""
    basics, ratings, principals, names = made.values()

    assert basics["tconst"].is_unique
    assert ratings["tconst"].is_unique
    assert names["nconst"].is_unique
    assert not principals.duplicated(["tconst", "ordering"]).any()
    assert set(ratings["tconst"]) < set(basics["tconst"])
    assert set(principals["tconst"]) <= set(basics["tconst"])
    assert set(principals["nconst"]) == set(names["nconst"])
    assert {t for known in names["knownForTitles"] for t in known.split(",")} <= set(basics["tconst"])


def test_it_is_plausible(made):
    """Most titles are told apart by name, people work several times, votes are few for most, and values are IMDb's."""
    basics, ratings, principals, names = made.values()

    assert basics["primaryTitle"].nunique() > 0.98 * len(basics)
    assert basics["primaryTitle"].str.contains('"').any()
    assert basics["primaryTitle"].str.contains(",").any()
    assert basics["primaryTitle"].str.contains("é|¿").any()
    directed = Counter(principals.loc[principals["category"] == "director", "nconst"])
    assert max(directed.values()) >= 10
    assert 0.5 < len(ratings) / len(basics) < 0.7
    assert ratings["averageRating"].between(1, 10).all()
    assert ratings["numVotes"].median() < 500 < 100_000 < ratings["numVotes"].max()
    series = basics["titleType"].isin(["tvSeries", "tvMiniSeries"])
    assert basics.loc[~series, "endYear"].isna().all()
    assert (basics["endYear"].dropna() >= basics.loc[basics["endYear"].notna(), "startYear"]).all()
    assert 0 < basics["startYear"].isna().mean() < 0.05
    assert (names["deathYear"] - names["birthYear"]).dropna().between(40, 100).all()
    assert {"director", "actor", "actress", "writer"} <= set(principals["category"])
    assert all(isinstance(json.loads(text), list) for text in principals["characters"].dropna())

    dataset = load_dataset("imdb")
    for table, column, found in (
        ("title_basics", "titleType", set(basics["titleType"])),
        ("title_basics", "genres", {g for genres in basics["genres"].dropna() for g in genres.split(",")}),
        ("title_principals", "category", set(principals["category"])),
    ):
        described = dataset.table(table)
        assert described
        words = described.column(column)
        assert words
        assert found <= {value.value for value in words.values}


def test_files_come_back_as_they_went(made, tmp_path):
    """What is written as IMDb's files and loaded again is what was generated, with no reject."""
    generate_as_tsv(tmp_path / "tsv", titles=TITLES, seed=11, progress=Progress())

    report = load_imdb(tmp_path / "tsv", tmp_path / "lake", Progress())

    assert report.rejects is None
    for name, table in tables(tmp_path / "lake").items():
        pd.testing.assert_frame_equal(table, made[name])
    assert sorted(path.name for path in (tmp_path / "tsv").iterdir()) == sorted(file.name for file in FILES)


def test_the_demo_is_made_once_and_says_what_it_is(tmp_path):
    """An empty lake gets invented data and a word about it; one that has data is left alone."""
    said: list[str] = []

    ensure_demo_data(tmp_path, said.append)
    version = current(tmp_path, "imdb")
    ensure_demo_data(tmp_path, said.append)

    assert version
    assert version.tables["title_basics"].rows == DEMO_TITLES
    assert current(tmp_path, "imdb") == version
    [text] = said
    assert "none of these films or people exist" in text
    assert "load imdb" in text


def test_the_command_makes_as_many_as_asked(tmp_path, capsys):
    """`--rows` counts titles; the summary is on stdout; a path with an apostrophe is no trouble."""
    folder = tmp_path / "it's here"

    assert main(["generate", "imdb", "--rows", "20", "--data", str(folder), "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)[0] == {"table": "title_basics", "rows": 20}
    assert main(["generate", "imdb", "--rows", "20", "--tsv", str(folder / "tsv")]) == 0
    assert (folder / "tsv" / "title.basics.tsv").read_text().count("\n") == 21
    assert main(["generate", "imdb", "--rows", "0"]) == 2
