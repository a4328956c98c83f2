"""The small lane and its peers, each from a file of JSON to nine Parquet files and their checksums.

All do the same work by the same rule file: cells to text, every kind of column, reasons, notes, duplicates, lineage,
row hashes, the star schema, checksums. ``pandas_by_row`` is the oracle of the tests under ``DataFrame.apply``; polars
and DuckDB read JSON Lines, which suits them better than an array.
"""

import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from shared.etl.rules import load_rules

GOLD_DIMENSIONS = ("dim_users", "dim_location", "dim_time", "fact_orders", "agg_user_metrics", "agg_product_metrics")
RULES = load_rules()
JOB = "job"

type Checksums = dict[str, str]


def digest_sum(hashes: "list[str]") -> str:
    return f"{sum(int(text[:16], 16) for text in hashes) % 2**64:016x}"


# --- Ours ------------------------------------------------------------------------------------------------------------


def small_lane(source: Path, out: Path) -> Checksums:
    from shared.etl.gold import build_gold
    from shared.etl.manifest import check_gold, make_manifest
    from shared.etl.parquet_files import write_parquet
    from shared.etl.reading import joined, read_raw
    from shared.etl.silver import refine

    with source.open("rb") as stream:
        raw = joined(read_raw(stream, "json", RULES))
    silver = refine(raw, RULES, JOB)
    gold = build_gold(silver.clean, RULES, JOB)
    check_gold(gold.tables, RULES)
    manifest = make_manifest(silver, gold, RULES, job_id=JOB)
    tables = {"silver": silver.clean, "rejects": silver.rejects, "duplicates": silver.duplicates, **gold.tables}
    for name, table in tables.items():
        write_parquet(table, str(out / f"{name}.parquet"))
    return {name: table["checksum"] for name, table in manifest["tables"].items()}


# --- The floor -------------------------------------------------------------------------------------------------------


def floor(source: Path, out: Path) -> Checksums:
    """Read and store, and nothing else: orjson, Arrow, Parquet."""
    import orjson
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = orjson.loads(source.read_bytes())
    columns = {}
    for name in RULES.names:
        values = [row[name] for row in rows]
        if name in ("age", "quantity", "unit_price"):
            values = [value if value is None or value.__class__ is str else str(value) for value in values]
        columns[name] = pa.array(values, pa.string())
    pq.write_table(pa.table(columns), out / "raw.parquet")
    return {}


# --- Row by row ------------------------------------------------------------------------------------------------------


def pandas_by_row(source: Path, out: Path) -> Checksums:
    import json

    import pandas as pd
    from etl_oracle import Oracle

    from shared.etl.reading.careful import cell_text

    oracle = Oracle(RULES, JOB)
    frame = pd.DataFrame(json.loads(source.read_text(encoding="utf-8")), dtype=object)
    frame = frame.astype(object).where(frame.notna(), None)

    def clean(row):
        raw = {name: cell_text(row[name]) or None for name in RULES.names} | {"_types": None}
        cells, reasons, notes = oracle.row(raw)
        lineage = {"_extra": None, "_notes": ",".join(notes) or None, "_row": row.name, "_job_id": JOB}
        return {**cells, **lineage, "reasons": ",".join(reasons) or None}

    cleaned = pd.DataFrame(list(frame.apply(clean, axis=1)), dtype=object)
    good = cleaned[cleaned["reasons"].isna()].drop(columns="reasons")
    bad = cleaned[cleaned["reasons"].notna()]
    silver = good.drop_duplicates(list(RULES.duplicates.key), keep=RULES.duplicates.winner)
    gone = good.drop(silver.index)
    rejects = pd.DataFrame({"_row": bad["_row"], "reasons": bad["reasons"], "_job_id": JOB})
    rejects["record"] = frame.loc[bad.index].apply(lambda row: json.dumps(row.to_dict()), axis=1)
    kept = silver.set_index("order_id")["_row"]
    duplicates = pd.DataFrame({"_row": gone["_row"], "kept_row": gone["order_id"].map(kept), "_job_id": JOB})
    hashed = [*RULES.names, "_extra", "_notes"]
    silver["_row_hash"] = silver.apply(lambda row: oracle.hash([row[name] for name in hashed]), axis=1)
    tables = {"silver": silver, "rejects": rejects, "duplicates": duplicates}
    for name, rows in oracle.gold(silver.to_dict("records")).items():
        tables[name] = pd.DataFrame(oracle.with_lineage(name, rows))
    for name, table in tables.items():
        table.to_parquet(out / f"{name}.parquet", index=False)
    return {name: digest_sum(list(tables[name]["_row_hash"])) for name in ("silver", *GOLD_DIMENSIONS)}


