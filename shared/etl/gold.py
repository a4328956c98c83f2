"""Clean rows to the star schema: dimensions, facts and aggregates, each with its declared schema.

Keys are numbered in the order of what they stand for, so that the same rows give the same keys, whoever numbers them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.etl.arrow import Array, Numbers, arrow, compute, encoded, numpy, pandas
from shared.etl.hashing import row_hashes
from shared.etl.raw import JOB_ID, ROW, ROW_HASH, gold_schema
from shared.etl.rules import Rules

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class Gold:
    """The tables of the star schema by name, and their checksums."""

    tables: "dict[str, pa.Table]"
    checksums: dict[str, str]


def build_gold(silver: "pa.Table", rules: Rules, job_id: str) -> Gold:
    """Return the star schema of ``silver``."""
    np = numpy()

    orders = silver.num_rows
    users, user_key = _numbered(silver, "user_id")
    products, product_key = _numbered(silver, "product")
    locations, location_key = _locations(silver)
    times, time_key = _times(silver)
    last = np.zeros(len(users), dtype=np.int64)
    last[user_key - 1] = np.arange(orders)  # rows are in their order, so the last one stays

    facts = _facts(silver, user_key, location_key, time_key)
    measures = _measures(silver, user_key, product_key)
    columns: dict[str, dict[str, Any]] = {
        "dim_users": _users(silver, users, last, location_key),
        "dim_location": {"location_key": np.arange(1, len(locations) + 1), **locations.to_dict("series")},
        "dim_time": times,
        "fact_orders": facts,
        "agg_user_metrics": {"user_id": users, **_of_users(measures)},
        "agg_product_metrics": {"product": products, **_of_products(measures)},
    }
    tables: dict[str, pa.Table] = {}
    checksums: dict[str, str] = {}
    for name, content in columns.items():
        tables[name], checksums[name] = _table(name, content, rules, job_id)
    return Gold(tables=tables, checksums=checksums)


def _numbered(silver: "pa.Table", name: str) -> tuple[Array, Numbers]:
    """Return the different values of a column in their order, and the number of each row's, from 1."""
    values, number = _numbered_or_null(silver, name)
    return values.slice(1), number


