"""Records that are awkward, for every lane."""

import json
from pathlib import Path

from shared.etl.generate import generate_blocks

SAMPLES = Path(__file__).parents[2] / "shared" / "attacks" / "bad_records.jsonl"

BASE = {
    "user_id": "u-1001", "name": "Ada Lovelace", "email": "ada@example.com", "phone": "+14155550101", "age": 36,
    "city": "London", "country": "GB", "signup_date": "2024-01-15", "order_id": "o-5001", "product": "Book",
    "quantity": 2, "unit_price": 12.5, "order_date": "2024-02-01",
}  # fmt: skip

EMAIL_64 = f"{'a' * 64}@example.com"


def awkward(name):
    """Return what people and attackers put into a field, and null."""
    return [*AWKWARD.get(name, []), None]


AWKWARD = {
    "user_id": ["u 1", "../../u-9", "\u00fc-1", "a" * 128, "a" * 129, 17, 17.0, -3, [1], "u-1\u0000"],
    "name": [
        "  A\u0301sa\t\u3000B ", "Na", "null", True, "x" * 201, "\u2028", 5, "\U0001f600" * 200, "\ufb01",
        "\u1e9b\u0323",
    ],
    "email": [
        "A.B@X-y.ORG", EMAIL_64, f"a{EMAIL_64}", f"a@{'b' * 64}.org", f"a@{'b.' * 120}org", ".a@b.org", "a..b@c.org",
        "a@b", "a@-b.org", "a@b-.org", "a@1.2.3.4", "a@xn--p1ai.xn--p1ai", "a@b.c", "\u0130@b.org", "\u212a@b.org",
        '"a"@b.org', "a@b.org\n", "n.a.", "N/A", "\uff41@b.org", False,
    ],
    "phone": [
        "020 7946 0958", "(0)20 7946 0958", "+44 (0)20 7946 0958", "0044(0)2079460958", "tel:+442079460958",
        "(+44)2079460958", "+", "00", "++44", "1" * 15, "1" * 16, "+1234567", "+12345678", 2079460958, "06 1 234 5678",
        "\u2010\u2011\u2013212\u2014555 0199", "\u0660\u0662\u0660", "8 (912) 345-67-89", "+0123456789", "", "-",
        "12.5",
    ],
    "age": [
        "41", "041", " 41 ", "41.0", "41.5", "+41", "-41", 13, 12, 120, 121, 41.0, 1e3, 10**30, -0.0, "1e2", "forty",
        "\u0664\u0661", {}, "NaN",
    ],
    "city": ["", " ", "?", "S\u00e3o\u00a0Paulo", "x" * 101, "\u6771\u4eac", "\u200bX\ufeff", "a\u0001b"],
    "country": [
        "gb", "GB", "UK", "United  Kingdom", "Deutschland", "NA", "XX", "G", "\u0391\u0392", "usa", "m\u00e9xico",
        "me\u0301xico", "M\u00c9XICO", "HU", "RU", "AF",
    ],
    "signup_date": [
        "2024-02-29", "2023-02-29", "03/04/2024", "13/04/2024", "04/13/2024", "13/13/2024", "03-04-2024", "3.4.2024",
        "20240304", "2024-3-4", "1899-12-31", "2100-12-31", "2101-01-01", "0000-01-01", "0000-02-30", "9999-12-31",
    ],
    "order_date": [
        "5 Nov 2023", "5th November, 2023", "05-Nov-2023", "Nov 5, 2023", "November 5 2023", "5 Nox 2023", "tomorrow",
        "Sun, 05 Nov 2023 08:00:00 GMT", "2023-11-05T08:00:00+00:00", "2023-11-05 24:00", "2023-11-05T08:00:00.123456Z",
        "32 Nov 2023", "2023/11/05 23:59", "11/05/2023", "05/11/23", "2023-11-31", 20231105, 1699142400, "1500-06-01",
        "\u0662\u0660\u0662\u0663-\u0661\u0661-\u0660\u0665",
    ],
    "order_id": ["  ", "o-1 ", "o/1", "N/A", 5001, "o-\u0301", "-o", "o" * 129],
    "product": ["=2*3", "<b onclick=alert(1)>Book</b>", "", "N/A", "a  b", "\u0000", "x" * 200, "x" * 201],
    "quantity": [
        1, 0, -3, "2,500", "2.0", "007", 1000000, 1000001, 2**63, 2**64, 1e19, "1" * 15, "1" * 16, "1" * 400, True,
        "\u00bd",
    ],
    "unit_price": [
        "\u20ac9.99", 0, -0.001, "-0.004", "-0.005", 0.005, 0.015, 1.005, "1.004999999999", 9999999.99, 9999999.994,
        9999999.995, "1.", ".5", "1_000", "1e3", 1e-7, 1e22, "0001.10", 12.345, 2**53 + 1,
    ],
}  # fmt: skip


def patched(patch):
    values = {name: unfolded(value) for name, value in patch["set"].items()}
    return {name: value for name, value in (BASE | values).items() if name not in patch["drop"]}


def unfolded(value):
    if isinstance(value, str) and value.startswith("@repeat:"):
        _, character, times = value.split(":")
        return character * int(times)
    return value


def hostile_records():
    """Return every awkward value in a record that is otherwise good, and the shared samples where they are."""
    records = [
        BASE | {"order_id": f"o-{name}-{at}", name: value} for name in BASE for at, value in enumerate(awkward(name))
    ]
    records += [None, 5, [], {}, {"user_id": None}, BASE | {"role": "admin"}]
    if SAMPLES.exists():
        samples = [json.loads(line) for line in SAMPLES.read_text().splitlines()]
        records += [patched(sample["patch"]) for sample in samples if sample["kind"] == "record"]
        records += [record for sample in samples if sample["kind"] == "batch" for record in sample["records"]]
    return records


def generated_datasets(records=150):
    """Return twenty datasets, each with its own seed and share of dirt, and its own users, orders and products."""
    for seed in range(20):
        [block] = generate_blocks(records, seed=seed, dirty=0.04 * seed)
        for record in block:
            for name in ("user_id", "order_id", "product"):
                if isinstance(record.get(name), str):
                    record[name] = f"{record[name]}-{seed}"
        yield block