# --- polars ----------------------------------------------------------------------------------------------------------


def polars(source: Path, out: Path) -> Checksums:
    import polars as pl

    names = RULES.names
    col = pl.col
    raw = (
        pl.read_ndjson(source.with_suffix(".jsonl"), schema=dict.fromkeys(names, pl.String))
        .with_row_index("_row")
        .lazy()
    )
    text = [
        col(name).str.normalize("NFC").str.replace_all(RULES.text.blank, " ").str.strip_chars(" ").alias(name)
        for name in names
    ]
    silver = raw.with_columns(text).with_columns(record=pl.struct(names).struct.json_encode())
    missing = {}
    for column in RULES.columns:
        words = ["", *(RULES.text.placeholders if column.placeholders else [])]
        missing[column.name] = col(column.name).is_null() | col(column.name).str.to_lowercase().is_in(words)
    silver = silver.with_columns(**{f"{name}?": expression for name, expression in missing.items()})

    codes = [*RULES.regions, *RULES.other_countries]
    words = {n: code for code, r in RULES.regions.items() for n in r.names} | {code.lower(): code for code in codes}
    country = next(column.name for column in RULES.columns if column.kind == "country")
    lowered = col(country).str.to_lowercase()
    silver = silver.with_columns(
        pl.when(~col(f"{country}?"))
        .then(lowered.replace_strict(words, default=None, return_dtype=pl.String))
        .alias("#country")
    )
    clean, fault = {}, {}
    for column in RULES.columns:
        clean[column.name], fault[column.name] = _polars_kind(pl, column)
    silver = silver.with_columns(**{f"#{n}": e for n, e in clean.items()}, **{f"!{n}": e for n, e in fault.items()})
    reasons, notes = [], []
    for column in RULES.columns:
        word = pl.lit(f"{column.name}.") + col(f"!{column.name}")
        absent = pl.when(col(f"{column.name}?")).then(pl.lit(f"{column.name}.missing"))
        broken = pl.when(~col(f"{column.name}?")).then(word)
        if column.missing == "reject":
            reasons.append(absent)
        (reasons if column.invalid == "reject" else notes).append(broken)
    joined = [pl.concat_str(words, separator=",", ignore_nulls=True).replace("", None) for words in (reasons, notes)]
    silver = silver.with_columns(
        reasons=joined[0], _notes=joined[1], _extra=pl.lit(None, pl.String), _job_id=pl.lit(JOB)
    ).collect()
    rejects = silver.filter(col("reasons").is_not_null()).select("_row", "reasons", "record", "_job_id")
    good = silver.filter(col("reasons").is_null()).select(
        *(pl.when(~col(f"{n}?") & col(f"!{n}").is_null()).then(col(f"#{n}")).alias(n) for n in names),
        "_extra", "_notes", col("_row").cast(pl.Int64), "_job_id",
    )  # fmt: skip
    silver = good.unique("order_id", keep="last", maintain_order=True)
    gone = good.join(silver.select("order_id", kept_row="_row"), on="order_id").filter(col("_row") != col("kept_row"))
    tables = {"silver": silver, "rejects": rejects, "duplicates": gone.select("_row", "kept_row", "_job_id")}
    tables |= _polars_gold(pl, silver)
    sums = {}
    for name in ("silver", *GOLD_DIMENSIONS):
        tables[name], sums[name] = _polars_hashed(pl, tables[name])
    for name, table in tables.items():
        table.write_parquet(out / f"{name}.parquet", compression="snappy")
    return sums


