# Databricks notebook source
"""Medallion job: raw rows (Bronze) in, clean rows (Silver) and a star schema (Gold) out, for more than pandas can take.

It follows the app's rule file to the letter, as docs/etl.md explains it, and makes the same tables as the app's pandas
lane: rows, values, types, reasons and checksums. It needs nothing but this file and Spark. Parameters:

    input_url     Parquet: the raw rows that the app has read from Bronze
    rules_url     the rules as one JSON document
    output_url    a folder: one folder for each table, whose rows are replaced
    job_id        stands in every row
    steps         silver, gold (from the Silver that is there), or all
    table_format  parquet, or delta

``instance_id`` and ``attempt`` say whose run it is. The job exits with its manifest, as JSON. The same text is the last
thing that it writes, into ``output_url/manifest``: an output without it is not complete.
"""

# COMMAND ----------

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, Observation, SparkSession, Window
from pyspark.sql import functions as sf

PARAMETERS = {
    "input_url": "",
    "rules_url": "",
    "output_url": "",
    "job_id": "",
    "steps": "all",
    "table_format": "parquet",
    "instance_id": "",
    "attempt": "1",
}
STEPS = ("all", "silver", "gold")
TABLE_FORMATS = ("parquet", "delta")
RECORD_REASONS = ("type", "schema", "encoding", "depth", "range", "too_long")
REASONS = ("type", "missing", "too_long", "format", "range")
NULL, SEPARATOR = "\x1e", "\x1f"
UPPER, LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
TYPES = {"text": "string", "integer": "bigint", "date": "date"}
WORDS = {"rejects": "reasons", "silver": "_notes"}
"""Tables with a column of words, joined by commas."""
SUMS = {"orders": "count(*)", "items": "sum(quantity)", "revenue": "sum(amount)"}
"""What users and products have in common to be measured by."""
MONEY_DIGITS = 12
EDGE = "|"
"""Stands between cells that are looked at together; what it stands for is looked at more closely if it is in one."""
MAY_NEED_NFC = "[^\u0000-\u02ff]"
"""Text without such a character is in NFC already."""

type Rules = dict[str, Any]
type RuleColumn = dict[str, Any]


class ConstraintError(Exception):
    """A Gold table does not hold what the rules declare of it."""


# COMMAND ----------
# MAGIC %md Silver


