"""Text as the stand-in compares it: folded, and cut into tokens that remember where they stood."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

_QUOTED = (
    r"\"(?P<q1>[^\"]+)\"|“(?P<q2>[^”]+)”|«(?P<q3>[^»]+)»|\u2018(?P<q4>[^\u2019]+)\u2019|(?<!\w)'(?P<q5>.+?)'(?!\w)"
)
_TOKEN = re.compile(
    rf"(?P<quoted>{_QUOTED})"
    r"|(?P<decade>'?\d{2}(?:\d0)?'?s\b)"
    r"|(?P<number>\d+(?:[.,]\d+)*(?:[kKmM]\b)?)"
    r"|(?P<word>[^\W\d_]+(?:['\u2019][^\W\d_]+)?)"
    r"|(?P<mark>[<>]=|\S)"
)
_SPOKEN_IS = frozenset({"what", "who", "how", "when", "where", "let", "it", "that", "there", "here", "which"})

type TokenKind = Literal["quoted", "decade", "number", "word", "mark", "possessive"]


@dataclass(frozen=True, slots=True)
class Token:
    """One word, number, quotation or mark. ``norm`` is what it is compared by."""

    kind: TokenKind
    text: str
    norm: str
    start: int
    end: int

    @property
    def capital(self) -> bool:
        """Whether it is written like the word of a name."""
        return self.kind == "word" and self.text[0].isupper()


def fold(text: str) -> str:
    """Return ``text`` in lower case, without accents, with straight quotes and single spaces."""
    plain = unicodedata.normalize("NFKD", text.replace("\u2019", "'").casefold())
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())


def tokenize(text: str) -> list[Token]:
    """Cut ``text`` into tokens; a quotation is one token, hyphens and underscores only separate."""
    tokens: list[Token] = []
    for match in _TOKEN.finditer(text):
        kind, start, end = match.lastgroup, match.start(), match.end()
        raw = match.group()
        if match.group("quoted"):
            inner = next(
                value for name, value in match.groupdict().items() if name[0] == "q" and name != "quoted" and value
            )
            tokens.append(Token("quoted", inner.strip(), fold(inner), start, end))
        elif match.group("word"):
            tokens += _words(raw, start)
        elif match.group("decade") or match.group("number"):
            tokens.append(Token("decade" if match.group("decade") else "number", raw, fold(raw), start, end))
        elif kind and raw not in "-_¿¡*`":
            tokens.append(Token("mark", raw, raw, start, end))
    return tokens


def _words(raw: str, start: int) -> list[Token]:
    norm = fold(raw)
    end = start + len(raw)
    head, _, tail = norm.partition("'")
    if not tail:
        return [Token("word", raw, norm, start, end)]
    if norm.endswith("n't"):
        return [Token("word", raw, "not", start, end)]
    if tail == "s" and head not in _SPOKEN_IS:
        cut = start + len(raw) - 2
        return [Token("word", raw[:-2], head, start, cut), Token("possessive", raw[-2:], "'s", cut, end)]
    return [Token("word", raw, head if tail == "s" else head + tail, start, end)]