def _polars_kind(pl, column):
    """Return the clean value and the fault of a column; the fault is null where there is none."""
    value = pl.col(column.name)
    none = pl.lit(None, pl.String)

    def first(*faults):
        chain = none
        for condition, name in reversed(faults):
            chain = pl.when(condition).then(pl.lit(name)).otherwise(chain)
        return chain

    match column.kind:
        case "text":
            return value, first((value.str.len_chars() > column.max_length, "too_long"))
        case "identifier":
            return value, first(
                (value.str.len_chars() > column.max_length, "too_long"),
                (~value.str.contains(RULES.identifier.pattern), "format"),
            )
        case "email":
            rules = RULES.email
            labels = value.str.extract(r"@(.*)$").str.split(".").list.eval(pl.element().str.len_chars()).list.max()
            parts = (value.str.extract(r"^([^@]*)").str.len_chars() > rules.max_local) | (labels > rules.max_label)
            return value.str.to_lowercase(), first(
                (value.str.len_chars() > rules.max_length, "too_long"),
                (~value.str.contains(rules.pattern), "format"),
                (parts, "too_long"),
            )
        case "country":
            return pl.col("#country"), first((pl.col("#country").is_null(), "format"))
        case "integer" | "money":
            rules = RULES.number
            whole = value.str.extract(r"^[+-]?0*([0-9]*)")
            number = value.str.to_decimal(scale=6).round(column.scale, mode="half_away_from_zero")
            if column.kind == "integer":
                number = number.cast(pl.Int64, strict=False)
            else:
                number = number.cast(pl.Decimal(12, column.scale), strict=False)
            faults = [
                (~value.str.contains(rules.pattern), "format"),
                (whole.str.len_chars() > rules.max_digits, "range"),
            ]
            if column.kind == "integer":
                faults.append((~value.str.contains(rules.whole), "format"))
            outside = (number < column.minimum) | (number > column.maximum)
            return number, first(*faults, (outside, "range"))
        case "phone":
            return _polars_phone(pl, value)
        case _:
            return _polars_date(pl, value)


def _polars_phone(pl, value):
    rules = RULES.phone
    international = value.str.contains(r"^(?:\+|00)")
    bare = value.str.replace(rules.trunk_zero, "", literal=True)
    digits = pl.when(international).then(bare).otherwise(value).str.replace_all(rules.separators, "")
    region = pl.coalesce("#country", pl.lit(rules.default_region))
    calling = region.replace_strict(
        {c: r.calling for c, r in RULES.regions.items()}, default=None, return_dtype=pl.String
    )
    trunk = region.replace_strict({c: r.trunk for c, r in RULES.regions.items()}, default="", return_dtype=pl.String)
    home = calling + digits.str.strip_prefix(trunk)
    number = pl.when(international).then(digits.str.replace(r"^(?:\+|00)", "")).otherwise(home)
    bad = (
        ~digits.str.contains(rules.digits)
        | (~international & digits.str.starts_with("+"))
        | number.is_null()
        | ~number.str.contains(rules.e164)
    )
    return "+" + number, pl.when(bad).then(pl.lit("format"))


def _polars_date(pl, value):
    rules = RULES.date
    month_first = pl.col("#country").is_in(rules.month_first_in).fill_null(value=False)
    found = []
    for form in rules.formats:
        groups = value.str.extract_groups(form.pattern)
        first, second, third = (groups.struct.field(str(at)) for at in (1, 2, 3))
        if form.order == "ymd":
            year, month, day = first, second, third
        elif form.order == "mdy":
            month, day, year = first, second, third
        elif form.order == "dmy":
            day, month, year = first, second, third
        else:
            a, b = first.cast(pl.Int32), second.cast(pl.Int32)
            swapped = (a <= 12) & ((b > 12) | month_first)
            day, month = pl.when(swapped).then(second).otherwise(first), pl.when(swapped).then(first).otherwise(second)
            year = third
        if "A-Za-z" in form.pattern:
            numbers = {word: str(number) for word, number in rules.months.items()}
            month = month.str.to_lowercase().replace_strict(numbers, default=None, return_dtype=pl.String)
        parts = [year.str.zfill(4), month.str.zfill(2), day.str.zfill(2)]
        found.append(pl.concat_str(parts, separator="-").str.to_date("%Y-%m-%d", strict=False))
    date = pl.coalesce(found)
    outside = (date < rules.minimum) | (date > rules.maximum)
    return date, pl.when(date.is_null()).then(pl.lit("format")).when(outside).then(pl.lit("range"))