def tidied(raw: DataFrame, rules: Rules) -> DataFrame:
    """Return ``raw`` with its texts in Unicode NFC, each run of blanks one space, and none at either end.

    Most rows are so already, and are told by one look at all their cells. Spark has no function for NFC, so it is
    Arrow's, a batch at a time.
    """
    names = [column["name"] for column in rules["columns"]]
    blank = rules["text"]["blank"]
    cells = sf.concat(sf.lit(EDGE), sf.concat_ws(EDGE, *names), sf.lit(EDGE))
    foreign = ~_is_ascii(cells) & cells.rlike(MAY_NEED_NFC)
    spaces = cells.contains("  ") | cells.contains(f"{EDGE} ") | cells.contains(f" {EDGE}")
    untidy = spaces | sf.replace(cells, sf.lit(" ")).rlike(blank)

    def normalised(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        nfc = pc.Utf8NormalizeOptions("NFC")
        for batch in batches:
            columns: dict[str, Any] = {name: batch.column(name) for name in batch.schema.names}
            columns |= {name: pc.call_function("utf8_normalize", [columns[name]], nfc) for name in names}
            yield pa.RecordBatch.from_pydict(columns, schema=batch.schema)

    rows = raw.filter(~foreign).union(raw.filter(foreign).mapInArrow(normalised, raw.schema))
    one_spaced = {name: sf.trim(sf.regexp_replace(name, blank, " ")) for name in names}
    rows = rows.withColumn("_untidy", untidy)
    return rows.withColumns(
        {name: sf.when(sf.col("_untidy"), tidy).otherwise(sf.col(name)) for name, tidy in one_spaced.items()}
    )


def grade(raw: DataFrame, rules: Rules) -> DataFrame:
    """Return every raw row with its clean values and ``_notes``; where it is rejected, ``_reasons`` and its record."""
    columns: list[RuleColumn] = rules["columns"]
    rows = tidied(raw, rules)
    rows = rows.withColumns({column["name"]: _present(column, rules["text"]["placeholders"]) for column in columns})
    # The country first: how a phone number and a date are read depends on it.
    countries = [column for column in columns if column["kind"] == "country"]
    country = sf.col(countries[0]["name"]) if countries else sf.lit(None).cast("string")
    for some in (countries, [column for column in columns if column not in countries]):
        rows = _clean(rows, some, rules, country) if some else rows

    def words(outcome: str) -> list[Column]:
        whys = {column["name"]: sf.col(f"_why_{column['name']}") for column in columns}
        return [
            sf.when(
                whys[column["name"]].isin(_reasons_that(column, outcome)),
                sf.concat(sf.lit(f"{column['name']}."), whys[column["name"]]),
            )
            for column in columns
        ]

    reasons = sf.coalesce("_error", sf.nullif(sf.concat_ws(",", *words("reject")), sf.lit("")))
    noted = sf.nullif(sf.concat_ws(",", *words("null")), sf.lit(""))
    names = [column["name"] for column in columns]
    graded = rows.select(*names, "_extra", noted.alias("_notes"), "_row", reasons.alias("_reasons"), "_record")
    return graded.withColumn("_record", sf.when(sf.col("_reasons").isNotNull(), sf.col("_record")))


def _present(column: RuleColumn, placeholders: Sequence[str]) -> Column:
    """Return the text of a cell, or null where there is none."""
    text = sf.col(column["name"])
    absent = text == ""
    if column["placeholders"]:
        # Most texts are longer than any of them.
        absent |= (sf.length(text) <= max(map(len, placeholders))) & _lower(text).isin(list(placeholders))
    return sf.when(~absent, text)


def _clean(rows: DataFrame, columns: Sequence[RuleColumn], rules: Rules, country: Column) -> DataFrame:
    """Replace texts by clean values; beside each column stands why it has none.

    The steps are apart so that Spark computes each only once.
    """
    kinds: dict[str, type[_Text]] = {"email": _Email, "identifier": _Identifier, "country": _Country}
    kinds |= {"phone": _Phone, "integer": _Integer, "money": _Money, "date": _Date}
    cells = {column["name"]: kinds.get(column["kind"], _Text)(column, rules, country) for column in columns}
    rows = rows.withColumns({f"_read_{name}": cell.read() for name, cell in cells.items()})
    rows = rows.withColumns({f"_value_{name}": cell.value() for name, cell in cells.items()})
    rows = rows.withColumns({f"_why_{name}": cell.why() for name, cell in cells.items()})
    return rows.withColumns(
        {name: sf.when(sf.col(f"_why_{name}").isNull(), sf.col(f"_value_{name}")) for name in cells}
    )


class _Text:
    """How the cells of one column are read and judged; the other kinds differ from text in a step or two."""

    def __init__(self, column: RuleColumn, rules: Rules, country: Column) -> None:
        self.column = column
        self.rules = rules
        self.country = country
        name = column["name"]
        self.text = sf.col(name)
        self.parts = sf.col(f"_read_{name}")
        self.result = sf.col(f"_value_{name}")

    def read(self) -> Column:
        """Return what the text falls into."""
        return self.text

    def value(self) -> Column:
        """Return the value, by ``parts``; what it is for a cell that breaks the rule does not matter."""
        return self.parts

    def broken(self) -> Iterable[tuple[Column, str]]:
        """Yield what may be wrong with the cell; the first that applies counts."""
        yield sf.length(self.text) > self.column["max_length"], "too_long"

    def why(self) -> Column:
        """Return why there is no value."""
        of_no_type = sf.array_contains(sf.split("_types", ","), self.column["name"])
        reason = sf.when(of_no_type, "type").when(self.text.isNull(), "missing")
        for condition, word in self.broken():
            reason = reason.when(condition, word)
        return reason


class _Identifier(_Text):
    def broken(self) -> Iterable[tuple[Column, str]]:
        yield from super().broken()
        yield ~self.text.rlike(self.rules["identifier"]["pattern"]), "format"


class _Email(_Text):
    def value(self) -> Column:
        return _lower(self.text)

    def broken(self) -> Iterable[tuple[Column, str]]:
        rule = self.rules["email"]
        local, domain = (sf.split_part(self.text, sf.lit("@"), sf.lit(part)) for part in (1, 2))
        yield sf.length(self.text) > rule["max_length"], "too_long"
        yield ~self.text.rlike(rule["pattern"]), "format"
        yield (sf.length(local) > rule["max_local"]) | domain.rlike(f"[^.]{{{rule['max_label'] + 1}}}"), "too_long"


class _Country(_Text):
    def value(self) -> Column:
        codes = [*self.rules["regions"], *self.rules["other_countries"]]
        names = {name: code for code, region in self.rules["regions"].items() for name in region["names"]}
        code = sf.translate(self.text, LOWER, UPPER)
        known = sf.when(self.text.rlike("^[A-Za-z]{2}$") & code.isin(codes), code)
        return sf.coalesce(known, _lookup(names, _lower(self.text)))

    def broken(self) -> Iterable[tuple[Column, str]]:
        yield self.result.isNull(), "format"


class _Phone(_Text):
    def read(self) -> Column:
        rule = self.rules["phone"]
        international = self.text.startswith("+") | self.text.startswith("00")
        trunk = sf.instr(self.text, rule["trunk_zero"])
        without = sf.overlay(self.text, sf.lit(""), trunk, sf.lit(len(rule["trunk_zero"])))
        text = sf.when(international & (trunk > 0), without).otherwise(self.text)
        digits = sf.regexp_replace(text, rule["separators"], "")
        return sf.struct(international.alias("international"), digits.alias("digits"))

    def value(self) -> Column:
        regions = self.rules["regions"]
        region = sf.coalesce(self.country, sf.lit(self.rules["phone"]["default_region"]))
        calling = _lookup({code: content["calling"] for code, content in regions.items()}, region)
        trunk = _lookup({code: content["trunk"] for code, content in regions.items()}, region)
        digits = self.parts["digits"]
        abroad = sf.regexp_replace(digits, "^(?:[+]|00)", "")
        # Every text starts with the empty trunk prefix, and stays what it is without it.
        at_home = sf.when(digits.startswith(trunk), sf.substr(digits, sf.length(trunk) + 1)).otherwise(digits)
        number = sf.when(self.parts["international"], abroad).otherwise(sf.concat(calling, at_home))
        return sf.when(digits.rlike(self.rules["phone"]["digits"]), sf.concat(sf.lit("+"), number))

    def broken(self) -> Iterable[tuple[Column, str]]:
        number = sf.substr(self.result, sf.lit(2))
        yield self.result.isNull() | ~number.rlike(self.rules["phone"]["e164"]), "format"


class _Number(_Text):
    def read(self) -> Column:
        whole, fraction = (sf.split_part(self.text, sf.lit("."), sf.lit(part)) for part in (1, 2))
        digits = sf.when(self.text.rlike(self.rules["number"]["pattern"]), sf.regexp_replace(whole, "^[+-]?0*", ""))
        sign = sf.when(self.text.startswith("-"), "-").otherwise("")
        return sf.struct(sign.alias("sign"), digits.alias("digits"), fraction.alias("fraction"))

    def out_of_range(self) -> Iterable[tuple[Column, str]]:
        """Yield what is wrong with a value outside the limits of the column."""
        if self.column["minimum"] is not None:
            yield self.result < sf.lit(Decimal(str(self.column["minimum"]))), "range"
        if self.column["maximum"] is not None:
            yield self.result > sf.lit(Decimal(str(self.column["maximum"]))), "range"

    def broken(self) -> Iterable[tuple[Column, str]]:
        yield self.parts["digits"].isNull(), "format"
        yield sf.length(self.parts["digits"]) > self.rules["number"]["max_digits"], "range"


class _Integer(_Number):
    def value(self) -> Column:
        return sf.concat(self.parts["sign"], sf.lit("0"), self.parts["digits"]).try_cast("bigint")

    def broken(self) -> Iterable[tuple[Column, str]]:
        yield from super().broken()
        yield ~self.text.rlike(self.rules["number"]["whole"]), "format"
        yield from self.out_of_range()


class _Money(_Number):
    def value(self) -> Column:
        scale = self.column["scale"]
        # One digit more than is kept decides; what follows it cannot change that.
        fraction = sf.rpad(sf.substring(self.parts["fraction"], 1, scale + 1), scale + 1, "0")
        text = sf.concat(self.parts["sign"], sf.lit("0"), self.parts["digits"], sf.lit("."), fraction)
        exact = text.try_cast(f"decimal({self.rules['number']['max_digits'] + scale + 1}, {scale + 1})")
        return sf.round(exact, scale)

    def broken(self) -> Iterable[tuple[Column, str]]:
        yield from super().broken()
        yield from self.out_of_range()


class _Date(_Text):
    def read(self) -> Column:
        """Return how the text is to be read and its three groups."""
        formats = self.rules["date"]["formats"]
        groups = sf.lit(None).cast("string")
        for form in reversed(formats):
            parts = sf.regexp_replace(self.text, form["pattern"], f"{form['order']}|$1|$2|$3")
            groups = sf.when(self.text.rlike(form["pattern"]), parts).otherwise(groups)
        return sf.split(groups, "[|]")

    def value(self) -> Column:
        rule = self.rules["date"]
        order, a, b, c = (self.parts[position] for position in range(4))
        first, second = a.try_cast("int"), b.try_cast("int")
        month_first = (
            sf.lit(1) == 1 if rule["ambiguous"] == "month_first" else self.country.isin(rule["month_first_in"])
        )
        a_is_month = (order == "mdy") | ((order == "either") & (first <= 12) & ((second > 12) | month_first))
        year = sf.when(order == "ymd", a).otherwise(c)
        month = sf.when(order == "ymd", b).when(a_is_month, a).otherwise(b)
        day = sf.when(order == "ymd", c).when(a_is_month, b).otherwise(a)
        numbers = {name: str(number) for name, number in rule["months"].items()}
        month = sf.when(month.rlike("^[0-9]"), month).otherwise(_lookup(numbers, _lower(month)))
        return sf.concat_ws("-", year, sf.lpad(sf.coalesce(month, sf.lit("-")), 2, "0"), sf.lpad(day, 2, "0")).try_cast(
            "date"
        )

    def broken(self) -> Iterable[tuple[Column, str]]:
        earliest, latest = (date.fromisoformat(self.rules["date"][limit]) for limit in ("minimum", "maximum"))
        yield self.result.isNull(), "format"
        yield ~self.result.between(sf.lit(earliest), sf.lit(latest)), "range"


def _is_ascii(text: Column) -> Column:
    return sf.octet_length(text) == sf.length(text)


def _lower(text: Column) -> Column:
    # What Spark calls lower case differs from what the rules do beyond ASCII; within, it is much faster.
    return sf.when(_is_ascii(text), sf.lower(text)).otherwise(sf.translate(text, UPPER, LOWER))


def _lookup(values: dict[str, str], key: Column) -> Column:
    """Return the value of ``key``, or null where there is none."""
    # One literal, which Spark reads once: a map of hundreds takes longer to build than a small job to run.
    return sf.try_element_at(sf.from_json(sf.lit(json.dumps(values)), "map<string, string>"), key)


def merged_duplicates(graded: DataFrame, rules: Rules, job_id: str) -> DataFrame:
    """Return which of the rows that passed go, and which row stays in the place of each."""
    winner = sf.max("_row") if rules["duplicates"]["winner"] == "last" else sf.min("_row")
    kept_row = winner.over(Window.partitionBy(*rules["duplicates"]["key"])).alias("kept_row")
    passed = graded.filter(sf.col("_reasons").isNull()).select("_row", kept_row)
    return passed.filter("_row != kept_row").select("_row", "kept_row", _job(job_id)).orderBy("_row")


def clean_rows(graded: DataFrame, duplicates: DataFrame, rules: Rules, job_id: str) -> DataFrame:
    """Return Silver: the rows that passed and stay."""
    columns: list[RuleColumn] = rules["columns"]
    cells = [sf.col(column["name"]).cast(_silver_type(column)).alias(column["name"]) for column in columns]
    passed = graded.filter(sf.col("_reasons").isNull()).join(duplicates, "_row", "left_anti")
    silver = passed.select(*cells, "_extra", "_notes", "_row", _job(job_id)).orderBy("_row")
    return silver.withColumn("_row_hash", row_hash([column["name"] for column in columns] + ["_extra", "_notes"]))


def rejected_rows(graded: DataFrame, job_id: str) -> DataFrame:
    """Return the rejects, each with its reasons and its record."""
    reasons, record = sf.col("_reasons").alias("reasons"), sf.col("_record").alias("record")
    return graded.filter(sf.col("_reasons").isNotNull()).select("_row", reasons, record, _job(job_id)).orderBy("_row")


def _job(job_id: str) -> Column:
    return sf.lit(job_id).alias("_job_id")


def row_hash(names: Sequence[str]) -> Column:
    """Return the SHA-256 of a row's canonical text: the cells of ``names``, joined."""
    cells = [sf.coalesce(sf.col(name).cast("string"), sf.lit(NULL)) for name in names]
    return sf.sha2(sf.concat_ws(SEPARATOR, *cells), 256)


def _silver_type(column: RuleColumn) -> str:
    money = f"decimal({MONEY_DIGITS}, {column['scale']})"
    return {"integer": "bigint", "date": "date", "money": money}.get(column["kind"], "string")


# COMMAND ----------
# MAGIC %md Gold


def locations_of(silver: DataFrame) -> DataFrame:
    """Return the different pairs of country and city."""
    return silver.select("country", "city").distinct().withColumn("location_key", _number("country", "city"))


def users_of(silver: DataFrame, locations: DataFrame) -> DataFrame:
    """Return the users, each as in the last row of theirs."""
    last = silver.groupBy("user_id").agg(sf.max("_row").alias("_row")).withColumn("user_key", _number("user_id"))
    return _located(silver.drop("user_id").join(last, "_row"), locations).orderBy("user_key")


def days_of(silver: DataFrame) -> DataFrame:
    """Return the calendar of the order dates."""
    day = sf.col("date")
    return (
        silver.select(sf.col("order_date").alias("date"))
        .distinct()
        .select(
            _time_key(day).alias("time_key"),
            day,
            sf.year(day).alias("year"),
            sf.quarter(day).alias("quarter"),
            sf.month(day).alias("month"),
            sf.day(day).alias("day"),
            (sf.weekday(day) + 1).alias("weekday"),
        )
        .orderBy("time_key")
    )


def orders_of(silver: DataFrame, users: DataFrame, locations: DataFrame) -> DataFrame:
    """Return the facts: every row of ``silver``, with the keys of ``users`` and ``locations``."""
    orders = _located(silver.join(users.select("user_id", "user_key"), "user_id"), locations)
    return orders.select(
        _number("order_id", "_row").alias("order_key"),
        "order_id",
        "user_key",
        "location_key",
        _time_key(sf.col("order_date")).alias("time_key"),
        "product",
        "quantity",
        "unit_price",
        (sf.col("quantity") * sf.col("unit_price")).alias("amount"),
        "_row",
    )


def user_metrics(orders: DataFrame, users: DataFrame) -> DataFrame:
    """Return what each user ordered."""
    days = {"first_order": "min(time_key)", "last_order": "max(time_key)"}
    sums = [sf.expr(f"{what} AS {name}") for name, what in {**SUMS, **days}.items()]
    metrics = orders.groupBy("user_key").agg(*sums, sf.count_distinct("product").alias("products"))
    metrics = metrics.withColumns({name: sf.to_date(sf.col(name).cast("string"), "yyyyMMdd") for name in days})
    return metrics.join(users.select("user_key", "user_id"), "user_key").orderBy("user_key")


def product_metrics(orders: DataFrame) -> DataFrame:
    """Return how much of each product was ordered."""
    sums = [sf.expr(f"{what} AS {name}") for name, what in SUMS.items()]
    metrics = orders.groupBy("product").agg(*sums, sf.count_distinct("user_key").alias("buyers"))
    return metrics.withColumn("product_key", _number("product"))


def as_declared(table: DataFrame, rules: Rules, name: str, job_id: str) -> DataFrame:
    """Return ``table`` with the columns and types that the rules declare for ``name``, and with lineage."""
    columns: list[RuleColumn] = rules["gold"][name]["columns"]
    types = {column["name"]: TYPES.get(column["type"]) or column["type"] for column in columns}
    hashed = [name for name in types if not name.startswith("_")]
    declared = table.select(*[sf.col(column).cast(kind).alias(column) for column, kind in types.items()])
    return declared.withColumns({"_job_id": sf.lit(job_id), "_row_hash": row_hash(hashed)})


def _located(rows: DataFrame, locations: DataFrame) -> DataFrame:
    here = [rows[name].eqNullSafe(locations[name]) for name in ("country", "city")]
    return rows.join(locations, here).drop(locations["country"], locations["city"])


def _number(*order: str) -> Column:
    """Return the place of a row in the order of columns, from 1; text is ordered by its bytes, nulls come first.

    The whole table passes through one task for it, which leaves it in this order.
    """
    return sf.row_number().over(Window.orderBy(*order)).cast("bigint")


def _time_key(day: Column) -> Column:
    return sf.year(day) * 10_000 + sf.month(day) * 100 + sf.day(day)


# COMMAND ----------
# MAGIC %md What is there, and whether it holds


def to_count(name: str, rules: Rules) -> dict[str, Column]:
    """Return what is counted of a table's rows on their way into its files: how many they are, the two halves of the
    checksum, and, in words, how many do not hold what the rules declare of a single row.
    """
    hashed = {"rejects": row_hash(["_row", "reasons", "record"]), "duplicates": row_hash(["_row", "kept_row"])}
    counts = {"rows": sf.count("*")}
    for half, at in (("high", 1), ("low", 9)):  # of 32 bits, which do not overflow when they are summed
        part = sf.conv(sf.substring(hashed.get(name, sf.col("_row_hash")), at, 8), 16, 10).cast("bigint")
        counts[half] = sf.sum(part)
    if name in rules["gold"]:
        for column in rules["gold"][name]["columns"]:
            cell = sf.col(column["name"])
            if not column["nullable"]:
                counts[f"{column['name']} is null"] = sf.count_if(cell.isNull())
            if column["minimum"] is not None:
                counts[f"{column['name']} is below {column['minimum']}"] = sf.count_if(cell < column["minimum"])
    return counts


def broken_rows(counts: dict[str, dict[str, int]]) -> list[str]:
    """Return, in words, what single rows do not hold of what the rules declare."""
    return [
        f"{name}.{what} in {rows} rows"
        for name, found in counts.items()
        for what, rows in found.items()
        if rows and what not in {"rows", "high", "low"}
    ]


def words_and_keys(tables: dict[str, DataFrame], rules: Rules) -> tuple[dict[str, dict[str, int]], list[str]]:
    """Return how often each reason and each note stands; and, in words, which keys of Gold repeat or point at nothing.

    It is one query, because a small job takes longer to plan a query than to run it: all values of all keys, and those
    that point at a key, each under the name of the key. Names are numbers in it: Spark aggregates these faster.
    """
    names: list[str] = []
    values: list[DataFrame] = []

    def number(name: str) -> Column:
        if name not in names:
            names.append(name)
        return sf.lit(names.index(name))

    def add(under: str, table: DataFrame, value: Column, pointing: str | None = None) -> None:
        by = number(pointing) if pointing else sf.lit(None).cast("int")
        there = sf.lit(0 if pointing else 1)
        columns = {"under": number(under), "value": value, "pointing": by, "there": there}
        values.append(table.select(*[column.alias(name) for name, column in columns.items()]))

    for table, column in WORDS.items():
        add(column, tables[table], sf.explode(sf.split(column, ",")))
    for name in rules["gold"].keys() & tables.keys():
        content = rules["gold"][name]
        for key in [content["key"], *([column["name"]] for column in content["columns"] if column["unique"])]:
            add(f"{name}.{'+'.join(key)}", tables[name], sf.concat_ws(SEPARATOR, *key))
        for column in content["columns"]:
            if target := column["references"]:
                [key] = rules["gold"][target]["key"]
                cell = sf.col(column["name"])
                points = tables[name].filter(cell.isNotNull())
                add(f"{target}.{key}", points, cell.cast("string"), f"{name}.{column['name']}")
    there = sf.col("there")
    word = sf.when(sf.col("under").isin([names.index(column) for column in WORDS.values()]), sf.col("value"))
    found: list[Any] = (
        functools.reduce(DataFrame.union, values)
        .groupBy("under", "value")
        .agg(sf.sum("there").alias("there"), sf.max("pointing").alias("pointing"), sf.count("*").alias("times"))
        .select(
            "under",
            word.alias("word"),
            sf.when(there == 0, sf.col("pointing")).alias("lost"),
            "there",
            sf.when(there == 0, sf.col("times")).otherwise(there).alias("rows"),
        )
        .filter((there > 1) | sf.col("word").isNotNull() | sf.col("lost").isNotNull())
        .groupBy("under", "word", "lost")
        .agg(sf.sum("rows").alias("rows"))
        .collect()
    )
    words: dict[str, dict[str, int]] = {column: {} for column in WORDS.values()}
    broken: list[str] = []
    for row in found:
        under = names[int(row["under"])]
        if row["word"] is not None:
            words[under][row["word"]] = row["rows"]
        elif row["lost"] is not None:
            broken.append(f"{names[int(row['lost'])]} is not in {under} in {row['rows']} rows")
        else:
            broken.append(f"{under} repeats in {row['rows']} rows")
    return words, sorted(broken)


def manifest_of(output: "Output", words: dict[str, dict[str, int]], rules: Rules, job_id: str) -> dict[str, Any]:
    """Return what is in ``output``: counts, checksums, columns, and how often each rule rejected or emptied something.

    It is the manifest that the pandas lane writes, but for the name of the engine.
    """
    rows = {name: output.counts[name]["rows"] for name in ("silver", "rejects", "duplicates")}
    text = json.dumps(rules, ensure_ascii=False, sort_keys=True)
    return {
        "version": 1,
        "job_id": job_id,
        "engine": "spark",
        "rules": hashlib.sha256(text.encode()).hexdigest()[:16],
        "counts": {
            "input": sum(rows.values()),
            "cleaned": rows["silver"],
            "rejected": rows["rejects"],
            "duplicates": rows["duplicates"],
        },
        "reasons": {f"record.{reason}": 0 for reason in RECORD_REASONS} | _no_words(rules, "reject") | words["reasons"],
        "notes": _no_words(rules, "null") | words["_notes"],
        "tables": {name: _described(name, table, output.counts[name], rules) for name, table in output.tables.items()},
    }


def _described(name: str, table: DataFrame, counts: dict[str, int], rules: Rules) -> dict[str, Any]:
    may_be_null = {"_extra", "_notes"} if name == "silver" else set[str]()
    if name == "silver":
        may_be_null |= {column["name"] for column in rules["columns"] if column["missing"] == "null"}
    elif name in rules["gold"]:
        may_be_null |= {column["name"] for column in rules["gold"][name]["columns"] if column["nullable"]}
    words = {kind: word for word, kind in TYPES.items()}
    return {
        "rows": counts["rows"],
        "checksum": f"{((counts['high'] << 32) + counts['low']) % 2**64:016x}",
        "fields": [
            {
                "name": field.name,
                "type": words.get(kind := field.dataType.simpleString(), kind.replace(",", ", ")),
                "nullable": field.name in may_be_null,
            }
            for field in table.schema
        ],
    }


def _reasons_that(column: RuleColumn, outcome: str) -> list[str]:
    """Return the reasons that reject a row, or that are noted where a cell becomes null."""
    if outcome == "null":  # an absent value is nothing to note
        return [reason for reason in REASONS if reason != "missing" and column["invalid"] == "null"]
    return [reason for reason in REASONS if column["missing" if reason == "missing" else "invalid"] == "reject"]


def _no_words(rules: Rules, outcome: str) -> dict[str, int]:
    columns: list[RuleColumn] = rules["columns"]
    return {f"{column['name']}.{reason}": 0 for column in columns for reason in _reasons_that(column, outcome)}


class Output:
    """The folder of a job's tables, and what is known of each."""

    def __init__(self, spark: SparkSession, folder: str, table_format: str, rules: Rules) -> None:
        self.tables: dict[str, DataFrame] = {}
        self.counts: dict[str, dict[str, int]] = {}
        self._spark = spark
        self._folder = folder
        self._format = table_format
        self._rules = rules

    def put(self, name: str, table: DataFrame) -> DataFrame:
        """Write a table, counting it on the way, and return what is there: what comes next computes nothing twice."""
        counted = Observation()
        rows = table.observe(counted, *self._to_count(name))
        rows.write.format(self._format).mode("overwrite").save(f"{self._folder}/{name}")
        return self._known(name, counted.get)

    def get(self, name: str) -> DataFrame:
        """Return a table that an earlier run wrote."""
        [counts] = self._read(name).agg(*self._to_count(name)).collect()
        return self._known(name, counts.asDict())

    def _to_count(self, name: str) -> list[Column]:
        return [count.alias(what) for what, count in to_count(name, self._rules).items()]

    def _known(self, name: str, counts: dict[str, Any]) -> DataFrame:
        self.tables[name] = self._read(name)
        # A table without rows has no sums, and perhaps no counts.
        self.counts[name] = {what: counts.get(what) or 0 for what in to_count(name, self._rules)}
        return self.tables[name]

    def _read(self, name: str) -> DataFrame:
        return self._spark.read.format(self._format).load(f"{self._folder}/{name}")


def make_silver(raw: DataFrame, graded: DataFrame, output: Output, rules: Rules, job_id: str) -> None:
    """Write what becomes of the ``graded`` rows.

    Raises:
        ConstraintError: a record of ``raw`` was lost.
    """
    duplicates = output.put("duplicates", merged_duplicates(graded, rules, job_id))
    output.put("silver", clean_rows(graded, duplicates, rules, job_id))
    output.put("rejects", rejected_rows(graded, job_id))
    came, went = raw.count(), sum(counts["rows"] for counts in output.counts.values())
    if came != went:
        raise ConstraintError(f"Of {came} records came {went} rows.")


def make_gold(output: Output, rules: Rules, job_id: str) -> None:
    """Write the star schema of the Silver that is there."""

    def put(name: str, table: DataFrame) -> DataFrame:
        return output.put(name, as_declared(table, rules, name, job_id))

    silver = output.tables["silver"]
    locations = put("dim_location", locations_of(silver))
    users = put("dim_users", users_of(silver, locations))
    put("dim_time", days_of(silver))
    orders = put("fact_orders", orders_of(silver, users, locations))
    put("agg_user_metrics", user_metrics(orders, users))
    put("agg_product_metrics", product_metrics(orders))


def run(
    spark: SparkSession,
    *,
    input_url: str,
    rules_url: str,
    output_url: str,
    job_id: str,
    steps: str = "all",
    table_format: str = "parquet",
    remove: Callable[[str], object] = lambda _: None,
) -> dict[str, Any]:
    """Write the tables of ``steps`` and the manifest into ``output_url``, and return the manifest.

    Run again, it replaces what it left there. ``remove`` deletes a folder of the lake.

    Raises:
        ValueError: there are no such steps, or no such format.
        ConstraintError: a record was lost, or Gold does not hold what the rules declare. There is no manifest then.
    """
    if steps not in STEPS:
        raise ValueError(f"steps is {steps!r}: use {', '.join(STEPS)}.")
    if table_format not in TABLE_FORMATS:
        raise ValueError(f"table_format is {table_format!r}: use {', '.join(TABLE_FORMATS)}.")
    rules: Rules = json.loads(spark.read.text(_place(rules_url), wholetext=True).collect()[0]["value"])
    folder = _place(output_url).rstrip("/")
    remove(f"{folder}/manifest")
    output = Output(spark, folder, table_format, rules)
    if steps == "gold":
        for name in ("silver", "rejects", "duplicates"):
            output.get(name)
    else:
        raw = spark.read.parquet(_place(input_url))
        grade(raw, rules).write.mode("overwrite").parquet(f"{folder}/graded")
        make_silver(raw, spark.read.parquet(f"{folder}/graded"), output, rules, job_id)
        remove(f"{folder}/graded")
    if steps != "silver":
        make_gold(output, rules, job_id)
    words, broken_keys = words_and_keys(output.tables, rules)
    if broken := broken_rows(output.counts) + broken_keys:
        raise ConstraintError(f"Gold is not what the rules declare: {'; '.join(broken)}.")
    manifest = manifest_of(output, words, rules, job_id)
    text = spark.sql("SELECT :text AS value", args={"text": json.dumps(manifest)})
    text.coalesce(1).write.mode("overwrite").text(f"{folder}/manifest")
    return manifest


def _place(url: str) -> str:
    """Return ``url`` as Spark reads it: of a local file it wants the path, and decodes nothing."""
    return unquote(urlsplit(url).path) if url.startswith("file:") else url


# COMMAND ----------

if __name__ == "__main__":  # as a notebook; tests import the functions above instead
    from databricks.sdk import runtime

    notebook: Any = runtime  # its own annotations are of another time
    dbutils = notebook.dbutils
    for parameter, default in PARAMETERS.items():
        dbutils.widgets.text(parameter, default)
    report = run(
        notebook.spark,
        **{name: dbutils.widgets.get(name) for name in PARAMETERS if name not in {"instance_id", "attempt"}},
        remove=lambda folder: dbutils.fs.rm(folder, recurse=True),
    )
    dbutils.notebook.exit(json.dumps(report))
