"""The rules of docs/etl.md once more, one row at a time in plain Python: what both lanes are compared with.

Nothing here is shared with the engines but the rule file. It is slow and simple on purpose.
"""

import datetime as dt
import hashlib
import re
import unicodedata
from decimal import ROUND_HALF_UP, Decimal
from itertools import groupby

NOTHING = object()


def lower(text):
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


class Oracle:
    """One reading of the rules."""

    def __init__(self, rules, job_id="job"):
        self.rules = rules
        self.job_id = job_id
        self.country_column = next((c.name for c in rules.columns if c.kind == "country"), None)

    # --- Silver ---

    def refine(self, raw_rows):
        """Return silver, rejects and duplicates as lists of dicts."""
        clean, rejects = [], []
        for raw in raw_rows:
            if raw["_error"]:
                rejects.append(self._reject(raw, [raw["_error"]]))
                continue
            row, reasons, notes = self.row(raw)
            if reasons:
                rejects.append(self._reject(raw, reasons))
            else:
                row |= {"_extra": raw["_extra"], "_notes": ",".join(notes) or None}
                clean.append(row | {"_row": raw["_row"], "_job_id": self.job_id, "_row_hash": self.hash(row.values())})
        kept = {}
        for row in clean:
            key = tuple(row[name] for name in self.rules.duplicates.key)
            if key not in kept or self.rules.duplicates.winner == "last":
                kept[key] = row
        silver, duplicates = [], []
        for row in clean:
            winner = kept[tuple(row[name] for name in self.rules.duplicates.key)]
            if winner is row:
                silver.append(row)
            else:
                duplicates.append({"_row": row["_row"], "kept_row": winner["_row"], "_job_id": self.job_id})
        return silver, rejects, duplicates

    def _reject(self, raw, reasons):
        return {"_row": raw["_row"], "reasons": ",".join(reasons), "record": raw["_record"], "_job_id": self.job_id}

    def row(self, raw):
        """Return the clean cells of one raw row, the reasons that reject it, and notes."""
        wrong = (raw["_types"] or "").split(",")
        country = None
        if self.country_column:
            column = next(c for c in self.rules.columns if c.name == self.country_column)
            country, fault = self._value(column, raw[column.name], wrong, None)
            country = None if fault else country
        row, reasons, notes = {}, [], []
        for column in self.rules.columns:
            value, fault = self._value(column, raw[column.name], wrong, country)
            row[column.name] = None if fault else value
            if fault == "missing":
                if column.missing == "reject":
                    reasons.append(f"{column.name}.missing")
            elif fault:
                (reasons if column.invalid == "reject" else notes).append(f"{column.name}.{fault}")
        return row, reasons, notes

    def _value(self, column, text, wrong, country):
        if column.name in wrong:
            return None, "type"
        text = re.sub(self.rules.text.blank, " ", unicodedata.normalize("NFC", text or "")).strip(" ")
        if not text or (column.placeholders and lower(text) in self.rules.text.placeholders):
            return None, "missing"
        if column.kind in ("phone", "date"):
            return getattr(self, f"_{column.kind}")(text, country)
        return getattr(self, f"_{column.kind}")(text, column)

    def _text(self, text, column):
        return (text, "too_long") if len(text) > column.max_length else (text, None)

    def _identifier(self, text, column):
        if len(text) > column.max_length:
            return None, "too_long"
        return (text, None) if re.fullmatch(self.rules.identifier.pattern, text) else (None, "format")

    def _email(self, text, column):
        rules = self.rules.email
        if len(text) > rules.max_length:
            return None, "too_long"
        if not re.fullmatch(rules.pattern, text):
            return None, "format"
        local, domain = text.rsplit("@", 1)
        if len(local) > rules.max_local or any(len(label) > rules.max_label for label in domain.split(".")):
            return None, "too_long"
        return lower(text), None

    def _country(self, text, column):
        if re.fullmatch("[A-Za-z]{2}", text):
            code = text.upper()
            if code in self.rules.regions or code in self.rules.other_countries:
                return code, None
        for code, region in self.rules.regions.items():
            if lower(text) in region.names:
                return code, None
        return None, "format"

    def _phone(self, text, country):
        rules = self.rules.phone
        international = text.startswith(("+", "00"))
        if international:
            text = text.replace(rules.trunk_zero, "", 1)
        text = re.sub(rules.separators, "", text)
        if not re.fullmatch(rules.digits, text):
            return None, "format"
        if international:
            number = text[1:] if text.startswith("+") else text[2:]
        elif text.startswith("+"):
            return None, "format"
        else:
            region = self.rules.regions.get(country or rules.default_region)
            if region is None:
                return None, "format"
            number = region.calling + text.removeprefix(region.trunk)
        return ("+" + number, None) if re.fullmatch(rules.e164, number) else (None, "format")

    def _number(self, text):
        rules = self.rules.number
        if not re.fullmatch(rules.pattern, text):
            return None, "format"
        if len(text.lstrip("+-").split(".")[0].lstrip("0")) > rules.max_digits:
            return None, "range"
        return Decimal(text), None

    def _ranged(self, value, column):
        if column.minimum is not None and value < column.minimum:
            return None, "range"
        if column.maximum is not None and value > column.maximum:
            return None, "range"
        return value, None

    def _integer(self, text, column):
        value, fault = self._number(text)
        if fault:
            return None, fault
        if not re.fullmatch(self.rules.number.whole, text):
            return None, "format"
        return self._ranged(int(value), column)

    def _money(self, text, column):
        value, fault = self._number(text)
        if fault:
            return None, fault
        whole, _, fraction = text.partition(".")
        value = Decimal(f"{whole}.{fraction[:8] or '0'}").quantize(Decimal(1).scaleb(-column.scale), ROUND_HALF_UP)
        return self._ranged(abs(value) if value == 0 else value, column)

    def _date(self, text, country):
        rules = self.rules.date
        for form in rules.formats:
            found = re.fullmatch(form.pattern, text)
            if not found:
                continue
            parts = [int(g) if g.isdigit() else rules.months.get(lower(g)) for g in found.groups()]
            if None in parts:
                return None, "format"
            first, second, third = parts
            if form.order == "ymd":
                year, month, day = parts
            elif form.order == "dmy":
                day, month, year = parts
            elif form.order == "mdy":
                month, day, year = parts
            else:
                year = third
                month_first = rules.ambiguous == "month_first" or country in rules.month_first_in
                if first > 12:
                    day, month = first, second
                elif second > 12 or month_first:
                    month, day = first, second
                else:
                    day, month = first, second
            try:
                value = dt.date(year, month, day)
            except ValueError:
                # Year 0 is in no calendar of Python's, and far below every range: the fault is the same or "range".
                return None, "range" if year == 0 and self._in_calendar(month, day) else "format"
            return (value, None) if rules.minimum <= value <= rules.maximum else (None, "range")
        return None, "format"

    def _in_calendar(self, month, day):
        try:
            dt.date(2000, month, day)  # the year 0 of the proleptic calendar is a leap year
        except ValueError:
            return False
        return True

    # --- Hashes ---

    def hash(self, cells):
        text = "\x1f".join("\x1e" if cell is None else str(cell) for cell in cells)
        return hashlib.sha256(text.encode()).hexdigest()

    def checksum(self, hashes):
        return f"{sum(int(text[:16], 16) for text in hashes) % 2**64:016x}"

    # --- Gold ---

    def gold(self, silver):
        """Return the six tables as lists of dicts, without lineage but ``_row``."""
        byte_order = lambda text: (text is not None, (text or "").encode())  # noqa: E731
        users = sorted({r["user_id"] for r in silver}, key=byte_order)
        products = sorted({r["product"] for r in silver}, key=byte_order)
        places = sorted({(r["country"], r["city"]) for r in silver}, key=lambda p: (byte_order(p[0]), byte_order(p[1])))
        user_key = {user: at for at, user in enumerate(users, 1)}
        place_key = {place: at for at, place in enumerate(places, 1)}
        last = {r["user_id"]: r for r in silver}
        days = sorted({r["order_date"] for r in silver})
        day_key = {day: int(day.strftime("%Y%m%d")) for day in days}
        facts = [
            {
                "order_key": at,
                "order_id": r["order_id"],
                "user_key": user_key[r["user_id"]],
                "location_key": place_key[r["country"], r["city"]],
                "time_key": day_key[r["order_date"]],
                "product": r["product"],
                "quantity": r["quantity"],
                "unit_price": r["unit_price"],
                "amount": r["quantity"] * r["unit_price"],
                "_row": r["_row"],
            }
            for at, r in enumerate(sorted(silver, key=lambda r: (r["order_id"].encode(), r["_row"])), 1)
        ]
        by_user, by_product = self._grouped(silver, "user_id"), self._grouped(silver, "product")
        return {
            "dim_users": [
                {
                    "user_key": user_key[user],
                    "user_id": user,
                    **{n: last[user][n] for n in ("name", "email", "phone", "age", "signup_date")},
                    "location_key": place_key[last[user]["country"], last[user]["city"]],
                    "_row": last[user]["_row"],
                }
                for user in users
            ],
            "dim_location": [{"location_key": place_key[p], "country": p[0], "city": p[1]} for p in places],
            "dim_time": [
                {
                    "time_key": day_key[day],
                    "date": day,
                    "year": day.year,
                    "quarter": (day.month + 2) // 3,
                    "month": day.month,
                    "day": day.day,
                    "weekday": day.isoweekday(),
                }
                for day in days
            ],
            "fact_orders": facts,
            "agg_user_metrics": [
                {
                    "user_key": user_key[user],
                    "user_id": user,
                    **self._sums(by_user[user]),
                    "first_order": min(r["order_date"] for r in by_user[user]),
                    "last_order": max(r["order_date"] for r in by_user[user]),
                    "products": len({r["product"] for r in by_user[user]}),
                }
                for user in users
            ],
            "agg_product_metrics": [
                {
                    "product_key": at,
                    "product": product,
                    **self._sums(by_product[product]),
                    "buyers": len({r["user_id"] for r in by_product[product]}),
                }
                for at, product in enumerate(products, 1)
            ],
        }

    def _grouped(self, silver, name):
        ordered = sorted(silver, key=lambda r: r[name])
        return {key: list(rows) for key, rows in groupby(ordered, key=lambda r: r[name])}

    def _sums(self, rows):
        return {
            "orders": len(rows),
            "items": sum(r["quantity"] for r in rows),
            "revenue": sum((r["quantity"] * r["unit_price"] for r in rows), Decimal("0.00")),
        }

    def with_lineage(self, table, rows):
        """Return ``rows`` of a Gold table with ``_job_id`` and ``_row_hash``."""
        names = [c.name for c in self.rules.gold[table].columns if not c.name.startswith("_")]
        return [r | {"_job_id": self.job_id, "_row_hash": self.hash([r[name] for name in names])} for r in rows]