def _polars_gold(pl, silver):
    col = pl.col
    silver = silver.with_columns(amount=(col("quantity") * col("unit_price")).cast(pl.Decimal(18, 2)))
    users = silver.unique("user_id", keep="last", maintain_order=True).sort("user_id").with_row_index("user_key", 1)
    places = silver.select("country", "city").unique().sort("country", "city", nulls_last=False)
    places = places.with_row_index("location_key", 1)
    products = silver.select("product").unique().sort("product").with_row_index("product_key", 1)
    date = col("order_date")
    key = date.dt.year() * 10_000 + date.dt.month().cast(pl.Int32) * 100 + date.dt.day()
    times = silver.select(date=date).unique().sort("date")
    day = col("date").dt
    located = silver.join(places, on=["country", "city"], nulls_equal=True)
    facts = located.join(users.select("user_id", "user_key"), on="user_id").sort("order_id", "_row")
    facts = facts.with_row_index("order_key", 1).with_columns(time_key=key)
    sums = [
        pl.len().alias("orders"),
        col("quantity").sum().alias("items"),
        col("amount").sum().cast(pl.Decimal(28, 2)).alias("revenue"),
    ]
    by_user = facts.group_by("user_key", "user_id").agg(
        *sums, first_order=date.min(), last_order=date.max(), products=col("product").n_unique()
    )
    by_product = facts.group_by("product").agg(*sums, buyers=col("user_key").n_unique()).join(products, on="product")
    users = users.join(places, on=["country", "city"], nulls_equal=True).sort("user_key")
    calendar = times.select(
        time_key=day.year() * 10_000 + day.month().cast(pl.Int32) * 100 + day.day(), date="date", year=day.year(),
        quarter=day.quarter(), month=day.month(), day=day.day(), weekday=day.weekday(),
    )  # fmt: skip
    made = {
        "dim_users": users, "dim_location": places, "dim_time": calendar, "fact_orders": facts,
        "agg_user_metrics": by_user.sort("user_key"), "agg_product_metrics": by_product.sort("product_key"),
    }  # fmt: skip
    return {
        name: table.select([column.name for column in RULES.gold[name].columns]).with_columns(_job_id=pl.lit(JOB))
        for name, table in made.items()
    }


def _polars_hashed(pl, table):
    names = [n for n in table.columns if not n.startswith("_") or n in ("_extra", "_notes")]
    texts = pl.concat_str([pl.col(n).cast(pl.String).fill_null("\x1e") for n in names], separator="\x1f")
    hashes = [hashlib.sha256(text.encode()).hexdigest() for text in table.select(texts).to_series().to_list()]
    return table.with_columns(_row_hash=pl.Series(hashes, dtype=pl.String)), digest_sum(hashes)


# --- DuckDB ----------------------------------------------------------------------------------------------------------


