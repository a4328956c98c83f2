"""Numbers as people write them: 10,000, 10.000, 10k, 1.5 million, un millón, dos y medio, the nineties."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from localhost.services.model.text import Token, fold

_DIGITS = re.compile(r"(\d+(?:[.,]\d+)*)([km]?)$")
_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?$")
_THOUSANDS_ES = re.compile(r"\d{1,3}(\.\d{3})+(,\d+)?$")
_YEARS = range(1850, 2101)


def _numbered(words: str, first: int = 1, step: int = 1) -> dict[str, int]:
    return {fold(word): first + step * i for i, word in enumerate(words.split())}


_ONES = {
    "en": _numbered(
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen"
    )
    | {"dozen": 12},
    "es": _numbered(
        "uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete "
        "dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco"
    )
    | {"docena": 12},
}
_TENS = {
    "en": _numbered("twenty thirty forty fifty sixty seventy eighty ninety", 20, 10),
    "es": _numbered("veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa", 20, 10),
}
_SCALES = {
    "en": {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "millions": 1_000_000, "k": 1_000},
    "es": {
        "cien": 100,
        "ciento": 100,
        "mil": 1_000,
        "millon": 1_000_000,
        "millones": 1_000_000,
        "k": 1_000,
    }
    | _numbered("doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos", 200, 100)
    | _numbered("doscientas trescientas cuatrocientas quinientas seiscientas setecientas ochocientas", 200, 100),
}
_SAID_DECADES = _numbered("twenties thirties forties fifties sixties seventies eighties nineties", 1920, 10)
_DECADE_LEADS = (
    ("decada", "de", "los", "anos"), ("decada", "de", "los"), ("decada", "de"), ("decada", "del"),
    ("de", "los", "anos"), ("de", "los"), ("los", "anos"), ("anos",), ("los",),
)  # fmt: skip
_LOOSE_LEADS = frozenset({("los",), ("de", "los")})
_AFTER_DECADE = frozenset(
    fold(word) for word in "y o e a con hasta vs frente que fue fueron son hay por en según tuvo tuvieron".split()
)
_HALF = {"en": {"half"}, "es": {"medio", "media"}}
_ARTICLES = {"en": {"a", "an", "one", "half"}, "es": {"un", "una", "medio"}}


@dataclass(frozen=True, slots=True)
class Number:
    """A number, how many tokens said it, and whether it can be read as a year."""

    value: float
    size: int
    year: bool = False


def read_number(tokens: Sequence[Token], language: str) -> Number | None:
    """Return the number that ``tokens`` begin with, or None."""
    if not tokens:
        return None
    first = tokens[0]
    if first.kind == "number":
        value = _digits(first.norm, language)
        year = first.norm.isdigit() and int(value) in _YEARS
        return _scaled(value, 1, tokens, language, year=year)
    if first.kind != "word":
        return None
    if first.norm in _ARTICLES[language] and len(tokens) > 1 and (scale := _SCALES[language].get(_next(tokens, 1))):
        # "a million", "un millón", "medio millón"; "one hundred" is read below as well
        return Number(scale * (0.5 if first.norm in _HALF[language] else 1), 2)
    if first.norm == "half" and [t.norm for t in tokens[1:3]] == ["a", "million"]:
        return Number(500_000, 3)
    return _spelled(tokens, language)


def read_decade(tokens: Sequence[Token], language: str) -> Number | None:
    """Return the first year of the decade that ``tokens`` begin with: 1990s, '90s, nineties, años 90."""
    first = tokens[0]
    if first.kind == "decade":
        return Number(_decade(int(re.sub(r"\D", "", first.norm))), 1)
    if first.norm in _SAID_DECADES:
        return Number(_SAID_DECADES[first.norm], 1)
    if language != "es":
        return None
    norms = [token.norm for token in tokens[:6]]
    for lead in _DECADE_LEADS:
        size = len(lead)
        if tuple(norms[:size]) != lead or size >= len(tokens):
            continue
        said = tokens[size]
        if said.norm.isdigit() and len(said.norm) in (2, 4) and int(said.norm) % 10 == 0:
            if lead in _LOOSE_LEADS and not _stands_alone(tokens, size):
                continue
            return Number(_decade(int(said.norm)), size + 1)
        if said.norm in _TENS["es"] and lead != ("decada", "de"):
            return Number(_decade(_TENS["es"][said.norm]), size + 1)
    return None


def _stands_alone(tokens: Sequence[Token], at: int) -> bool:
    """Whether "los 90" is a decade and not the number of something: "los 90 directores"."""
    said, follower = tokens[at].norm, _next(tokens, at + 1)
    if (len(said) == 4 and said != "2000") or int(said) == 10:
        return False
    return not follower.isalpha() or follower in _AFTER_DECADE


def _decade(said: int) -> int:
    if said >= 100:
        return said - said % 10
    return (1900 if said >= 20 else 2000) + said - said % 10


def _digits(norm: str, language: str) -> float:
    matched = _DIGITS.match(norm)
    assert matched is not None  # the token is a number  # noqa: S101 - the tokenizer's promise
    digits, suffix = matched.groups()
    if _THOUSANDS.match(digits):
        digits = digits.replace(",", "")
    elif _THOUSANDS_ES.match(digits) and (language == "es" or digits.count(".") > 1 or digits.endswith(".000")):
        digits = digits.replace(".", "").replace(",", ".")
    else:
        digits = digits.replace(",", ".")
        whole, _, fraction = digits.rpartition(".")
        digits = f"{whole.replace('.', '')}.{fraction}" if whole else digits
    return float(digits) * {"k": 1_000, "m": 1_000_000, "": 1}[suffix]


def _next(tokens: Sequence[Token], index: int) -> str:
    return tokens[index].norm if index < len(tokens) else ""


def _scaled(value: float, size: int, tokens: Sequence[Token], language: str, *, year: bool = False) -> Number:
    while (scale := _SCALES[language].get(_next(tokens, size))) and scale >= 1_000:
        value, size, year = value * scale, size + 1, False
    return Number(value, size, year)


def _spelled(tokens: Sequence[Token], language: str) -> Number | None:
    """Read number words: "twenty five", "ten thousand", "treinta y cinco", "dos mil"."""
    ones, tens, scales = _ONES[language], _TENS[language], _SCALES[language]
    total, current, size, said = 0.0, 0.0, 0, False
    while size < len(tokens):
        word = tokens[size].norm
        if word in tens or word in ones:
            current += tens.get(word) or ones[word]
        elif word in scales and (said or language == "es"):
            scale = scales[word]
            if scale < 1_000 and language == "es":
                current += scale
            else:
                current = (current or 1) * scale
                if scale >= 1_000:
                    total, current = total + current, 0
        elif not (word in {"y", "and"} and said and _next(tokens, size + 1) in ones and current and current % 10 == 0):
            break
        said = True
        size += 1
    return Number(total + current, size) if said else None
