"""The catalogue: what the chat may ask about, read from ``catalog/*.yaml``.

A dataset is data, not code: tables with typed columns, how they join, what people call things in English and
Spanish, and questions it can answer. The SQL guard reads tables and columns from here; the model reads all of it.
"""

import hashlib
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import CatalogError

CATALOG_DIR = Path(__file__).resolve().parent.parent / "catalog"

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]
Language = Literal["en", "es"]
Words = Annotated[dict[Language, list[str]], Field(description="What people say, by language.")]
Text = Annotated[dict[Language, str], Field(description="One text, by language.")]


class Model(BaseModel):
    """Closed and immutable, so that a misspelt key is an error and not a silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Value(Model):
    """One value of a dimension, and what people call it."""

    value: str
    words: Words = Field(default_factory=dict[Language, list[str]])


class Unit(Model):
    """What a number of a column is counted in: 2 hours are 2 x 60 minutes."""

    words: Words
    factor: float = 1.0


class Column(Model):
    """One column, and how to think of it."""

    name: Identifier
    type: Literal["STRING", "INT", "BIGINT", "DOUBLE", "DECIMAL", "BOOLEAN", "DATE", "TIMESTAMP"]
    description: str
    role: Literal["key", "label", "dimension", "measure", "time", "text"] = Field(
        description="key: joins rows. label: what a row is called. dimension: grouped and filtered by. "
        "measure: a number to aggregate or rank by. time: a year or date. text: free text."
    )
    words: Words = Field(default_factory=dict[Language, list[str]])
    spoken: bool = Field(
        default=True, description="Whether its name is a word of questions, too, and not of SQL alone."
    )
    values: list[Value] = Field(default_factory=list[Value], description="The closed list of a dimension's values.")
    separator: str | None = Field(default=None, description="Set where the column holds a list as one text.")
    aggregate: Literal["avg", "sum"] | None = Field(default=None, description="How a measure is usually summed up.")
    unit: Text = Field(default_factory=dict[Language, str])
    units: list[Unit] = Field(default_factory=list[Unit], description="What people count it in; `factor` converts.")
    verbs: Words = Field(
        default_factory=dict[Language, list[str]],
        description="What is said of a row before a value: 'released' in 1994, 'lasts' two hours.",
    )
    high: Words = Field(
        default_factory=dict[Language, list[str]], description="Words for much of it: 'longest', 'best rated'."
    )
    low: Words = Field(default_factory=dict[Language, list[str]], description="Words for little of it: 'shortest'.")


class Table(Model):
    """One table of the dataset."""

    name: Identifier
    description: str
    columns: list[Column] = Field(min_length=1)

    def column(self, name: str) -> Column | None:
        """Return the column called ``name``, in any case, or None."""
        return next((column for column in self.columns if column.name.lower() == name.lower()), None)


class Join(Model):
    """Two columns, each written ``table.column``, that name the same thing."""

    left: str = Field(pattern=r"^\w+\.\w+$")
    right: str = Field(pattern=r"^\w+\.\w+$")
    kind: Literal["one_to_one", "one_to_many", "many_to_one", "many_to_many"]


class Subject(Model):
    """A thing people ask about: films are rows of ``title_basics`` where ``titleType = 'movie'``."""

    name: Identifier
    words: Words
    table: Identifier
    label: Identifier = Field(description="The column that names one of them.")
    filter: str | None = Field(default=None, description="SQL over `table` or `via`, columns written table.column.")
    via: Identifier | None = Field(default=None, description="The table that ties it to the others.")
    phrases: Words = Field(
        default_factory=dict[Language, list[str]],
        description="What comes before a name of one: 'directed by', 'dirigida por'.",
    )
    verbs: Words = Field(
        default_factory=dict[Language, list[str]], description="What one of them did: who 'directed' it."
    )
    person: bool = Field(default=False, description="Whether 'who' asks for one of them.")
    rank: str | None = Field(
        default=None, pattern=r"^\w+\.\w+$", description="`table.column` that 'top' means when no measure is said."
    )


class Dataset(Model):
    """Tables that are asked about together, and the words for what is in them."""

    name: Identifier
    namespace: Identifier = Field(alias="schema", description="Tables are called <schema>.<table> in SQL.")
    version: int = 1
    per_owner: bool = Field(
        default=False, description="Whether each user asks of tables of their own: the Gold of their last job."
    )
    title: Text
    description: str
    tables: list[Table] = Field(min_length=1)
    joins: list[Join] = Field(default_factory=list[Join])
    subjects: list[Subject] = Field(default_factory=list[Subject])
    guidance: list[str] = Field(default_factory=list[str], description="What a writer of SQL over it should know.")
    suggestions: Words = Field(default_factory=dict[Language, list[str]], description="Questions that it answers well.")

    def table(self, name: str) -> Table | None:
        """Return the table called ``name``, in any case, or None."""
        return next((table for table in self.tables if table.name.lower() == name.lower()), None)

    @cached_property
    def columns_by_table(self) -> Mapping[str, frozenset[str]]:
        """Lower-case column names by lower-case two-part table name: what a query may read."""
        return {
            f"{self.namespace}.{table.name}".lower(): frozenset(c.name.lower() for c in table.columns)
            for table in self.tables
        }

    @cached_property
    def digest(self) -> str:
        """A short hash of the whole content, kept with each answer that was planned from it."""
        return hashlib.sha256(self.model_dump_json(by_alias=True).encode()).hexdigest()[:16]


@cache
def load_dataset(name: str) -> Dataset:
    """Return the dataset that ``catalog/<name>.yaml`` describes.

    Raises:
        CatalogError: there is no such dataset, or its file does not hold together.
    """
    from ruamel.yaml import YAML  # YAML 1.2, where `no` and `on` stay words

    known = dataset_names()
    if name not in known:
        raise CatalogError(f"There is no dataset {name!r} in the catalogue; there is: {', '.join(known)}.")
    try:
        content: object = YAML(typ="safe", pure=True).load(CATALOG_DIR / f"{name}.yaml")  # pyright: ignore[reportUnknownMemberType]
        dataset = Dataset.model_validate(content)
    except ValidationError as error:
        raise CatalogError(f"catalog/{name}.yaml is not a dataset: {error}") from error
    _check_references(dataset)
    return dataset


def dataset_names() -> list[str]:
    """Return the names of all datasets, sorted."""
    return sorted(path.stem for path in CATALOG_DIR.glob("*.yaml"))


def _check_references(dataset: Dataset) -> None:
    def has(table_name: str, column_name: str) -> bool:
        table = dataset.table(table_name)
        return table is not None and table.column(column_name) is not None

    ends = [end for join in dataset.joins for end in (join.left, join.right)]
    ends += [f"{subject.table}.{subject.label}" for subject in dataset.subjects]
    ends += [subject.rank for subject in dataset.subjects if subject.rank]
    via = [subject.via for subject in dataset.subjects if subject.via and dataset.table(subject.via) is None]
    if missing := [*via, *(end for end in ends if not has(*end.split(".")))]:
        raise CatalogError(f"catalog/{dataset.name}.yaml speaks of columns it does not have: {', '.join(missing)}.")
