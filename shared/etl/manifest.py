"""What a job made: counts, schemas and checksums, the one file that publishes its tables.

Two lanes that did the same work write manifests that differ in nothing but ``engine`` and the sizes of files.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from shared.errors import GoldError
from shared.etl.arrow import compute
from shared.etl.gold import Gold
from shared.etl.rules import GoldColumn, Rules, rules_hash
from shared.etl.silver import Silver

if TYPE_CHECKING:
    import pyarrow as pa

SILVER_TABLES = ("silver", "rejects", "duplicates")


class Field(TypedDict):
    """One column."""

    name: str
    type: str
    nullable: bool


class Table(TypedDict):
    """One table."""

    rows: int
    checksum: str
    fields: list[Field]


class Manifest(TypedDict):
    """The whole of it, as it lies in the lake."""

    version: int
    job_id: str
    engine: str
    rules: str
    """``rules_hash`` of the rules that were followed."""
    counts: dict[str, int]
    """``input``, ``cleaned``, ``rejected``, ``duplicates``."""
    reasons: dict[str, int]
    notes: dict[str, int]
    tables: dict[str, Table]


def make_manifest(silver: Silver, gold: Gold, rules: Rules, *, job_id: str, engine: str = "pandas") -> Manifest:
    """Describe what was made of one input."""
    tables = {"silver": silver.clean, "rejects": silver.rejects, "duplicates": silver.duplicates, **gold.tables}
    checksums = {**silver.checksums, **gold.checksums}
    return Manifest(
        version=1,
        job_id=job_id,
        engine=engine,
        rules=rules_hash(rules),
        counts=silver.counts,
        reasons=silver.reasons,
        notes=silver.notes,
        tables={
            name: Table(rows=table.num_rows, checksum=checksums[name], fields=fields_of(table.schema))
            for name, table in tables.items()
        },
    )


def fields_of(schema: Any) -> list[Field]:
    """Return a schema in words; types are those of the rules."""
    return [Field(name=field.name, type=_type(str(field.type)), nullable=field.nullable) for field in schema]


def _type(arrow: str) -> str:
    return {"string": "text", "int64": "integer", "date32[day]": "date"}.get(
        arrow, arrow.replace("decimal128", "decimal")
    )


def check_gold(tables: "Mapping[str, pa.Table]", rules: Rules) -> None:
    """Make sure that everything the rules declare of Gold holds.

    Raises:
        GoldError: it does not; nothing of it must be published.
    """
    if missing := sorted(rules.gold.keys() - tables.keys()):
        raise GoldError(f"Gold lacks {', '.join(missing)}.")
    for name, declared in rules.gold.items():
        table = tables[name]
        if len(declared.key) == 1:
            _check_unique(table, name, declared.key[0])
        elif table.num_rows != len(table.group_by(declared.key).aggregate([])):
            raise GoldError(f"Gold: {name} has a key twice.")
        for column in declared.columns:
            _check_column(tables, name, column, rules)


def _check_column(tables: "Mapping[str, pa.Table]", name: str, column: GoldColumn, rules: Rules) -> None:
    pc = compute()

    values = tables[name].column(column.name)
    if values.null_count and not column.nullable:
        raise GoldError(f"Gold: {name}.{column.name} has a null.")
    if column.unique:
        _check_unique(tables[name], name, column.name)
    if column.minimum is not None and len(values) and pc.any(pc.less(values, column.minimum)).as_py():
        raise GoldError(f"Gold: {name}.{column.name} goes below {column.minimum}.")
    if column.references:
        [key] = rules.gold[column.references].key
        keys = tables[column.references].column(key)
        if not pc.all(pc.is_in(values.drop_null(), value_set=keys.combine_chunks()), min_count=0).as_py():
            raise GoldError(f"Gold: {name}.{column.name} points at no row of {column.references}.")


def _check_unique(table: "pa.Table", name: str, column: str) -> None:
    pc = compute()

    if pc.count_distinct(table.column(column), mode="all").as_py() != table.num_rows:
        raise GoldError(f"Gold: {name}.{column} has a value twice.")
