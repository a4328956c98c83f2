"""The IMDb tables as pandas sees them, read from the TSV files and from nothing of ours."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Frames:
    """The four files of ``folder``, and what the questions need of them."""

    folder: Path

    def read(self, name: str) -> pd.DataFrame:
        return pd.read_csv(
            self.folder / f"{name}.tsv", sep="\t", quoting=3, na_values=["\\N"], keep_default_na=False, dtype=str
        )

    @cached_property
    def titles(self) -> pd.DataFrame:
        """Every title with its rating, numbers as numbers."""
        basics = self.read("title.basics")
        ratings = self.read("title.ratings")
        titles = basics.merge(ratings, on="tconst", how="left")
        for column in ("startYear", "runtimeMinutes", "averageRating", "numVotes"):
            titles[column] = pd.to_numeric(titles[column])
        return titles

    @cached_property
    def films(self) -> pd.DataFrame:
        films = self.titles[self.titles["titleType"] == "movie"].copy()
        films["decade"] = films["startYear"] // 10 * 10
        films["genreList"] = films["genres"].fillna("").str.split(",")
        return films

    @cached_property
    def by_genre(self) -> pd.DataFrame:
        """One row per film and genre."""
        rows = self.films.explode("genreList").rename(columns={"genreList": "genre"})
        return rows[rows["genre"] != ""]

    @cached_property
    def by_director(self) -> pd.DataFrame:
        """One row per film and director."""
        credits_ = self.read("title.principals")
        directors = credits_[credits_["category"] == "director"][["tconst", "nconst"]].drop_duplicates()
        people = self.read("name.basics")[["nconst", "primaryName"]]
        return self.films.merge(directors, on="tconst").merge(people, on="nconst")

    def genre(self, *names: str) -> pd.DataFrame:
        """Films of any of these genres."""
        return self.films[self.films["genreList"].map(lambda found: bool(set(names) & set(found)))]

    def years(self, first: int, last: int = 9999) -> pd.DataFrame:
        """Films released from ``first`` to ``last``."""
        return self.films[self.films["startYear"].between(first, last)]

    def directed_by(self, name: str) -> pd.DataFrame:
        return self.by_director[self.by_director["primaryName"] == name]


def labels(films: pd.DataFrame, by: str, count: int | None = None, *, ascending: bool = False) -> list[Any]:
    """Return titles ranked by ``by``; ties by title, then by identifier."""
    known = films.dropna(subset=[by]).sort_values([by, "primaryTitle", "tconst"], ascending=[ascending, True, True])
    return known["primaryTitle"].head(count or len(known)).tolist()


def alphabetical(films: pd.DataFrame) -> list[Any]:
    return films.sort_values(["primaryTitle", "tconst"])["primaryTitle"].tolist()


def winners(films: pd.DataFrame, by: str, *, ascending: bool = False) -> list[Any]:
    """Return the titles that share first place."""
    known = films.dropna(subset=[by])
    best = known[by].min() if ascending else known[by].max()
    return sorted(known[known[by] == best]["primaryTitle"].tolist())


def mean(values: "pd.Series[Any]") -> list[Any]:
    return [] if values.dropna().empty else [round(float(values.mean()), 2)]


def grouped(groups: Any, column: str, how: str = "mean") -> dict[Any, Any]:
    """Return the figure of each group, known ones only."""
    figures = groups[column].agg(how).dropna()
    return {key: round(float(value), 2) for key, value in figures.items()}


def pairs(figures: dict[Any, Any]) -> list[Any]:
    """Return groups and figures as one flat list of values that must appear."""
    return [value for pair in figures.items() for value in pair]


def top_group(figures: "pd.Series[Any]", *, ascending: bool = False) -> list[Any]:
    """Return the groups that share first place, and their figure."""
    best = figures.min() if ascending else figures.max()
    return [*figures[figures == best].index.tolist(), round(float(best), 2)]
