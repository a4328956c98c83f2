"""A query as tokens, and a place in them."""

import re

from localhost.services.cosmos.errors import CosmosError, bad_request

MAX_QUERY_LENGTH = 100_000
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    |(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<parameter>@\w+)
    |(?P<word>[A-Za-z_]\w*)
    |(?P<sign><=|>=|!=|<>|\|\||\?\?|[-=<>()\[\],.*+/%&|^~?:{}]))""",
    re.VERBOSE | re.DOTALL,
)


class Cursor:
    """The tokens of one text (kind and text each), read from left to right.

    Raises:
        CosmosError: 400, where the text is not made of tokens.
    """

    def __init__(self, text: str) -> None:
        if len(text) > MAX_QUERY_LENGTH:
            raise bad_request(f"The query is longer than {MAX_QUERY_LENGTH} characters.")
        self.tokens: list[tuple[str, str]] = []
        self.at = 0
        position, end = 0, len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position, end)
            if match is None:
                raise bad_request(f"Syntax error near {text[position : position + 20].strip()!r}.")
            kind = match.lastgroup or ""
            self.tokens.append((kind, match[kind]))
            position = match.end()

    def peek(self) -> tuple[str, str]:
        """Return the kind and text of the next token; both empty at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else ("", "")

    def take(self) -> tuple[str, str]:
        """Return the next token and go past it."""
        token = self.peek()
        self.at += 1
        return token

    def is_word(self, word: str) -> bool:
        """Tell whether the next token is ``word``, in any case."""
        kind, token = self.peek()
        return kind == "word" and token.upper() == word

    def word(self, word: str) -> bool:
        """Go past ``word`` if it is next, and tell whether it was."""
        found = self.is_word(word)
        self.at += found
        return found

    def sign(self, sign: str) -> bool:
        """Go past ``sign`` if it is next, and tell whether it was."""
        found = self.peek() == ("sign", sign)
        self.at += found
        return found

    def name(self) -> str:
        """Go past a name and return it."""
        kind, token = self.take()
        if kind != "word":
            raise bad_request(f"A name was expected near {token!r}.") if token else ended()
        return token

    def need(self, what: str) -> None:
        """Go past ``what``, which must be next."""
        kind, token = self.take()
        if kind not in {"word", "sign"} or token.upper() != what:
            if kind == "sign" and token not in {"(", ")", "[", "]", ","}:
                raise unsupported(f"the operator {token}")
            raise bad_request(f"{what} was expected near {token!r}.") if token else ended()

    def refuse(self, word: str, what: str) -> None:
        """Raise if ``word`` is next: it begins ``what``, which is not supported."""
        if self.is_word(word):
            raise unsupported(what)

    def end(self) -> None:
        """Raise if anything is left."""
        kind, token = self.peek()
        if kind == "sign":
            raise unsupported(f"the operator {token}")
        if kind:
            raise bad_request(f"Syntax error near {token!r}.")


def unsupported(what: str) -> CosmosError:
    return bad_request(
        f"The local Cosmos DB stand-in does not support {what} in queries; "
        "docs/reference/cosmos-stand-in.md lists what it does."
    )


def ended() -> CosmosError:
    return bad_request("Syntax error: the query ends too early.")
