"""Raw rows to clean rows, rejects and merged duplicates: pandas frames on Arrow text, nothing row by row.

Each column is cleaned by its different values, which are fewer than its rows; a row then only looks up its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from shared.etl.arrow import Array, Numbers, arrow, compute, encoded, numpy, pandas
from shared.etl.hashing import row_hashes
from shared.etl.kinds import dates, figures, phones, texts
from shared.etl.kinds.faults import MISSING, NAMES, TYPE, Cleaned, mask
from shared.etl.raw import (
    ERROR,
    EXTRA,
    RECORD_ERRORS,
    ROW,
    TYPES,
    duplicates_schema,
    rejects_schema,
    silver_schema,
)
from shared.etl.reading.raw_rows import Raw
from shared.etl.rules import Column, Rules

if TYPE_CHECKING:
    import pyarrow as pa

    from shared.etl.kinds.faults import Faults, Mask

_KINDS: dict[str, Callable[..., Cleaned]] = {
    "text": texts.clean_text,
    "identifier": texts.clean_identifier,
    "email": texts.clean_email,
    "country": texts.clean_country,
    "integer": figures.clean_integer,
    "money": figures.clean_money,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Silver:
    """What became of the raw rows: every one of them is in exactly one of the three tables."""

    clean: "pa.Table"
    rejects: "pa.Table"
    duplicates: "pa.Table"
    checksums: dict[str, str]
    reasons: dict[str, int]
    """How many rows each reason rejected, every reason that the rules know, zeros included."""
    notes: dict[str, int]
    """How many values became null although something was there, by note, zeros included."""

    @property
    def counts(self) -> dict[str, int]:
        """Rows in, and where they went."""
        parts = {
            "cleaned": self.clean.num_rows,
            "rejected": self.rejects.num_rows,
            "duplicates": self.duplicates.num_rows,
        }
        return {"input": sum(parts.values()), **parts}


@dataclass(slots=True)
class _Frame:
    """The columns of one input on their way."""

    raw: "pa.Table"
    rules: Rules
    values: dict[str, Array] = field(default_factory=dict[str, Any])
    faults: "dict[str, Faults]" = field(default_factory=dict[str, Any])


def refine(raw: Raw, rules: Rules, job_id: str) -> Silver:
    """Clean ``raw`` by ``rules``; the clean rows are in the order of ``_row``."""
    np = numpy()
    pd = pandas()
    pa = arrow()

    raw = _in_order(raw)
    frame = _cleaned(raw.table, rules)
    unusable = mask(raw.table.column(ERROR).is_valid())
    rejected = unusable.copy()
    for column in rules.columns:
        frame.faults[column.name][unusable] = 0
        rejected |= _rejecting(frame.faults[column.name], column)

    good = np.flatnonzero(~rejected)
    keys = pd.DataFrame({name: _codes(frame.values[name], good) for name in rules.duplicates.key}, index=good)
    merged = keys.duplicated(keep=rules.duplicates.winner).to_numpy()
    kept = good[~merged]
    rows = raw.table.column(ROW).to_numpy()

    clean, checksum = _silver(frame, raw.table, kept, job_id)
    rejects = _rejects(frame, raw, np.flatnonzero(rejected), job_id)
    gone = rows[good[merged]]
    winners = _winners(keys, kept, good[merged], rows)
    duplicates = pa.table([gone, winners, _same(job_id, len(gone))], schema=duplicates_schema())
    return Silver(
        clean=clean,
        rejects=rejects,
        duplicates=duplicates,
        checksums={
            "silver": checksum,
            "rejects": row_hashes(rejects.columns[:3])[1],
            "duplicates": row_hashes(duplicates.columns[:2])[1],
        },
        reasons=_reasons(frame, raw.table, unusable),
        notes=_note_counts(frame, kept),
    )


def _in_order(raw: Raw) -> Raw:
    """Return ``raw`` by ``_row``, which nearly always it is; corrections come in any order."""
    np = numpy()
    rows = raw.table.column(ROW).to_numpy()
    if (rows[1:] > rows[:-1]).all():
        return raw
    order = np.argsort(rows, kind="stable")
    return Raw(raw.table.take(_array(order)), lambda positions: raw.records([int(order[at]) for at in positions]))


def _cleaned(raw: "pa.Table", rules: Rules) -> _Frame:
    frame = _Frame(raw, rules)
    wrong = _wrong_types(raw, rules)
    late = ("phone", "date")  # they ask for the country of their row
    for column in sorted(rules.columns, key=lambda column: column.kind in late):
        normal, indices, faults = _normalised(raw, column, rules)
        country = next((other.name for other in rules.columns if other.kind == "country"), None)
        if column.kind == "phone":
            cleaned = _phones(normal, indices, faults, _country(frame, country), rules)
        elif column.kind == "date":
            cleaned = _dates(normal, indices, faults, _country(frame, country), rules)
        else:
            cleaned = _by_value(_KINDS[column.kind], normal, indices, faults, column, rules)
        if column.name in wrong:
            cleaned.faults[wrong[column.name]] = TYPE
        frame.values[column.name] = cleaned.values
        frame.faults[column.name] = cleaned.faults
    return frame


def _normalised(raw: "pa.Table", column: Column, rules: Rules) -> "tuple[Array, Numbers, Faults]":
    """Return the different values of a column in normal form, each row's place among them, and which are missing."""
    np = numpy()
    pa = arrow()

    cells = encoded(raw, column.name)
    normal = texts.normalised(cells.dictionary, rules)
    faults = texts.missing(normal, column, rules).faults
    # One more value stands for null.
    normal = pa.concat_arrays([normal, pa.array([""], pa.string())])
    faults = np.append(faults, np.int8(MISSING))
    indices = cells.indices.fill_null(len(normal) - 1).to_numpy(zero_copy_only=False)
    return normal, indices, faults


