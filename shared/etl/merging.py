"""Silver once more, after some of its rejects were corrected: only those are cleaned again, and nothing is there twice.

A correction is a record with ``_row``: the position of the reject that it replaces, as the report of rejects shows it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared.errors import InvalidFieldError
from shared.etl.arrow import arrow, compute, numpy
from shared.etl.hashing import row_hashes
from shared.etl.raw import EXTRA, NOTES, ROW, duplicates_schema
from shared.etl.reading import Raw, read_records
from shared.etl.rules import Rules
from shared.etl.silver import Silver, refine

if TYPE_CHECKING:
    import pyarrow as pa


def corrections(raw: Raw, rejects: "pa.Table") -> Raw:
    """Return corrections as raw rows in the places of the rejects that they replace.

    Raises:
        InvalidFieldError: one names no reject, or two name the same.
    """
    pa = arrow()
    numbers: list[Any] = rejects.column(ROW).to_pylist()
    known = dict.fromkeys(numbers, True)
    rows: list[int] = []
    extras: list[str | None] = []
    for position, extra in enumerate(raw.table.column(EXTRA).to_pylist()):
        fields: dict[str, Any] = json.loads(extra) if extra else {}
        row = fields.pop(ROW, None)
        if isinstance(row, str) and row.isdigit():  # a file of CSV has only text
            row = int(row)
        if not isinstance(row, int) or not known.pop(row, False):
            message = f"Correction {position} names no rejected row, or one that is corrected before: {ROW} is {row!r}."
            raise InvalidFieldError(message, problems={ROW: "not a rejected row"})
        rows.append(row)
        extras.append(json.dumps(fields, sort_keys=True, ensure_ascii=False) if fields else None)
    table = _set(raw.table, ROW, pa.array(rows, pa.int64()))
    return Raw(_set(table, EXTRA, pa.array(extras, pa.string())), raw.records)


def rejected_again(rejects: "pa.Table", rules: Rules) -> Raw:
    """Return the rejects as raw rows, as they came, for rules that have changed since; none mends what is no record."""
    rejects = rejects.filter(compute().invert(compute().starts_with(rejects.column("reasons"), "record.")))
    texts: list[Any] = rejects.column("record").to_pylist()
    records = [json.loads(text) for text in texts]
    raw = read_records(records, rules)
    return Raw(_set(raw.table, ROW, rejects.column(ROW).combine_chunks()), raw.records)


def merge(silver: Silver, again: Raw, rules: Rules, job_id: str) -> Silver:
    """Return ``silver`` with the rows ``again`` cleaned in place of the rejects of the same numbers."""
    pa, pc, np = arrow(), compute(), numpy()
    new = refine(again, rules, job_id)
    replaced = pc.is_in(silver.rejects.column(ROW), value_set=again.table.column(ROW).combine_chunks())
    rejects = _by_row(pa.concat_tables([silver.rejects.filter(pc.invert(replaced)), new.rejects]))

    both: Any = _by_row(pa.concat_tables([silver.clean, new.clean]))
    keys = both.select(rules.duplicates.key).to_pandas()
    merged = keys.duplicated(keep=rules.duplicates.winner).to_numpy()
    rows = both.column(ROW).to_numpy()
    winners = dict(zip(keys[~merged].itertuples(index=False, name=None), rows[~merged].tolist(), strict=True))
    went = {
        int(row): winners[key]
        for row, key in zip(rows[merged], keys[merged].itertuples(index=False, name=None), strict=True)
    }
    duplicates = _duplicates([silver.duplicates, new.duplicates], went, job_id)
    clean = both.filter(pa.array(np.invert(merged)))
    return replace(
        silver,
        clean=clean,
        rejects=rejects,
        duplicates=duplicates,
        checksums={
            "silver": row_hashes([clean.column(name).combine_chunks() for name in (*rules.names, EXTRA, NOTES)])[1],
            "rejects": row_hashes([column.combine_chunks() for column in rejects.columns[:3]])[1],
            "duplicates": row_hashes([column.combine_chunks() for column in duplicates.columns[:2]])[1],
        },
        reasons=_counted(silver.reasons, rejects.column("reasons").to_pylist()),
        notes=_counted(silver.notes, clean.column(NOTES).to_pylist()),
    )


def _duplicates(known: "Sequence[pa.Table]", went: Mapping[int, int], job_id: str) -> "pa.Table":
    """Return who was merged into whom; who was merged into a row that went itself, is now in that row's winner."""
    pa = arrow()
    into: dict[int, int] = {}
    for table in known:
        rows: list[Any] = table.column(ROW).to_pylist()
        kept: list[Any] = table.column("kept_row").to_pylist()
        into.update(zip(rows, kept, strict=True))
    into = {row: went.get(winner, winner) for row, winner in into.items()} | dict(went)
    order = sorted(into)
    columns = [pa.array(order, pa.int64()), pa.array([into[row] for row in order], pa.int64())]
    return pa.table([*columns, pa.array([job_id] * len(order), pa.string())], schema=duplicates_schema())


def _counted(zeros: Mapping[str, int], words: Sequence[str | None]) -> dict[str, int]:
    counts = dict.fromkeys(zeros, 0)
    for text in words:
        for word in text.split(",") if text else ():
            counts[word] += 1
    return counts


def _by_row(table: "pa.Table") -> "pa.Table":
    return table.sort_by(ROW).combine_chunks()


def _set(table: "pa.Table", name: str, values: Any) -> "pa.Table":
    at = table.schema.get_field_index(name)
    schema: Any = table.schema
    return table.set_column(at, schema.field(at), values)
