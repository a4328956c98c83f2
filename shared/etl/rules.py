r"""The rules by which a raw record becomes a clean one, read from ``rules.yaml``.

The file is data and both engines read it: pandas from here, Spark from ``rules_json()``, which is the same rules with
every default filled in. What each kind of column does, step by step, stands in ``docs/etl.md``; patterns keep to what
RE2, Java and Python read alike (no look-around, no back-references, no ``\d``, no ``\x{}``).
"""

import hashlib
import json
import re
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from shared.errors import RulesError

RULES_PATH = Path(__file__).with_name("rules.yaml")

ColumnName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
TableName = ColumnName
AnyColumnName = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")]
CountryCode = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
Pattern = Annotated[str, Field(min_length=1, description="A regular expression that RE2, Java and Python read alike.")]
Outcome = Literal["reject", "null"]
Kind = Literal["identifier", "text", "email", "phone", "integer", "country", "date", "money"]


class Model(BaseModel):
    """Closed and immutable, so that a misspelt key is an error and not a silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(Model):
    """One column of Silver: how it is cleaned, and what happens where that fails."""

    name: ColumnName
    kind: Kind
    missing: Outcome = Field(description="reject: a row without it is rejected. null: it stays empty.")
    invalid: Outcome = Field(description="reject: the row is rejected. null: it becomes empty, and `_notes` says why.")
    placeholders: bool = Field(default=True, description="Whether `n/a` and its like count as missing.")
    max_length: int = Field(default=10_000, ge=1, description="In code points, once clean. Of text and identifiers.")
    minimum: Decimal | None = Field(default=None, description="Of integers and money, inclusive.")
    maximum: Decimal | None = Field(default=None, description="Of integers and money, inclusive.")
    scale: int = Field(default=0, ge=0, le=3, description="Of money: digits after the point.")


class Duplicates(Model):
    """Which rows say the same thing, and which of them stays."""

    key: list[ColumnName] = Field(min_length=1)
    winner: Literal["first", "last"] = Field(description="By position in Bronze.")


class Text(Model):
    """What is common to all text."""

    blank: Pattern
    placeholders: list[str]


class Identifier(Model):
    """What an id may look like."""

    pattern: Pattern


class Email(Model):
    """Addresses, within the limits of RFC 5321."""

    pattern: Pattern
    max_local: int
    max_label: int
    max_length: int


class Number(Model):
    """Numbers, written in ASCII digits."""

    pattern: Pattern
    whole: Pattern
    max_digits: int = Field(ge=1, le=15, description="With three decimals it still fits 64 bits.")


class DateFormat(Model):
    """One way to write a date: three groups, in the order given."""

    order: Literal["ymd", "dmy", "mdy", "either"]
    pattern: Pattern

    @field_validator("pattern")
    @classmethod
    def _three_groups(cls, pattern: str) -> str:
        # What reads the groups finds them by their parentheses.
        if re.compile(pattern).groups != 3 or "\\(" in pattern or "[(" in pattern:
            raise ValueError("it needs three groups, and no other parenthesis than (?:")
        return pattern


class Dates(Model):
    """Dates in the formats that people send."""

    minimum: date
    maximum: date
    ambiguous: Literal["day_first", "month_first"]
    month_first_in: list[CountryCode]
    formats: list[DateFormat]
    months: dict[str, int]


class Phone(Model):
    """Telephone numbers, to E.164."""

    default_region: CountryCode
    trunk_zero: str
    separators: Pattern
    digits: Pattern
    e164: Pattern


class Region(Model):
    """A country: how its numbers are dialled, and what people call it."""

    calling: str = Field(pattern=r"^[1-9][0-9]{0,2}$")
    trunk: str = Field(default="", pattern=r"^[0-9]{0,2}$")
    names: list[str] = Field(default_factory=list[str])


class GoldColumn(Model):
    """One column of a Gold table, and what always holds of it."""

    name: AnyColumnName
    type: str = Field(pattern=r"^(text|integer|date|decimal\([0-9]+, [0-9]+\))$")
    nullable: bool = False
    unique: bool = False
    minimum: int | None = None
    references: TableName | None = Field(default=None, description="The table whose key the values are.")


class GoldTable(Model):
    """One table of the star schema. Every row also has `_job_id` and `_row_hash`."""

    key: list[ColumnName] = Field(min_length=1)
    columns: list[GoldColumn] = Field(min_length=1)


class Rules(Model):
    """The whole file."""

    version: int
    columns: list[Column] = Field(min_length=1)
    duplicates: Duplicates
    text: Text
    identifier: Identifier
    email: Email
    number: Number
    date: Dates
    phone: Phone
    regions: dict[CountryCode, Region]
    other_countries: list[CountryCode]
    gold: dict[TableName, GoldTable]

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names):
            raise ValueError("a column stands there twice")
        if unknown := set(self.duplicates.key) - set(names):
            raise ValueError(f"duplicates.key names no column: {', '.join(sorted(unknown))}")
        if self.phone.default_region not in self.regions:
            raise ValueError(f"phone.default_region {self.phone.default_region} is not among the regions")
        for table, content in self.gold.items():
            columns = {column.name for column in content.columns}
            if not set(content.key) <= columns:
                raise ValueError(f"gold.{table}.key names no column of it")
            for column in content.columns:
                if column.references and column.references not in self.gold:
                    raise ValueError(f"gold.{table}.{column.name} references an unknown table {column.references}")
        return self

    @property
    def names(self) -> list[str]:
        """The columns of a raw record, in the order of Silver."""
        return [column.name for column in self.columns]


@cache
def load_rules(path: Path = RULES_PATH) -> Rules:
    """Return the rules in ``path``.

    Raises:
        RulesError: the file is not YAML, or not a set of rules.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return Rules.model_validate(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))
    except (OSError, YAMLError, ValidationError) as error:
        raise RulesError(f"{path.name} is not a set of rules: {' '.join(str(error).split())}") from error


def rules_json(rules: Rules) -> str:
    """Return ``rules`` as JSON with every default filled in: what the Spark job is given."""
    return json.dumps(rules.model_dump(mode="json"), ensure_ascii=False, sort_keys=True)


def rules_hash(rules: Rules) -> str:
    """Return a short name for exactly these rules, written into every manifest."""
    return hashlib.sha256(rules_json(rules).encode()).hexdigest()[:16]