def _locations(silver: "pa.Table") -> "tuple[pd.DataFrame, Any]":
    """Return the different pairs of country and city, and each row's number."""
    np = numpy()

    parts: list[Any] = []
    values: list[Any] = []
    for name in ("country", "city"):
        filled, number = _numbered_or_null(silver, name)
        values.append(filled)
        parts.append(number)
    width = len(values[1])
    pairs, inverse = np.unique(parts[0] * width + parts[1], return_inverse=True)
    pd = pandas()

    frame = pd.DataFrame(
        {
            "country": pd.array(values[0].take(_indices(pairs // width)), dtype=_text()),
            "city": pd.array(values[1].take(_indices(pairs % width)), dtype=_text()),
        }
    )
    return frame, inverse + 1


def _numbered_or_null(silver: "pa.Table", name: str) -> tuple[Array, Numbers]:
    """Return null and the different values in their order, and each row's place among them."""
    np = numpy()
    pa = arrow()
    pc = compute()

    column = encoded(silver, name)
    order = pc.sort_indices(column.dictionary)
    rank = np.empty(len(order) + 1, dtype=np.int64)
    rank[order.to_numpy()] = np.arange(1, len(order) + 1)
    rank[-1] = 0
    values = pa.concat_arrays([pa.nulls(1, pa.string()), column.dictionary.take(order)])
    return values, rank[column.indices.fill_null(len(order)).to_numpy(zero_copy_only=False)]


def _times(silver: "pa.Table") -> tuple[dict[str, Any], Any]:
    """Return the calendar of the order dates, and each row's key."""
    np = numpy()
    pd = pandas()
    pa = arrow()

    days, inverse = np.unique(silver.column("order_date").cast(pa.int32()).to_numpy(), return_inverse=True)
    date = pd.Series(days.astype("datetime64[D]").astype("datetime64[s]")).dt
    key = (date.year * 10_000 + date.month * 100 + date.day).to_numpy(dtype=np.int64)
    calendar = {
        "time_key": key,
        "date": pa.array(days).cast(pa.date32()),
        "year": date.year,
        "quarter": date.quarter,
        "month": date.month,
        "day": date.day,
        "weekday": date.day_of_week + 1,
    }
    return calendar, key[inverse]


def _users(silver: "pa.Table", users: Array, last: Any, location_key: Any) -> dict[str, Any]:
    np = numpy()

    attributes = ("name", "email", "phone", "age", "signup_date", ROW)
    newest = silver.select(attributes).take(_indices(last))
    return {
        "user_key": np.arange(1, len(users) + 1),
        "user_id": users,
        **{name: newest.column(name) for name in attributes},
        "location_key": location_key[last],
    }


def _facts(silver: "pa.Table", user_key: Any, location_key: Any, time_key: Any) -> dict[str, Any]:
    np = numpy()
    pc = compute()

    order = pc.sort_indices(silver, sort_keys=[("order_id", "ascending"), (ROW, "ascending")])
    at = order.to_numpy()
    sold = silver.select(["order_id", "product", "quantity", "unit_price", ROW]).take(order)
    cents = _cents(sold.column("unit_price")) * sold.column("quantity").to_numpy()
    return {
        "order_key": np.arange(1, silver.num_rows + 1),
        **{name: sold.column(name) for name in sold.column_names},
        "user_key": user_key[at],
        "location_key": location_key[at],
        "time_key": time_key[at],
        "amount": _money(cents // _PART, cents % _PART),
    }


_PART = 10**6
"""Cents are summed in two parts, neither of which can overflow; together they could."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measures:
    """What is counted of each order."""

    user_key: Numbers
    product_key: Numbers
    quantity: Numbers
    cents: Numbers
    day: Numbers


def _measures(silver: "pa.Table", user_key: Numbers, product_key: Numbers) -> _Measures:
    pa = arrow()

    quantity = silver.column("quantity").to_numpy()
    return _Measures(
        user_key=user_key,
        product_key=product_key,
        quantity=quantity,
        cents=_cents(silver.column("unit_price")) * quantity,
        day=silver.column("order_date").cast(pa.int32()).to_numpy(),
    )


def _of_users(measures: _Measures) -> dict[str, Any]:
    np = numpy()
    pa = arrow()

    order, starts, totals = _totals(measures, measures.user_key)
    day = measures.day[order]
    return {
        "user_key": np.arange(1, len(starts) + 1),
        **totals,
        "first_order": pa.array(_reduced(np.minimum, day, starts)).cast(pa.date32()),
        "last_order": pa.array(_reduced(np.maximum, day, starts)).cast(pa.date32()),
        "products": _different(measures, measures.user_key),
    }


def _of_products(measures: _Measures) -> dict[str, Any]:
    np = numpy()

    _order, starts, totals = _totals(measures, measures.product_key)
    return {
        "product_key": np.arange(1, len(starts) + 1),
        **totals,
        "buyers": _different(measures, measures.product_key),
    }


def _totals(measures: _Measures, key: Numbers) -> tuple[Numbers, Numbers, dict[str, Any]]:
    """Return the orders by ``key``, where each key begins among them, and the sums. Each key from 1 on has orders."""
    np = numpy()

    order = np.argsort(key, kind="stable")
    counts = np.bincount(key)[1:]
    starts = np.cumsum(counts) - counts
    cents = measures.cents[order]
    high, low = (_reduced(np.add, part, starts) for part in (cents // _PART, cents % _PART))
    items = _reduced(np.add, measures.quantity[order], starts)
    return order, starts, {"orders": counts, "items": items, "revenue": _money(high, low)}


def _reduced(how: Any, values: Numbers, starts: Numbers) -> Numbers:
    return how.reduceat(values, starts) if len(starts) else values


def _different(measures: _Measures, key: Numbers) -> Numbers:
    """Return to how many different pairs of user and product each key belongs."""
    np = numpy()

    width = int(measures.product_key.max(initial=0)) + 1
    _pairs, first = np.unique(measures.user_key * width + measures.product_key, return_index=True)
    return np.bincount(key[first])[1:]


def _cents(prices: Array) -> Any:
    pa = arrow()
    pc = compute()

    hundred = pa.scalar(100, pa.decimal128(3, 0))
    return pc.multiply(prices.combine_chunks(), hundred).cast(pa.decimal128(19, 0)).cast(pa.int64()).to_numpy()


def _money(high: Any, low: Any) -> Array:
    from decimal import Decimal

    np = numpy()
    pa = arrow()
    pc = compute()

    kind = pa.decimal128(19, 0)
    part = pa.scalar(Decimal(_PART), pa.decimal128(7, 0))
    high, low = (pa.array(np.asarray(values, dtype=np.int64)).cast(kind) for values in (high, low))
    cents = pc.add(pc.multiply(high, part), low)
    return pc.multiply(cents, pa.scalar(Decimal("0.01"), pa.decimal128(3, 2))).cast(pa.decimal128(28, 2))


def _table(name: str, content: dict[str, Any], rules: Rules, job_id: str) -> "tuple[pa.Table, str]":
    pa = arrow()

    schema: Any = gold_schema(rules, name)
    own: list[Any] = [field for field in schema if field.name not in (JOB_ID, ROW_HASH)]
    columns = [_column(content[field.name], field.type) for field in own]
    visible = [column for column, field in zip(columns, own, strict=True) if not field.name.startswith("_")]
    hashes, checksum = row_hashes(visible)
    job = pa.repeat(pa.scalar(job_id, pa.string()), len(hashes))
    return pa.table([*columns, job, hashes], schema=schema), checksum


def _column(values: Any, kind: "pa.DataType") -> Array:
    pa = arrow()

    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    return values.cast(kind) if isinstance(values, pa.Array) else pa.array(values, kind)


def _indices(positions: Any) -> Array:
    pa = arrow()

    return pa.array(positions)


def _text() -> "pd.ArrowDtype":
    pd = pandas()
    pa = arrow()

    return pd.ArrowDtype(pa.string())