def duckdb(source: Path, out: Path) -> Checksums:
    import duckdb as engine

    db = engine.connect()
    names = RULES.names
    columns = ", ".join(f"{name}: 'VARCHAR'" for name in names)
    lines = source.with_suffix(".jsonl")
    blank = RULES.text.blank.replace("\u0000", "\\x{0}")
    text = ", ".join(
        f"trim(regexp_replace(nfc_normalize({name}), {_sql(blank)}, ' ', 'g'), ' ') AS {name}" for name in names
    )
    record = ", ".join(names)
    missing = ", ".join(_duckdb_missing(column) for column in RULES.columns)
    codes = [*RULES.regions, *RULES.other_countries]
    words = {n: code for code, r in RULES.regions.items() for n in r.names} | {code.lower(): code for code in codes}
    db.execute(
        "CREATE TABLE countries AS SELECT unnest(?) AS word, unnest(?) AS code", [list(words), list(words.values())]
    )
    db.execute(
        "CREATE TABLE regions AS SELECT unnest(?) AS code, unnest(?) AS calling, unnest(?) AS trunk",
        [list(RULES.regions), [r.calling for r in RULES.regions.values()], [r.trunk for r in RULES.regions.values()]],
    )
    kinds = {column.name: _duckdb_kind(column) for column in RULES.columns}
    values = ", ".join(
        f"CASE WHEN NOT {n}_m THEN {value} END AS {n}_v" for n, (value, _, _) in kinds.items() if n != "country"
    )
    faults = ", ".join(f"CASE WHEN NOT {n}_m THEN CASE {fault} END END AS {n}_f" for n, (_, fault, _) in kinds.items())
    before = ", ".join(extra for _, _, extra in kinds.values() if extra)
    reasons, notes = [], []
    for column in RULES.columns:
        if column.missing == "reject":
            reasons.append(f"CASE WHEN {column.name}_m THEN '{column.name}.missing' END")
        (reasons if column.invalid == "reject" else notes).append(f"'{column.name}.' || {column.name}_f")
    clean = ", ".join(f"CASE WHEN {name}_f IS NULL THEN {name}_v END AS {name}" for name in names)
    db.execute(f"""
    CREATE TABLE cleaned AS
    WITH raw AS (
        SELECT row_number() OVER () - 1 AS _row, *
        FROM read_json({_sql(str(lines))}, format='newline_delimited', columns={{{columns}}})
    ), a AS (SELECT _row, {text}, to_json(struct_pack({record}))::VARCHAR AS record FROM raw),
    b AS (SELECT *, {missing} FROM a),
    c AS (
        SELECT b.*, CASE WHEN NOT country_m THEN countries.code END AS country_v FROM b
        LEFT JOIN countries ON countries.word = lower(b.country)
    ), d AS (
        SELECT c.*, calling, trunk FROM c
        LEFT JOIN regions ON regions.code = coalesce(c.country_v, '{RULES.phone.default_region}')
    ), e AS (SELECT *, {before} FROM d),
    f AS (SELECT *, {values} FROM e),
    g AS (SELECT *, {faults} FROM f)
    SELECT _row, record, nullif(concat_ws(',', {", ".join(reasons)}), '') AS reasons,
        nullif(concat_ws(',', {", ".join(notes)}), '') AS _notes, NULL::VARCHAR AS _extra, {clean}
    FROM g ORDER BY _row
    """)
    lineage = f"_extra, _notes, _row, '{JOB}' AS _job_id"
    db.execute(f"""
    CREATE TABLE silver AS SELECT {record}, {lineage} FROM cleaned WHERE reasons IS NULL
        QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY _row DESC) = 1 ORDER BY _row;
    CREATE TABLE rejects AS SELECT _row, reasons, record, '{JOB}' AS _job_id FROM cleaned WHERE reasons IS NOT NULL;
    CREATE TABLE duplicates AS SELECT c._row, s._row AS kept_row, '{JOB}' AS _job_id FROM cleaned c
        JOIN silver s USING (order_id) WHERE c.reasons IS NULL AND c._row <> s._row;
    CREATE TABLE dim_location AS SELECT row_number() OVER (ORDER BY country NULLS FIRST, city NULLS FIRST)
        AS location_key, country, city FROM (SELECT DISTINCT country, city FROM silver);
    CREATE TABLE located AS SELECT s.*, location_key, quantity * unit_price AS amount,
        (year(order_date) * 10000 + month(order_date) * 100 + day(order_date)) AS time_key FROM silver s
        JOIN dim_location l ON s.country IS NOT DISTINCT FROM l.country AND s.city IS NOT DISTINCT FROM l.city;
    CREATE TABLE dim_users AS SELECT row_number() OVER (ORDER BY user_id) AS user_key, user_id, name, email, phone, age,
        signup_date, location_key, _row FROM (SELECT * FROM located
        QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY _row DESC) = 1);
    CREATE TABLE products AS SELECT row_number() OVER (ORDER BY product) AS product_key, product
        FROM (SELECT DISTINCT product FROM silver);
    CREATE TABLE dim_time AS SELECT DISTINCT time_key, order_date AS date, year(order_date) AS year,
        quarter(order_date) AS quarter, month(order_date) AS month, day(order_date) AS day,
        isodow(order_date) AS weekday FROM located;
    CREATE TABLE fact_orders AS SELECT row_number() OVER (ORDER BY order_id, o._row) AS order_key, order_id, user_key,
        o.location_key, time_key, product, quantity, unit_price, amount::DECIMAL(18, 2) AS amount, o._row
        FROM located o JOIN dim_users USING (user_id);
    CREATE TABLE agg_user_metrics AS SELECT user_key, user_id, count(*) AS orders, sum(quantity)::BIGINT AS items,
        sum(amount)::DECIMAL(28, 2) AS revenue, min(order_date) AS first_order, max(order_date) AS last_order,
        count(DISTINCT product) AS products FROM located JOIN dim_users USING (user_id) GROUP BY ALL;
    CREATE TABLE agg_product_metrics AS SELECT product_key, product, count(*) AS orders, sum(quantity)::BIGINT AS items,
        sum(amount)::DECIMAL(28, 2) AS revenue, count(DISTINCT user_id) AS buyers
        FROM located JOIN products USING (product) GROUP BY ALL;
    """)
    sums = {}
    for name in ("silver", *GOLD_DIMENSIONS):
        hashed = [*names, "_extra", "_notes"] if name == "silver" else [
            column.name for column in RULES.gold[name].columns if not column.name.startswith("_")
        ]  # fmt: skip
        cells = " || chr(31) || ".join(f"coalesce({column}::VARCHAR, chr(30))" for column in hashed)
        job = "" if name == "silver" else f", '{JOB}' AS _job_id"
        db.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT *{job}, sha256({cells}) AS _row_hash FROM {name}")
        [(total,)] = db.execute(
            f"SELECT sum(('0x' || _row_hash[:16])::UBIGINT::HUGEINT) % (2::HUGEINT ** 64)::HUGEINT FROM {name}"
        ).fetchall()
        sums[name] = f"{int(total):016x}"
    for name in ("silver", "rejects", "duplicates", *GOLD_DIMENSIONS):
        db.execute(f"COPY {name} TO {_sql(str(out / f'{name}.parquet'))} (FORMAT parquet, COMPRESSION snappy)")
    db.close()
    return sums