def _by_value(
    clean: Callable[..., Cleaned], normal: Array, indices: Any, faults: "Faults", column: Column, rules: Rules
) -> Cleaned:
    np = numpy()

    cleaned = clean(normal, column, rules)
    faults = np.where(faults == MISSING, faults, cleaned.faults)
    return Cleaned(cleaned.values.take(_array(indices)), faults[indices])


def _phones(normal: Array, indices: Any, faults: "Faults", country: Array, rules: Rules) -> Cleaned:
    """Clean each different pair of a number and a country."""
    np = numpy()
    pa = arrow()

    places = country.dictionary_encode()
    size = len(places.dictionary) + 1
    place = places.indices.fill_null(size - 1).to_numpy(zero_copy_only=False)
    pairs, row_pair = np.unique(indices.astype(np.int64) * size + place, return_inverse=True)
    names = pa.concat_arrays([places.dictionary, pa.nulls(1, pa.string())])
    cleaned = phones.clean_phones(normal.take(_array(pairs // size)), names.take(_array(pairs % size)), rules)
    missing = faults[pairs // size]
    all_faults = np.where(missing == MISSING, missing, cleaned.faults)
    return Cleaned(cleaned.values.take(_array(row_pair)), all_faults[row_pair])


def _dates(normal: Array, indices: Any, faults: "Faults", country: Array, rules: Rules) -> Cleaned:
    np = numpy()
    pa = arrow()
    pc = compute()

    readings = dates.read_dates(normal, rules)
    (day_days, day_faults), (month_days, month_faults) = readings.day_first, readings.month_first
    if readings.day_first is readings.month_first:
        days, found = day_days[indices], day_faults[indices]
    else:
        if rules.date.ambiguous == "month_first":
            month_first = np.ones(len(indices), dtype=bool)
        else:
            month_first = mask(pc.is_in(country, value_set=pa.array(rules.date.month_first_in, pa.string())))
        days = np.where(month_first, month_days[indices], day_days[indices])
        found = np.where(month_first, month_faults[indices], day_faults[indices])
    missing = faults[indices]
    values = pa.array(days.astype(np.int32)).cast(pa.date32())
    return Cleaned(values, np.where(missing == MISSING, missing, found))


def _country(frame: _Frame, name: str | None) -> Array:
    """Return the clean country of each row; null where it is missing or wrong."""
    pa = arrow()
    pc = compute()

    if name is None:
        return pa.nulls(frame.raw.num_rows, pa.string())
    return pc.if_else(pa.array(frame.faults[name] == 0), frame.values[name], None)


def _wrong_types(raw: "pa.Table", rules: Rules) -> "dict[str, Mask]":
    pc = compute()

    types = raw.column(TYPES)
    if types.null_count == len(types):
        return {}
    listed = pc.binary_join_element_wise("", types, "", ",")
    masks = {name: mask(pc.match_substring(listed, f",{name},")) for name in rules.names}
    return {name: wrong for name, wrong in masks.items() if wrong.any()}


def _rejecting(faults: "Faults", column: Column) -> "Mask":
    if column.missing == column.invalid == "reject":
        return faults != 0
    if column.missing == "reject":
        return faults == MISSING
    return (faults != 0) & (faults != MISSING) if column.invalid == "reject" else faults < 0


def _noting(faults: "Faults", column: Column) -> "Mask":
    return (faults != 0) & (faults != MISSING) if column.invalid == "null" else faults < 0


def _silver(frame: _Frame, raw: "pa.Table", kept: Any, job_id: str) -> "tuple[pa.Table, str]":
    pa = arrow()
    pc = compute()

    schema: Any = silver_schema(frame.rules)
    at = _array(kept)
    columns: list[Any] = []
    for column in frame.rules.columns:
        values = frame.values[column.name].take(at)
        faults = frame.faults[column.name][kept]
        if faults.any():
            values = pc.if_else(pa.array(faults == 0), values, pa.scalar(None, values.type))
        columns.append(_scaled(values, column.scale) if column.kind == "money" else values)
    columns.append(raw.column(EXTRA).take(at).combine_chunks())
    columns.append(_words(frame, kept, _noting))
    hashes, checksum = row_hashes(columns)
    columns += [raw.column(ROW).take(at).combine_chunks(), _same(job_id, len(kept)), hashes]
    columns = [column.cast(field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.table(columns, schema=schema), checksum


def _scaled(units: Array, scale: int) -> Array:
    from decimal import Decimal

    pa = arrow()
    pc = compute()

    one = pa.scalar(Decimal(1).scaleb(-scale), pa.decimal128(scale + 1, scale))
    return pc.multiply(units.cast(pa.decimal128(19, 0)), one).cast(pa.decimal128(12, scale))


def _rejects(frame: _Frame, raw: Raw, rejected: Any, job_id: str) -> "pa.Table":
    pa = arrow()
    pc = compute()

    at = _array(rejected)
    reasons = pc.coalesce(raw.table.column(ERROR).take(at).combine_chunks(), _words(frame, rejected, _rejecting))
    records = pa.array(raw.records(rejected.tolist()), pa.string())
    rows = raw.table.column(ROW).take(at).combine_chunks()
    return pa.table([rows, reasons, records, _same(job_id, len(rejected))], schema=rejects_schema())


def _words(frame: _Frame, rows: Any, chosen: "Callable[[Faults, Column], Mask]") -> Array:
    """Return ``column.fault`` of these rows, joined by commas in the order of the columns; null where there is none."""
    np = numpy()
    pa = arrow()
    pc = compute()

    words: list[Any] = []
    for column in frame.rules.columns:
        faults = frame.faults[column.name][rows]
        here = np.where(chosen(faults, column), faults, 0)
        if here.any():
            names = pa.array(["", *(f",{column.name}.{name}" for name in NAMES[1:])], pa.string())
            words.append(names.take(_array(here)))
    if not words:
        return pa.nulls(len(rows), pa.string())
    joined = pc.utf8_slice_codeunits(pc.binary_join_element_wise(*words, ""), 1)
    return pc.if_else(pc.equal(joined, ""), None, joined)


def _reasons(frame: _Frame, raw: "pa.Table", unusable: "Mask") -> dict[str, int]:
    pc = compute()

    counts = dict.fromkeys(RECORD_ERRORS, 0)
    if unusable.any():
        counts |= {
            found["values"]: found["counts"] for found in pc.value_counts(raw.column(ERROR).drop_null()).to_pylist()
        }
    for column in frame.rules.columns:
        counts |= _counts(frame.faults[column.name], column, partial(_possible, column), _rejecting)
    return counts


def _note_counts(frame: _Frame, kept: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for column in frame.rules.columns:
        if column.invalid == "null":
            faults = frame.faults[column.name][kept]
            counts |= _counts(faults, column, lambda fault: fault != MISSING, _noting)
    return counts


def _counts(
    faults: "Faults", column: Column, possible: Callable[[int], bool], chosen: "Callable[[Faults, Column], Mask]"
) -> dict[str, int]:
    np = numpy()

    found = np.bincount(np.where(chosen(faults, column), faults, 0), minlength=len(NAMES))
    return {f"{column.name}.{name}": int(found[at]) for at, name in enumerate(NAMES) if at and possible(at)}


def _possible(column: Column, fault: int) -> bool:
    return (column.missing if fault == MISSING else column.invalid) == "reject"


def _winners(keys: Any, kept: Any, gone: Any, rows: Any) -> Any:
    pd = pandas()

    if not len(gone):
        return rows[gone]
    winner = pd.Series(rows[kept], index=pd.MultiIndex.from_frame(keys.loc[kept]))
    return winner.loc[pd.MultiIndex.from_frame(keys.loc[gone])].to_numpy()


def _codes(values: Array, rows: Any) -> Any:
    return values.take(_array(rows)).dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)


def _same(text: str, size: int) -> Array:
    pa = arrow()

    return pa.repeat(pa.scalar(text, pa.string()), size)


def _array(indices: Sequence[int] | Any) -> Array:
    pa = arrow()

    return pa.array(indices)
