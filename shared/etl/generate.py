"""Synthetic users and their orders, dirty on purpose: the same seed gives the same bytes, on every machine.

Every value is a function of the seed and of its place (splitmix64, which needs no state), so records are made in
blocks, and a thousand orders of one user agree on who that user is.
"""

from collections.abc import Callable, Iterator
from typing import Any

from shared.etl.arrow import numpy

BLOCK = 20_000
ORDERS_PER_USER = 8
RESENT_PERCENT = 3

_PLACES = (
    ("US", ("New York", "Austin", "Seattle", "Denver")),
    ("GB", ("London", "Leeds", "Bristol")),
    ("DE", ("Berlin", "München", "Hamburg")),
    ("FR", ("Paris", "Lyon")),
    ("ES", ("Madrid", "Málaga")),
    ("IN", ("Pune", "Delhi", "Mumbai")),
    ("BR", ("Recife", "São Paulo")),
    ("JP", ("Osaka", "Tokyo")),
)
_FIRST = "Ana Ben Chloé Dev Eva Finn Gita Hugo Inés Jon Kira Łukasz Maja Nils Omar Pia Quinn Rosa Søren Tara".split()
_LAST = (
    "Adams Brown Costa Durán Evans Fischer García Horvat Ito Jensen Kovač Lopez Meyer Novák Olsen Patel Rossi".split()
)
_KINDS = "Basic Pro Max Eco Mini".split()
_THINGS = "Lamp Chair Desk Phone Mouse Cable Bottle Bag Watch Speaker".split()
_HOSTS = ("example.com", "mail.example.org", "corp.example.net")
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_ACCENTS = str.maketrans("éáíčćłøñ", "eaicclon")

type Record = dict[str, Any]


def generate_blocks(count: int, *, seed: int = 0, dirty: float = 0.1) -> Iterator[list[Record]]:
    """Return ``count`` records in blocks; about ``dirty`` of them break a rule or lack a value."""
    for first in range(0, count, BLOCK):
        yield _block(first, min(BLOCK, count - first), count, seed, dirty)


def generate_json_lines(count: int, *, seed: int = 0, dirty: float = 0.1) -> Iterator[bytes]:
    """Return the same as JSON Lines, in blocks."""
    import orjson

    for block in generate_blocks(count, seed=seed, dirty=dirty):
        yield b"".join([orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in block])


def generate_json(count: int, *, seed: int = 0, dirty: float = 0.1) -> Iterator[bytes]:
    """Return the same as one JSON array, in blocks."""
    import orjson

    opening = b"["
    for block in generate_blocks(count, seed=seed, dirty=dirty):
        yield opening + orjson.dumps(block)[1:-1]
        opening = b","
    yield b"]" if count else b"[]"