def _sql(text: str) -> str:
    quoted = text.replace("'", "''")
    return f"'{quoted}'"


def _duckdb_missing(column) -> str:
    words = ["", *(RULES.text.placeholders if column.placeholders else [])]
    listed = ", ".join(_sql(word) for word in words)
    return f"({column.name} IS NULL OR lower({column.name}) IN ({listed})) AS {column.name}_m"


def _duckdb_kind(column) -> tuple[str, str, str]:
    """Return the clean value, its faults as WHENs, and what both need first."""
    n = column.name

    def matches(pattern: str) -> str:
        return f"regexp_matches({n}, {_sql(pattern)})"

    match column.kind:
        case "text":
            return n, f"WHEN length({n}) > {column.max_length} THEN 'too_long'", ""
        case "identifier":
            long = f"WHEN length({n}) > {column.max_length} THEN 'too_long'"
            return n, f"{long} WHEN NOT {matches(RULES.identifier.pattern)} THEN 'format'", ""
        case "email":
            rules = RULES.email
            labels = f"list_max(list_transform(string_split(split_part({n}, '@', 2), '.'), lambda x: length(x)))"
            faults = (
                f"WHEN length({n}) > {rules.max_length} THEN 'too_long' "
                f"WHEN NOT {matches(rules.pattern)} THEN 'format' "
                f"WHEN length(split_part({n}, '@', 1)) > {rules.max_local} "
                f"OR {labels} > {rules.max_label} THEN 'too_long'"
            )
            return f"lower({n})", faults, ""
        case "country":
            return f"{n}_v", f"WHEN {n}_v IS NULL THEN 'format'", ""
        case "integer" | "money":
            scale = column.scale
            kind = "BIGINT" if column.kind == "integer" else f"DECIMAL(12, {scale})"
            value = f"TRY_CAST(round(TRY_CAST({n} AS DECIMAL(38, 6)), {scale}) AS {kind})"
            whole = f"WHEN NOT {matches(RULES.number.whole)} THEN 'format'" if column.kind == "integer" else ""
            digits = f"length(regexp_extract({n}, '^[+-]?0*([0-9]*)', 1)) > {RULES.number.max_digits}"
            faults = (
                f"WHEN NOT {matches(RULES.number.pattern)} THEN 'format' WHEN {digits} THEN 'range' {whole} "
                f"WHEN {n}_v NOT BETWEEN {column.minimum} AND {column.maximum} THEN 'range'"
            )
            return value, faults, ""
        case "phone":
            return _duckdb_phone(n)
        case _:
            return _duckdb_date(n)