def _block(first: int, size: int, count: int, seed: int, dirty: float) -> list[Record]:
    np = numpy()

    rows = np.arange(first, first + size, dtype=np.uint64)
    back = _draw(seed, 1, rows) % 50 + 1
    resent = (_draw(seed, 2, rows) % 100 < RESENT_PERCENT) & (rows >= back)
    orders = np.where(resent, rows - np.where(resent, back, 0), rows)
    users = _draw(seed, 3, orders) % max(1, count // ORDERS_PER_USER)
    draws = {
        name: _draw(seed, at, orders).tolist() for at, name in enumerate(("item", "price", "day", "style", "many"), 4)
    }
    people = {user: _person(user, *values) for user, *values in _people(np.unique(users), seed)}

    made: list[Record] = []
    columns = zip(orders.tolist(), users.tolist(), resent.tolist(), *draws.values(), strict=True)
    for order, user, again, item, price, day, style, many in columns:
        record = {
            **people[user],
            "order_id": f"o-{order:08d}",
            "product": f"{_KINDS[item % 5]} {_THINGS[item // 5 % 10]}",
            "quantity": (many + again) % 9 + 1,
            "unit_price": (price % 90_000 + 100) / 100,
            "order_date": _date(2023 + day % 3, day // 3 % 12 + 1, day // 36 % 28 + 1, style),
        }
        if style >> 8 & 7 == 0:  # one mail address in eight as people type it
            record["email"] = f" {record['email'].upper()} "
        made.append(record)
    _spoil(made, _draw(seed, 9, rows).tolist(), dirty)
    return made


def _people(users: Any, seed: int) -> Iterator[tuple[int, ...]]:
    return zip(users.tolist(), *(_draw(seed, 20 + at, users).tolist() for at in range(4)), strict=True)


def _person(user: int, name: int, place: int, phone: int, when: int) -> Record:
    first, last = _FIRST[name % 20], _LAST[name // 20 % 17]
    country, cities = _PLACES[place % 8]
    address = f"{first}.{last}{user}".lower().translate(_ACCENTS)
    return {
        "user_id": f"u-{user:06d}",
        "name": f"{first} {last}",
        "email": f"{address}@{_HOSTS[name // 340 % 3]}",
        "phone": _phone(country, phone),
        "age": 13 + when % 78,
        "city": cities[place // 8 % len(cities)],
        "country": country,
        "signup_date": _date(2015 + when // 78 % 8, when // 624 % 12 + 1, when // 7488 % 28 + 1, place // 64),
    }


def _phone(country: str, draw: int) -> str:
    digits = f"{20 + draw % 70}{draw // 70 % 10**7:07d}{draw // 10**9 % 10}"
    style = draw >> 40 & 3
    if style == 0 and country == "US":
        return f"({digits[:3]}) {digits[3:6]}-{digits[6:]}"
    if style == 0:
        return f"0{digits[:2]} {digits[2:6]} {digits[6:]}" if country != "ES" else digits[:9]
    code = {"US": "1", "GB": "44", "DE": "49", "FR": "33", "ES": "34", "IN": "91", "BR": "55", "JP": "81"}[country]
    return (f"+{code}{digits}", f"+{code} {digits[:2]} {digits[2:6]}-{digits[6:]}", f"00{code}{digits}")[style - 1]


def _date(year: int, month: int, day: int, style: int) -> str:
    match style & 7:
        case 4:
            return f"{day:02d}/{month:02d}/{year}"
        case 5:
            return f"{_MONTHS[month - 1]} {day}, {year}"
        case 6:
            return f"{year}/{month:02d}/{day:02d}"
        case 7:
            return f"{year}-{month:02d}-{day:02d}T{style >> 3 & 15:02d}:30:00Z"
        case _:
            return f"{year}-{month:02d}-{day:02d}"


def _spoil(records: list[Record], draws: list[int], dirty: float) -> None:
    limit = int(dirty * 2**32)
    for record, draw in zip(records, draws, strict=True):
        if draw & 0xFFFFFFFF < limit:
            field, spoilt = _DEFECTS[(draw >> 32) % len(_DEFECTS)]
            record[field] = spoilt(record[field])


_DEFECTS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("email", lambda _: "not-an-email"),
    ("email", lambda email: email.replace("@", "@@")),
    ("email", lambda _: None),
    ("phone", lambda _: "call me"),
    ("phone", lambda _: "12345"),
    ("phone", lambda _: ""),
    ("age", lambda _: 7),
    ("age", lambda _: 150),
    ("age", str),
    ("age", lambda _: "unknown"),
    ("age", lambda _: None),
    ("city", lambda city: f"  {city}  "),
    ("city", lambda _: None),
    ("country", lambda _: "Atlantis"),
    ("country", lambda country: country.lower()),
    ("name", lambda _: "   "),
    ("signup_date", lambda _: "31/02/2022"),
    ("signup_date", lambda _: "not a date"),
    ("order_date", lambda _: "yesterday"),
    ("order_date", lambda _: None),
    ("order_date", lambda _: "2023-13-45"),
    ("quantity", lambda _: 0),
    ("quantity", lambda quantity: -quantity),
    ("quantity", str),
    ("unit_price", lambda price: f"€{price}"),
    ("unit_price", lambda price: f"{price:.2f}"),
    ("unit_price", lambda _: None),
    ("user_id", lambda _: None),
    ("order_id", lambda _: "  "),
    ("product", lambda _: ""),
)


def _draw(seed: int, field: int, places: Any) -> Any:
    """Return one 64-bit number for each place (splitmix64)."""
    np = numpy()

    start = np.uint64((seed * 0x9E3779B97F4A7C15 + field * 0xD1B54A32D192ED03) % 2**64)
    mixed = places * np.uint64(0x9E3779B97F4A7C15) + start
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