def _duckdb_phone(n: str) -> tuple[str, str, str]:
    rules = RULES.phone
    abroad = f"({n} LIKE '+%' OR {n} LIKE '00%')"
    without = f"left({n}, instr({n}, '(0)') - 1) || substr({n}, instr({n}, '(0)') + 3)"
    zero = f"CASE WHEN {abroad} AND contains({n}, '(0)') THEN {without} ELSE {n} END"
    digits = f"regexp_replace({zero}, {_sql(rules.separators)}, '', 'g') AS {n}_d, {abroad} AS {n}_i"
    value = (
        f"'+' || CASE WHEN {n}_i THEN regexp_replace({n}_d, '^(\\+|00)', '') "
        f"WHEN trunk <> '' AND starts_with({n}_d, trunk) THEN calling || substr({n}_d, length(trunk) + 1) "
        f"ELSE calling || {n}_d END"
    )
    bad = (
        f"NOT regexp_matches({n}_d, {_sql(rules.digits)}) OR (NOT {n}_i AND {n}_d LIKE '+%') OR {n}_v IS NULL "
        f"OR NOT regexp_matches({n}_v[2:], {_sql(rules.e164)})"
    )
    return value, f"WHEN {bad} THEN 'format'", digits


def _duckdb_date(n: str) -> tuple[str, str, str]:
    rules = RULES.date
    listed = ", ".join(_sql(code) for code in rules.month_first_in)
    found = []
    for form in rules.formats:
        first, second, third = (f"regexp_extract({n}, {_sql(form.pattern)}, {at})" for at in (1, 2, 3))
        if form.order == "ymd":
            year, month, day = first, second, third
        elif form.order == "mdy":
            month, day, year = first, second, third
        elif form.order == "dmy":
            day, month, year = first, second, third
        else:
            american = f"coalesce(country_v IN ({listed}), false)"
            swapped = f"({first}::INT <= 12 AND ({second}::INT > 12 OR {american}))"
            day, month, year = (
                f"CASE WHEN {swapped} THEN {second} ELSE {first} END",
                f"CASE WHEN {swapped} THEN {first} ELSE {second} END",
                third,
            )
        if "A-Za-z" in form.pattern:
            words = ", ".join(f"{_sql(word)}: '{number}'" for word, number in rules.months.items())
            month = f"(MAP {{{words}}})[lower({month})]"
        date = f"TRY_CAST(concat_ws('-', {year}, {month}, {day}) AS DATE)"
        found.append(f"WHEN regexp_matches({n}, {_sql(form.pattern)}) THEN {date}")
    outside = f"{n}_v NOT BETWEEN DATE '{rules.minimum}' AND DATE '{rules.maximum}'"
    return f"CASE {' '.join(found)} END", f"WHEN {n}_v IS NULL THEN 'format' WHEN {outside} THEN 'range'", ""
